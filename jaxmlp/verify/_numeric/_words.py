"""What a report says of a gradient that the values of the loss were asked about."""

from .._report._finding import finding
from .._report._gradient_report import Finding
from .._report._sentence import Sentence
from ._opinion import LeafOpinion


def values_differ(path: str, where: tuple[int, ...] | None) -> Finding:
    """`where` is the first entry seen to differ, if entries were measured one by one."""
    sentence = "at" if where else "message"
    return finding("values-differ", (path,), None, sentence=sentence, at=entry(path, where))


def autodiff_differs(paths: tuple[str, ...]) -> Finding:
    return finding("autodiff-differs", paths, None)


def unmeasured(opinions: dict[str, LeafOpinion]) -> tuple[Sentence, ...]:
    """Why leaves are undecided: one sentence a reason, for all the leaves that it holds for."""
    of_reason: dict[str, dict[str, LeafOpinion]] = {}
    for path, opinion in opinions.items():
        of_reason.setdefault(_key(opinion), {})[path] = opinion
    return tuple(_reason(key, leaves) for key, leaves in of_reason.items())


def entry(path: str, where: tuple[int, ...] | None) -> str:
    """A leaf, or one of its numbers, as code."""
    return f"{path}[{', '.join(map(str, where))}]" if where else path


def _key(opinion: LeafOpinion) -> str:
    vanishes = opinion.reason in ("drowned", "close") and opinion.resolution == float("inf")
    return "vanishes" if vanishes else str(opinion.reason)


def _reason(key: str, leaves: dict[str, LeafOpinion]) -> Sentence:
    return Sentence(
        f"unmeasured.{key}",
        paths=tuple(leaves),
        entries=tuple(entry(path, opinion.where) for path, opinion in leaves.items()),
        error=max(opinion.error for opinion in leaves.values()),
        resolution=max(opinion.resolution for opinion in leaves.values()),
    )
