"""A report on where a NaN was born, in words: every sentence in English and Korean, and the text they make."""

import html
import math
import textwrap
from collections.abc import Iterator
from itertools import pairwise, takewhile
from typing import TYPE_CHECKING

import jax.numpy as jnp

from .._report._place import place, short_place
from .._report._text import printable
from ._operations import number
from ._sentences import SENTENCES


if TYPE_CHECKING:
    from .._report._gradient_report import Line
    from ._report import Birth, NonfiniteReport


def as_text(report: "NonfiniteReport", lang: str) -> str:
    """The report as plain text."""
    if not (isinstance(lang, str) and lang in SENTENCES):
        raise ValueError(f"`lang` must be one of {', '.join(map(repr, SENTENCES))}, got {lang!r}.")
    return "\n".join(line for text in _Words(lang).lines(report) for line in _wrapped(printable(text)))


def as_html(report: "NonfiniteReport") -> str:
    """The same for a notebook."""
    return f'<pre class="jaxmlp" style="font-family: monospace; overflow-x: auto">{html.escape(str(report))}</pre>'


_WIDTH = 100
_CODE = 6

# How an operation shows itself in a line, if not by its name.
_SHOWN = {
    "add": "+",
    "subtract": "-",
    "multiply": "*",
    "divide": "/",
    "power": "**",
    "negate": "-",
    "matrix product": "",
}
_SHOWN |= {"constant": ""}


def _wrapped(line: str) -> list[str]:
    """A line broken between words; what is indented as far as code is left as it is."""
    indent = " " * (len(line) - len(line.lstrip()))
    if len(indent) >= _CODE:
        return [line]
    return textwrap.wrap(line, _WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False) or [""]


class _Words:
    def __init__(self, lang: str) -> None:
        self._sentences = SENTENCES[lang]

    def lines(self, report: "NonfiniteReport") -> Iterator[str]:
        if report.step is None:
            yield self._said("finite", subject=report.subject, steps=report.steps)
        else:
            names = ", ".join(f"`{name}`" for name in report.leaves)
            yield self._said(
                "found" if names else "found-somewhere", subject=report.subject, step=report.step, names=names
            )
        yield from (self._said(f"note-{note}", step=report.step) for note in report.notes)
        both = [("nan", report.first_nan), ("inf", report.first_inf)]
        for kind, birth in both:
            if birth:
                yield from ["", *self._birth(kind, birth, report.step)]
        chain = [birth for birth in report.chain if birth.operation != "constant"]
        if len(chain) > 1:
            yield from ["", self._said("chain"), *self._chain(chain)]
        if report.trend:
            yield from ["", self._trend(report)]
        if report.step is not None and report.step > 1:
            yield from ["", self._said("state", step=report.step)]

    def _birth(self, kind: str, birth: "Birth", step: int | None) -> Iterator[str]:
        facts = {"operation": birth.operation, "step": birth.step, "equation": self._equation(birth)}
        facts |= {"element": birth.element, "shape": birth.shape, "dtype": birth.dtype}
        place = self._said("place" if birth.element else "place-scalar", **facts) if birth.dtype else ""
        yield self._said(f"first-{kind}" if birth.step == step else f"later-{kind}", **facts) + place
        yield from self._line(birth.line)
        if birth.caller:
            yield "  " + self._said("caller")
            yield from self._line(birth.caller)
        yield from (f"  {text}" for text in self._why(birth, None))
        if birth.line and _SHOWN.get(birth.operation, birth.operation) not in birth.line.text:
            yield "  " + self._said("hidden")
        named = (f"{operand.name}{list(operand.element) or ''}" for operand in birth.operands if operand.name)
        yield from ("  " + self._said("operand", name=name) for name in dict.fromkeys(named))

    def _chain(self, chain: list["Birth"]) -> Iterator[str]:
        equations = [self._equation(birth) for birth in chain]
        width = max(map(len, equations))
        before = None
        for position, (birth, equation) in enumerate(zip(chain, equations, strict=True), 1):
            line = birth.line
            where = f"{short_place(line.file, line.number)}: {line.text}" if line else ""
            yield f"{position:{_CODE}}. {equation:<{width}}  {where}".rstrip()[:_WIDTH]
            yield from (f"{'':{_CODE}}  {text}" for text in self._why(birth, before))
            before = birth

    def _equation(self, birth: "Birth") -> str:
        return f"{birth.expression} = {number(birth.value)}"

    def _line(self, line: "Line | None") -> Iterator[str]:
        if line:
            yield f"  --> {place(line.file, line.number)}"
            yield f"      {line.text}"

    def _why(self, birth: "Birth", before: "Birth | None") -> Iterator[str]:
        """Why, for whom it is told in a sentence; a number near 1 by how near it is."""
        key = f"why-{birth.reason}"
        if key not in self._sentences or (birth.reason == "overflow" and not birth.dtype):
            return
        largest = bits = 0.0
        if birth.dtype in ("float16", "bfloat16", "float32", "float64"):
            info = jnp.finfo(birth.dtype)
            largest, bits = float(info.max), info.nmant + (2 if birth.operation == "subtract" else 1)
        facts = {
            "value": number(birth.value),
            "dtype": birth.dtype,
            "largest": number(largest),
            "bits": bits,
            "bound": f"{bits * math.log(2):.4f}",
        }
        yield self._said(key, **facts, operation=birth.operation, half=number(2.0**-bits))
        if birth.reason == "absorbed" and before is not None and before.operation == "exp":
            yield self._said("why-absorbed-exp", **facts)
        if birth.reason == "saturated" and birth.operation == "sigmoid" and birth.value == 1:
            yield self._said("why-saturated-sigmoid", **facts)

    def _trend(self, report: "NonfiniteReport") -> str:
        finite = list(takewhile(math.isfinite, report.losses.tolist()))
        fell = sum(after < before for before, after in pairwise(finite))
        facts = {
            "rose": report.rose,
            "fell": fell,
            "steps": len(finite) - 1,
            "first": number(finite[0]),
            "last": number(finite[-1]),
        }
        key = "trend-fell-finite" if report.trend == "fell" and not report.found else f"trend-{report.trend}"
        return self._said(key, **facts, low=number(min(finite)), high=number(max(finite)))

    def _said(self, key: str, **facts: object) -> str:
        return self._sentences[key].format(**facts)
