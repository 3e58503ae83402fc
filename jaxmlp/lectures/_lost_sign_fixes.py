"""Lecture 004: what each way to get rid of the NaN repairs, and what it leaves."""

from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import numpy as np

from ._claim import Claim
from ._lost_sign_rules import AS_PRINTED, History, Settings, train
from ._numbers import numbers
from ._program import xor
from ._rules import forward_in_numpy


claim = partial(Claim, "004")


class Fix(NamedTuple):
    """A variant by its name in the data, how many of the four answers it ends up with, and what it shows."""

    settings: Settings
    right: int | None
    text: str
    epochs: int = 10_000
    dtype: str = "float32"


_EPS = "An eps in the denominators keeps the parameters finite. The sign stays wrong, and so do the logs: NaN later on."
_LOGS = "An eps in the logs as well: no NaN, a quiet standstill with every output at 1, two answers of four wrong."
_FLIP = "The sign, and nothing else: no NaN, for nothing drives p to 1 on a wrong answer, and the network learns."

FIXES: dict[str, Fix] = {
    "as_printed": Fix(AS_PRINTED, None, "Unchanged. To print -loss instead would change the sign of the inf, no more."),
    "eps1e-07_in_denominators_wrong_sign": Fix(Settings("denominators", eps=1e-7), 2, _EPS),
    "eps1e-08_in_denominators_wrong_sign": Fix(Settings("denominators", eps=1e-8), 2, _EPS),
    "eps1e-07_quotient_form_wrong_sign": Fix(Settings("quotient", eps=1e-7), 2, _EPS),
    "eps1e-08_quotient_form_wrong_sign": Fix(Settings("quotient", eps=1e-8), 2, _EPS),
    "eps1e-07_in_denominators_and_logs_wrong_sign": Fix(Settings("denominators", eps=1e-7, eps_log=1e-7), 2, _LOGS),
    "eps1e-08_in_denominators_and_logs_wrong_sign": Fix(Settings("denominators", eps=1e-8, eps_log=1e-8), 2, _LOGS),
    "clamped_logs_torchbce_grad_wrong_sign": Fix(
        Settings("clamped"), 2, "Logs and quotient clamped, as libraries do: finite, stuck, and still wrong."
    ),
    "logits_wrong_sign": Fix(
        Settings("logits"),
        2,
        "On the logits nothing overflows and the bug is hidden, not fixed: the loss falls for ever.",
    ),
    "as_printed_loss_with_autograd": Fix(
        Settings("autodiff"), None, "Autodiff of the wrong loss is the right derivative of the wrong thing: NaN, later."
    ),
    "sign_flipped": Fix(Settings("denominators", sign=-1), 3, _FLIP + " Rate 0.01 needs more than 10,000 epochs."),
    "sign_flipped_100k": Fix(Settings("denominators", sign=-1), 4, _FLIP, 100_000),
    "sign_flipped_lr0.1_100k": Fix(Settings("denominators", sign=-1, lr=0.1), 4, _FLIP),
    "sign_flipped_lr1": Fix(Settings("denominators", sign=-1, lr=1.0), 4, _FLIP),
    "sign_flipped_f64": Fix(Settings("denominators", sign=-1), 3, _FLIP, dtype="float64"),
    "sign_flipped_logits": Fix(
        Settings("logits", sign=-1), 3, "The sign and the logits: the same numbers, and safe wherever p saturates."
    ),
}


def claims() -> Iterator[Claim]:
    """For each fix: when the loss is first infinite and first NaN, where it ends, and how many answers are right."""
    for key, fix in FIXES.items():
        run, given = train(fix.settings, fix.dtype, epochs=fix.epochs), numbers("004")["fixes"][key]
        name = _readable(key, fix.epochs)
        for what, test, epoch in zip(("-inf", "NaN"), (np.isinf, np.isnan), given["first_inf_and_nan"], strict=True):
            printed = "never" if epoch is None else epoch
            yield claim(f"{name}: first {what} at epoch", printed, _first(test, run), 0, "an epoch", fix.text)
        for epoch, loss in given["losses"]:
            if epoch in (1, 100, 10_000, 50_000, 100_000) and epoch <= fix.epochs:
                tolerance, source = _tolerance(key, loss)
                computed = float(run.losses[epoch - 1])
                yield claim(f"{name}: loss at epoch {epoch}", loss, computed, tolerance, source, fix.text)
        if fix.right is not None:
            yield claim(f"{name}: right answers at the end", fix.right, _right(run), 0, "a count", fix.text)


def _first(test, run: History) -> int | str:
    found = test(run.losses)
    return int(np.argmax(found)) + 1 if found.any() else "never"


def _right(run: History) -> int:
    """How many of the four cases of XOR the last parameters answer right, p > 1/2 being a 1."""
    x, y = xor("float64")
    _, l2 = forward_in_numpy(run.snapshots[-1], x)
    return int(((l2 > 0) == (y > 0.5)).sum())


def _tolerance(key: str, loss: float) -> tuple[float, str]:
    if key == "logits_wrong_sign":
        return 7e-5 * abs(loss), "7e-5 of the loss: float32 is that far from exact arithmetic at epoch 10,000"
    return 1e-6 + 1e-5 * abs(loss), "1e-6 + 1e-5 of the loss: what float32 runs of two frameworks differ by, and more"


def _readable(key: str, epochs: int) -> str:
    words = key.replace("eps1e-0", "eps 1e-").replace("_torchbce_grad", " and quotient").replace("_100k", "")
    words = words.replace("_lr", ", lr ").replace("_f64", ", float64").replace("_", " ")
    return f"{words}, {epochs} epochs" if epochs > 10_000 else words
