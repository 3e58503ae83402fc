"""What `check` says of the lectures' own gradients: which mistake, and on which line."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeAlias

import numpy as np

from ..verify import check, GradientReport
from . import _mistakes as mistakes
from ._claim import Claim
from ._numbers import numbers
from ._program import network, xor


_FOUND = "as it is found"

Causes: TypeAlias = dict[str, str]
"""The cause of each mistake, by the line that it stands on or by the leaf that it makes wrong."""


def lecture_000() -> Iterator[Claim]:
    """The batch sum, in both weights."""
    text = (
        "`check` is given the lecture's gradient and its cost, and nothing else. The biases are right; each weight's "
        "line sums over the 4 examples where the cost takes their mean."
    )
    report = _asked(mistakes.lecture_000)
    sums = {"d_w2 = a1.T @ d_l2": "scale-batch", "d_w1 = x.T @ d_l1": "scale-batch"}
    yield from _diagnosed("000", report, ("w1", "w2"), sums, text)


def lecture_001() -> Iterator[Claim]:
    """The batch sum again, in the lines of this lecture."""
    text = (
        "`check` finds the batch sum of lecture 000 here as well. It is asked without the eps of 1e-7, which makes "
        "every leaf wrong by some 6e-7 of its size: nothing for the training, and yet not the derivative."
    )
    report = _asked(mistakes.lecture_001)
    sums = {"d_w2 = a1.T @ d_b2": "scale-batch", "d_w1 = x.T @ d_b1": "scale-batch"}
    yield from _diagnosed("001", report, ("w1", "w2"), sums, text)


def lecture_002() -> Iterator[Claim]:
    """The wrong names, once nothing is undefined any more: an old `d_w1`, and the lines of the update."""
    text = (
        "With an old d_w1 in the notebook nothing stops the lines. `check` does: what is called d_w2 has the shape of "
        "w1, and what is called d_w1 is no gradient."
    )
    stale = np.array([[1, 2], [3, 4]], np.float32)
    report = _asked(partial(mistakes.lecture_002_gradients, d_w1=stale))
    yield from _diagnosed("002", report, ("w1", "w2"), {"w2": "shape"}, text, "diagnosed, with an old d_w1")
    text = (
        "What a step takes off a parameter, over the rate, must be its gradient. `check` says that w2 and b2 would "
        "never be trained, and that w1 moves by 8 times its gradient: 4 by the batch sum, 2 by its second update."
    )
    report = _asked(mistakes.lecture_002_updates)
    causes = {"w2": "zero-gradient", "b2": "zero-gradient", "w1": "scale-constant"}
    yield from _diagnosed("002", report, ("b1", "b2", "w1", "w2"), causes, text, "diagnosed, the update")
    factor = next((finding.factor or 0.0 for finding in report.findings if finding.leaves == ("w1",)), 0.0)
    yield Claim("002", "diagnosed, the update: w1 over its gradient", 8.0, factor, 0, _FOUND, text)


def lecture_004() -> Iterator[Claim]:
    """The lost sign and the batch sum, beside the loss that is stated; and beside the one that is coded."""
    text = (
        "Beside the loss that the lecture states, `check` tells its two mistakes apart: the sign is lost in d_loss, "
        "and so in all that follows from it; the sum is taken in each weight's own line."
    )
    start = numbers("004")["start"]
    sums = {"d_w2 = a1.T @ d_l2": "scale-batch", "d_w1 = x.T @ d_l1": "scale-batch"}
    report = _asked(mistakes.lecture_004, start)
    causes = {"d_loss = y / p - (1 - y) / (1 - p)": "sign"} | sums
    yield from _diagnosed("004", report, ("b1", "b2", "w1", "w2"), causes, text)
    text = (
        "Beside the loss that it codes only the sums remain, for that loss lacks the minus as well: a derivative can "
        "be checked against its loss, and the loss only against what it is meant to be."
    )
    report = _asked(mistakes.lecture_004, start, mistakes.coded_loss)
    yield from _diagnosed("004", report, ("w1", "w2"), sums, text, "diagnosed, by the coded loss")


def _asked(
    grads: Callable[..., mistakes.Named], start: list | None = None, loss: Callable[..., object] = mistakes.stated_loss
) -> GradientReport:
    """The check of `grads` on exclusive or, at `start` or at the seeded normal one."""
    first, second = network(start or numbers("001")["normal_start"]["start"], "float32")
    params = {"w1": first.w, "b1": first.b, "w2": second.w, "b2": second.b}
    return check(loss, grads, params, *xor("float32"))


def _diagnosed(
    lecture: str,
    report: GradientReport,
    wrong: tuple[str, ...],
    causes: Causes,
    text: str,
    name: str = "diagnosed",
) -> Iterator[Claim]:
    """Which leaves are wrong, and the cause that the report gives for each line or leaf in `causes`."""
    claim = partial(Claim, lecture, tolerance=0, source=_FOUND, text=text)
    leaves = tuple(sorted(leaf.path for leaf in report.leaves if leaf.verdict == "wrong"))
    yield claim(f"{name}: wrong leaves", wrong, leaves)
    for place, cause in causes.items():
        found = [f.cause for f in report.findings if place in f.leaves or (f.line and f.line.text == place)]
        yield claim(f"{name}: {place}", cause, ", ".join(found))
