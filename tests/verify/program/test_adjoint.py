"""Adjoints: what a value does to a leaf, against `jax.vjp`; what is not linear has none."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmlp.verify._line._quantities import Run
from jaxmlp.verify._program._adjoint import adjoints, is_linear
from jaxmlp.verify._program._trace import Literal, traced

from ...helpers import generator


def adjoints_of(function, args, random, opaque=(), cut=()):
    """The program, two projections of its result, and the adjoints that they give."""
    program = traced(function, *args)
    values = Run(program, [args]).values[0]
    read = lambda atom: atom.value if isinstance(atom, Literal) else values[atom]
    leaf = program.outputs[0]
    assert isinstance(leaf, int)
    projections = [random.normal(size=program.shapes[leaf].shape) for _ in range(2)]
    wanted, order = {leaf}, []
    for index in reversed(range(len(program.equations))):
        if wanted.intersection(program.equations[index].outputs):
            order.insert(0, index)
            wanted.update(atom for atom in program.equations[index].inputs if isinstance(atom, int))
    return program, projections, adjoints(program, order, leaf, read, projections, set(opaque), frozenset(cut))


W = np.linspace(-1, 1, 6).reshape(3, 2)

LINEAR = {
    "a sum": (lambda a, b: a + b, ((2, 3), (2, 3))),
    "a broadcast sum": (lambda a, b: a + b[None, :], ((2, 3), (3,))),
    "a difference": (lambda a, b: b - a - 3 * a, ((2,), (2,))),
    "a negation": (lambda a: -a, ((2,),)),
    "a product with a number": (lambda a: 2.5 * a, ((2, 3),)),
    "a product with a constant": (lambda a: a * W, ((3, 2),)),
    "a quotient by a constant": (lambda a: a / (W + 3), ((3, 2),)),
    "a mean": (lambda a: a.mean(axis=1), ((2, 3),)),
    "a sum over all": (lambda a: a.sum(), ((2, 3),)),
    "a sum over two axes of three": (lambda a: a.sum(axis=(0, 2)), ((2, 3, 4),)),
    "a matrix product": (lambda a: a @ W, ((2, 3),)),
    "a matrix product from the left": (lambda a: W.T @ a, ((3, 4),)),
    "a vector and a matrix": (lambda a: a @ W, ((3,),)),
    "a tensor product": (lambda a: jnp.tensordot(a, W, ((2, 0), (0, 1))), ((2, 4, 3),)),
    "a transpose": (lambda a: jnp.transpose(a, (2, 0, 1)), ((2, 3, 4),)),
    "a reshape": (lambda a: a.reshape(3, 2), ((2, 3),)),
    "a new axis": (lambda a: jnp.expand_dims(a, 1), ((2, 3),)),
    "a squeeze": (lambda a: jnp.squeeze(a, 1), ((2, 1, 3),)),
    "a broadcast": (lambda a: jnp.broadcast_to(a[:, None], (2, 3)), ((2,),)),
    "a slice": (lambda a: a[1:3, ::2], ((4, 3),)),
    "a reversal": (lambda a: a[::-1], ((4, 3),)),
    "a concatenation": (lambda a, b: jnp.concatenate([a, b, 2 * a], axis=1), ((2, 3), (2, 1))),
    "a stack": (lambda a, b: jnp.stack([a, b]), ((3,), (3,))),
    "a stack of columns": (lambda a, b: jnp.stack([a, b], axis=1), ((3,), (3,))),
    "a mask": (lambda a: jnp.where(W > 0, a, 0.0), ((3, 2),)),
    "a scan": (lambda a: jax.lax.scan(lambda c, x: (0.5 * c + x, c), jnp.zeros(2), a, reverse=True)[1], ((4, 2),)),
    "a reshape of a transpose": (lambda a: jax.lax.reshape(a, (3, 4), (2, 0, 1)), ((2, 3, 2),)),
    "rows by their numbers": (lambda a: a[jnp.array([2, 0, 2])], ((3, 2),)),
    "rows, one of which is not there": (lambda a: a.at[jnp.array([2, 9])].get(mode="fill", fill_value=0), ((3, 2),)),
    "a part at a computed place": (lambda a: jax.lax.dynamic_slice(a, (1, 0), (2, 2)), ((3, 2),)),
    "an addition to rows": (lambda a, b: a.at[jnp.array([2, 0, 2])].add(b), ((3, 2), (3, 2))),
    "an addition to columns": (lambda a, b: a.at[:, jnp.array([1, 9])].add(b, mode="drop"), ((3, 2), (3, 2))),
    "rows put into another array": (lambda a, b: a.at[jnp.array([2, 0])].set(b), ((3, 2), (2, 2))),
    "a number put into another array": (lambda a, b: a.at[1, 0].set(b), ((3, 2), ())),
    "a part put at a computed place": (lambda a, b: jax.lax.dynamic_update_slice(a, b, (1, 0)), ((3, 2), (2, 1))),
    "zeros around": (lambda a: jnp.pad(a, ((1, 0), (0, 2))), ((3, 2),)),
    "tiles": (lambda a: jax.lax.tile(a, (2, 3)), ((3, 2),)),
    "matrix products side by side": (lambda a: a @ np.stack([W, 2 * W, W + 1]), ((3, 2, 3),)),
    "matrix products side by side from the left": (
        lambda a: jnp.einsum("bij,kbi->bkj", a, W.reshape(1, 3, 2)),
        ((3, 2, 4),),
    ),
    "a value used twice": (lambda a: a.sum(axis=0)[None, :] + 2 * a, ((4, 2),)),
}


@pytest.mark.parametrize("name", LINEAR)
def test_adjoints_of_linear_operations_are_those_of_vjp(getkey, name):
    function, shapes = LINEAR[name]
    random = generator(getkey())
    args = [random.normal(size=shape) for shape in shapes]
    program, projections, found = adjoints_of(function, args, random)
    pulled_back = jax.jit(lambda projection: jax.vjp(function, *args)[1](projection))
    for k, projection in enumerate(projections):
        for variable, expected in zip(program.inputs, pulled_back(projection), strict=True):
            np.testing.assert_allclose(found[variable][k], expected, rtol=1e-12, atol=1e-12)


def backward(dz, a, w):
    """A layer's backward pass: linear in `dz` alone."""
    da = dz @ w.T * (1 - a**2)
    return a.T @ (2 * da)


def test_the_adjoint_predicts_what_a_correction_does_to_the_leaf(getkey):
    random = generator(getkey())
    dz, a, w = (random.normal(size=shape) for shape in ((4, 2), (4, 3), (3, 2)))
    program, projections, found = adjoints_of(backward, [dz, a, w], random)
    change = random.normal(size=dz.shape)
    moved = np.asarray(backward(dz + change, a, w)) - np.asarray(backward(dz, a, w))
    for projection, adjoint in zip(projections, found[program.inputs[0]], strict=True):
        np.testing.assert_allclose(np.vdot(adjoint, change), np.vdot(projection, moved), rtol=1e-12)


def test_what_a_leaf_depends_on_nonlinearly_has_no_adjoint(getkey):
    random = generator(getkey())
    program, _, found = adjoints_of(backward, [random.normal(size=s) for s in ((4, 2), (4, 3), (3, 2))], random)
    dz, a, _ = program.inputs
    assert dz in found and a not in found


@pytest.mark.parametrize(
    "function",
    (
        lambda a: jnp.sin(a),
        lambda a: a * a,
        lambda a: 1 / a,
        lambda a: a + jnp.exp(a),
        lambda a: jnp.where(a > 0, 1.0, 2.0),
    ),
    ids=("sin", "its square", "its inverse", "one path of two", "its own mask"),
)
def test_nonlinear_operations_lose_the_adjoint(getkey, function):
    random = generator(getkey())
    program, _, found = adjoints_of(function, [random.normal(size=(3, 3))], random)
    assert program.inputs[0] not in found and program.outputs[0] in found


def test_a_replaced_equation_is_opaque(getkey):
    random = generator(getkey())
    program, _, found = adjoints_of(lambda a: 2 * -a, [random.normal(size=3)], random, opaque=(0,))
    assert program.inputs[0] not in found and program.equations[0].outputs[0] in found


def test_through_what_is_held_nothing_passes_and_the_other_paths_remain(getkey):
    random = generator(getkey())
    program, projections, found = adjoints_of(lambda a: 3 * -a + a, [random.normal(size=3)], random, cut=(0,))
    held = program.equations[0].outputs[0]
    np.testing.assert_allclose(found[program.inputs[0]], projections)
    np.testing.assert_allclose(found[held], [3 * projection for projection in projections])


@pytest.mark.parametrize(
    ("function", "start", "expected"),
    (
        (lambda a, b: a @ b.T + a, (0,), True),
        (lambda a, b: a @ b.T + a, (1,), True),
        (lambda a, b: a @ b.T, (0, 1), False),
        (lambda a, b: a / b, (0,), True),
        (lambda a, b: a / b, (1,), False),
        (lambda a, b: jnp.tanh(a) + b, (0,), False),
        (lambda a, b: jnp.tanh(a) + b, (1,), True),
        (lambda a, b: jnp.concatenate([a, -b]).sum(axis=0), (0, 1), True),
    ),
)
def test_linearity_is_told_of_some_variables_the_others_held(function, start, expected):
    program = traced(function, np.ones((2, 2)), np.ones((2, 2)))
    variables = {program.inputs[position] for position in start}
    assert is_linear(program, range(len(program.equations)), variables) == expected


@pytest.mark.parametrize("clip", (jnp.clip, lambda a, low, high: jax.lax.clamp(low, a, high)))
def test_a_clip_passes_on_what_it_leaves_as_it_is_and_nothing_of_what_it_cuts_off(clip, getkey):
    random = generator(getkey())
    program, projections, found = adjoints_of(lambda a: clip(3 * a, -1e6, 1e6), [random.normal(size=5)], random)
    np.testing.assert_allclose(found[program.inputs[0]], [3 * projection for projection in projections])
    program, _, found = adjoints_of(lambda a: clip(3 * a, -0.1, 0.1), [1 + random.random(5)], random)
    assert program.inputs[0] not in found
