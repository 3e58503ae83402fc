"""Claims as rows of text."""

import textwrap
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import Any, TypeAlias

from ._claim import Claim


Paint: TypeAlias = Callable[[str, str], str]
"""`paint(code, text)`: the text in the color of an ANSI code, or as it is."""

_VALUE = 14  # columns for a number of nine digits with its sign and point; what is longer gets a line of its own


def table(head: str, claims: Sequence[Claim], paint: Paint, *, explain: bool) -> Iterator[str]:
    """The claims of a lecture, a row each, under `head`; with what they mean before them if `explain`.

    Example:
      >>> from jaxmlp.lectures import Claim, table
      >>> claim = Claim("000", "ln 2", printed=0.6931, computed=0.693147, tolerance=5e-5, source="four digits printed")
      >>> for line in table("lecture 000", [claim], lambda code, text: text, explain=False):
      ...     print(line)
      lecture 000  (1 claims, 1 hold)
              claim         printed        computed   off by  allowed
        ok    ln 2          0.6931        0.693147  4.7e-05  5.0e-05
      <BLANKLINE>
    """
    yield f"{paint('1', head)}  ({len(claims)} claims, {sum(claim.ok for claim in claims)} hold)"
    name = max(len(claim.name) for claim in claims)
    yield f"        {'claim':<{name}}  {'printed':>{_VALUE}}  {'computed':>{_VALUE}}  {'off by':>7}  {'allowed':>7}"
    for (text, source), alike in groupby(claims, lambda claim: (claim.text, claim.source)):
        if explain:
            yield from _paragraph(text, paint)
            yield from _paragraph(f"allowed: {source}", paint)
        for claim in alike:
            values = [_shown(claim.printed), _shown(claim.computed)]
            fits = all(len(value) <= _VALUE for value in values)
            printed, computed = values if fits else ("", "")
            off, allowed = _differences(claim)
            numbers = f"{printed:>{_VALUE}}  {computed:>{_VALUE}}  {off:>7}  {allowed:>7}"
            yield f"  {_verdict(claim, paint)}  {claim.name:<{name}}  {numbers}"
            if not fits:
                yield f"        {values[0]}" + ("" if values[0] == values[1] else f", computed {values[1]}")
    yield ""


def failures(claims: Sequence[Claim], paint: Paint) -> Iterator[str]:
    """What does not hold, once more and in full.

    Example:
      >>> from jaxmlp.lectures import Claim, failures
      >>> claim = Claim("000", "ln 2", printed=0.7, computed=0.693147, tolerance=5e-5, source="four digits printed")
      >>> for line in failures([claim], lambda code, text: text):
      ...     print(line)
      FAIL  000  ln 2
          printed 0.7, computed 0.693147, allowed 5e-05
          allowed: four digits printed
      <BLANKLINE>
    """
    for claim in claims:
        yield f"{_verdict(claim, paint)}  {claim.lecture}  {claim.name}"
        yield from _paragraph(
            f"printed {claim.printed!r}, computed {claim.computed!r}, allowed {claim.tolerance:.3g}", paint
        )
        yield from _paragraph(f"allowed: {claim.source}", paint)
        yield from _paragraph(claim.text, paint)
    if claims:
        yield ""


def _paragraph(text: str, paint: Paint) -> Iterator[str]:
    for line in textwrap.wrap(text, 96, initial_indent="    ", subsequent_indent="    "):
        yield paint("2", line)


def _verdict(claim: Claim, paint: Paint) -> str:
    return paint("32", "ok  ") if claim.ok else paint("1;31", "FAIL")


def _shown(value: Any) -> str:
    """A value in few characters: nine digits tell any two float32 numbers apart."""
    if isinstance(value, tuple):
        return f"({', '.join(map(_shown, value))}{',' * (len(value) == 1)})"
    return f"{value:.9g}" if isinstance(value, float) else str(value)


def _differences(claim: Claim) -> tuple[str, str]:
    if not claim.tolerance:
        return ("" if claim.ok else "differs"), "equal"
    return (f"{claim.error:.1e}" if claim.error else "0"), f"{claim.tolerance:.1e}"
