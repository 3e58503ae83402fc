"""Are the numbers good? The leaves whose formula is right, in the dtypes that the caller computes in."""

from typing import Any

import jax.numpy as jnp
import numpy as np

from .._report._gradient_report import Finding
from .._report._words import in_a_coarser_dtype, not_finite_in, poor_numbers
from ._seen import Own, Seen


class Numbers:
    """The leaves in `dtypes`, as the caller gets them (`own`), beside the float64 truth (`here`)."""

    def __init__(self, own: Own, here: Seen, dtypes: dict[str, Any]) -> None:
        self._own, self._here, self._dtypes = own, here, dtypes
        self._coarse = tuple(path for path, dtype in dtypes.items() if _eps(own.dtypes[path]) > _eps(dtype))
        self._lost = tuple(path for path in dtypes if path not in self._coarse and self._is_lost(path))
        self.useless = frozenset((*self._coarse, *self._lost))

    def ulps(self, path: str) -> tuple[float | None, float | None]:
        """The error of a leaf, and of `jax.grad`'s, in units of the epsilon of its dtype; None where unknown."""
        own, autodiff = self._error(path, self._own.errors), self._error(path, self._own.autodiff_errors)
        if own is None or autodiff is None:
            return None, None
        eps = _eps(self._dtypes[path])
        is_the_truth = self._dtypes[path] == np.float64
        return own / eps, None if is_the_truth else autodiff / eps

    def mistakes(self) -> tuple[Finding, ...]:
        """Leaves that come in too coarse a dtype, or not finite where the loss and the true gradient are."""
        coarse = tuple(in_a_coarser_dtype(path, self._own.dtypes[path], self._dtypes[path]) for path in self._coarse)
        lost = {dtype: tuple(p for p in self._lost if self._dtypes[p] == dtype) for dtype in self._dtypes.values()}
        return coarse + tuple(not_finite_in(dtype, paths) for dtype, paths in lost.items() if paths)

    def warnings(self) -> tuple[Finding, ...]:
        """Leaves with fewer than half of the digits that their dtype holds, where none is `useless`."""
        poor = {}
        for path, dtype in self._dtypes.items():
            error = self._error(path, self._own.errors)
            if self._here.size_of(path) < float(jnp.finfo(dtype).tiny):
                continue  # what the dtype has no digits for is no loss of digits
            if error is not None and not error <= np.sqrt(_eps(dtype)):
                poor[path] = (error, self._error(path, self._own.autodiff_errors))
        return (poor_numbers(poor, self._dtypes),) if poor else ()

    def _error(self, path: str, errors: dict[str, float | None]) -> float | None:
        return errors[path] if path in self._dtypes else None

    def _is_lost(self, path: str) -> bool:
        fits = self._here.size_of(path) <= float(jnp.finfo(self._dtypes[path]).max)
        return fits and bool(np.isfinite(self._own.value)) and not self._own.is_finite[path]


def _eps(dtype: Any) -> float:
    return float(jnp.finfo(dtype).eps)
