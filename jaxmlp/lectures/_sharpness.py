"""Lecture 001: why the deep network's loss jumps after step 3010.

Along the eigenvector of the largest Hessian eigenvalue λ, gradient descent multiplies by 1 - lr λ at each step.
On the plateau λ is near 1 and the component dies; from λ = 2 / lr on it grows, out of nothing but rounding noise.
"""

from collections.abc import Iterator
from functools import partial

import jax
import numpy as np

from .._mlp import loss_and_grads
from .._types import Params
from ._claim import Claim
from ._numbers import numbers, replay
from ._program import flatten, program, unflatten, xor


claim = partial(Claim, "001")

_NAME = "2-10-10-10-1"
_TEXT = (
    "Where the largest eigenvalue of the Hessian passes 2 / lr = 2, gradient descent overshoots a little more at every "
    "step. The deep network gets there at about step 3010, and what grows is rounding noise: so the step at which its "
    "loss jumps depends on the number format, and no two formats print the same curve after it."
)


@program
def _hessian_row(params: Params, v: Params, x, y) -> Params:
    """The derivative, along `v`, of the gradient derived by hand."""
    return jax.jvp(lambda params: loss_and_grads(params, x, y)[1], (params,), (v,))[1]


def sharpness(flat: np.ndarray) -> float:
    """The largest eigenvalue of the Hessian of the deep network's loss at `flat`, in float64."""
    sizes = numbers("001")[_NAME]["sizes"]
    params = unflatten(flat, sizes, "float64")
    rows = [_hessian_row(params, unflatten(v, sizes, "float64"), *xor("float64")) for v in np.eye(flat.size)]
    hessian = np.array([flatten(row) for row in rows])
    return float(np.linalg.eigvalsh((hessian + hessian.T) / 2)[-1])


def claims() -> Iterator[Claim]:
    """The sharpness on the plateau, at the crossing, and after it, at stored parameters of a float32 run."""
    curve, transient = replay(_NAME), replay("transient")
    at = {int(step): flat for run in (curve, transient) for step, flat in zip(run["steps"], run["params"], strict=True)}
    source = "half of the last digit given"
    yield claim("sharpness on the plateau, step 500", 0.95, sharpness(at[500]), 5e-3, source, _TEXT)
    before, after = sharpness(at[3000]), sharpness(at[3010])
    yield claim("sharpness is below 2 at step 3000", True, before < 2, 0, "a comparison; it is 1.88", _TEXT)
    yield claim("sharpness is above 2 at step 3010", True, after > 2, 0, "a comparison; it is 2.005", _TEXT)
    crossing = 3000 + 10 * (2 - before) / (after - before)
    source = "half the distance of the two stored steps it is interpolated between"
    yield claim("sharpness passes 2 / lr at step", 3010.0, crossing, 5.0, source, _TEXT)
