"""What a report says of a custom rule, beside what `_words` says of its leaves."""

from dataclasses import replace
from typing import Any

from .._report._finding import finding
from .._report._gradient_report import Finding
from .._report._sentence import Sentence


# What JAX does not accept of a rule, or accepts and ought not to.


def not_a_tuple(paths: tuple[str, ...], got: str, names: tuple[str, ...]) -> Finding:
    return finding("shape", paths, None, table="rule-not-a-tuple", got=got, names=names)


def miscounted(paths: tuple[str, ...], got: int, names: tuple[str, ...]) -> Finding:
    return finding("shape", paths, None, table="rule-miscounted", got=got, inputs=len(names), names=names)


def misshapen(paths: tuple[str, ...], name: str, got: str, wanted: str) -> Finding:
    """`got` and `wanted` are tree structures."""
    return finding("shape", paths, None, table="rule-misshapen", input=name, got=got, wanted=wanted)


def finer_dtype(path: str, actual: Any, expected: Any) -> Finding:
    return finding("shape", (path,), None, table="rule-finer-dtype", actual=str(actual), expected=str(expected))


def refused(paths: tuple[str, ...], refusal: BaseException) -> Finding:
    return finding("refused", paths, None, table="rule-refused", refusal=_said(refusal))


# What is wrong of a rule beyond a cotangent at one point.


def other_value(paths: tuple[str, ...], forward: str) -> Finding:
    """`forward` is what computes the value under differentiation: fwd, or the first result of a jvp rule."""
    return finding("wrong-forward", paths, None, table="rule-other-value", forward=forward)


def not_linear(paths: tuple[str, ...], name: str) -> Finding:
    """`name` is that of the cotangent or tangent in which the rule must be linear."""
    return finding("not-linear", paths, None, table="rule-not-linear", of=name)


def not_zero(paths: tuple[str, ...], name: str) -> Finding:
    return finding("not-zero", paths, None, table="rule-not-zero", of=name)


def wrong_forward_mode(paths: tuple[str, ...], of: tuple[str, ...]) -> Finding:
    return finding("forward-mode", paths, None, table="rule-forward-mode", of=of)


def wrong_second_order(paths: tuple[str, ...], of: tuple[str, ...]) -> Finding:
    return finding("second-order", paths, None, table="rule-second-order", of=of)


def differs_under(paths: tuple[str, ...], transformation: str) -> Finding:
    return finding("transformation", paths, None, table="rule-differs", under=transformation)


def leaks(paths: tuple[str, ...]) -> Finding:
    return finding("leak", paths, None, table="rule-leaks")


def deliberate() -> Finding:
    return finding("deliberate", (), None, table="rule-deliberate")


def in_rule(poor: Finding) -> Finding:
    """A finding of poor numbers, with what to look for in a rule."""
    return replace(poor, fix=Sentence("rule-precision.fix"))


def contradicted(paths: tuple[str, ...]) -> Finding:
    return finding("values-differ", paths, None, table="rule-contradicted")


def decided_by_values(paths: tuple[str, ...]) -> Finding:
    """A note: these leaves are right, though automatic differentiation has another derivative."""
    return finding("autodiff-differs", (), None, table="rule-decided-by-values", where=paths)


def only_by_values(refusal: BaseException) -> Finding:
    """A note: there is no derivative of the function but its rule."""
    return finding("measured", (), None, table="rule-only-by-values", refusal=_said(refusal))


def not_differentiated(paths: tuple[str, ...]) -> Sentence:
    """A reason, not a finding: why nothing can be decided."""
    return Sentence("rule-not-differentiated.reason", paths=paths)


# What a right rule cannot do: no mistake, but good to know.


def only_once(refusal: BaseException) -> Finding:
    return finding("only-once", (), None, table="rule-only-once", refusal=_said(refusal))


def not_under(transformation: str, refusal: BaseException) -> Finding:
    facts: dict[str, Any] = {"under": transformation, "refusal": _said(refusal)}
    return finding("not-transformable", (), None, table="rule-not-under", **facts)


def _said(error: BaseException) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    said = lines[0] if lines else ""
    return f"{type(error).__name__}: {said if len(said) <= 300 else said[:300] + '...'}"
