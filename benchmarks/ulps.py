"""How far every activation and loss, and its derivative, is off over the whole range of a dtype, in ulps.

The truth is of 50 digits (`exact.py`). Of float16 and bfloat16 every number is tried as the argument of every
activation. Of float32 a sample is, uniform in the logarithm, with the powers of two and their neighbours, the places
where something saturates or is 0, and both infinities; a small sample has few of the powers. Two arguments, such as an
output and its target, are a sample of such pairs; a softmax is given rows of three. The cotangent of an activation is
1, or any number up to that.

An ulp is the distance of the truth to the next number of the dtype: correct rounding is off by half of one. A NaN where
the truth is a number, and an infinity where the truth does not round to one, count as infinitely far off. XLA on a CPU
takes what is below the smallest normal number of float32 (1.2e-38) for 0, as arguments and as results, and bfloat16 is
computed with in float32: in both, an argument there is judged as the 0 that it is taken for, and an error of 16 times
that number, which the product of a lost factor and a large one can be, is let pass; as an ulp of an argument counts
that number at least, since a smaller difference of two arguments is lost. float16 has no such allowance.

Beside the worst error stands how many ulps the truth itself moves when the arguments there are moved by one each
(labels of 0 and 1 are exact): near a root, and in a tail of e^(-z²/2), that is many, and no formula that rounds what it
computes on the way can do better. `elsewhere` is the worst error where that is not the reason. Exit status 1 if an
error is larger than the bound of its dtype and than three times what the arguments account for.

    python benchmarks/ulps.py                  some ten minutes
    python benchmarks/ulps.py --count 20000    a larger sample
"""

import math
import sys
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import exact
import jax
import jax.numpy as jnp
import numpy as np
import script

import jaxmlp


# float32: of XLA the exponential is off by 1, and squared, expm1 by 3, and erfc by 8 near 0.95, where it is 1 less an
# erf; up to four roundings follow. 16 bits are computed with in float32 and rounded once: half an ulp, and what float32
# was off, 2^-13 of one.
BOUNDS = {"float32": 10.0, "float16": 0.51, "bfloat16": 0.51}
ROOTS = (1.2784645427610738, 0.7517916243860849, 0.7524614220710162)  # of the slopes of silu, gelu and gelu_tanh
SATURATED = (11.09, 16.6355, 44.36, 87.34, 88.03, 88.73, 103.97, 9.19, 10.09, 13.05, 13.3, 30.0, 177.45, 1e4)


class Function(NamedTuple):
    """What computes, on columns of arguments, and the truth for each of its results, on single numbers."""

    name: str
    results: tuple[str, ...]
    arity: int
    compute: Callable[..., tuple[Any, ...]]
    truths: tuple[Callable[..., Any], ...]


class Extreme(NamedTuple):
    """Where a result is furthest off, and by how much where the arguments do not account for it."""

    function: str
    result: str
    points: int
    ulps: float
    at: tuple[float, ...]
    found: float
    truth: float
    moved: float
    elsewhere: float
    is_within: bool


def functions() -> Iterator[Function]:
    for name, (f, slope) in exact.ELEMENTWISE.items():
        pull_back = lambda z, da, slope=slope: da * slope(z)
        yield Function(name, ("a", "dz"), 2, _pair(name), (lambda z, da, f=f: f(z), pull_back))
    for name, truths in exact.OF_TWO_NUMBERS.items():
        yield Function(name, ("loss", "dout", "dy"), 2, _each_example(_loss(name), 1), truths)
    yield Function("softmax", ("a", "dz"), 6, _each_example(_pair("softmax"), 3), exact.OF_A_ROW["softmax"])
    loss = _each_example(_loss("softmax_cross_entropy"), 3)
    yield Function("softmax_cross_entropy", ("loss", "dout", "dy"), 6, loss, exact.OF_A_ROW["softmax_cross_entropy"])


def _pair(name: str) -> Callable[..., tuple[Any, ...]]:
    activation = getattr(jaxmlp, name)

    def compute(z: Any, da: Any) -> tuple[Any, ...]:
        a, residuals = activation.fwd(jnp.atleast_2d(z))
        return a, *activation.bwd(residuals, jnp.atleast_2d(da))

    return compute


def _loss(name: str) -> Callable[..., tuple[Any, ...]]:
    loss = getattr(jaxmlp, name)

    def compute(out: Any, y: Any) -> tuple[Any, ...]:
        value, residuals = loss.fwd(out, y)
        return value, *loss.bwd(residuals, jnp.ones_like(value))

    return compute


def _each_example(compute: Callable[..., tuple[Any, ...]], width: int) -> Callable[..., tuple[Any, ...]]:
    """`compute` on batches of one example, whose numbers are the columns."""

    def over_columns(*columns: Any) -> tuple[Any, ...]:
        rows = jnp.stack(columns, axis=1)
        return jax.vmap(compute)(rows[:, None, :width], rows[:, None, width:])

    return over_columns


def arguments(function: Function, dtype: str, count: int, whole: bool) -> list[np.ndarray]:
    """Columns of numbers of the dtype: all of them as the argument of an activation, or a sample."""
    random = np.random.default_rng(0)
    points = sample(dtype, count, random)
    draw: Callable[..., np.ndarray] = lambda n, of=points: random.choice(of, n)
    small = points[np.abs(points) <= 1]
    probabilities = np.abs(small)
    if function.name in exact.ELEMENTWISE:
        every = _all(dtype) if whole and dtype != "float32" else points
        return [np.concatenate([every, draw(count)]), np.concatenate([np.ones_like(every), draw(count, small)])]
    if function.name in ("bce", "bce_with_logits"):
        out = np.concatenate([probabilities, 1 - probabilities]) if function.name == "bce" else points
        y = draw(len(out), [0.0, 1.0])
        y[::3] = draw(len(y[::3]), probabilities)
        return [out, y]
    if function.arity == 2:
        y = draw(len(points))
        y[::3] = points[::3] * (1 + random.integers(-9, 10, len(y[::3])) * float(jnp.finfo(dtype).eps))
        return [points, y]
    n = len(points)
    z = [draw(n), draw(n), draw(n)]
    z[1][::2] = z[0][::2] + random.uniform(-110, 110, len(z[1][::2]))
    z[2][::4] = z[0][::4] + random.uniform(-110, 110, len(z[2][::4]))
    if function.name == "softmax":
        return [*z, *random.normal(size=(3, n))]
    one_hot = np.eye(3)[random.integers(3, size=n)].T
    soft = random.dirichlet([1, 1, 1], n).T
    return [*z, *np.where(np.arange(n) % 4, one_hot, soft)]


def _all(dtype: str) -> np.ndarray:
    every = np.arange(2**16, dtype=np.uint16).view(jnp.dtype(dtype))
    with np.errstate(invalid="ignore"):
        every = every.astype(np.float64)
    return every[~np.isnan(every)]


def sample(dtype: str, count: int, random: np.random.Generator) -> np.ndarray:
    """Numbers of the dtype, in float64, of all sizes and both signs; `count` of them at random, the last."""
    limits, kind = jnp.finfo(dtype), jnp.dtype(dtype)
    low, high = (float(np.log2(float(number))) for number in (limits.smallest_subnormal, limits.max))
    powers = 2.0 ** np.arange(low, high, max(1, 2000 // count))
    special = np.asarray([*powers, *ROOTS, *SATURATED, float(limits.tiny), float(limits.max)])
    near = [special.astype(kind).astype(np.float64) * (1 + i * float(limits.eps)) for i in (-1, 0, 1)]
    half = count // 2
    of_all_sizes = random.choice([-1, 1], half) * 2.0 ** random.uniform(low, high, half)
    numbers = np.concatenate(
        [[0], *near, *(-one for one in near), of_all_sizes, random.uniform(-110, 110, count - half)]
    )
    finite = numbers.clip(-float(limits.max), float(limits.max)).astype(kind).astype(np.float64)
    return np.concatenate([[-0.0, np.inf, -np.inf], finite])


def extremes(function: Function, dtype: str, *, count: int, whole: bool = False) -> Iterator[Extreme]:
    """For each result of a function, where it is furthest off."""
    with np.errstate(over="ignore"):
        columns = [column.astype(jnp.dtype(dtype)) for column in arguments(function, dtype, count, whole)]
    found = jax.jit(function.compute)(*map(jnp.asarray, columns))
    points = list(zip(*(_flushed(column.astype(np.float64), dtype) for column in columns), strict=True))
    for name, values, truth_of in zip(function.results, found, function.truths, strict=True):
        truth = _truth(truth_of, points)
        values = np.asarray(values).astype(np.float64).reshape(truth.shape)
        off = ulps(values, truth, dtype)
        is_large, is_beyond = off > BOUNDS[dtype], np.zeros(off.shape, bool)
        for at in map(tuple, np.argwhere(is_large)):
            is_beyond[at] = off[at] > 3 * _moved(truth_of, points, at, truth, dtype)
        elsewhere = off.max(where=is_beyond | ~is_large, initial=0)
        at = np.unravel_index(np.argmax(np.where(is_beyond, off, 0) if is_beyond.any() else off), off.shape)
        yield Extreme(
            *(function.name, name, len(points), float(off[at]), points[at[0]], float(values[at]), float(truth[at])),
            *(_moved(truth_of, points, at, truth, dtype), float(elsewhere), not is_beyond.any()),
        )


def _flushed(column: np.ndarray, dtype: str) -> np.ndarray:
    """The numbers as they are computed with: those below the smallest normal one may be taken for 0."""
    tiny = float(jnp.finfo(dtype).tiny)
    return np.where(_loses_small_ones(dtype) & (np.abs(column) < tiny), 0, column)


@lru_cache
def _loses_small_ones(dtype: str) -> bool:
    return bool(jax.jit(lambda number: 3 * number)(jnp.finfo(dtype).tiny / 4) == 0)


def _truth(truth_of: Callable[..., Any], points: Any) -> np.ndarray:
    """The 50 digits rounded to float64, which are 2^-29 of an ulp of float32; NaN where they are not real."""
    values = np.asarray([np.asarray(truth_of(*map(exact.exactly, point)), object) for point in points])
    real = [math.nan if number.imag else float(number) for number in values.flat]
    return np.asarray(real).reshape(values.shape)


def ulps(values: np.ndarray, truth: np.ndarray, dtype: str) -> np.ndarray:
    limits = jnp.finfo(dtype)
    tiny, eps, largest = float(limits.tiny), float(limits.eps), float(limits.max)
    with np.errstate(invalid="ignore"):
        rounded = np.where(np.abs(truth) >= largest * (1 + eps / 4), np.sign(truth) * np.inf, truth)
        error = np.abs(values - rounded) - (0 if dtype == "float16" else 16 * tiny)
    size = np.clip(np.abs(rounded), tiny, largest)
    error = np.maximum(error, 0) / (eps * 2.0 ** np.floor(np.log2(size)))
    is_right = (values == rounded) | np.isnan(truth)  # NaN stands for inf - inf
    return np.where(is_right, 0, np.where(np.isnan(error), np.inf, error))


def _moved(truth_of: Callable[..., Any], points: Any, at: Any, truth: np.ndarray, dtype: str) -> float:
    """How many ulps the truth moves where every argument is moved by one, but for exact labels of 0 and 1."""
    point, moved = np.asarray(points[at[0]]), 0.0
    for i, number in enumerate(point.astype(jnp.dtype(dtype))):
        if i >= len(point) // 2 and number in (0, 1):
            continue
        with np.errstate(over="ignore"):
            beside = np.nextafter(number, np.asarray([-np.inf, np.inf], number.dtype)).astype(np.float64)
        least = 0 if dtype == "float16" else float(jnp.finfo(dtype).tiny)
        sides = np.stack([point, point])
        sides[:, i] = [min(beside[0], point[i] - least), max(beside[1], point[i] + least)]
        distance = ulps(_truth(truth_of, sides)[(slice(None), *at[1:])], truth[at], dtype)
        moved += float(distance[np.isfinite(distance)].max(initial=0))
    return moved


def main() -> int:
    parser = script.parser(__doc__)
    parser.add_argument("--count", type=int, default=5_000, help="numbers drawn at random, besides the chosen ones")
    options = parser.parse_args()
    figures, is_within = {}, True
    for dtype in BOUNDS:
        bound = f"{BOUNDS[dtype]:g} ulps at most, or thrice what an ulp of each argument moves the truth by"
        print(f"\n**{dtype}**: {bound}\n")
        print("| function | result | points | ulps | at | found | truth | an ulp of each moves it by | elsewhere |")
        print("|---|---|---:|---:|---|---:|---:|---:|---:|")
        rows = [
            row
            for function in functions()
            for row in extremes(function, dtype, count=100 if options.smoke else options.count, whole=not options.smoke)
        ]
        for row in rows:
            at = ", ".join(f"{number:.9g}" for number in row.at)
            numbers = (
                f"{row.ulps:.3g} | {at} | {row.found:.7g} | {row.truth:.7g} | {row.moved:.3g} | {row.elsewhere:.3g}"
            )
            print(f"| {row.function} | {row.result} | {row.points} | {numbers} |", flush=True)
        figures[dtype] = {f"{row.function}, {row.result}": script.finite(row.ulps) for row in rows}
        is_within &= all(row.is_within for row in rows)
    script.write(options.json, figures)
    return int(not is_within)


if __name__ == "__main__":
    sys.exit(main())
