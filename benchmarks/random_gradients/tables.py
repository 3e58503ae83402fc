"""What the results of a run come to."""

import json
from collections import Counter
from typing import Any

from .lines import Line


MATRIX = ("float32", "float64", "bfloat16")
"""The dtypes in which the gradients of `verdicts.py` are given."""


def is_accused(line: Line) -> bool:
    """Whether a right gradient is called wrong, and not for being NaN or infinite in its own dtype."""
    return line.get("right") == "wrong" and line["finite"]


def is_missed(line: Line) -> bool:
    """Whether a mistake is called right that was not foretold to stay unseen."""
    return line.get("verdict") == "right" and not line["foretold"]


def failures(lines: list[Line]) -> str:
    """Those among some lines that ought not to be."""
    bad = [line for line in lines if is_accused(line) or is_missed(line) or line.get("error") or line.get("false")]
    return "".join(f"\n  {json.dumps(line)}" for line in bad)


def summary(lines: list[Line]) -> dict[str, Any]:
    """The figures of all lines, with the seeds of whatever is no plain success."""
    matrix = [line for line in lines if line["part"] == "matrix"]
    random = [line for line in lines if line["part"] == "random" and "error" not in line]
    planted = [line for line in random if line["mistake"] is not None]
    useless = [line for line in random if line["right"] == "wrong" and not line["finite"]]
    return {
        "matrix": {
            dtype: {
                "count": sum(line["count"] for line in matrix if line["dtype"] == dtype),
                "false": {name: v for line in matrix if line["dtype"] == dtype for name, v in line["false"].items()},
            }
            for dtype in MATRIX
        },
        "right gradients": len(random),
        "called right": sum(line["right"] == "right" for line in random),
        "accused": _seeds(filter(is_accused, random)),
        "not finite in their own dtype": _seeds(useless),
        "undecided": _doubts(random, "right", "reason"),
        "mistakes": len(planted),
        "caught": sum(line["verdict"] == "wrong" for line in planted),
        "missed": _seeds(filter(is_missed, planted)),
        "foretold": _seeds(line for line in planted if line["verdict"] == "right" and line["foretold"]),
        "mistakes undecided": _doubts(planted, "verdict", "why"),
        "without a mistake": _seeds(line for line in random if line["mistake"] is None),
        "errors": _seeds(line for line in lines if "error" in line),
        "by dtype": dict(Counter(line["dtype"] for line in random)),
        "by arrangement": dict(Counter(line["way"] for line in random)),
        "kinds": {
            kind: dict(Counter(line["verdict"] for line in planted if line["mistake"] == kind))
            for kind in sorted({line["mistake"] for line in planted})
        },
        "processor seconds": round(sum(line["seconds"] for line in lines)),
    }


def has_failed(figures: dict[str, Any]) -> bool:
    """Whether a verdict is false, or there is none."""
    false = [of["false"] for of in figures["matrix"].values()]
    return any((*false, figures["accused"], figures["missed"], figures["errors"]))


def table(figures: dict[str, Any]) -> str:
    """The figures as Markdown."""
    rows = [
        (f"`verdicts.py`, {dtype}", of["count"], of["count"] - len(of["false"]), len(of["false"]), {})
        for dtype, of in figures["matrix"].items()
    ]
    right, wrong = figures["called right"], figures["caught"]
    rows.append(("right", figures["right gradients"], right, len(figures["accused"]), figures["undecided"]))
    rows.append(("a mistake", figures["mistakes"], wrong, len(figures["missed"]), figures["mistakes undecided"]))
    text = ["| gradients | count | verdict true | false | undecided | why |\n|---|--:|--:|--:|--:|---|"]
    for name, count, true, false, doubts in rows:
        because = ", ".join(f"{reason} {len(seeds)}" for reason, seeds in doubts.items())
        text.append(f"| {name} | {count} | {true} | {false} | {sum(map(len, doubts.values()))} | {because} |")
    text.append(f"\nOf the mistakes {len(figures['foretold'])} are called right as foretold. Of the right gradients ")
    text[-1] += f"{len(figures['not finite in their own dtype'])} are not finite in their own dtype, and called wrong "
    text[-1] += f"for that. {figures['processor seconds']} s of processor time."
    text.append("\n| planted | count | wrong | undecided | right |\n|---|--:|--:|--:|--:|")
    for kind, of in figures["kinds"].items():
        counts = (str(of.get(verdict, 0)) for verdict in ("wrong", "undecided", "right"))
        text.append(f"| {kind} | {sum(of.values())} | {' | '.join(counts)} |")
    return "\n".join(text)


def _seeds(chosen: Any) -> list[int]:
    return sorted(line["seed"] for line in chosen)


def _doubts(lines: list[Line], verdict: str, why: str) -> dict[str, list[int]]:
    undecided = [line for line in lines if line[verdict] == "undecided"]
    return {
        reason: _seeds(line for line in undecided if line[why] == reason)
        for reason in sorted({line[why] for line in undecided})
    }
