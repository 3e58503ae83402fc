"""The picture of a run of `all.py`: for each workload, how many times as long as jaxmlp everybody takes."""

from pathlib import Path
from typing import Any

import matplotlib


matplotlib.use("svg")
import matplotlib.pyplot as plt
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator


# Colours of Okabe and Ito, which the colour-blind tell apart; the shapes and the labels say the same without colour.
OURS, C, JAX, OTHERS = ("D", "#000000"), ("s", "#0072B2"), ("o", "#E69F00"), ("^", "#CC79A7")
KINDS = {"jaxmlp": OURS, "C": C, "other JAX": JAX, "other libraries": OTHERS}


def draw(benchmarks: dict[str, Any], file: Path) -> None:
    panels = sorted(
        (f"{name}  {figures['title']}, {job.removeprefix('training ')}", figures)
        for job, result in benchmarks.items()
        if job.startswith("training") and result["figures"]
        for name, figures in result["figures"].items()
    )
    rows = [len(figures["candidates"]) for _, figures in panels]
    with plt.rc_context({"svg.hashsalt": "jaxmlp", "svg.fonttype": "none", "font.size": 9}):
        figure, axes = plt.subplots(
            len(panels),
            figsize=(9, 0.21 * sum(rows) + 0.55 * len(panels) + 0.6),
            gridspec_kw={"height_ratios": [count + 1 for count in rows]},
            sharex=True,
            squeeze=False,
            layout="constrained",
        )
        for ax, (title, figures) in zip(axes[:, 0], panels, strict=True):
            _panel(ax, title, figures)
        axes[-1, 0].set_xlabel("time of a step, as a multiple of jaxmlp's (left is faster)")
        handles = [
            Line2D([], [], ls="", marker=marker, color=colour, label=kind) for kind, (marker, colour) in KINDS.items()
        ]
        figure.legend(handles=handles, loc="outside upper center", ncols=len(handles), frameon=False)
        figure.savefig(file, metadata={"Date": None})
        plt.close(figure)


def _panel(ax: Any, title: str, figures: dict[str, Any]) -> None:
    ratios = {name: own["ratio to ours"] for name, own in figures["candidates"].items()}
    ratios = dict(sorted(ratios.items(), key=lambda item: -item[1]))
    ax.axvline(1, color="0.6", lw=0.8, zorder=0)
    for row, (name, ratio) in enumerate(ratios.items()):
        marker, colour = _kind(name, figures["ours"])
        ax.plot(ratio, row, marker=marker, color=colour, ms=6)
        ax.annotate(f"{ratio:.2g}" if ratio < 100 else f"{ratio:,.0f}", (ratio, row), (7, 0), **_BESIDE)
    ax.set_yticks(range(len(ratios)), list(ratios))
    ax.set_ylim(-0.7, len(ratios) - 0.3)
    ax.set_xscale("log")
    ax.xaxis.set_major_formatter("{x:,g}")
    ax.xaxis.set_minor_locator(NullLocator())
    ax.tick_params(length=0)
    ax.margins(x=0.08)
    ax.grid(axis="x", color="0.9", lw=0.6)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)
    ax.set_title(title, loc="left", fontsize=9, fontweight="bold")


_BESIDE: dict[str, Any] = dict(textcoords="offset points", va="center", fontsize=8)


def _kind(name: str, ours: str) -> tuple[str, str]:
    if name == ours or name.startswith(f"{ours} on ") or name.startswith(f"{ours}, "):
        return OURS
    if name in ("plain C", "vectors in C"):
        return C
    return JAX if "jax.grad" in name or name in ("equinox", "flax", "its products of matrices alone") else OTHERS
