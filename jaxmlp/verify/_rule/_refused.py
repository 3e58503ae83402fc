"""What to say of a rule with which JAX cannot differentiate at all."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .._judge import judged
from .._program._call import jaxpr_of, joined, Same, split
from .._program._tree import named_leaves
from .._report._gradient_report import Finding, GradientReport
from .._verdict._evidence import Subject
from . import _words as words
from ._answers import paths_of
from ._pullback import pulled
from ._questions import forward_mode
from ._target import direct_pullback_of, halves, Target


def refused_report(aim: Target, subject: Subject, params: Any, refusal: Exception) -> GradientReport:
    """The report on a rule that JAX refuses: which output of it is amiss, as far as that can be told."""
    if leaks(subject, params):
        return _without_answer(subject, params, words.leaks(paths_of(params)))
    if aim.is_readable:
        return _direct(aim, subject, params, refusal)
    if aim.bwd is None:
        return _forward_only(aim, subject, params, refusal)
    return _without_answer(subject, params, words.refused(paths_of(params), refusal))


def refusal_of(function: Callable[..., Any], *args: Any) -> Exception | None:
    """What is raised when JAX traces `function(*args)`, if anything is; what is traced is kept for those who run it."""
    try:
        jaxpr_of(function, *args)
    except Exception as error:
        return error
    return None


def refusal_of_anew(function: Callable[..., Any], *args: Any) -> Exception | None:
    """`refusal_of` a trace that nobody runs: what a function keeps of it is found in the next."""
    arrays, kept = split(args)
    try:
        jax.eval_shape(lambda arrays: function(*joined(arrays, kept)), arrays)
    except Exception as error:
        return error
    return None


def leaks(subject: Subject, params: Any) -> bool:
    """Whether the rule keeps a tracer beyond the call that it belongs to."""
    with jax.checking_leaks():
        refusal = refusal_of_anew(subject.grads, params, *subject.args)
    return refusal is not None and "Leaked" in str(refusal)


def _without_answer(subject: Subject, params: Any, *findings: Finding) -> GradientReport:
    """Every leaf wrong for want of an answer."""
    report = judged(Subject(subject.name, subject.loss, lambda *args: {}, subject.args), params)
    return replace(report, verdict="wrong", findings=findings, reasons=())


def _direct(aim: Target, subject: Subject, params: Any, refusal: Exception) -> GradientReport:
    """A `custom_vjp` by its two halves alone."""
    _, dout = subject.args
    refused = words.refused(paths_of(params), refusal)
    try:
        _, returned = halves(aim.rule, aim.fixed, aim.inputs, dout)
    except Exception:
        return _without_answer(subject, params, refused)
    findings = _contract(aim, params, returned)
    if findings:
        return _without_answer(subject, params, *findings)
    pullback = direct_pullback_of(Same(aim.rule), aim.fixed)
    direct, _ = pulled(subject.name, subject.loss, pullback, aim.inputs, aim.names, dout)
    report = judged(replace(direct, loss=subject.loss), params)
    return report if report.verdict == "wrong" else _without_answer(subject, params, refused)


def _contract(aim: Target, params: Any, returned: Any) -> tuple[Finding, ...]:
    """Where what `bwd` returns is not one tree like its input for each input."""
    inputs = {aim.names[i]: value for i, value in enumerate(aim.inputs) if i not in aim.fixed}
    if not isinstance(returned, tuple | list):
        return (words.not_a_tuple(paths_of(params), _kind(returned), tuple(inputs)),)
    if len(returned) != len(inputs):
        return (words.miscounted(paths_of(params), len(returned), tuple(inputs)),)
    findings = []
    for (name, value), cotangent in zip(inputs.items(), returned, strict=True):
        paths = tuple(path for path in paths_of(params) if path == name or path.startswith(name + "."))
        if paths and cotangent is not None and jax.tree.structure(cotangent) != jax.tree.structure(value):
            findings.append(words.misshapen(paths, name, _kind(cotangent), _kind(value)))
    return tuple(findings)


def _kind(tree: Any) -> str:
    """A tree in a few words: an array by its dtype and shape, such as float32[4,3]; else with a star for each leaf."""
    if hasattr(tree, "shape"):
        return f"{tree.dtype}[{','.join(map(str, tree.shape))}]"
    return str(jax.tree.map(lambda leaf: "*", tree)).replace("'*'", "*")


def _forward_only(aim: Target, subject: Subject, params: Any, refusal: Exception) -> GradientReport:
    """A `custom_jvp`: reverse mode is the transpose of what it does to tangents, and there is none if that bends."""
    along, steps = forward_mode(subject, params, aim.call)
    refused = words.refused(paths_of(params), refusal)
    try:
        report = judged(along, steps)
        findings = (words.not_linear(paths_of(params), f"`{aim.incoming}`"),) if _is_bent(along, steps) else ()
    except Exception:
        return _without_answer(subject, params, refused)
    known = [f for f in report.findings if not (findings and f.cause == "unknown")]
    return replace(with_shapes(report, params), verdict="wrong", findings=(*findings, *known, refused), reasons=())


def with_shapes(report: GradientReport, params: Any) -> GradientReport:
    """The report on forward mode with the shapes of the inputs in place of those of the steps along them."""
    shapes = {path: jnp.shape(leaf) for path, leaf in named_leaves(params).items()}
    leaves = tuple(replace(leaf, shape=shapes.get(leaf.path, leaf.shape)) for leaf in report.leaves)
    return replace(report, leaves=leaves)


def _is_bent(along: Subject, steps: Any) -> bool:
    """Whether twice the tangents are not answered by twice the slopes, or their negatives by the negatives."""

    def slopes(factor: float) -> list[Any]:
        params, directions, *rest = along.args
        return jax.tree.leaves(along.grads(steps, params, jax.tree.map(lambda t: factor * t, directions), *rest)[1])

    once = slopes(1.0)
    return not all(
        np.allclose(factor * np.asarray(a, np.float64), np.asarray(b, np.float64), rtol=1e-2, atol=0)
        for factor in (2.0, -1.0)
        for a, b in zip(once, slopes(factor), strict=True)
    )
