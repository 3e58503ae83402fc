"""The loss of every step, on a logarithmic axis."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from ._canvas import axes_of, CURVES, ink, legend
from ._words import in_a_font_that_has_it, Language, words


_CURVE = "loss curve"  # the id of a line, by which the next call on the same axes knows how many there are
_DOTS = "printed losses"
_DOT = {"marker": "o", "markersize": 5, "markeredgecolor": "white", "markeredgewidth": 0.8}
_MEMBERS = 30
_STEPS = 1000


def loss_curve(
    losses: Any,
    *,
    ax: Axes | None = None,
    label: str | None = None,
    marks: Mapping[Any, Any] | None = None,
    lang: Language = "en",
) -> Axes:
    """The loss over the steps; on axes that have a curve already, the next colour and line style.

    The axis is logarithmic unless a loss is negative. At the first loss that is not finite, a cross stands on the one
    before.

    Args:
      losses: the loss of every step from step 0 on, `(steps,)`, as `fit` returns it; of an ensemble `(members, steps)`,
        of which the median, the band between the quantiles 10 % and 90 %, and up to 30 members are drawn; or a mapping
        of labels to either. A loss that is not finite counts as the largest.
      ax: where to draw.
      label: what the legend calls the curve.
      marks: a mapping of steps to losses that are drawn as dots, such as printed ones; or of the labels to such
        mappings.
      lang: of the words in the picture, `"en"` or `"ko"`, where a font with Korean letters is installed.

    Returns:
      The axes.

    Raises:
      TypeError: `losses` holds no numbers, or `marks` is not a mapping.
      ValueError: `losses` is empty or has more than two axes; `label` is given for a mapping, which has labels; or
        `marks` has a label that `losses` lacks, or there is no such language.

    Example:
      >>> import jax
      >>> import jaxmlp
      >>> import optax
      >>> params = jaxmlp.init_params(jax.random.key(0), (2, 1))
      >>> options = dict(loss_and_grads=jaxmlp.loss_and_grads, steps=100)
      >>> curves = {
      ...     f"rate {rate}": jaxmlp.fit(params, jaxmlp.gate("or"), optimizer=optax.sgd(rate), **options)[1]
      ...     for rate in (0.1, 1.0)
      ... }
      >>> ax = jaxmlp.plot.loss_curve(curves)
    """
    if isinstance(losses, Mapping):
        if label is not None:
            raise ValueError(
                f"`label` is {label!r}, but `losses` is a mapping, whose keys are the labels: leave it out."
            )
        curves = {str(name): _checked(f"losses[{name!r}]", curve) for name, curve in losses.items()}
        if not curves:
            raise ValueError("`losses` is an empty mapping: there is no curve to draw.")
    else:
        curves = {label: _checked("losses", losses)}
    dots, say = _marks(marks, curves), words(lang)
    ax = axes_of(ax, (6, 3.6))
    drawn = sum(line.get_gid() == _CURVE for line in ax.lines)
    for place, (name, curve) in enumerate(curves.items()):
        color, style = CURVES[(drawn + place) % len(CURVES)]
        (_ensemble if curve.ndim == 2 else _single)(ax, curve, name, color, style, say)
        _dots(ax, dots.get(name), color)
    _dots(ax, dots.get(_ALL), ink(ax))
    finite = np.concatenate([line.get_ydata() for line in ax.lines if line.get_gid() == _CURVE])
    finite = finite[np.isfinite(finite)]
    ax.set_yscale("linear" if (finite < 0).any() or not (finite > 0).any() else "log")
    ax.set(xlabel=say("axis.step"), ylabel=say("axis.loss"))
    handles, labels = ax.get_legend_handles_labels()
    if any(line.get_gid() == _DOTS for line in ax.lines):
        handles = [*handles, Line2D([], [], color=ink(ax), linestyle="none", **_DOT)]
        labels = [*labels, say("legend.printed")]
    if labels:
        legend(ax, handles=handles, labels=labels, loc="best")
    in_a_font_that_has_it(ax)
    return ax


_ALL = object()  # the label of marks that belong to no curve


def _checked(name: str, losses: Any) -> np.ndarray:
    try:
        values = np.asarray(losses).astype(np.float64)
    except (TypeError, ValueError):
        raise TypeError(f"`{name}` must be an array of losses, got a {type(losses).__name__}.") from None
    if values.ndim not in (1, 2) or not values.size:
        raise ValueError(
            f"`{name}` has shape {values.shape}, but must be (steps,) or, of an ensemble, (members, steps), and hold "
            "something."
        )
    return values


def _marks(marks: Any, curves: Mapping[Any, np.ndarray]) -> dict[Any, Mapping[Any, Any]]:
    if marks is None:
        return {}
    if not isinstance(marks, Mapping):
        raise TypeError(
            f"`marks` must be a mapping of steps to losses, got a {type(marks).__name__}: write {{100: 0.69}}."
        )
    if not any(isinstance(value, Mapping) for value in marks.values()):
        return {next(iter(curves)) if len(curves) == 1 else _ALL: marks}
    for name, value in marks.items():
        if not isinstance(value, Mapping):
            raise TypeError(
                f"`marks[{name!r}]` must be a mapping of steps to losses, as others there are, got {value!r}."
            )
        if str(name) not in curves:
            raise ValueError(f"`marks` names {name!r}, but the curves are {', '.join(map(repr, curves))}.")
    return {str(name): value for name, value in marks.items()}


def _single(ax: Axes, losses: np.ndarray, label: str | None, color: str, style: str, say: Callable[..., str]) -> None:
    finite = np.isfinite(losses)
    shown = np.where(finite, losses, np.nan)
    ax.plot(np.arange(len(losses)), shown, style, color=color, linewidth=1.6, label=label, gid=_CURVE)
    if not finite.all():
        step = int(np.argmin(finite))
        last = max(step - 1, 0)
        name = say("legend.nonfinite", step=step)
        ax.plot([last], shown[[last]], "X", color=color, markersize=9, linestyle="none", label=name)


def _ensemble(ax: Axes, losses: np.ndarray, label: str | None, color: str, style: str, say: Callable[..., str]) -> None:
    members, count = losses.shape
    steps = np.unique(np.linspace(0, count - 1, min(count, _STEPS)).astype(int))
    losses = losses[:, steps]
    worst = np.where(np.isfinite(losses), losses, np.inf)
    low, median, high = np.quantile(worst, (0.1, 0.5, 0.9), axis=0, method="inverted_cdf")
    low, median, high = (np.where(np.isfinite(line), line, np.nan) for line in (low, median, high))
    some = np.unique(np.linspace(0, members - 1, min(members, _MEMBERS)).astype(int))
    thin = np.where(np.isfinite(losses[some]), losses[some], np.nan)
    name = f"{label}: " if label else ""
    middle = name + say("legend.median", members=members)
    ax.plot(steps, median, style, color=color, linewidth=2, label=middle, gid=_CURVE)
    ax.plot(steps, thin.T, color=color, linewidth=0.5, alpha=0.4, zorder=1.5)
    ax.fill_between(steps, low, high, color=color, alpha=0.25, linewidth=0, label=name + say("legend.band"))


def _dots(ax: Axes, marks: Mapping[Any, Any] | None, color: Any) -> None:
    if not marks:
        return
    steps, values = np.array(list(marks), float), np.array(list(marks.values()), float)
    ax.plot(steps, values, color=color, linestyle="none", gid=_DOTS, **_DOT)
