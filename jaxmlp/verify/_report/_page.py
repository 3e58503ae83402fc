"""A report as HTML: the fragment that a notebook shows, and a page around it that needs nothing else."""

import html
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ._heat import BANDS, NONFINITE, picture
from ._place import place
from ._sentence import said, Sentence
from ._style import FRAGMENT, PAGE
from ._table import CODE, details, folded, head, rest_in_words, row
from ._text import numbered, printable


if TYPE_CHECKING:
    from ._gradient_report import Finding, GradientReport, LeafCheck, Line


OPEN = 8
"""The most findings, and the most maps, that are shown without being asked for."""

MAPS = 32
"""The most maps that are drawn."""


def page(report: "GradientReport", lang: str) -> str:
    """A whole page: light or dark as the reader's system is, and as wide as the screen allows."""
    return (
        f'<!doctype html>\n<html lang="{lang}">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{_safe(said(report.summary, lang))}</title>\n<style>{PAGE}</style>\n</head>\n"
        f"<body>\n<main>\n{fragment(report, lang)}\n</main>\n</body>\n</html>\n"
    )


def fragment(report: "GradientReport", lang: str) -> str:
    """The report in the colours of what surrounds it: a notebook may be light or dark."""
    parts = "\n".join(_Html(lang).parts(report))
    return f'<div class="jaxmlp" lang="{lang}">\n<style>{FRAGMENT}</style>\n{parts}\n</div>'


def saved(text: str, path: str | Path) -> str:
    """A page, written to the file `path`."""
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"`path` must be a path, got a {type(path).__name__}.")
    Path(path).write_text(text, encoding="utf-8", newline="\n")
    return text


def _safe(text: str) -> str:
    return html.escape(printable(text))


def _marked(text: str) -> str:
    """`text` with what stands between backticks as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", _safe(text))


def _scrolled(table: str) -> str:
    return f'<div class="wide" tabindex="0">{table}</div>'


def _folded(summary: str, parts: list[str]) -> Iterator[str]:
    if parts:
        yield f"<details><summary>{summary}</summary>{''.join(parts)}</details>"


class _Html:
    def __init__(self, lang: str) -> None:
        self._lang = lang

    def parts(self, report: "GradientReport") -> Iterator[str]:
        yield f'<h2 class="{report.verdict}">{_safe(said(report.summary, self._lang))}</h2>'
        for reason in report.reasons:
            yield f"<p>{_marked(said(reason, self._lang))}</p>"
        findings = [self._finding(number, finding) for number, finding in enumerate(report.findings, 1)]
        yield from findings[:OPEN]
        yield from _folded(self._said("more", findings=len(findings) - OPEN), findings[OPEN:])
        shown, rest = folded(report)
        if shown:
            yield self._table(shown)
        yield from _folded(_safe(rest_in_words(rest, self._lang)), [self._table(rest)] if rest else [])
        yield from self._maps([leaf for leaf in report.leaves if leaf.difference is not None])

    def _finding(self, number: int, finding: "Finding") -> str:
        finding = finding.said(self._lang)
        listing = self._listing(finding.line) if finding.line else ""
        rows = "".join(
            f"<dt>{self._said(name)}</dt><dd>{_marked(f'`{fact}`' if name in CODE else fact)}</dd>"
            for name, fact in details(finding, self._lang).items()
        )
        title = f"<h3>{number}. {_safe(finding.cause)}</h3><p>{_marked(finding.message)}</p>"
        return f"<section>{title}{listing}<dl>{rows}</dl></section>"

    def _listing(self, line: "Line") -> str:
        """The line among its neighbours, marked; then the line of the helper that it calls."""
        lines = []
        for number, gutter, text in numbered(line):
            shown = _safe(gutter + text)
            lines.append(f"<mark>{shown}</mark>" if number == line.number else shown)
        caption = f"<figcaption>{_safe(place(line.file, line.number))}</figcaption>"
        listing = f'<figure>{caption}<pre tabindex="0">{chr(10).join(lines)}</pre></figure>'
        return listing + (f"<p>{self._said('helper')}:</p>{self._listing(line.within)}" if line.within else "")

    def _table(self, leaves: list["LeafCheck"]) -> str:
        # The verdict comes second: a phone shows the first columns.
        path, *cells, verdict = map(_safe, head(self._lang))
        names = "".join(f'<th scope="col">{name}</th>' for name in (path, verdict, *cells))
        rows = []
        for leaf in leaves:
            path, *cells, verdict = map(_safe, row(leaf, self._lang))
            rest = "".join(f"<td>{cell}</td>" for cell in (verdict, *cells))
            rows.append(f'<tr class="{leaf.verdict}"><th scope="row"><code>{path}</code></th>{rest}</tr>')
        return _scrolled(f"<table><thead><tr>{names}</tr></thead><tbody>{''.join(rows)}</tbody></table>")

    def _maps(self, leaves: list["LeafCheck"]) -> Iterator[str]:
        if not leaves:
            return
        counted = f" ({MAPS} / {len(leaves)})" if len(leaves) > MAPS else ""
        yield f"<h3>{self._said('maps')}{counted}</h3><p>{self._said('bands')}:</p>"
        names = [self._said("up-to", bound=f"{bound:g}") for bound, _ in BANDS[:-1]]
        colors = [*(color for _, color in BANDS), NONFINITE]
        keys = "".join(
            f'<li><svg width="16" height="16" aria-hidden="true"><rect width="16" height="16" fill="{color}" '
            f'stroke="currentColor" stroke-opacity=".4"/></svg> {name}</li>'
            for color, name in zip(colors, [*names, self._said("beyond"), self._said("nonfinite")], strict=True)
        )
        yield f'<ul class="key">{keys}</ul>'
        maps = [self._map(leaf) for leaf in leaves[:MAPS]]
        yield f'<div class="maps">{"".join(maps[:OPEN])}</div>'
        yield from _folded(self._said("more-maps", maps=len(maps) - OPEN), maps[OPEN:])

    def _map(self, leaf: "LeafCheck") -> str:
        assert leaf.difference is not None
        largest = leaf.difference.max()
        key = "label.map" if np.isfinite(largest) else "label.map-nonfinite"
        label = said(Sentence(key, path=f"`{leaf.path}`", shape=leaf.shape, error=f"{largest:.2g}"), self._lang)
        blocks = f" ({self._said('blocks')})" if leaf.difference.size < np.prod(leaf.shape) else ""
        svg = picture(leaf.difference, leaf.shape, _safe(label.replace("`", "")))
        return f"<figure>{_scrolled(svg)}<figcaption>{_marked(label)}{blocks}</figcaption></figure>"

    def _said(self, name: str, **facts: object) -> str:
        return _safe(said(Sentence(f"label.{name}", **facts), self._lang))
