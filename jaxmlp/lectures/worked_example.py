"""Lecture 003: one step of gradient descent worked out by hand, all of its numbers.

Two inputs, two hidden units, two outputs, no biases:

    h = s(x w1),   o = s(h w2),   w1 = [[W1, W3], [W2, W4]],   w2 = [[W5, W7], [W6, W8]]
    E = (o1 - t1)² / 2 + (o2 - t2)² / 2
"""

from collections.abc import Iterator
from functools import partial

import jax.numpy as jnp
import numpy as np

from .._activations import sigmoid
from .._dense import dense_bwd, dense_fwd
from .._losses import half_squared_error
from .._mlp import backward, forward, loss_value
from .._types import Dense, Params
from ._claim import Claim
from ._numbers import numbers
from ._program import layer, program


claim = partial(Claim, "003")

_HALF_DIGIT = 5e-9
_SOURCE = "half of the eighth decimal, the last one printed; in float64, for float32 has seven digits"
_TEXT = {
    "E_total": "The loss is half the squared error, summed over the outputs: no mean, though it is called one.",
    "dE_do1": "dE/do1 = o1 - t1: the 2 of the square and the 1/2 cancel.",
    "do1_dz3": "do1/dz3 = o1 (1 - o1), the slope of the sigmoid at its own output.",
    "dz3_dW5": "z3 = W5 h1 + W6 h2, so dz3/dW5 = h1: a weight's slope is what comes in through it.",
    "dE_dW5": "The chain rule multiplies its factors: dE/do1 · do1/dz3 · dz3/dW5. The lecture's word is adding.",
    "W5_new": "W5 - 0.5 dE/dW5.",
    "dEo1_dh1": "What h1 does to the first error goes through W5: dE/dz3 · W5.",
    "dEo2_dh1": "What h1 does to the second error goes through W7: dE/dz4 · W7.",
    "dE_dh1": "h1 feeds both outputs, so its slope is the sum over both paths: in matrices, dh = dz w2ᵀ.",
    "dE_dW1": "dE/dh1 · dh1/dz1 · dz1/dW1: the path from the loss back to W1, factor by factor.",
}


def claims(dtype: str = "float32") -> Iterator[Claim]:
    """The claims of lecture 003, in float64 whatever `dtype`: eight decimals are more than float32 has."""
    del dtype
    given = numbers("003")
    x, t = np.array([given["x"]]), np.array([given["targets"]])
    lr, params = given["lr"], arrange(given["weights"])

    computed = example(params, x, t, lr)
    for name, printed in given["printed"].items():
        yield claim(name, printed, float(computed[name]), _HALF_DIGIT, _SOURCE, _TEXT.get(name, ""))
    for name, printed in given["later"].items():
        later = f"{name}_new" if name.startswith("W") else f"{name}_after"
        text = "Not printed in the lecture: what its step leads to." if name == "E_total" else ""
        yield claim(later, printed, float(computed[later]), _HALF_DIGIT, "half of the eighth decimal", text)
    yield from _order_of_updates(computed)
    yield from _misprint(float(computed["dE_dW1"]))


def arrange(weights: list[float]) -> Params:
    """`W1 ... W8` as two bias-free layers: a column holds what feeds one unit."""
    w1, w2, w3, w4, w5, w6, w7, w8 = weights
    return layer(np.array([[w1, w3], [w2, w4]])), layer(np.array([[w5, w7], [w6, w8]]))


def _forward_numbers(params: Params, x, t) -> dict:
    """z1 ... E_total, by the lecture's names."""
    z, _ = dense_fwd(params[0], x)
    h = sigmoid(z)
    zo, _ = dense_fwd(params[1], h)
    o, _ = forward(params, x)
    errors = [half_squared_error(o[:, k : k + 1], t[:, k : k + 1]) for k in (0, 1)]
    names = ("z1", "z2", "h1", "h2", "z3", "z4", "o1", "o2", "E_o1", "E_o2", "E_total")
    return dict(zip(names, (*z[0], *h[0], *zo[0], *o[0], *errors, half_squared_error(o, t)), strict=True))


@program
def example(params: Params, x, t, lr) -> dict:
    """Every number of the example, by the lecture's names: forward, partial derivatives, new weights, new losses."""
    numbers = _forward_numbers(params, x, t)
    out, residuals = forward(params, x)
    (hidden_dense, hidden_slope), (output_dense, output_slope) = residuals

    dout, _ = half_squared_error.bwd(half_squared_error.fwd(out, t)[1], jnp.ones((), x.dtype))
    grads, _ = backward(residuals, dout)
    (dz,) = sigmoid.bwd(output_slope, dout)
    one = jnp.ones_like(out)
    first, second = jnp.array([[[1, 0]], [[0, 1]]], x.dtype)
    numbers |= {
        "dE_do1": dout[0, 0],
        "do1_dz3": sigmoid.bwd(output_slope, one)[0][0, 0],
        "dz3_dW5": dense_bwd(output_dense, first)[0].w[0, 0],
        "dE_dW5": grads[1].w[0, 0],
        "dEo1_dh1": dense_bwd(output_dense, dz * first)[1][0, 0],
        "dEo2_dh1": dense_bwd(output_dense, dz * second)[1][0, 0],
        "dE_dh1": dense_bwd(output_dense, dz)[1][0, 0],
        "dh1_dz1": sigmoid.bwd(hidden_slope, one)[0][0, 0],
        "dz1_dW1": dense_bwd(hidden_dense, first)[0].w[0, 0],
        "dE_dW1": grads[0].w[0, 0],
    }
    new = tuple(Dense(old.w - lr * grad.w, None) for old, grad in zip(params, grads, strict=True))
    numbers |= {f"W{4 * i + 2 * j + k + 1}_new": new[i].w[k, j] for i in (0, 1) for j in (0, 1) for k in (0, 1)}
    numbers |= {f"{name}_after": value for name, value in _forward_numbers(new, x, t).items()}
    return numbers | _sequential(params, x, t, lr)


def _sequential(params: Params, x, t, lr) -> dict:
    """The output layer first, then the hidden layer with the output weights already changed."""
    first, second = params
    out, residuals = forward(params, x)
    dout, _ = half_squared_error.bwd(half_squared_error.fwd(out, t)[1], jnp.ones((), x.dtype))
    grads, _ = backward(residuals, dout)
    changed = Dense(second.w - lr * grads[1].w, None)
    (_, h), slope = residuals[1]
    late, _ = backward((residuals[0], ((changed, h), slope)), dout)  # the old activations, the new weights
    new = (Dense(first.w - lr * late[0].w, None), changed)
    return {"W1_sequential": new[0].w[0, 0], "E_total_sequential": loss_value(new, x, t, loss=half_squared_error)}


def _order_of_updates(computed: dict) -> Iterator[Claim]:
    given = numbers("003")
    source = "half of the 14th decimal, the last one stored of a 40-digit calculation"
    text = "All weights step at once, by slopes taken at the old ones: this is gradient descent, and what is printed."
    pairs = (("W1", "W1_new"), ("E_total", "E_total_after"))
    for name, key in pairs:
        printed = given["simultaneous"][name]
        yield claim(f"{name} after a simultaneous step", printed, float(computed[key]), 1e-14, "float64 rounding", text)
    text = "Step the output weights first and use the new ones for the hidden layer: another result, from digit 6 on."
    for name, printed in given["sequential"].items():
        value = float(computed[f"{name}_sequential"])
        yield claim(f"{name} after a sequential step", printed, value, 1e-14, source, text)
    text = "The printed W1 tells which of the two was done."
    nearer = abs(float(computed["W1_sequential"]) - given["printed"]["W1_new"]) > _HALF_DIGIT
    yield claim("the printed W1 rules out the sequential step", True, nearer, 0, "half of the eighth decimal", text)


def _misprint(dw1: float) -> Iterator[Claim]:
    given = numbers("003")
    lr, printed, weight = given["lr"], given["printed"]["W1_new"], given["weights"][0]
    text = "The line for the new W1 starts from 0.1, which is x1. Its result is right, and starts from W1 = 0.3."
    gap = printed - (given["misprinted_w1"] - lr * dw1)
    yield claim("new W1, had it started from the printed 0.1: short by", 0.2, gap, _HALF_DIGIT, _SOURCE, text)
    yield claim("new W1, started from 0.3", printed, weight - lr * dw1, _HALF_DIGIT, _SOURCE, text)
