"""A table of a user's, from a .csv file: numbers in every column but the one to predict."""

import csv
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ._terminal import CommandError


_MOST_CLASSES = 100
"""More different whole numbers than that are quantities, and no names of classes."""


@dataclass(frozen=True)
class Table:
    """What a file holds.

    Attributes:
      inputs: float64, `(n, inputs)`.
      targets: float64, `(n,)`; of classes, their numbers from 0.
      classes: their names, or None if the targets are quantities.
      columns: the names of the inputs.
      note: what was made of the file, a sentence.
    """

    inputs: np.ndarray
    targets: np.ndarray
    classes: tuple[str, ...] | None
    columns: tuple[str, ...]
    note: str


def read_table(path: Path, target: str | None) -> Table:
    """The table in `path`; `target` names the column to predict, or counts it from 1. None is the last.

    A first line in which no input is a number is a header. Targets that are text, or few whole numbers, are classes.

    Raises:
      CommandError: a line has another number of columns, a value is missing, an input is no number, and the like.
    """
    rows = _rows(path)
    (at, first), width = rows[0], len(rows[0][1])
    if width < 2:
        raise CommandError(f"{path} has one column, and needs at least two: inputs, and what to predict from them.")
    for number, row in rows:
        if len(row) != width:
            raise CommandError(f"{path}, line {number} has {len(row)} columns, but line {at} has {width}.")
    is_header = not any(_is_number(cell) for cell in first) and len(rows) > 1
    names = first if is_header else [f"column {i + 1}" for i in range(width)]
    body = rows[1:] if is_header else rows
    predicted = _column(path, names, target)
    for number, row in body:
        for name, cell in zip(names, row, strict=True):
            if cell.lower() in ("", "na", "nan", "null", "?"):
                raise CommandError(f"{path}, line {number}: {name} is missing. Fill it in, or leave the line out.")
    others = [i for i in range(width) if i != predicted]
    inputs = [[_number(path, number, names[i], row[i]) for i in others] for number, row in body]
    cells = [row[predicted] for _, row in body]
    classes, targets = _classes(path, names[predicted], cells)
    shown = ", ".join(classes[:5]) + (", ..." if len(classes) > 5 else "") if classes else ""
    kind = f"{len(classes)} classes ({shown})" if classes else "numbers"
    note = f"{'a header; ' if is_header else ''}to predict: {names[predicted]}, {kind}"
    return Table(np.array(inputs), targets, classes, tuple(names[i] for i in others), note)


def _rows(path: Path) -> list[tuple[int, list[str]]]:
    """The lines that are not empty, with their numbers."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise CommandError(f"{path} is no text in UTF-8.") from None
    except OSError as error:
        raise CommandError(f"cannot read {path}: {error.strerror or error}.") from None
    try:
        dialect = csv.Sniffer().sniff(text[:4096], ",;\t")
    except csv.Error:  # one column, or nothing
        dialect = csv.excel
    reader = csv.reader(text.splitlines(), dialect)
    rows = [(reader.line_num, [cell.strip() for cell in row]) for row in reader if any(cell.strip() for cell in row)]
    if not rows:
        raise CommandError(f"{path} is empty.")
    return rows


def _column(path: Path, names: list[str], target: str | None) -> int:
    if target is None:
        return len(names) - 1
    if target in names:
        return names.index(target)
    if target.isdecimal() and 1 <= int(target) <= len(names):
        return int(target) - 1
    raise CommandError(f"{path} has no column {target}: it has {', '.join(names)}.")


def _classes(path: Path, name: str, cells: list[str]) -> tuple[tuple[str, ...] | None, np.ndarray]:
    """The classes and their numbers, or None and the quantities."""
    texts = [cell for cell in cells if not _is_number(cell)]
    if texts and len(texts) < len(cells) / 2:
        at = next(i for i, cell in enumerate(cells) if not _is_number(cell))
        raise CommandError(f"{path}, example {at + 1}: {name} is {cells[at]!r}, but most others are numbers.")
    different = sorted(set(cells), key=lambda cell: (float(cell) if not texts else 0.0, cell))
    if not texts and (len(different) > _MOST_CLASSES or not all(_is_whole(cell) for cell in cells)):
        return None, np.array([float(cell) for cell in cells])
    if len(different) == 1:
        raise CommandError(f"{path}: {name} is {different[0]} in every line, so there is nothing to learn.")
    if texts and len(different) > max(_MOST_CLASSES, len(cells) // 2):
        raise CommandError(f"{path}: {name} holds {len(different)} different texts: too many for classes.")
    return tuple(different), np.array([different.index(cell) for cell in cells], np.float64)


def _number(path: Path, line: int, name: str, cell: str) -> float:
    if not _is_number(cell):
        raise CommandError(f"{path}, line {line}: {name} is {cell!r}, and inputs must be numbers: encode it first.")
    return float(cell)


def _is_number(cell: str) -> bool:
    try:
        return math.isfinite(float(cell))
    except ValueError:
        return False


def _is_whole(cell: str) -> bool:
    return cell.lstrip("+-").isdecimal()
