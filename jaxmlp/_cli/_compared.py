"""The gradient by hand beside that of autodiff, along a training."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..verify import check, GradientReport


_SUSPICIOUS = 1e-9
"""In float64, relative to a leaf's norm: rounding is far below, but for a trained network whose gradient cancels."""


class Parted(Exception):
    """The two gradients are not the same; the text says where."""

    def __init__(self, report: GradientReport) -> None:
        super().__init__(f"The gradient by hand and that of autodiff part.\n{report}")
        self.report = report


class Comparison:
    """Compares the two at given parameters, in float64; what looks suspicious is decided by `jaxmlp.check`."""

    def __init__(self, value: Callable, by_hand: Callable, batch: tuple[Any, ...], *, ensemble: bool) -> None:
        self._value, self._by_hand, self._batch, self._ensemble = value, by_hand, batch, ensemble

        def difference(params: Any, batch: tuple[Any, ...]) -> Any:
            params, batch = jax.tree.map(_wide, (params, batch))
            expected = jax.grad(value)(params, *batch)
            errors = jax.tree.map(_relative, by_hand(params, *batch)[1], expected)
            return jnp.max(jnp.stack(jax.tree.leaves(errors)))

        self._difference = jax.jit(jax.vmap(difference, (0, None)) if ensemble else difference)

    def __call__(self, params: Any) -> None:
        """Compare the two.

        Raises:
          Parted: they are not the same.
        """
        with jax.enable_x64(True):
            difference = self._difference(params, self._batch)
            if (difference <= _SUSPICIOUS).all():
                return
        if self._ensemble:
            worst = int(np.argmax(np.where(np.isnan(difference), np.inf, difference)))
            params = jax.tree.map(lambda leaf: np.asarray(leaf)[worst], params)
        report = check(self._value, lambda *args: self._by_hand(*args)[1], params, *self._batch)
        if not report.ok:
            raise Parted(report)


def _relative(actual: Any, expected: Any) -> Any:
    """The norm of the difference over that of the expected; equal zeros do not differ."""
    error, norm = jnp.linalg.norm((actual - expected).ravel()), jnp.linalg.norm(expected.ravel())
    return jnp.where(error == 0, 0.0, error / norm)


def _wide(leaf: Any) -> Any:
    return leaf.astype("float64") if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf
