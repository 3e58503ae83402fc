"""One claim of a lecture: what it printed, what we computed, and how far apart the two may be."""

import math
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeGuard


Value: TypeAlias = bool | int | float | str | tuple
"""What a claim compares: a plain Python value."""


@dataclass(frozen=True)
class Claim:
    """A statement that either holds or does not.

    Attributes:
      lecture: which lecture says so: `"000"` to `"004"`, or `"formulas"`.
      name: what is compared, unique within the lecture.
      printed: what the lecture printed, or what it ought to have: a plain Python value.
      computed: what this library computes, of the same kind.
      tolerance: the largest `|computed - printed|` that counts as equal; 0 for everything but numbers.
      source: where the tolerance comes from.
      text: what the claim teaches, in plain words; may be empty.

    Example:
      >>> from jaxmlp.lectures import Claim
      >>> claim = Claim("000", "ln 2", printed=0.6931, computed=0.693147, tolerance=5e-5, source="four digits printed")
      >>> print(claim.ok, f"{claim.error:.1e}")
      True 4.7e-05
    """

    lecture: str
    name: str
    printed: Value
    computed: Value
    tolerance: float
    source: str
    text: str = ""

    @property
    def error(self) -> float:
        """`|computed - printed|`: 0 for equal values and for NaN beside NaN, inf where there is no distance."""
        if not (_is_number(self.printed) and _is_number(self.computed)):
            return 0.0 if _same(self.printed, self.computed) else math.inf
        printed, computed = float(self.printed), float(self.computed)
        if math.isnan(printed) or math.isnan(computed):
            return 0.0 if math.isnan(printed) and math.isnan(computed) else math.inf
        return 0.0 if printed == computed else abs(computed - printed)

    @property
    def ok(self) -> bool:
        """Whether the claim holds."""
        error = self.error
        return error == 0 or (math.isfinite(error) and error <= self.tolerance)

    def to_json(self) -> dict[str, Any]:
        """The claim as strict JSON has it: NaN and the infinities are the strings "nan", "inf" and "-inf"."""
        return {
            "lecture": self.lecture,
            "name": self.name,
            "printed": _strict(self.printed),
            "computed": _strict(self.computed),
            "tolerance": self.tolerance,
            "ok": self.ok,
        }


def _strict(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_strict(element) for element in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _is_number(value: Value) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _same(printed: Value, computed: Value) -> bool:
    """Equality that keeps True apart from 1 and from 1.0."""
    return type(printed) is type(computed) and printed == computed
