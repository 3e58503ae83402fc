"""A report as text: the mistakes with their lines, as a compiler shows them, and the table of the leaves."""

import unicodedata
from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate
from typing import TYPE_CHECKING

from ._place import place
from ._sentence import said, Sentence
from ._table import details, folded, head, rest_in_words, row


if TYPE_CHECKING:
    from ._gradient_report import Finding, GradientReport, Line


NARROWEST = 80
"""The fewest columns that a table fits in."""

FINDINGS = 10
"""The most findings shown in full; of the others only what they say."""

_CODES = {"bold": "1", "guilty": "1;31", "right": "1;32", "gutter": "34", "name": "1;36"}
_VERDICTS = {"right": "right", "wrong": "guilty", "undecided": "name"}


def as_text(report: "GradientReport", lang: str, color: bool, width: int) -> str:
    """The report in a language, with the colour codes of a terminal or without, in at most `width` columns."""
    if isinstance(width, bool) or not isinstance(width, int):
        raise TypeError(f"`width` must be an integer, got a {type(width).__name__}.")
    return "\n".join(_Text(lang, color, max(width, NARROWEST)).lines(report))


def printable(text: str) -> str:
    """`text` in one line, with tabs as spaces and what would steer a terminal or hide in a page as an escape."""
    spaced = text.expandtabs(4)
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in spaced)


def numbered(line: "Line") -> Iterator[tuple[int, str, str]]:
    """The lines around `line` and itself: the number, the margin that shows it, and the text, indented as a block."""
    source = {line.number: line.text} | dict(line.source)
    texts = {number: printable(text.rstrip()) for number, text in sorted(source.items())}
    common = min((len(text) - len(text.lstrip()) for text in texts.values() if text), default=0)
    digits = len(str(max(texts)))
    for number, text in texts.items():
        yield number, f" {'>' if number == line.number else ' '} {number:>{digits}} | ", text[common:]


class _Text:
    def __init__(self, lang: str, color: bool, width: int) -> None:
        self._lang, self._color, self._width = lang, color, width

    def lines(self, report: "GradientReport") -> list[str]:
        lines = [self._painted(line, "bold") for line in self._wrapped("", said(report.summary, self._lang))]
        for reason in report.reasons:
            lines += ["", *self._wrapped("", said(reason, self._lang))]
        for number, finding in enumerate(report.findings, 1):
            lines += ["", *self._headline(number, finding)]
            if number <= FINDINGS:
                lines += self._details(finding)
        return [*lines, "", *self._table(report)] if report.leaves else lines

    def _headline(self, number: int, finding: "Finding") -> Iterator[str]:
        start = f"{number}. "
        lines = self._wrapped(start, f"{finding.cause}: {said(finding.message, self._lang)}")
        for line in lines:
            yield line.replace(finding.cause, self._painted(finding.cause, "guilty"), 1) if line == lines[0] else line

    def _details(self, finding: "Finding") -> Iterator[str]:
        finding = finding.said(self._lang)
        if finding.line:
            yield ""
            yield from self._listing(finding.line)
        facts = details(finding, self._lang)
        if finding.line and facts:
            yield ""
        labels = {name: self._said(f"label.{name}") for name in facts}
        column = max(map(_columns, labels.values()), default=0)
        for name, fact in facts.items():
            start = f"   {_padded(labels[name], column)}  "
            lines = self._wrapped(start, fact)
            style = {"computes": "guilty", "must": "right"}.get(name, "name")
            yield self._painted(start, style) + lines[0][len(start) :]
            yield from lines[1:]

    def _listing(self, line: "Line") -> Iterator[str]:
        """The line among its neighbours, marked and underlined; then the line of the helper that it calls."""
        yield f"   {self._painted('-->', 'gutter')} {printable(place(line.file, line.number))}"
        for number, gutter, text in numbered(line):
            is_it = number == line.number
            shown = _cut(text, self._width - len(gutter))
            margin = gutter if shown else gutter.rstrip()
            yield self._painted(margin, "guilty" if is_it else "gutter") + shown
            if is_it:
                under = " " * (len(gutter) - 2) + "| "
                indent = len(shown) - len(shown.lstrip())
                carets = "^" * max(1, _columns(shown.lstrip()))
                yield self._painted(under, "gutter") + " " * indent + self._painted(carets, "guilty")
        if line.within:
            yield f"   {self._said('label.helper')}:"
            yield from self._listing(line.within)

    def _table(self, report: "GradientReport") -> Iterator[str]:
        shown, rest = folded(report)
        rows = [head(self._lang), *([printable(cell) for cell in row(leaf, self._lang)] for leaf in shown)]
        widths = [max(map(_columns, column)) for column in zip(*rows, strict=True)]
        widths[0] = min(widths[0], max(8, self._width - sum(2 + width for width in widths[1:]) - 2))
        for leaf, (path, *cells, verdict) in zip([None, *shown], rows, strict=True):
            pieces = list(_pieces(path, widths[0]))
            padded = [_padded(cell, width) for cell, width in zip([pieces[0], *cells], widths, strict=False)]
            yield "  " + "  ".join([*padded, self._painted(verdict, _VERDICTS[leaf.verdict]) if leaf else verdict])
            yield from ("  " + piece for piece in pieces[1:])
        if rest:
            yield from self._wrapped("  ", rest_in_words(rest, self._lang))

    def _said(self, key: str) -> str:
        return said(Sentence(key), self._lang)

    def _painted(self, text: str, style: str) -> str:
        return f"\x1b[{_CODES[style]}m{text}\x1b[0m" if self._color and text.strip() else text

    def _wrapped(self, start: str, text: str) -> list[str]:
        """`text` after `start`, broken between words, all lines as far to the right as `start` reaches."""
        room = self._width - _columns(start)
        words = [piece for word in text.split() for piece in _pieces(printable(word), room)]
        lines = [""]
        for word in words:
            if lines[-1] and _columns(lines[-1]) + 1 + _columns(word) > room:
                lines.append("")
            lines[-1] += f" {word}" if lines[-1] else word
        return [start + lines[0], *(" " * _columns(start) + line for line in lines[1:])]


def _columns(text: str) -> int:
    """How many columns of a terminal `text` takes: a Korean syllable takes two, a combining mark none."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _padded(text: str, columns: int) -> str:
    return text + " " * (columns - _columns(text))


def _pieces(word: str, columns: int) -> Iterator[str]:
    """A word, broken where it is wider than a line: after a dot or the like, if there is one."""
    while _columns(word) > columns:
        piece = _fitting(word, columns)
        piece = piece[: 1 + max(map(piece.rfind, "._/"))] or piece
        yield piece
        word = word[len(piece) :]
    yield word


def _fitting(text: str, columns: int) -> str:
    """The longest beginning of `text` that fits."""
    taken = list(accumulate(map(_columns, text)))
    return text[: bisect_right(taken, columns)]


def _cut(text: str, columns: int) -> str:
    return text if _columns(text) <= columns else _fitting(text, columns - 1) + "…"
