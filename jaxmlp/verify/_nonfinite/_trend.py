"""What a training did to its loss, in a word."""

import numpy as np

from ._report import Trend


_RARELY = 0.1
_MUCH = 2.0


def trend(losses: np.ndarray, turned: bool | None) -> tuple[Trend | None, int]:
    """What the finite losses at the beginning of `losses` do, and in how many steps they rise.

    A loss that rises all the time is climbed, unless the steps `turned` back against each other: then it is overshot.
    """
    finite = losses[np.logical_and.accumulate(np.isfinite(losses))]
    if len(finite) < 3:
        return None, 0
    steps = np.diff(finite)
    rose, fell = int((steps > 0).sum()), int((steps < 0).sum())
    rarely = _RARELY * len(steps)  # near the end of its digits a loss stands still, or trembles
    if finite[-1] > finite[0] and fell <= rarely:
        return ("diverged" if turned else "climbed"), rose
    if finite[-1] < finite[0] and rose <= rarely:
        return ("fell-below-zero" if (finite < 0).all() else "fell"), rose
    quarter = max(1, len(finite) // 4)
    grew = np.abs(finite[-quarter:]).max() > _MUCH * np.abs(finite[:quarter]).max()
    return ("diverged" if grew and finite[-1] > finite[0] else "wavered"), rose
