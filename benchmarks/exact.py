"""Every activation and loss, and its derivative, in 50 digits: the functions as a textbook has them.

A function takes the numbers of one example and gives a number, or one for each unit. What stands for an infinite
argument is a number far beyond every dtype, so that the limit is found where the formula would be inf times 0.
"""

import sys
from collections.abc import Callable
from typing import Any


try:
    import mpmath
except ImportError:
    print("mpmath is not installed: there is nothing to compare with")
    sys.exit()


mp: Any = mpmath.mp  # whose functions are made when it is
mpf: Any = mpmath.mpf
mp.dps = 50
_FAR = mpf(10) ** 60


def exactly(number: Any) -> Any:
    """A float as the number that it is, or as one far away if it is infinite."""
    number = mpf(float(number))
    return mp.sign(number) * _FAR if mp.isinf(number) else number


def _sigmoid(z):
    return 1 / (1 + mp.exp(-z))


def _softplus(z):
    return max(z, mpf(0)) + mp.log1p(mp.exp(-abs(z)))


def _normal_cdf(z):
    return mp.erfc(-z / mp.sqrt(2)) / 2


def _normal_density(z):
    return mp.exp(-z * z / 2) / mp.sqrt(2 * mp.pi)


_ROOT = mp.sqrt(2 / mp.pi)
_CUBIC = mpf("0.044715")


def _twice_u(z):
    return 2 * _ROOT * (z + _CUBIC * z**3)


def _gelu_tanh_slope(z):
    of_twice_u = 2 * _ROOT * (1 + 3 * _CUBIC * z**2)
    return _sigmoid(_twice_u(z)) * (1 + z * _sigmoid(-_twice_u(z)) * of_twice_u)


ELEMENTWISE: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "identity": (lambda z: z, lambda z: mpf(1)),
    "sigmoid": (_sigmoid, lambda z: _sigmoid(z) * _sigmoid(-z)),
    "tanh": (mp.tanh, lambda z: mp.sech(z) ** 2),
    "relu": (lambda z: max(z, mpf(0)), lambda z: mpf(z > 0)),
    "leaky_relu": (lambda z: z if z >= 0 else z / 100, lambda z: mpf(1) if z >= 0 else mpf(1) / 100),
    "elu": (lambda z: z if z > 0 else mp.expm1(z), lambda z: mpf(1) if z > 0 else mp.exp(z)),
    "softplus": (_softplus, _sigmoid),
    "silu": (lambda z: z * _sigmoid(z), lambda z: _sigmoid(z) * (1 + z * _sigmoid(-z))),
    "gelu": (lambda z: z * _normal_cdf(z), lambda z: _normal_cdf(z) + z * _normal_density(z)),
    "gelu_tanh": (lambda z: z * _sigmoid(_twice_u(z)), _gelu_tanh_slope),
}
"""`(f(z), f'(z))` by name."""


def _largest(z):
    """The largest of a row; NaN where infinities would have to be compared."""
    largest = max(z)
    return mp.nan if abs(largest) == _FAR and z.count(largest) > 1 else largest


def _softmax(*z):
    largest = _largest(z)
    powers = [mp.exp(number - largest) for number in z]
    return [power / sum(powers) for power in powers]


def _softmax_pulled_back(*args):
    z, da = args[: len(args) // 2], args[len(args) // 2 :]
    a = _softmax(*z)
    return [
        a_j * sum(a_k * (da_j - da_k) for a_k, da_k in zip(a, da, strict=True)) for a_j, da_j in zip(a, da, strict=True)
    ]


def _log_softmax(*z):
    largest, at = _largest(z), z.index(max(z))
    others = sum(mp.exp(number - largest) for i, number in enumerate(z) if i != at)
    return [number - largest - mp.log1p(others) for number in z]


def _weighted(weight, value):
    """0 where the weight is 0, though the value may be infinite."""
    return weight * value() if weight else mpf(0)


def _log(p):
    return mp.log(p) if p else mp.ninf


def _over(numerator, denominator):
    return numerator / denominator if denominator else mp.inf * mp.sign(numerator)


def _bce_dp(p, y):
    if y in (0, 1):
        return _over(mpf(-1), p) if y else _over(mpf(1), 1 - p)
    return _over(p - y, p * (1 - p))


# Of a batch of one example with one output: by its two numbers.
OF_TWO_NUMBERS: dict[str, tuple[Callable[[Any, Any], Any], ...]] = {
    "bce": (
        lambda p, y: -_weighted(y, lambda: _log(p)) - _weighted(1 - y, lambda: _log(1 - p)),
        _bce_dp,
        lambda p, y: _log(1 - p) - _log(p),
    ),
    "bce_with_logits": (
        lambda z, y: _weighted(y, lambda: _softplus(-z)) + _weighted(1 - y, lambda: _softplus(z)),
        lambda z, y: (1 - y) * _sigmoid(z) - y * _sigmoid(-z),
        lambda z, y: -z,
    ),
    "half_squared_error": (lambda out, y: (out - y) ** 2 / 2, lambda out, y: out - y, lambda out, y: y - out),
    "mean_squared_error": (lambda out, y: (out - y) ** 2, lambda out, y: 2 * (out - y), lambda out, y: 2 * (y - out)),
}
"""`(loss, ∂loss/∂out, ∂loss/∂y)` by name."""


def _cross_entropy(*args):
    z, t = args[: len(args) // 2], args[len(args) // 2 :]
    return -sum(_weighted(share, lambda log_p=log_p: log_p) for share, log_p in zip(t, _log_softmax(*z), strict=True))


def _cross_entropy_dz(*args):
    z, t = args[: len(args) // 2], args[len(args) // 2 :]
    return [p * sum(t) - share for p, share in zip(_softmax(*z), t, strict=True)]


OF_A_ROW: dict[str, tuple[Callable[..., Any], ...]] = {
    "softmax": (lambda *args: _softmax(*args[: len(args) // 2]), _softmax_pulled_back),
    "softmax_cross_entropy": (
        _cross_entropy,
        _cross_entropy_dz,
        lambda *args: [-log_p for log_p in _log_softmax(*args[: len(args) // 2])],
    ),
}
"""The numbers of a row of logits, then those of its cotangent or its targets."""
