"""Many equal programs at once, one in each lane of the vector registers: the axis that counts them is the last."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ._products import fused_product, is_small_product
from ._program import bind, body_of, called, carry_out, value_of


@dataclass(frozen=True, eq=False)
class Lanes:
    """A value that may differ from lane to lane: beyond the axes that a program gives it, the last one counts lanes."""

    value: Any


# Applied element by element. Operands are alike in shape; most of these take scalars among them.
_ELEMENTWISE = frozenset(
    "abs acos acosh add add_any and asin asinh atan atan2 atanh cbrt ceil clamp convert_element_type copy copy_p cos "
    "cosh div eq erf erf_inv erfc exp exp2 expm1 floor ge gt integer_pow is_finite le log log1p logistic lt max min "
    "mul ne neg nextafter not or population_count pow real_pow rem round rsqrt select_n shift_left "
    "shift_right_arithmetic shift_right_logical sign sin sinh sqrt square stop_gradient sub tan tanh xor".split()
)

# Along axes that their parameters count from the first: an axis more at the end is none of their business.
_ALONG_AXES = frozenset(
    "argmax argmin concatenate cumlogsumexp cummax cummin cumprod cumsum reduce_and reduce_max reduce_min reduce_or "
    "reduce_prod reduce_sum reduce_xor rev squeeze".split()
)


def carry_out_in_lanes(equations: Iterable[Any], known: dict[Any, Any], lanes: int) -> None:
    """Adds to `known`, values by variables, what the equations define; those that are `Lanes` give `Lanes`."""
    carry_out(equations, known, lambda equation, *inputs: _in_lanes(equation, inputs, lanes))


def in_every_lane(value: Any, shape: tuple[int, ...], lanes: int) -> Any:
    """The array of a value, `Lanes` or the same in all of them, broadcast to `shape` and the axis of lanes."""
    if isinstance(value, Lanes):
        missing = len(shape) + 1 - value.value.ndim
        return jnp.broadcast_to(lax.expand_dims(value.value, range(missing)), (*shape, lanes))
    return jnp.broadcast_to(jnp.expand_dims(value, -1) if np.ndim(value) else value, (*shape, lanes))


def _in_lanes(equation: Any, inputs: Sequence[Any], lanes: int) -> list[Any]:
    if not any(isinstance(value, Lanes) for value in inputs):
        return bind(equation, *inputs)
    name, params = equation.primitive.name, equation.params
    if name in _ELEMENTWISE:
        shape, mixes = equation.outvars[0].aval.shape, name not in ("select_n", "clamp")
        stays = [mixes and not isinstance(value, Lanes) and np.ndim(value) == 0 for value in inputs]
        operands = (v if stay else in_every_lane(v, shape, lanes) for v, stay in zip(inputs, stays, strict=True))
        return _spread(bind(equation, *operands))
    if name in _ALONG_AXES:
        shapes = (atom.aval.shape for atom in equation.invars)
        return _spread(bind(equation, *map(in_every_lane, inputs, shapes, [lanes] * len(inputs))))
    (first, *_) = inputs
    if name == "broadcast_in_dim" and len(inputs) == 1:
        shape, axes = params["shape"], params["broadcast_dimensions"]
        return _spread([lax.broadcast_in_dim(first.value, (*shape, lanes), (*axes, len(shape)))])
    if name == "reshape" and len(inputs) == 1 and params["dimensions"] is None:
        return _spread([lax.reshape(first.value, (*params["new_sizes"], lanes))])
    if name == "transpose":
        return _spread([lax.transpose(first.value, (*params["permutation"], first.value.ndim - 1))])
    if name == "slice":
        starts, limits, strides = params["start_indices"], params["limit_indices"], params["strides"]
        strides = None if strides is None else (*strides, 1)
        return _spread([lax.slice(first.value, (*starts, 0), (*limits, lanes), strides)])
    if name == "scan":
        return _scan(equation, inputs, lanes)
    if (inner := called(equation)) is not None:
        return _call(inner, inputs, lanes)
    if is_small_product(equation):
        avals = [jax.ShapeDtypeStruct(atom.aval.shape, atom.aval.dtype) for atom in equation.invars]
        return _call(jax.make_jaxpr(lambda *operands: fused_product(equation, *operands))(*avals), inputs, lanes)
    axes = [-1 if isinstance(value, Lanes) else None for value in inputs]
    values = [value.value if isinstance(value, Lanes) else value for value in inputs]
    return _spread(jax.vmap(lambda *values: bind(equation, *values), axes, -1)(*values))


def _spread(values: Iterable[Any]) -> list[Lanes]:
    return [Lanes(value) for value in values]


def _call(program: Any, inputs: Sequence[Any], lanes: int) -> list[Any]:
    jaxpr = body_of(program)
    known = dict(zip(jaxpr.constvars, getattr(program, "consts", ()), strict=True))
    known |= zip(jaxpr.invars, inputs, strict=True)
    carry_out_in_lanes(jaxpr.eqns, known, lanes)
    return [value_of(atom, known) for atom in jaxpr.outvars]


def _scan(scan: Any, inputs: Sequence[Any], lanes: int) -> list[Any]:
    body = scan.params["jaxpr"]
    inside = body_of(body)
    # What is sliced or stacked has an axis more outside than inside; constants come first, then the carry.
    sliced = sum(a.aval.ndim > b.aval.ndim for a, b in zip(scan.invars, inside.invars, strict=True))
    carried = sum(a.aval.ndim == b.aval.ndim for a, b in zip(scan.outvars, inside.outvars, strict=True))
    first, last = len(inputs) - sliced - carried, len(inputs) - sliced
    fixed, start, sequences = inputs[:first], inputs[first:last], inputs[last:]
    avals = [atom.aval for atom in inside.invars[first:last]]
    differs = [isinstance(value, Lanes) for value in start]
    found: list[bool] = []

    def step(carry: Any, slices: Any) -> Any:
        carry = [Lanes(leaf) if lane else leaf for leaf, lane in zip(carry, differs, strict=True)]
        slices = [
            Lanes(leaf) if isinstance(whole, Lanes) else leaf for leaf, whole in zip(slices, sequences, strict=True)
        ]
        results = _call(body, [*fixed, *carry, *slices], lanes)
        found[:] = (isinstance(result, Lanes) for result in results)
        carry = [
            in_every_lane(result, aval.shape, lanes) if lane else _array(result)
            for result, aval, lane in zip(results[:carried], avals, differs, strict=True)
        ]
        return carry, [_array(result) for result in results[carried:]]

    def beginning() -> list[Any]:
        values = (jnp.asarray(_array(value), aval.dtype) for value, aval in zip(start, avals, strict=True))
        values = [Lanes(v) if isinstance(old, Lanes) else v for v, old in zip(values, start, strict=True)]
        return [
            in_every_lane(value, aval.shape, lanes) if lane else value
            for value, aval, lane in zip(values, avals, differs, strict=True)
        ]

    arrays = [_array(sequence) for sequence in sequences]
    slices = [jax.ShapeDtypeStruct(array.shape[1:], array.dtype) for array in arrays]
    while True:  # what is carried differs from lane to lane once it depends on something that does
        jax.eval_shape(step, beginning(), slices)
        before, differs = differs, [a or b for a, b in zip(found[:carried], differs, strict=True)]
        if differs == before:
            break
    params = {name: scan.params[name] for name in ("length", "reverse", "unroll")}
    carry, stacked = lax.scan(step, beginning(), arrays, **params)
    return [Lanes(r) if lane else r for r, lane in zip((*carry, *stacked), (*differs, *found[carried:]), strict=True)]


def _array(value: Any) -> Any:
    return value.value if isinstance(value, Lanes) else value
