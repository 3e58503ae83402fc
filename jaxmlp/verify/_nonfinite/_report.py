"""Where a NaN was born: the record of it, as text, as HTML and as JSON."""

import json
import math
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from .._report._gradient_report import Line
from ._words import as_html, as_text


SCHEMA = 1
"""The version of the JSON: it changes when a key changes its meaning or goes, not when one is added."""

Trend: TypeAlias = Literal["climbed", "diverged", "fell", "fell-below-zero", "wavered"]


@dataclass(frozen=True)
class Operand:
    """What an operation read.

    Attributes:
      value: the number that made the result.
      element: where in the operand it stands.
      shape: the shape of the operand.
      dtype: its dtype.
      name: its path in the state, if it is read from there.
    """

    value: float
    element: tuple[int, ...]
    shape: tuple[int, ...]
    dtype: str
    name: str | None = None


@dataclass(frozen=True)
class Birth:
    """One operation on one element, of those that lead to a NaN or an inf.

    Attributes:
      step: in which step, counted from 1.
      operation: in a word, such as `"divide"`, or `"constant"` for an array that the step holds.
      expression: the operation on these values, such as `"0 * -inf"`.
      value: its result.
      reason: why, a short name such as `"zero-times-inf"`, `"division-by-zero"` or `"overflow"`.
      element: which element of the result.
      shape: the shape of the result.
      dtype: its dtype.
      operands: what it read, in their order.
      line: the innermost line of the step's code, or None where it is not known.
      caller: the line of the step that led there, if it is another one.
    """

    step: int
    operation: str
    expression: str
    value: float
    reason: str
    element: tuple[int, ...] = ()
    shape: tuple[int, ...] = ()
    dtype: str = ""
    operands: tuple[Operand, ...] = ()
    line: Line | None = None
    caller: Line | None = None


@dataclass(frozen=True)
class NonfiniteReport:
    """Whether a training stays finite; if not, from where the first inf and the first NaN come.

    Attributes:
      subject: the name of the step.
      steps: how many steps were taken, the one that is not finite included.
      step: the first step whose state or output is not finite, counted from 1; None if all are finite.
      state: what that step started from, the last state that is finite; None if all are.
      leaves: the paths of what is not finite after that step; those of the output begin with "output".
      first_inf: the first operation with an infinite result that reaches the state, the output or the NaN.
      first_nan: the first operation with NaN for a result that has none among its operands, the same way. It may
        stand in a later step than the first inf. What a mask discards is neither.
      chain: what led to the NaN, or to the inf where there is no NaN, from the root on: each entry makes the number
        that a later one cannot do with.
      losses: the loss of every step, float64; empty if `step` returns none.
      trend: what the losses did until then: "climbed" (rose nearly always), "diverged" (rose by overshooting),
        "fell", "fell-below-zero" (fell and was negative throughout), "wavered"; None with fewer than three.
      rose: in how many steps the loss rose.
      notes: short names of what else is to be known: "replay-differs" (compiled, the step is not finite, but one
        operation at a time it is), "later-step" (one operation at a time it is some steps later), "opaque" (JAX
        cannot trace the step).

    Example:
      >>> import jax.numpy as jnp
      >>> from jaxmlp import trace_nonfinite
      >>> report = trace_nonfinite(lambda x: x / jnp.sum(x), jnp.zeros(3))
      >>> print(report.found, report.first_nan.expression, report.first_nan.reason)
      True 0 / 0 zero-by-zero
    """

    subject: str
    steps: int
    step: int | None = None
    state: Any = field(default=None, compare=False, repr=False)
    leaves: tuple[str, ...] = ()
    first_inf: Birth | None = None
    first_nan: Birth | None = None
    chain: tuple[Birth, ...] = ()
    losses: np.ndarray = field(default_factory=lambda: np.zeros(0), compare=False, repr=False)
    trend: Trend | None = None
    rose: int = 0
    notes: tuple[str, ...] = ()

    @property
    def found(self) -> bool:
        """Whether something was not finite."""
        return self.step is not None

    def text(self, lang: str = "en") -> str:
        """The report as plain text, in the language `"en"` or `"ko"`.

        Raises:
          ValueError: if there is no such language.
        """
        return as_text(self, lang)

    def to_json(self) -> str:
        """The report as strict JSON text; numbers that are not finite are the strings "nan", "inf" and "-inf".

        An object of the attributes without `state`, of `found`, of `text`, and of

          schema: 1; it changes when a key changes its meaning or goes, not when one is added.
        """
        head = {"schema": SCHEMA, "found": self.found, "text": str(self)}
        return json.dumps(head | _plain(self, without=("state",)), indent=1)

    def __str__(self) -> str:
        return self.text()

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """What IPython shows in a terminal."""
        del cycle
        printer.text(str(self))

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        return as_html(self)


def _plain(value: Any, without: tuple[str, ...] = ("source",)) -> Any:
    if is_dataclass(value):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value) if f.name not in without}
    if isinstance(value, list | tuple | np.ndarray):
        return [_plain(item) for item in (value.tolist() if isinstance(value, np.ndarray) else value)]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
