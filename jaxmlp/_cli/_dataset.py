"""The data that `jaxmlp train` is told to learn, and the form in which a loss wants their targets."""

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from ._parser import meant
from ._table import read_table
from ._terminal import CommandError


GATES = ("and", "or", "nand", "nor", "xor", "xnor")
_SPIRAL_POINTS = 200


@dataclass(frozen=True)
class Dataset:
    """Examples, one a row.

    Attributes:
      name: what it is called.
      x: the inputs, float64, `(n, inputs)`.
      labels: what to tell apart, integers from 0, `(n,)`; or None.
      numbers: what to predict otherwise, float64, `(n, outputs)`.
      classes: the names of the labels.
      columns: the names of the inputs.
      is_table: whether it is a truth table, worth showing whole.
      note: what was made of a file, a sentence.
    """

    name: str
    x: np.ndarray
    labels: np.ndarray | None
    numbers: np.ndarray | None
    classes: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    is_table: bool = False
    note: str = ""

    def usual_loss(self) -> str:
        """The loss if none is asked for."""
        if self.labels is None:
            return "half_squared_error"
        return "bce" if self.is_table else "softmax_cross_entropy"

    def targets(self, loss: str) -> np.ndarray:
        """The targets as `loss` wants them: integer labels, a column of 0 and 1, one-hot rows, or the numbers.

        Raises:
          CommandError: these data have no such targets.
        """
        if self.labels is None:
            if loss == "softmax_cross_entropy":
                raise CommandError(f"{self.name} has numbers for targets, and --loss {loss} wants classes.")
            return self._numbers()
        if loss == "softmax_cross_entropy":
            return self.labels
        count = len(self.classes)
        if loss.startswith("bce") and count > 2:
            raise CommandError(
                f"{self.name} has {count} classes, and --loss {loss} is for two: take softmax_cross_entropy."
            )
        return np.eye(count)[self.labels] if count > 2 else self.labels[:, None].astype(np.float64)

    def _numbers(self) -> np.ndarray:
        assert self.numbers is not None  # one of the two is there
        return self.numbers


def dataset(spec: str, *, target: str | None) -> Dataset:
    """The data set of a name, or of a .csv or .npz file.

    Raises:
      CommandError: there is none, or the file cannot be used; the text says why.
    """
    name, _, size = spec.partition(":")
    if Path(spec).suffix.lower() in (".csv", ".npz"):
        path = Path(spec)
        if not path.is_file():
            raise CommandError(f"there is no file {spec}.")
        return _of_csv(path, target) if path.suffix.lower() == ".csv" else _of_npz(path)
    if target is not None:
        raise CommandError("--target names a column of a .csv file, and there is none.")
    if name in GATES and not size:
        return _table(spec, *_from_core(lambda core: core.gate(name)))
    if name == "parity":
        bits = _count("parity:3", spec, size, least=1, most=16)
        return _table(spec, *_from_core(lambda core: core.parity(bits)))
    if name == "spirals":
        import jax

        points = _count("spirals:500", spec, size, least=2, most=10**7) if size else _SPIRAL_POINTS
        x, labels = _from_core(lambda core: core.spirals(jax.random.key(0), points))
        return Dataset(spec, x.astype(np.float64), labels, None, ("arm 0", "arm 1"))
    if spec == "digits":
        x, labels = _from_core(lambda core: core.digits())
        return Dataset(spec, x.astype(np.float64), labels, None, tuple("0123456789"))
    asked = meant(name, (*GATES, "parity", "spirals", "digits"))
    raise CommandError(
        f"there is no data set {spec}.{asked} Choose from {', '.join(GATES)}, parity:BITS, spirals, digits, "
        "or name a .csv or .npz file."
    )


def _from_core(make: Callable[[Any], Any]) -> tuple[np.ndarray, np.ndarray]:
    from .. import _data

    try:
        x, y = make(_data)
    except ImportError as error:
        raise CommandError(error) from None
    return np.asarray(x), np.asarray(y)


def _table(name: str, x: np.ndarray, y: np.ndarray) -> Dataset:
    columns = tuple(f"x{i + 1}" for i in range(x.shape[1]))
    return Dataset(name, x.astype(np.float64), y[:, 0].astype(np.int32), None, ("0", "1"), columns, is_table=True)


def _count(example: str, spec: str, text: str, *, least: int, most: int) -> int:
    if not text.isdecimal() or not least <= int(text) <= most:
        raise CommandError(f"{spec} must have a whole number from {least} to {most} behind the colon, as {example}.")
    return int(text)


def _of_csv(path: Path, target: str | None) -> Dataset:
    table = read_table(path, target)
    labels = None if table.classes is None else table.targets.astype(np.int32)
    numbers = table.targets[:, None] if labels is None else None
    return Dataset(path.name, table.inputs, labels, numbers, table.classes or (), table.columns, note=table.note)


def _of_npz(path: Path) -> Dataset:
    # Without a ban, NumPy runs the code that a pickle in the file may hold.
    try:
        with path.open("rb") as file:
            arrays = np.load(file, allow_pickle=False)
            if not isinstance(arrays, Mapping):
                raise ValueError("it holds a single array")
            found = {name: arrays[name] for name in arrays}
    except (OSError, ValueError, EOFError, BadZipFile, zlib.error) as error:
        raise CommandError(f"{path} is no .npz file of plain arrays: {error}.") from None
    if missing := [name for name in ("x", "y") if not isinstance(found.get(name), np.ndarray)]:
        raise CommandError(f"{path} must hold the arrays x and y, and {missing[0]} is missing: it has {list(found)}.")
    x, y = found["x"], found["y"]
    for name, array in (("x", x), ("y", y)):
        if array.dtype.kind not in "fiub":
            raise CommandError(f"{path}: {name} has dtype {array.dtype}, but must hold numbers.")
        if not np.isfinite(array).all():
            where = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
            raise CommandError(f"{path}: {name}{list(where)} is missing or infinite.")
    if x.ndim != 2 or y.ndim not in (1, 2) or len(x) != len(y) or not len(x):
        raise CommandError(
            f"{path}: x of shape {x.shape} and y of shape {y.shape} must be (n, inputs) and (n,) or (n, outputs)."
        )
    if y.ndim == 1 and y.dtype.kind in "iub":
        values, labels = np.unique(y, return_inverse=True)
        return Dataset(path.name, x.astype(np.float64), labels.astype(np.int32), None, tuple(map(str, values.tolist())))
    return Dataset(path.name, x.astype(np.float64), None, y.reshape(len(y), -1).astype(np.float64))
