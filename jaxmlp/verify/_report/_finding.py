"""A finding made from a table of the catalogue, in the words of the line where the mistake stands."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from ._gradient_report import Finding, Line
from ._sentence import has, Sentence


@dataclass(frozen=True)
class Place:
    """Where a mistake stands.

    Attributes:
      line: the line of the source.
      name: the variable that it assigns, by which the sentence then calls the mistake.
      computes: what the line computes, as code.
      must: what it must compute, as code.
      evidence: what shows that it is this line; a `Sentence`.
    """

    line: Line | None = None
    name: str | None = None
    computes: str | None = None
    must: str | None = None
    evidence: str | None = None


NOWHERE = Place()


def finding(
    cause: str,
    paths: tuple[str, ...],
    place: Place | None,
    *,
    table: str | None = None,
    sentence: str = "message",
    factor: float | None = None,
    **facts: Any,
) -> Finding:
    """The finding that a table of the catalogue words; the table is called like the cause if no other is given."""
    place, table = place or NOWHERE, table or cause
    named = "named" if sentence == "message" else f"named-{sentence}"
    if place.name and has(f"{table}.{named}"):
        sentence = named
    leaves = _together(paths)
    facts |= {"subject": f"`{place.name}`" if place.name else Sentence("phrase.gradient-of", paths=leaves)}
    facts |= {"paths": leaves, "name": place.name, "factor": factor}
    fix = Sentence(f"{table}.fix", **facts) if has(f"{table}.fix") else None
    if place.must:
        fix = Sentence("fix.must" if place.name else "fix.must-line", name=place.name, must=place.must)
    message = Sentence(f"{table}.{sentence}", **facts)
    evidence = place.evidence if place.line else None  # which speaks of the line
    return Finding(cause, paths, message, fix, factor, place.line, place.computes, place.must, evidence)


def _together(paths: tuple[str, ...]) -> tuple[str, ...]:
    """The leaves of `paths`: several numbers of one leaf by the path of that, which the path of a number knows."""
    leaves = [getattr(path, "leaf", path) for path in paths]
    numbers = Counter(leaves)
    return tuple(dict.fromkeys(p if numbers[leaf] == 1 else leaf for p, leaf in zip(paths, leaves, strict=True)))


def phrase(key: str, suffix: str = "code", **fact: Any) -> Sentence:
    """The phrase that names a thing by its code, or the one that does without where the code is not known."""
    return Sentence(f"phrase.{key}-{suffix}", **fact) if None not in fact.values() else Sentence(f"phrase.{key}")
