"""What rounding does to a function."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmlp.verify._program import _interpret
from jaxmlp.verify._verdict._rounding import rounded, shaken


@partial(jax.jit, static_argnums=0)
def in_a_program(function, draw, x):
    return rounded(function, [x], draw)


def test_every_draw_is_as_near_as_rounding_and_no_two_are_alike():
    x = np.linspace(0.5, 2, 7)
    function = lambda x: {"y": jnp.exp(jnp.sin(x) * 3)}
    draws = [np.asarray(shaken(function, draw, x)["y"]) for draw in range(4)]
    expected = np.exp(np.sin(x) * 3)
    for draw in draws:
        np.testing.assert_allclose(draw, expected, rtol=20 * np.finfo(float).eps)
    assert len({draw.tobytes() for draw in draws}) == 4
    np.testing.assert_array_equal(draws[2], shaken(function, 2, x)["y"])


@pytest.mark.parametrize("shape", ((2**8,), (2**13,)))
@pytest.mark.parametrize("shake", (shaken, in_a_program))
def test_a_result_is_moved_by_its_epsilon_up_or_down(shape, shake, monkeypatch):
    monkeypatch.setattr(_interpret, "_SMALL", 2**12)  # the larger of the shapes is compiled
    x, eps = np.linspace(1, 1.9, shape[0]), np.finfo(float).eps
    moved = np.asarray(shake(lambda x: -(x * 0.5), 3, x)) / (-x / 2) - 1
    assert set(np.sign(moved)) == {-1, 1} and abs(moved.mean()) < 0.3 * eps
    assert np.all((np.abs(moved) >= 0.5 * eps) & (np.abs(moved) <= 1.5 * eps)), "once: a sign rounds nothing"


@pytest.mark.parametrize("shape", ((), (2**12,)))
def test_what_is_just_large_enough_is_moved_by_its_epsilon_too(shape, monkeypatch):
    monkeypatch.setattr(_interpret, "_SMALL", 2**12)
    tiny = np.finfo(float).tiny
    np.testing.assert_allclose(shaken(lambda x: 0.5 * x, 0, np.full(shape, 8 * tiny)), 4 * tiny, rtol=1e-15)


def test_a_cancellation_shows_its_size():
    complement = lambda z: 1 - jax.nn.sigmoid(z)
    assert float(complement(50.0)) == 0
    moved = [abs(float(shaken(complement, draw, np.float64(50)))) for draw in range(4)]
    assert 0 < max(moved) <= 4e-16


@pytest.mark.parametrize("shape", ((), (2**12,)))
def test_what_underflows_is_rounded_and_a_zero_is_not(shape, monkeypatch):
    monkeypatch.setattr(_interpret, "_SMALL", 2**12)  # the larger of the shapes is compiled
    tiny = np.finfo(float).tiny
    for small in (lambda x: jnp.exp(-x), lambda x: 1e-200 / x**100, lambda x: x**-200, lambda x: 0.1**x * 0.1**x):
        found = shaken(small, 0, np.full(shape, 800.0))
        np.testing.assert_allclose(found, np.full(shape, tiny), rtol=1e-9)
    for zero in (lambda x: 0 * x, lambda x: 0 * x / x, lambda x: jnp.exp(-jnp.inf * x), lambda x: (x - x) ** 2):
        np.testing.assert_array_equal(shaken(zero, 0, np.full(shape, 800.0)), np.zeros(shape))


def test_integers_and_booleans_are_left_alone():
    labels, mask = shaken(lambda n: (n + 1, n > 0), 0, np.arange(3))
    np.testing.assert_array_equal(labels, [1, 2, 3])
    np.testing.assert_array_equal(mask, [False, True, True])


@pytest.mark.parametrize(
    "choose", (jnp.maximum, lambda x, y: jnp.stack([x, y]).max(axis=0), lambda x, y: jnp.clip(x, y, 9))
)
@pytest.mark.parametrize("shape", ((), (2**12,)))
def test_what_only_chooses_among_numbers_keeps_its_slope(choose, shape, monkeypatch):
    monkeypatch.setattr(_interpret, "_SMALL", 2**12)  # the larger of the shapes is compiled
    slope = jax.grad(lambda x: choose(x * x, jnp.ones_like(x)).sum())
    for draw in range(4):
        np.testing.assert_allclose(shaken(slope, draw, np.full(shape, 1.5)), 3.0, rtol=1e-14)


@jax.custom_jvp
def cube(x):
    return x**3


cube.defjvp(lambda primals, tangents: (cube(*primals), 3 * primals[0] ** 2 * tangents[0]))


@jax.custom_vjp
def double(x):
    return 2 * x


double.defvjp(lambda x: (double(x), None), lambda _, d: (2 * d,))


FUNCTIONS = {
    "jit": jax.jit(jnp.tanh),
    "custom_jvp": cube,
    "custom_vjp": double,
    "checkpoint": jax.checkpoint(jnp.sin),
    "scan": lambda x: jax.lax.scan(lambda c, _: (c * x, None), x, length=3)[0],
    "cond": lambda x: jax.lax.cond(x > 0, jnp.exp, jnp.sin, x),
    "while_loop": lambda x: jax.lax.while_loop(lambda c: c < 5, lambda c: c * 2, x),
    "scatter": lambda x: jnp.zeros((2, 2)).at[0].set(x).sum(),
}
FUNCTIONS |= {f"grad of {name}": jax.grad(f) for name, f in FUNCTIONS.items() if name != "while_loop"}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_kind_of_operation_can_be_shaken(name):
    x = np.float64(0.7)
    np.testing.assert_allclose(shaken(FUNCTIONS[name], 0, x), FUNCTIONS[name](x), rtol=100 * np.finfo(float).eps)
