"""The operations of a jaxpr on NumPy arrays, where nothing has to be compiled and shapes may change.

An intervention runs a part of a program thousands of times, each time with another value in it, sometimes with another
shape. Arrays follow NumPy's broadcasting; floating numbers keep the precision that they come in.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from string import ascii_letters
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ._call import Same
from ._trace import After, as_it_is, Equation, Literal, Program
from ._windows import (
    convolution,
    dynamic_slice,
    dynamic_update_slice,
    gather,
    pad,
    scatter,
)


_SLOW_ALONE = ("pallas_call", "shard_map")
"""What JAX compiles anew each time that it runs by itself."""


@lru_cache(maxsize=64)
def _compiled(equation: Same) -> Callable[..., list[Any]]:
    return jax.jit(equation.value.bind)


def evaluated(equation: Equation, inputs: list[np.ndarray]) -> list[np.ndarray]:
    """The results of `equation`; what has no entry in the table below, or declines, is left to JAX.

    Raises:
      Exception: the shapes do not fit. Which exception it is depends on the operation.
    """
    with np.errstate(all="ignore"):
        return applied(equation, inputs)


def applied(equation: Equation, inputs: list[np.ndarray]) -> list[np.ndarray]:
    """As `evaluated`, where NumPy is silent already about numbers that are not finite: to ask for it takes longer than
    a small operation does.
    """
    operation = _OPERATIONS.get(equation.name)
    results = NotImplemented
    # Of complex numbers NumPy and JAX hold different views: which is greater, what the sign is, how one becomes real.
    if operation is not None and not any(value.dtype.kind in "Oc" for value in inputs):
        results = operation(equation.params, *inputs)
    if results is NotImplemented:
        with jax.enable_x64(True):
            bind = _compiled(Same(equation)) if equation.name in _SLOW_ALONE else equation.bind
            return [_held(result) for result in bind(*map(_released, inputs))]
    return list(results) if isinstance(results, list) else [np.asarray(results)]


def computed(program: Program, arrays: Sequence[Any], after: After = as_it_is) -> dict[int, np.ndarray]:
    """The value of every variable of a program, each result passed through `after`."""
    values = dict(zip(program.inputs, map(_held, arrays), strict=True))
    values |= {variable: _held(const) for variable, const in program.constants.items()}
    with np.errstate(all="ignore"):
        for equation in program.equations:
            inputs = [atom.value if isinstance(atom, Literal) else values[atom] for atom in equation.inputs]
            results = [after(result, equation, inputs) for result in applied(equation, inputs)]
            values.update(zip(equation.outputs, results, strict=True))
    return values


def _held(array: Any) -> np.ndarray:
    """An array of NumPy's; random keys, for which NumPy has no dtype, are held in one as an object."""
    if not jnp.issubdtype(array.dtype, jax.dtypes.extended):
        return np.asarray(array)
    box = np.empty((), object)
    box[()] = array
    return box


def _released(array: np.ndarray) -> Any:
    return array.item() if array.dtype == object else jax.device_put(array)


def _broadcast(params: dict[str, Any], operand: Any, *_: Any) -> Any:
    shape, axes = list(params["shape"]), params["broadcast_dimensions"]
    if operand.ndim == len(axes):
        expanded = [1] * len(shape)
        for axis, size in zip(axes, operand.shape, strict=True):
            expanded[axis] = size
            shape[axis] = shape[axis] if size == 1 else size  # which may be another one than was traced
        operand = operand.reshape(expanded)
    elif operand.ndim == len(shape):  # a sum that kept its axes already
        return operand
    return np.broadcast_to(operand, shape if operand.ndim <= len(shape) else operand.shape)


def _reshape(params: dict[str, Any], operand: Any, *_: Any) -> Any:
    shape = params["new_sizes"]
    if params["dimensions"] is not None:
        operand = operand.transpose(params["dimensions"])
    if operand.size == np.prod(shape, dtype=int):
        return operand.reshape(shape)
    sizes = [size for size in operand.shape if size != 1]
    if len(sizes) != sum(size != 1 for size in shape):
        return operand
    rest = iter(sizes)  # axes of size 1 that come and go, as in `d.reshape(-1, 1)`
    return operand.reshape([size if size == 1 else next(rest) for size in shape])


def _dot_general(params: dict[str, Any], lhs: Any, rhs: Any) -> Any:
    contract, (batch, _) = params["dimension_numbers"]
    if not batch:
        return np.tensordot(lhs, rhs, contract)
    left, right, product = named_axes(params, lhs.ndim, rhs.ndim)
    return np.einsum(f"{left},{right}->{product}", lhs, rhs, optimize=True)


def named_axes(params: dict[str, Any], lhs: int, rhs: int) -> tuple[str, str, str]:
    """The letters of `einsum` for the axes of the operands of a matrix product, so many each, and of its result."""
    (lhs_contract, rhs_contract), (lhs_batch, rhs_batch) = params["dimension_numbers"]
    names = iter(ascii_letters)
    left, right = [next(names) for _ in range(lhs)], [next(names) for _ in range(rhs)]
    for mine, other in zip((*lhs_batch, *lhs_contract), (*rhs_batch, *rhs_contract), strict=True):
        right[other] = left[mine]
    batch = [left[axis] for axis in lhs_batch]
    free = [name for axis, name in enumerate(left) if axis not in (*lhs_batch, *lhs_contract)]
    free += [name for axis, name in enumerate(right) if axis not in (*rhs_batch, *rhs_contract)]
    return "".join(left), "".join(right), "".join(batch + free)


def _select(params: dict[str, Any], which: Any, *cases: Any) -> Any:
    del params
    if len(cases) == 2:
        return np.where(which, cases[1], cases[0])
    return np.choose(which, cases)


def _convert(params: dict[str, Any], operand: Any, *_: Any) -> Any:
    dtype = params["new_dtype"]
    if jnp.issubdtype(dtype, jnp.floating):
        # A formula is judged in float64: a cast to fewer digits is a matter of the numbers.
        return operand if operand.dtype.kind == "f" else operand.astype(np.float64)
    if jnp.issubdtype(dtype, jnp.complexfloating):
        return operand.astype(np.complex128)
    return operand.astype(dtype)


def _iota(params: dict[str, Any], *_: Any) -> Any:
    shape, axis = params["shape"], params["dimension"]
    line = np.arange(shape[axis], dtype=params["dtype"]).reshape([-1 if a == axis else 1 for a in range(len(shape))])
    return np.broadcast_to(line, shape)


def _split(params: dict[str, Any], operand: Any) -> Any:
    return np.split(operand, np.cumsum(params["sizes"])[:-1], params["axis"])


def _logistic(z: Any) -> Any:
    return np.where(z >= 0, 1 / (1 + np.exp(-np.abs(z))), np.exp(-np.abs(z)) / (1 + np.exp(-np.abs(z))))


def _reduced(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda params, operand: function(operand, axis=tuple(params["axes"]))


def _totalled(function: Callable[..., Any]) -> Callable[..., Any]:
    """As `_reduced`, where NumPy would sum up integers in a wider dtype."""
    return lambda params, operand: function(operand, axis=tuple(params["axes"]), dtype=operand.dtype)


def _plain(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda params, *operands: function(*operands)


_OPERATIONS: dict[str, Callable[..., Any]] = {
    "add": _plain(np.add),
    "add_any": _plain(np.add),
    "sub": _plain(np.subtract),
    "mul": _plain(np.multiply),
    "div": lambda params, a, b: np.divide(a, b) if a.dtype.kind == "f" else (a / b).astype(a.dtype),
    "neg": _plain(np.negative),
    "exp": _plain(np.exp),
    "exp2": _plain(np.exp2),
    "log": _plain(np.log),
    "log1p": _plain(np.log1p),
    "expm1": _plain(np.expm1),
    "tanh": _plain(np.tanh),
    "sin": _plain(np.sin),
    "cos": _plain(np.cos),
    "cosh": _plain(np.cosh),
    "sinh": _plain(np.sinh),
    "logistic": _plain(_logistic),
    "sqrt": _plain(np.sqrt),
    "rsqrt": lambda params, x: 1 / np.sqrt(x),
    "abs": _plain(np.abs),
    "sign": _plain(np.sign),
    "square": _plain(np.square),
    "integer_pow": lambda params, x: x ** float(params["y"]) if params["y"] < 0 else x ** params["y"],
    "pow": _plain(np.power),
    "max": _plain(np.maximum),
    "min": _plain(np.minimum),
    "clamp": lambda params, low, x, high: np.clip(x, low, high),
    "gt": _plain(np.greater),
    "ge": _plain(np.greater_equal),
    "lt": _plain(np.less),
    "le": _plain(np.less_equal),
    "eq": _plain(np.equal),
    "ne": _plain(np.not_equal),
    "and": _plain(np.bitwise_and),
    "or": _plain(np.bitwise_or),
    "not": _plain(np.invert),
    "is_finite": _plain(np.isfinite),
    "select_n": _select,
    "stop_gradient": _plain(np.asarray),
    "copy": _plain(np.asarray),
    "copy_p": _plain(np.asarray),
    "name": _plain(np.asarray),
    "optimization_barrier": _plain(np.asarray),
    "convert_element_type": _convert,
    "broadcast_in_dim": _broadcast,
    "reshape": _reshape,
    "squeeze": lambda params, x: np.squeeze(x, tuple(params["dimensions"])),
    "expand_dims": lambda params, x: np.expand_dims(x, tuple(params["dimensions"])),
    "transpose": lambda params, x: np.transpose(x, params["permutation"]),
    "dot_general": _dot_general,
    "concatenate": lambda params, *parts: np.concatenate(parts, params["dimension"]),
    "index": lambda params, x: x[params["index"]],
    "stack": lambda params, *parts: np.stack(parts, params["axis"]),
    "slice": lambda params, x: x[
        tuple(map(slice, params["start_indices"], params["limit_indices"], params["strides"] or (None,) * x.ndim))
    ],
    "split": _split,
    "tile": lambda params, x: np.tile(x, params["reps"]),
    "pad": pad,
    "gather": gather,
    "scatter": scatter(None),
    "scatter-add": scatter(np.add),
    "scatter-mul": scatter(np.multiply),
    "scatter-min": scatter(np.minimum),
    "scatter-max": scatter(np.maximum),
    "dynamic_slice": dynamic_slice,
    "dynamic_update_slice": dynamic_update_slice,
    "conv_general_dilated": convolution,
    "iota": _iota,
    "argmax": lambda params, x: np.argmax(x, params["axes"][0]).astype(params["index_dtype"]),
    "rev": lambda params, x: np.flip(x, params["dimensions"]),
    "reduce_sum": _totalled(np.sum),
    "reduce_max": _reduced(np.max),
    "reduce_min": _reduced(np.min),
    "reduce_prod": _totalled(np.prod),
    "reduce_and": _reduced(np.all),
    "reduce_or": _reduced(np.any),
}
