"""A program of arrays as a program of single numbers.

While it is traced, an array is a NumPy array of scalars: what only moves numbers is done by NumPy then, and leaves
arithmetic alone. The terms of a sum are added in their order.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial, reduce
from itertools import islice, product, repeat
from math import prod
from typing import Any

import numpy as np
from jax import lax
from jax.extend.core import jaxpr_as_fun, Literal

from ._launch import alike
from ._program import bind, Program, traced, variables


def program_of_numbers(function: Callable[..., Any], *args: Any) -> tuple[Program, dict[Any, np.ndarray]]:
    """The program of `function(*args)` for `in_numbers`, and those of its variables whose numbers are known."""
    program = traced(function, *args, rule=_calls_inlined)
    known = _absorbed(program.equations)
    program = replace(program, equations=tuple(e for e in program.equations if known.keys().isdisjoint(e.outvars)))
    needed = set(map(id, program.needed_for(program.outputs)))
    return replace(program, equations=tuple(e for e in program.equations if id(e) in needed or e.effects)), known


def _calls_inlined(equation: Any, *inputs: Any) -> list[Any]:
    """Functions with a derivative of their own become what they compute: nothing is differentiated any more."""
    if equation.primitive.name not in ("custom_jvp_call", "custom_vjp_call"):
        return bind(equation, *inputs)
    return traced(jaxpr_as_fun(equation.params["call_jaxpr"]), *inputs, rule=_calls_inlined).run(*inputs)


def _absorbed(equations: Iterable[Any]) -> dict[Any, Any]:
    """The variables that are `(bits | c) & c`, which is c whatever the bits: what `once` divides by."""
    found, of_or = {}, {}
    for equation in equations:
        name = equation.primitive.name
        if name in ("or", "and"):
            (out,) = equation.outvars
            numbers = {int(atom.val) for atom in equation.invars if isinstance(atom, Literal)}
            same = [c for atom in variables(equation.invars) for c in numbers & of_or.get(atom, set())]
            if name == "or":
                of_or[out] = numbers
            elif same:
                found[out] = array_of(out.aval.shape, repeat(out.aval.dtype.type(same[0])))
    return found


def array_of(shape: tuple[int, ...], numbers: Iterable[Any]) -> np.ndarray:
    """The next of the numbers as an array of scalars."""
    size = prod(shape)
    return np.fromiter(islice(numbers, size), object, size).reshape(shape)


def numbers_of(atom: Any, value: Any) -> np.ndarray:
    """The value of an atom in numbers; a literal's has the dtype of its type."""
    if not isinstance(atom, Literal):
        return value
    aval: Any = atom.aval
    return array_of(aval.shape, repeat(np.asarray(value, aval.dtype)[()]))


def in_numbers(equation: Any, *inputs: Any) -> list[Any]:
    """The equation's outputs, each of its operations on single numbers carried out for itself."""
    name = equation.primitive.name
    arrays: Any = [numbers_of(atom, value) for atom, value in zip(equation.invars, inputs, strict=True)]
    if name in MOVED:
        return moved(equation, *arrays)
    shape = equation.outvars[0].aval.shape
    operation, operands = computed(equation, *arrays)
    return [array_of(shape, (operation(*alike(numbers)) for numbers in operands))]


def moved(equation: Any, *arrays: np.ndarray) -> list[np.ndarray]:
    """The outputs of an equation that computes nothing."""
    result = MOVED[equation.primitive.name](*arrays, **equation.params)
    return list(result) if equation.primitive.multiple_results else [result]


def computed(equation: Any, *arrays: np.ndarray) -> tuple[Callable[..., Any], Iterable[Any]]:
    """The operation that gives a number of the result, and its operands for each of them in turn."""
    name, params = equation.primitive.name, equation.params
    if name in _REDUCED:
        axes = params["axes"]
        terms = np.moveaxis(arrays[0], axes, range(-len(axes), 0)).reshape(equation.outvars[0].aval.size, -1)
        return lambda *terms: reduce(_REDUCED[name], terms), terms
    if name == "dot_general":
        lhs, rhs = arrays
        return _sum_of_products, _product(lhs, rhs, params["dimension_numbers"])
    anew = _WRITTEN_ANEW.get(name)
    return partial(anew, **params) if anew else lambda *numbers: bind(equation, *numbers)[0], np.broadcast(*arrays)


def operations(equation: Any) -> int:
    """How many operations on single numbers the equation is."""
    name, out = equation.primitive.name, equation.outvars[0].aval
    if name in MOVED:
        return 0
    if name in _REDUCED:
        return equation.invars[0].aval.size
    if name == "dot_general":
        (contracted, _), _ = equation.params["dimension_numbers"]
        return 2 * out.size * prod(equation.invars[0].aval.shape[axis] for axis in contracted)
    return out.size


def _product(lhs: np.ndarray, rhs: np.ndarray, dimension_numbers: Any) -> Iterator[Sequence[Any]]:
    """The factors of `Σ_k lhs_bik rhs_bjk`, first those of lhs, for b, i and j, where each stands for some axes."""
    (of_lhs, of_rhs), (batch_of_lhs, batch_of_rhs) = dimension_numbers

    def rows(array: np.ndarray, contracted: Any, batch: Any) -> np.ndarray:
        array = np.moveaxis(array, (*batch, *contracted), (*range(len(batch)), *range(-len(contracted), 0)))
        terms = prod(array.shape[array.ndim - len(contracted) :])
        return array.reshape(prod(array.shape[: len(batch)]), -1, terms)

    for left, right in zip(rows(lhs, of_lhs, batch_of_lhs), rows(rhs, of_rhs, batch_of_rhs), strict=True):
        for row, column in product(left, right):
            yield (*row, *column)


def _sum_of_products(*factors: Any) -> Any:
    terms = len(factors) // 2
    return reduce(lax.add, map(lax.mul, factors[:terms], factors[terms:]))


def _padded(operand: np.ndarray, filling: np.ndarray, *, padding_config: Any) -> np.ndarray:
    low, high, between = np.asarray(padding_config, int).reshape(-1, 3).T
    inner = np.asarray(operand.shape) + np.maximum(np.asarray(operand.shape) - 1, 0) * between
    before, after = np.maximum(low, 0), np.maximum(high, 0)
    padded = array_of(tuple(before + inner + after), repeat(filling.item()))
    padded[tuple(map(slice, before, before + inner, between + 1))] = operand
    return padded[tuple(map(slice, before - low, before + inner + high))]


def _broadcast(operand: np.ndarray, *, shape: tuple[int, ...], broadcast_dimensions: Any, **_: Any) -> np.ndarray:
    new = [axis for axis in range(len(shape)) if axis not in broadcast_dimensions]
    return np.broadcast_to(np.expand_dims(operand, new), shape)


def _sliced(operand: np.ndarray, *, start_indices: Any, limit_indices: Any, strides: Any) -> np.ndarray:
    return operand[tuple(map(slice, start_indices, limit_indices, strides or [1] * operand.ndim))]


def _counted(*, dtype: Any, shape: tuple[int, ...], dimension: int, **_: Any) -> np.ndarray:
    return array_of(shape, iter(np.indices(shape, dtype)[dimension].ravel()))


def _as_it_is(operand: np.ndarray, **_: Any) -> np.ndarray:
    return operand


MOVED: dict[str, Callable[..., Any]] = {
    "broadcast_in_dim": _broadcast,
    "concatenate": lambda *operands, dimension: np.concatenate(operands, dimension),
    "copy": _as_it_is,
    "copy_p": _as_it_is,
    "iota": _counted,
    "pad": _padded,
    "reshape": lambda operand, *, new_sizes, **_: operand.reshape(new_sizes),
    "rev": lambda operand, *, dimensions: np.flip(operand, dimensions),
    "slice": _sliced,
    "split": lambda operand, *, sizes, axis: np.split(operand, np.cumsum(sizes)[:-1], axis),
    "squeeze": lambda operand, *, dimensions: np.squeeze(operand, dimensions),
    "stack": lambda *operands, axis: np.stack(operands, axis),
    "stop_gradient": _as_it_is,
    "transpose": lambda operand, *, permutation: operand.transpose(permutation),
    "unstack": lambda operand, *, axis: np.moveaxis(operand, axis, 0),
}
"""Operations that compute nothing."""

_REDUCED = {"reduce_max": lax.max, "reduce_min": lax.min, "reduce_prod": lax.mul, "reduce_sum": lax.add}

ELEMENTWISE = frozenset(
    "abs add add_any and clamp convert_element_type cos div eq exp exp2 ge gt le log logistic lt max min "
    "mul ne neg not or rsqrt select_n sign sin square sub tanh".split()
)
"""Operations on single numbers that Mosaic has."""


# Those that it lacks, on JAX 0.10 at least.


def _sqrt(x: Any, **_: Any) -> Any:
    return lax.div(_one(x), lax.rsqrt(x))


def _pow(x: Any, n: Any, **_: Any) -> Any:
    """exp(n log|x|), with the sign that a negative x gives a whole n."""
    n = lax.convert_element_type(n, x.dtype)
    size, half = lax.exp(n * lax.log(abs(x))), n / 2
    of_negative = lax.select(lax.round(half) == half, size, -size)
    of_negative = lax.select(lax.round(n) == n, of_negative, lax.full_like(x, np.nan))
    return lax.select(n == 0, _one(x), lax.select(x < 0, of_negative, size))


def _log1p(x: Any, **_: Any) -> Any:
    """log(u) x / (u - 1) with u = 1 + x, in which the rounding of u cancels (Goldberg 1991, theorem 4)."""
    u = x + 1
    return lax.select(x > 1, lax.log(u), lax.select(u == 1, x, lax.log(u) * x / (u - 1)))


def _expm1(x: Any, **_: Any) -> Any:
    """(u - 1) x / log(u) with u = exp(x) (Higham, Accuracy and Stability of Numerical Algorithms, section 1.14.1)."""
    u = lax.exp(x)
    return lax.select(abs(x) > 1, u - 1, lax.select(u == 1, x, (u - 1) * x / lax.log(u)))


def _integer_pow(x: Any, *, y: int) -> Any:
    power = reduce(lax.mul, [x] * abs(y)) if y else _one(x)
    return lax.div(_one(x), power) if y < 0 else power


def _one_minus_square(x: Any, **_: Any) -> Any:
    return lax.sub(_one(x), lax.mul(x, x))


def _one(x: Any) -> Any:
    return lax.full_like(x, 1)


_WRITTEN_ANEW: dict[str, Any] = {
    "expm1": _expm1,
    "integer_pow": _integer_pow,
    "log1p": _log1p,
    "one_minus_square": _one_minus_square,
    "pow": _pow,
    "sqrt": _sqrt,
}

CARRIED_OUT = frozenset(ELEMENTWISE | MOVED.keys() | _REDUCED.keys() | _WRITTEN_ANEW.keys() | {"dot_general"})
"""The names of the primitives that can be written out."""
