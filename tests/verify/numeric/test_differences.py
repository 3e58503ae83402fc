"""The error bars of a slope are honest, on thousands of functions of every kind; and what has no slope is named."""

import numpy as np
import pytest

from jaxmlp.verify._numeric._differences import _jumps, FINEST, joined, ladder, RATIO, slopes


COUNT = 1000
EPS = float(np.finfo(np.float64).eps)
RNG = np.random.default_rng


def measured(functions, eps=EPS, scale=1.0):
    """The slopes at 0 of `functions`, from distances (lines, n) to values (lines, n)."""
    return slopes(lambda t: functions(np.broadcast_to(t, (COUNT, t.shape[1]))), ladder(scale), eps)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def column(rng, *size):
    return rng.standard_normal((COUNT, *size, 1))


def waves(rng):
    """Sums of four sines, from slow ones to ones with a period of 0.05."""
    a, phase, w = column(rng, 4), column(rng, 4), column(rng, 4) * 10 ** rng.uniform(-1, 2, (COUNT, 4, 1))
    return lambda t: (a * np.sin(w * t[:, None, :] + phase)).sum(axis=1), (a * w * np.cos(phase)).sum(axis=1)


def scaled(size):
    def family(rng):
        f, slope = waves(rng)
        return lambda t: size * f(t), size * slope

    return family


def offset(rng):
    """A small part that varies on a large one that does not."""
    (f, slope), large = waves(rng), 10 ** rng.uniform(0, 8, (COUNT, 1))
    return lambda t: f(t) + large, slope


def lost_digits(rng):
    """A large number added and taken away again: the value does not show how few digits it has."""
    (f, slope), large = waves(rng), 10 ** rng.uniform(0, 12, (COUNT, 1))
    return lambda t: (f(t) + large) - large, slope


def cancelling(rng):
    """Two slopes that cancel to 3 to 12 digits."""
    phases, w = column(rng, 2), np.abs(column(rng, 2)) + 0.1
    one, two = np.moveaxis(w * np.cos(phases), 1, 0)
    k = (one - 10 ** rng.uniform(-12, -3, (COUNT, 1))) / two
    p, q = np.moveaxis(phases, 1, 0)
    v, w = np.moveaxis(w, 1, 0)
    return lambda t: np.sin(v * t + p) - k * np.sin(w * t + q), one - k * two


def saturated(rng):
    z, w = rng.uniform(-45, 45, (COUNT, 1)), 3 * column(rng)
    return lambda t: sigmoid(z + w * t), w * np.exp(-abs(z)) / (1 + np.exp(-abs(z))) ** 2


def cross_entropy(rng):
    z, w = rng.uniform(-45, 45, (COUNT, 1)), 3 * column(rng)
    return lambda t: np.logaddexp(0, z + w * t), w * sigmoid(z)


def naive_cross_entropy(rng):
    """-log(1 - p), whose p has lost up to all its digits, so that it moves in wide stairs."""
    z, w = rng.uniform(-8, 36, (COUNT, 1)), 3 * column(rng)
    return lambda t: -np.log(1 - sigmoid(z + w * t)), w * sigmoid(z)


def near_a_pole(rng):
    a = 10 ** rng.uniform(-6, 1, (COUNT, 1))
    return lambda t: np.log(a + t), 1 / a


def exploding(rng):
    a = 10 ** rng.uniform(-2, 3, (COUNT, 1))
    return lambda t: np.exp(a * t), a


def linear(rng):
    a, b = column(rng) * 10 ** rng.uniform(-9, 9, (COUNT, 1)), column(rng)
    return lambda t: b + a * t, a


def noisy(rng):
    (f, slope), size = waves(rng), 10 ** rng.uniform(-14, -2, (COUNT, 1))
    return lambda t: f(t) + size * rng.standard_normal(t.shape), slope


def float32_in_disguise(rng):
    f, slope = waves(rng)
    return lambda t: f(t).astype(np.float32).astype(np.float64), slope


def float32_inside(rng):
    """The argument rounded to float32, as a kernel does that casts what it is given."""
    a, w, phase = (column(rng, 4) for _ in range(3))

    def f(t):
        z = w * (1 + t[:, None, :]).astype(np.float32) + phase
        return (a * np.sin(z.astype(np.float32)).astype(np.float32)).sum(axis=1)

    return f, (a * w * np.cos(w + phase)).sum(axis=1)


def kinks_near_by(rng):
    """A hidden layer of 50 relus, squared: some kink is always within a few hundredths."""
    a, w, z = (column(rng, 50) for _ in range(3))
    slope = 2 * (a * np.maximum(z, 0)).sum(axis=1) * (a * w * (z > 0)).sum(axis=1)
    return lambda t: (a * np.maximum(w * t[:, None, :] + z, 0)).sum(axis=1) ** 2, slope


def kink_very_near(rng):
    a, w = column(rng), column(rng)
    at = 10 ** rng.uniform(-7, 0, (COUNT, 1)) * np.sign(column(rng))
    return lambda t: a * np.maximum(t - at, 0) + np.sin(w * t + 1), w * np.cos(1) + a * (at < 0)


def jump_near_by(rng):
    a, w = column(rng), column(rng)
    at = 10 ** rng.uniform(-6, 0, (COUNT, 1)) * np.sign(column(rng))
    return lambda t: a * (t > at) + np.sin(w * t + 1), w * np.cos(1)


def dead(rng):
    """A unit that is dead here and comes alive to both sides."""
    a, b, c = (np.abs(column(rng)) + 0.1 for _ in range(3))
    return lambda t: a + b * np.maximum(t - 0.1, 0) + c * np.maximum(-t - 0.2, 0), np.zeros((COUNT, 1))


SMOOTH = (waves, scaled(1e-9), scaled(1e9), offset, lost_digits, cancelling, saturated, cross_entropy, near_a_pole)
SMOOTH += (exploding, linear, kinks_near_by, kink_very_near, jump_near_by, dead)
ROUNDED = (naive_cross_entropy, noisy, float32_in_disguise, float32_inside)


@pytest.mark.parametrize("family", SMOOTH + ROUNDED)
def test_the_truth_is_within_the_bar(family):
    functions, truth = family(RNG(0))
    seen = measured(functions)
    ok = seen.states == "ok"
    assert ok.mean() > 0.9
    assert np.all(abs(seen.values - truth[:, 0])[ok] <= seen.bars[ok])


@pytest.mark.parametrize(
    "family, typical",
    (
        (waves, 1e-11),
        (scaled(1e-9), 1e-11),
        (near_a_pole, 1e-10),
        (kinks_near_by, 1e-10),
        (jump_near_by, 1e-8),
        (cross_entropy, 1e-11),
        (float32_in_disguise, 1e-4),
    ),
)
def test_the_bar_is_small_where_the_digits_are_there(family, typical):
    functions, truth = family(RNG(1))
    seen = measured(functions)
    assert np.median(seen.bars / abs(truth[:, 0])) < typical


def test_a_bar_without_the_safety_would_be_crossed():
    functions, truth = noisy(RNG(2))
    seen = measured(functions)
    assert np.any(abs(seen.values - truth[:, 0]) > seen.bars / 10)


def test_a_kink_at_the_point_is_named_with_its_jump():
    a, w = column(RNG(3)), column(RNG(4))
    seen = measured(lambda t: a * np.maximum(t, 0) + np.sin(w * t))
    assert np.all(seen.states == "kink")
    np.testing.assert_allclose(seen.jumps, abs(a[:, 0]), rtol=1e-2)
    assert np.all(abs(seen.values - (w + a / 2)[:, 0]) <= seen.bars)


def test_a_jump_of_the_slope_is_seen_where_the_even_half_falls_like_the_step():
    h = ladder(1.0)
    even = np.stack([0.3 * h, 0.3 * h**2, h**0.5, 0.3 * h])
    floor = np.zeros_like(even)
    floor[3] = 1.0  # rounding is larger than all of it
    np.testing.assert_allclose(_jumps(even, h, floor), [0.6, 0, 0, 0])


def test_one_function_at_two_sizes_is_rough():
    a = column(RNG(5))
    ripples = measured(lambda t: a * t + 1e-6 * np.sin(1e4 * t))
    assert np.all(ripples.states == "rough")
    stairs = measured(lambda t: 100 * a * (np.round(1e4 * (t + 0.3)) / 1e4) + a * t)
    assert not np.any((stairs.states == "ok") & (abs(stairs.values - 101 * a[:, 0]) > stairs.bars))


def test_a_constant_is_not_a_slope_of_zero():
    seen = measured(lambda t: 3.0 + 0 * t)
    assert np.all(seen.states == "constant") and np.all(seen.values == 0)


def test_stairs_do_not_pass_for_their_flats():
    a, start = np.abs(column(RNG(6))) + 0.5, RNG(7).uniform(0, 1, (COUNT, 1))
    seen = measured(lambda t: np.floor(1e3 * a * t + start) / 1e3)
    assert np.all(abs(seen.values - a[:, 0]) <= seen.bars)


@pytest.mark.parametrize("function", (lambda t: t * np.nan, lambda t: np.where(t == 0, np.inf, t)))
def test_what_is_not_finite_is_named(function):
    seen = measured(function)
    assert np.all(seen.states == "nonfinite") and np.all(np.isnan(seen.values)) and np.all(seen.bars == np.inf)


def test_a_jump_at_the_point_has_a_wide_bar():
    seen = measured(lambda t: np.where(t > 0, 1.0, 0.0) + t)
    assert np.all(seen.bars > 1)


@pytest.mark.parametrize("scale", (0.0, 1e-9, 1e-3, 1.0, 1e6, np.inf, np.nan))
def test_the_ladder_reaches_from_one_or_the_scale_to_a_millionth(scale):
    steps = ladder(scale)
    size = scale if 0 < scale < np.inf else 1.0
    assert steps[0] == pytest.approx(max(size, 1) / RATIO)
    assert FINEST * min(size, 1) <= steps[-1] <= RATIO**2 * FINEST * min(size, 1)
    np.testing.assert_allclose(steps[:-1] / steps[1:], RATIO)


def test_a_function_that_varies_over_a_billionth():
    a = column(RNG(8))
    seen = measured(lambda t: np.sin(1e9 * a * t + 1), scale=1e-9)
    assert np.all(abs(seen.values - 1e9 * a[:, 0] * np.cos(1)) <= seen.bars)
    assert np.median(seen.bars / abs(seen.values)) < 1e-9


def test_joined_keeps_the_order():
    one, two = (measured(lambda t, a=a: a * t) for a in (1.0, 2.0))
    both = joined([one, two])
    assert both.values.shape == (2 * COUNT,) and both.states[0] == "ok"
    np.testing.assert_allclose(both.values, np.repeat([1.0, 2.0], COUNT))
