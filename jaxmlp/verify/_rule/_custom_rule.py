"""Is a custom rule the derivative of its own function? The report on `custom_vjp` and `custom_jvp` functions."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .._judge import judged
from .._program._call import functions_of, has_functions, Same, shapes_of, taking_no_functions, without_functions
from .._program._leaves import is_number
from .._program._primal import forward_only, has_rules, keeps_rules, primal_of
from .._program._tree import is_floating, named_leaves
from .._report._gradient_report import Finding, GradientReport
from .._report._words import in_a_coarser_dtype
from .._verdict._evidence import Subject, VALUE, View
from .._verdict._points import NEAR, Step
from .._verdict._reference import value_and_grad
from . import _words as words
from ._answers import with_leaves, with_mistakes, with_notes, wrong_of
from ._flat import without_false_zeros
from ._linear import linearity
from ._pullback import differentiable, pulled, random_dout
from ._questions import forward_mode, second_order
from ._refused import refusal_of, refusal_of_anew, refused_report
from ._target import pullback_of, Target, target
from ._transformed import with_transformations
from ._values import settled, undifferentiated, values_report


def rule_report(name: str, function: Callable[..., Any], inputs: tuple[Any, ...]) -> GradientReport:
    """The report on the custom rules of `function` at `inputs`.

    The truth is the derivative of the function with every rule in it replaced by what it computes; or, where that
    cannot be had or trusted, the slopes of its values. Where the cotangents are right, the rule is asked further: in
    forward mode, once more differentiated, and under transformations.

    Raises:
      TypeError: an input or output is complex, or an input mixes floating arrays with others.
      ValueError: `function` has no rule, or takes other inputs, or these hold no floating number.
    """
    aim = target(function, inputs)
    if aim.rule is None and has_functions(inputs):
        arrays_only = taking_no_functions(Same(function), tuple(map(functions_of, inputs)))
        aim = target(arrays_only, without_functions(inputs))
    if aim.rule is not None:
        _check_inputs(aim)
    differentiable(aim.names, aim.inputs)
    out = shapes_of(aim.call, *aim.inputs)
    if not has_rules(aim.call, *aim.inputs):
        raise ValueError(
            f"`{name}` calls no `jax.custom_vjp` or `jax.custom_jvp` function, so JAX derives all of its derivative: "
            "there is no rule to check. To check a gradient that you wrote, use `check` or `check_pair`."
        )
    primal, pullback = primal_of(Same(aim.call)), pullback_of(Same(aim.call))
    if keeps_rules(aim.call, *aim.inputs):
        raise TypeError(
            f"`{name}` calls a custom rule inside of an operation that cannot be taken apart: check the rule by itself."
        )
    subject, params = pulled(name, primal, pullback, aim.inputs, aim.names, random_dout(out), has_value=True)
    differentiable_loss, no_truth = _differentiable_loss(subject, params)
    subject, values = replace(subject, loss=differentiable_loss, source=aim.source), subject
    untraceable = refusal_of_anew(subject.grads, params, *subject.args)
    if untraceable:
        try:
            subject.grads(params, *subject.args)
        except Exception as refusal:
            return refused_report(aim, subject, params, refusal)
    try:
        report = values_report(values, params, no_truth) if no_truth else judged(subject, params)
    except Exception as refusal:  # what is traced is right, but what was traced before is read again
        return refused_report(aim, subject, params, refusal)
    report = _said(report if no_truth else settled(subject, params, report), "`fwd`" if aim.bwd else "the rule")
    report = with_mistakes(
        report,
        *linearity(subject, params, out, report, aim.incoming if aim.bwd else "dout"),
        *_other_dtypes(subject, params, report),
    )
    if report.verdict == "undecided" or no_truth:
        return report
    if report.verdict == "wrong":
        return _doubted(aim, subject, params, report)
    if untraceable:
        return with_notes(report, words.not_under("`jit`", untraceable))
    if not any(finding.cause == "autodiff-differs" for finding in report.findings):
        report = _with_forward_mode(aim, subject, params, report)
        report = _with_second_order(subject, params, report)
    return with_transformations(aim, subject, params, report)


def _check_inputs(aim: Target) -> None:
    """A rule takes numbers only, but for what is in `nondiff_argnums`."""
    for index, (name, value) in enumerate(zip(aim.names, aim.inputs, strict=True)):
        strange = [leaf for leaf in jax.tree.leaves(value) if not is_number(leaf)]
        if strange and index not in aim.fixed:
            raise TypeError(
                f"input `{name}` holds a {type(strange[0]).__name__}, and a custom rule takes numbers only: put the "
                "argument among its `nondiff_argnums`."
            )


def _differentiable_loss(subject: Subject, params: Any) -> tuple[Callable[..., Any], Exception | None]:
    """The loss, as JAX can differentiate it: in reverse mode, or if not, in forward mode; or not at all, and why."""
    if refusal_of(value_and_grad(subject.loss), params, *subject.args) is None:
        return subject.loss, None
    slow = forward_only(Same(subject.loss))
    refusal = refusal_of(value_and_grad(slow), params, *subject.args)
    return (undifferentiated(subject.loss), refusal) if refusal else (slow, None)


def _said(report: GradientReport, forward: str) -> GradientReport:
    """The report with a value that differs said in the words of a rule; how exact a right value is does not matter."""
    findings = [
        words.other_value(f.leaves, forward)
        if f.leaves == (VALUE,) and f.cause == "wrong-forward"
        else words.in_rule(f)
        if f.cause == "precision" and report.ok
        else f
        for f in report.findings
        if not (f.leaves == (VALUE,) and f.cause == "precision")
    ]
    return replace(report, findings=tuple(findings))


def _other_dtypes(subject: Subject, params: Any, report: GradientReport) -> tuple[Finding, ...]:
    """Cotangents of another dtype than their inputs: JAX lets them through."""
    actual = {path: leaf.dtype for path, leaf in View(subject, params, wide=False).answer().items()}
    told = {path for finding in report.findings if finding.cause == "shape" for path in finding.leaves}
    findings = []
    for path, leaf in named_leaves(params).items():
        if path in told or not is_floating(leaf) or not jnp.issubdtype(actual.get(path, np.dtype(bool)), jnp.floating):
            continue
        expected = jax.dtypes.canonicalize_dtype(leaf.dtype)
        coarser = float(jnp.finfo(actual[path]).eps) - float(jnp.finfo(expected).eps)
        if coarser:
            findings.append((in_a_coarser_dtype if coarser > 0 else words.finer_dtype)(path, actual[path], expected))
    return tuple(findings)


def _doubted(aim: Target, subject: Subject, params: Any, report: GradientReport) -> GradientReport:
    """The report on a wrong rule, undecided if its truth is none, with a note if it looks as if it were meant.

    That is where the function returns an input as it is, its true derivative is zero, or the rule is not linear.
    """
    wrong = tuple(leaf.path for leaf in report.leaves if leaf.verdict == "wrong" and leaf.path != VALUE)
    zeros = {step: _zeros(subject, params, step) for step in ((), *((near,) for near in NEAR))}
    flat = {path: step for step, paths in reversed(zeros.items()) for path in wrong if path in paths}
    if not any(finding.cause == "values-differ" for finding in report.findings):
        report = without_false_zeros(subject, params, report, flat)
    inputs = [np.asarray(leaf) for leaf in jax.tree.leaves(params)]
    outs = [np.asarray(leaf) for leaf in jax.tree.leaves(aim.call(*aim.inputs)) if is_floating(leaf)]
    is_identity = any(np.array_equal(out, leaf) for out in outs for leaf in inputs)
    is_bent = any(finding.cause == "not-linear" for finding in report.findings)
    is_meant = is_identity or is_bent or zeros[()].issuperset(wrong)
    return with_notes(report, words.deliberate()) if wrong and is_meant and report.verdict == "wrong" else report


def _zeros(subject: Subject, params: Any, steps: tuple[Step, ...]) -> set[str]:
    """The leaves whose true gradient is zero at a point, in the caller's dtype."""
    expected = View(subject, params, wide=False).at(*steps).expected
    return {path for path, leaf in expected.items() if not leaf.any()}


def _with_forward_mode(aim: Target, subject: Subject, params: Any, report: GradientReport) -> GradientReport:
    if has_rules(aim.call, *aim.inputs, backward=True):
        return report  # JAX has no forward mode of a `custom_vjp`
    along, steps = forward_mode(subject, params, aim.call)
    leaves, paths = wrong_of(along, steps, params, "forward mode")
    return with_leaves(report, leaves, lambda labelled: words.wrong_forward_mode(labelled, paths))


def _with_second_order(subject: Subject, params: Any, report: GradientReport) -> GradientReport:
    second, point = second_order(subject, params)
    if refusal_of(value_and_grad(second.loss), point, *second.args):
        return report  # there is no truth
    refusal = refusal_of(second.grads, point, *second.args)
    if refusal:
        return with_notes(report, words.only_once(refusal))
    leaves, paths = wrong_of(second, point, params, "second order")
    return with_leaves(report, leaves, lambda labelled: words.wrong_second_order(labelled, paths))
