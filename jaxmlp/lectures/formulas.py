"""The derivatives that the lectures use, as formulas and as numbers, and where each stops working.

s(z) = 1 / (1 + e⁻ᶻ)              s'(z) = s(z) (1 - s(z)) = e⁻ᶻ / (1 + e⁻ᶻ)²
L = -mean(y log p + (1 - y) log(1 - p))   ∂L/∂p = (p - y) / (p (1 - p)) / N   ∂L/∂z = (p - y) / N,  p = s(z)
Z = X W + b                       dW = Xᵀ dZ,   db = Σ dZ over the batch,   dX = dZ Wᵀ
"""

from collections.abc import Iterator
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from .._activations import sigmoid as core_sigmoid
from .._losses import bce, bce_stabilized, bce_with_logits
from ._claim import Claim
from ._matrix_forms import claims as matrix_claims
from ._numbers import numbers
from ._program import network, program, xor
from ._rules import all_directions, sigmoid


claim = partial(Claim, "formulas")

_ROUNDING = "float64 rounding, 2e-16, times the e^8 by which 1 - s(8) cancels"


def claims(dtype: str = "float32") -> Iterator[Claim]:
    """The formulas: in float64 where they agree, in float32 where they fail, whatever `dtype`."""
    del dtype
    yield from _sigmoid()
    yield from _cross_entropy()
    yield from matrix_claims()
    yield from _whole_network()


@program
def _slopes(z):
    """s'(z) in both of the lectures' forms, as the core computes it, and by autodiff of s."""
    s, e = sigmoid(z), jnp.exp(-z)
    _, residuals = core_sigmoid.fwd(z)
    (core,) = core_sigmoid.bwd(residuals, jnp.ones_like(z))
    return s * (1 - s), e / ((1 + e) * (1 + e)), core, jax.vmap(jax.grad(sigmoid))(z)


def _sigmoid() -> Iterator[Claim]:
    z = np.linspace(-8, 8, 161)
    product, quotient, core, autodiff = _slopes(z)
    text = "s' = e^-z / (1 + e^-z)² = s (1 - s): divide the fraction into 1/(1 + e^-z) times e^-z/(1 + e^-z) = 1 - s."
    for name, values in (("the quotient form", quotient), ("jax.grad", autodiff), ("s(z) s(-z)", core)):
        off = float(np.abs(values / product - 1).max())
        yield claim(f"s' = s (1 - s) and {name} differ by, on -8 ... 8", 0.0, off, 1e-12, _ROUNDING, text)

    # Around 24 ln 2, around the overflow of (1 + e⁻ᶻ)², around that of e⁻ᶻ, and everything between.
    grids = [
        np.arange(1650, 1680),
        np.arange(-4420, -4450, -1),
        np.arange(-8860, -8885, -1),
        np.arange(-8700, 8700, 10),
    ]
    edges = np.cumsum([grid.size for grid in grids])[:-1]
    z = np.concatenate(grids) / 100
    product, quotient, core, _ = (np.split(values, edges) for values in _slopes(z.astype(np.float32)))
    high, squared, low, _ = np.split(z, edges)
    step, source = 0.011, "a step of the grid, 0.01"
    first = lambda condition: int(np.argmax(condition))

    gone = first(product[0] == 0)
    text = "In float32 s(z) is 1 from z = 24 ln 2 = 16.64 on, so 1 - s is 0, and so is the slope: the unit is stuck."
    yield claim("float32: s (1 - s) is 0 from z on", 16.64, float(high[gone]), step, source, text)
    text = "The quotient form still has its digits there, and so has s(z) s(-z), which the core uses."
    for name, values in (("the quotient form", quotient), ("s(z) s(-z)", core)):
        there = float(values[0][gone])
        yield claim(f"float32: {name} there", 5.93e-8, there, 6e-10, "1 %: a step of the grid", text)
    text = "Below z = -44.4 the square of 1 + e^-z overflows and the quotient is 0; the slope is a good 5e-20."
    at = float(squared[first(quotient[1] == 0)])
    yield claim("float32: the quotient form is 0 below z", -44.36, at, step, source, text)
    text = "Below z = -88.72 e^-z is inf, and the quotient form is inf / inf = NaN."
    at = float(low[first(np.isnan(quotient[2]))])
    yield claim("float32: the quotient form is NaN below z", -88.72, at, step, source, text)
    text = "s(z) s(-z) is one form for both ends, down to the smallest float32 of full precision."
    works = bool(np.isfinite(core[3]).all() and (core[3] > 0).all())
    yield claim("float32: s(z) s(-z) is above 0 on -87 ... 87", True, works, 0, "a comparison", text)


@program
def _entropies(z, y):
    """The gradient of the cross-entropy by p, by the logit, and stabilized; and autodiff's by each."""
    p = sigmoid(z)
    one = jnp.ones((), z.dtype)
    by_p, by_z = bce.bwd(bce.fwd(p, y)[1], one)[0], bce_with_logits.bwd(bce_with_logits.fwd(z, y)[1], one)[0]
    stabilized = bce_stabilized(1e-7).bwd((p, y), one)[0]
    formula = (p - y) / (p * (1 - p)) / p.size
    auto_p = jax.grad(lambda p: -jnp.mean(y * jnp.log(p) + (1 - y) * jnp.log(1 - p)))(p)
    return by_p, by_z, stabilized, formula, auto_p, (p - y) / p.size, p * (1 - p)


def _cross_entropy() -> Iterator[Claim]:
    # Right and wrong answers, in pairs; the fourth pair has r = p (1 - p) = 3.5e-4, and in the fifth p is 1 exactly.
    z = np.array([[0.0], [0.0], [1.5], [-1.5], [-4.0], [4.0], [7.957], [7.957], [40.0], [40.0]])
    y = np.array([[0.0], [1.0]] * 5)
    values = _entropies(z, y)
    by_p, by_z, stabilized, formula, auto_p, difference, r = (value[:8] for value in values)
    source = "float64 rounding, 2e-16, over the r = 3.5e-4 by which 1 - p cancels"
    off = lambda actual, expected: float(np.abs(actual / expected - 1).max())
    text = "∂L/∂p = (p - y) / (p (1 - p)) / N: -1/p for a 1 and 1/(1 - p) for a 0, over N because L is a mean."
    yield claim("dL/dp and (p - y) / (p (1 - p)) / N differ by", 0.0, off(by_p, formula), 1e-11, source, text)
    yield claim("dL/dp and jax.grad differ by", 0.0, off(by_p, auto_p), 1e-11, source, text)
    text = "The sigmoid's slope p (1 - p) cancels the denominator: ∂L/∂z = (p - y) / N, with no pole anywhere."
    yield claim("dL/dz and (p - y) / N differ by", 0.0, off(by_z, difference), 1e-11, source, text)
    yield claim("dL/dp times p (1 - p), and dL/dz, differ by", 0.0, off(by_p * r, by_z), 1e-11, source, text)
    poles = bool((by_p[::2] > 0).all() and (by_p[1::2] < 0).all())
    text = "For a label of 0 or 1 it is never zero: p = y is no root but the end of the range."
    yield claim("dL/dp is above 0 for y = 0 and below for y = 1", True, poles, 0, "a comparison", text)

    text = "An eps in the denominator multiplies the gradient by r / (r + eps), r = p (1 - p): the gradient of no loss."
    short = 1 - (stabilized / formula)[:, 0]
    yield claim("eps 1e-7 is short by, at p = 1/2", 4e-7, float(short[0]), 1e-11, source, text)
    yield claim("eps 1e-7 is short by, at r = 3.5e-4", 2.86e-4, float(short[6]), 5e-7, "half of the last digit", text)
    factor = off(stabilized / formula, r / (r + 1e-7))
    yield claim("the factor and r / (r + eps) differ by", 0.0, factor, 1e-11, source, text)
    stuck, moving = float(values[2][8, 0] * values[6][8, 0]), float(values[1][8, 0] * z.size)
    text = "At p = 1 exactly the factor is 0: the answer most wrong gets no gradient. By the logit it gets all of it."
    yield claim("z = 40, y = 0: N dL/dz, stabilized", 0.0, stuck, 0, "equality: in float64 s(40) is 1", text)
    yield claim("z = 40, y = 0: N dL/dz, by the logit", 1.0, moving, 1e-15, "float64 rounding", text)


def _whole_network() -> Iterator[Claim]:
    at = all_directions(network(numbers("001")["normal_start"]["start"], "float64"), *xor("float64"))
    text = (
        "All of it together, for two layers: dz2 = (p - y) / N, dw2 = a1ᵀ dz2, db2 = Σ dz2, "
        "dz1 = (dz2 w2ᵀ) a1 (1 - a1), dw1 = xᵀ dz1, db1 = Σ dz1: six lines, and autodiff's numbers."
    )
    for i, (ours, theirs) in enumerate(zip(at.by_hand, at.by_autodiff, strict=True), start=1):
        for name in ("w", "b"):
            off = float(np.abs(getattr(ours, name) - getattr(theirs, name)).max())
            yield claim(f"d{name}{i} by hand and by jax.grad differ by", 0.0, off, 1e-15, "float64 rounding", text)
