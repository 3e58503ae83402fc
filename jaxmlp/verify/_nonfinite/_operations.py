"""What an operation on numbers is called, how it is written, and why it gives NaN, inf, zero or exactly one."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple


class Cause(NamedTuple):
    """Why an operation gives what it gives, a short name, and which of its operands to look at next."""

    reason: str
    follow: tuple[int, ...] = ()


# How the operations of one element are called, and written.
_ELEMENTWISE = {
    "add": ("add", "{} + {}"),
    "add_any": ("add", "{} + {}"),
    "sub": ("subtract", "{} - {}"),
    "mul": ("multiply", "{} * {}"),
    "div": ("divide", "{} / {}"),
    "rem": ("remainder", "{} % {}"),
    "pow": ("power", "{} ** {}"),
    "integer_pow": ("power", "{} ** {y}"),
    "square": ("square", "{} ** 2"),
    "neg": ("negate", "-({})"),
    "max": ("maximum", "max({}, {})"),
    "min": ("minimum", "min({}, {})"),
    "clamp": ("clip", "min(max({1}, {0}), {2})"),
    "logistic": ("sigmoid", "sigmoid({})"),
    "rsqrt": ("1 / sqrt", "1 / sqrt({})"),
    "atan2": ("atan2", "atan2({}, {})"),
    "nextafter": ("nextafter", "nextafter({}, {})"),
    "convert_element_type": ("convert", "{new_dtype}({})"),
    "reduce_precision": ("round", "rounded({})"),
} | {
    name: (name, name + "({})")
    for name in (
        *("exp", "exp2", "expm1", "log", "log1p", "sqrt", "cbrt", "tanh", "abs", "sign", "floor", "ceil", "round"),
        *("sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "asinh", "acosh", "atanh"),
        *("erf", "erfc", "erf_inv", "lgamma", "digamma"),
    )
}

# Operations that only move numbers.
MOVING = frozenset(
    {
        *("broadcast_in_dim", "reshape", "transpose", "squeeze", "expand_dims", "slice", "dynamic_slice", "rev"),
        *("concatenate", "pad", "gather", "select_n", "copy", "copy_p", "index", "stack", "split", "name"),
        "stop_gradient",
    }
)

_WORDS = {
    "dot_general": "matrix product",
    "conv_general_dilated": "convolution",
    "reduce_sum": "sum",
    "reduce_prod": "product",
    "reduce_max": "largest of",
    "reduce_min": "smallest of",
    "cumsum": "running sum",
    "cumprod": "running product",
    "cumlogsumexp": "running logsumexp",
    "scatter_add": "sum at indices",
    "scatter-add": "sum at indices",
    "while": "while loop",
}

_SUMS = ("add", "add_any", "sub")
_OF_POSITIVE = ("log", "log1p", "sqrt", "rsqrt", "pow")
_SATURATES = ("logistic", "tanh", "erf", "exp")


def is_elementwise(name: str) -> bool:
    """Whether an element of the result depends on that element of each operand alone."""
    return name in _ELEMENTWISE


def word(name: str) -> str:
    """An operation in a word."""
    return _ELEMENTWISE[name][0] if name in _ELEMENTWISE else _WORDS.get(name, name.replace("_", " "))


def written(name: str, params: dict[str, Any], operands: Sequence[float]) -> str:
    """An operation of one element as it is written, on the values of its operands."""
    texts = [number(value) for value in operands]
    texts = [f"({text})" if text.startswith("-") and name.endswith("pow") else text for text in texts]
    return _ELEMENTWISE[name][1].format(*texts, **params)


def number(value: float) -> str:
    """A number in six digits, or in all of them where six would make another 0 or 1 of it."""
    value = float(value)
    if math.isnan(value):
        return "NaN"
    text = f"{value:.6g}"
    return text if float(text) == value or float(text) not in (0.0, 1.0, -1.0) else repr(value)


def cause(name: str, operands: Sequence[float], result: float) -> Cause:
    """Why `result` comes out of the operation `name` on `operands`."""
    if math.isnan(result):
        return _of_nan(name, operands)
    if math.isinf(result):
        return _of_inf(name, operands)
    if result == 0:
        return _of_zero(name, operands)
    return _of_one(name, operands) if abs(result) == 1 else Cause("value")


def _of_nan(name: str, operands: Sequence[float]) -> Cause:
    infinite = tuple(i for i, value in enumerate(operands) if math.isinf(value))
    if nan := tuple(i for i, value in enumerate(operands) if math.isnan(value)):
        return Cause("carried", nan[:1])
    if name == "mul" and infinite:
        return Cause("zero-times-inf", (0, 1))
    if name == "div":
        return Cause("inf-by-inf" if infinite else "zero-by-zero", (0, 1))
    if name in _SUMS and infinite:
        return Cause("inf-minus-inf", (0, 1))
    return Cause("negative" if name in _OF_POSITIVE and operands[0] < 0 else "undefined", infinite)


def _of_inf(name: str, operands: Sequence[float]) -> Cause:
    if infinite := tuple(i for i, value in enumerate(operands) if math.isinf(value)):
        return Cause("carried", infinite)
    if name == "div" and operands[1] == 0:
        return Cause("division-by-zero", (1,))
    if name in ("rsqrt", "pow", "integer_pow") and operands[0] == 0:
        return Cause("division-by-zero", (0,))
    if (name, operands[0]) in (("log", 0), ("log1p", -1)):
        return Cause("log-of-zero", (0,))
    return Cause("pole" if name in ("atanh", "erf_inv", "lgamma", "digamma") else "overflow")


def _of_zero(name: str, operands: Sequence[float]) -> Cause:
    zeros = tuple(i for i, value in enumerate(operands) if value == 0)
    if name in ("exp", "exp2", "logistic"):
        return Cause("underflow")
    if name in ("max", "min", "clamp"):
        return Cause("cut")
    if name == "div":
        if operands[0] == 0:
            return Cause("carried", (0,))
        return Cause("by-inf", (1,)) if math.isinf(operands[1]) else Cause("underflow")
    if name in _SUMS and not zeros:
        return Cause("cancelled", tuple(i for i, value in enumerate(operands) if abs(value) == 1))
    if name in ("log", "erfc", "acosh") or zeros:
        return Cause("carried", zeros[:1] or (0,))
    return Cause("underflow")


def _of_one(name: str, operands: Sequence[float]) -> Cause:
    if name in _SATURATES:
        return Cause("saturated")
    ones = tuple(i for i, value in enumerate(operands) if abs(value) == 1)
    small = tuple(i for i, value in enumerate(operands) if 0 < abs(value) < 1)
    if name in _SUMS and ones and small:
        return Cause("absorbed", small)
    return Cause("carried", ones)
