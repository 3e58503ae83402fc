"""Is this gradient right? The questions a caller can ask."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from ._in_jax import loss_in_jax
from ._judge import judged
from ._measured import measured
from ._program._call import (
    forget,
    functions_of,
    has_functions,
    input_names,
    Same,
    taking_no_functions,
    without_functions,
)
from ._program._failures import in_plain_words
from ._program._leaves import check_callable, check_numbers, is_number
from ._program._tree import named_leaves
from ._report._gradient_report import GradientError, GradientReport
from ._rule._custom_rule import rule_report
from ._rule._pair import pair_report
from ._verdict._evidence import Subject


@in_plain_words()
def check(
    loss: Callable[..., Any],
    grads: Callable[..., Any],
    params: Any,
    *args: Any,
    has_value: bool = False,
    numeric: bool = False,
) -> GradientReport:
    """Whether `grads` is the gradient of `loss` with respect to `params`, and if not, what the mistake is.

    Both are evaluated in float64, at `params` and at a seeded point near it, and compared leaf by leaf by

        error = norm(actual - expected) / norm(expected),

    with `jax.grad(loss)` as `expected`. There is no absolute tolerance: a gradient of size 1e-9 is judged like
    one of size 1. An error above 1e-7 is excused only by rounding that was measured: at points moved by a part in
    100,000, and with every rounding on the way drawn anew, where rounding errors change and mistakes stay. The
    report also says how good the numbers are in the caller's own dtype, beside those of `jax.grad`. Above 2^20
    parameters all of this is one program on the device, and a report names leaves, but no lines.

    Args:
      loss: `loss(params, *args) -> scalar`, in JAX or NumPy; JAX must be able to differentiate it, unless `numeric`.
      grads: `grads(params, *args) -> grads`, a tree like `params`. Anything callable: if JAX cannot trace it (NumPy,
        torch, a compiled kernel) it is called as it is, with arrays of the kinds that `params` and `args` are. The
        lines of NumPy code are named too.
      params: a pytree of floating arrays. Functions among its leaves, such as the activations of an equinox module,
        are kept as they are; `grads` may return None for them.
      *args: what else both functions take; not differentiated. Floating arrays among them are widened as well.
      has_value: True if `grads` returns `(value, grads)`; the value is then checked too.
      numeric: True to measure the slopes of `loss` by differences of its values too. They find a derivative inside of
        the loss that is not that of its values (a custom rule, `stop_gradient`, a kernel), and the verdict then follows
        the values. A loss that JAX cannot differentiate is judged by its values alone: a leaf is right where an error
        above 1e-4 is excluded, and `allowed` is the error that could still be there.

    Returns:
      A `GradientReport`. Its verdict is "right", "wrong", or, where nothing can be decided, "undecided" with the
      reasons and what to change.

    Raises:
      TypeError: `loss` or `grads` is not callable, a leaf of `params` is not a floating array, JAX cannot
        differentiate `loss` and `numeric` is not set, or it returns something other than a floating number.
      ValueError: `params` has no leaf, or an empty one, or `loss` does not return a scalar.

    Example:
      >>> import jax.numpy as jnp
      >>> from jaxmlp import check
      >>> def loss(w, x, y):
      ...     return jnp.mean((x @ w - y) ** 2)
      >>> def hand_grads(w, x, y):
      ...     return x.T @ (x @ w - y) / len(x)
      >>> x, y = jnp.array([[1.0, 2.0], [3.0, -1.0], [0.5, 0.5]]), jnp.array([1.0, 0.0, 2.0])
      >>> report = check(loss, hand_grads, jnp.array([0.1, -0.3]), x, y)
      >>> print(report.verdict)
      wrong
      >>> print(report.findings[0].message)
      The gradient of `params` is 0.5 times what it must be.
    """
    forget()
    check_callable("loss", loss, params, *args)
    check_callable("grads", grads, params, *args)
    names = ("params", *input_names(grads, 1 + len(args))[1:])
    check_numbers(names, (params, *args))
    name, source = _name(grads), None
    if has_functions(params):
        kept, source = (functions_of(params),), grads
        loss, grads = (taking_no_functions(Same(function), kept) for function in (loss, grads))
        params = without_functions(params)
    _check_params(params)
    subject = Subject(name, loss, grads, args, has_value, source)
    if numeric:
        return measured(subject, params)
    try:
        return judged(subject, params)
    except Exception:
        in_jax = loss_in_jax(loss, params, args)
        if in_jax is None:
            raise
    return judged(replace(subject, loss=in_jax), params)


@in_plain_words()
def check_pair(fwd: Callable[..., Any], bwd: Callable[..., Any], *inputs: Any) -> GradientReport:
    """Whether `bwd` is the derivative of `fwd`, for a pair in the order of `jax.custom_vjp`:

        fwd(*inputs) -> (out, residuals)
        bwd(residuals, dout) -> the cotangents of the inputs, in their order

    `bwd` is called with seeded random numbers for `dout`, so a pair that ignores `dout` is found out, and compared
    with what automatic differentiation makes of `fwd`, as in `check`; and it must be linear in `dout`. The leaves are
    named after the arguments of `fwd`.

    Args:
      fwd: the forward half; JAX must be able to differentiate its `out`, a pytree of floating arrays.
      bwd: the backward half. With a single input it may return the bare cotangent. None stands for a cotangent of
        zeros, as in `jax.custom_vjp`.
      *inputs: where to check. Inputs without floating numbers, such as labels, are not differentiated.

    Returns:
      A `GradientReport`, as from `check`.

    Raises:
      TypeError: `fwd` or `bwd` is not callable, `fwd` does not return a pair, an input mixes floating arrays with
        others, or JAX cannot differentiate `fwd`.
      ValueError: no input holds a floating number, or one that does has an empty leaf.

    Example:
      >>> import jax.numpy as jnp
      >>> from jaxmlp import check_pair
      >>> fwd = lambda x: (x * x, x)
      >>> bwd = lambda x, dout: (2 * x * dout,)
      >>> check_pair(fwd, bwd, jnp.array([1.0, -2.0])).verdict
      'right'
      >>> check_pair(fwd, lambda x, dout: (2 * x,), jnp.array([1.0, -2.0])).findings[0].cause
      'missing-upstream'
    """
    forget()
    check_callable("fwd", fwd, *inputs)
    check_callable("bwd", bwd, None, None)
    check_numbers(input_names(fwd, len(inputs)), inputs, of_jax=True)
    return pair_report(_name(bwd), fwd, bwd, inputs)


@in_plain_words()
def check_rule(f: Callable[..., Any], *inputs: Any) -> GradientReport:
    """Whether the custom rules of `f`, a `jax.custom_vjp` or `jax.custom_jvp` function, are its derivative.

    The truth is what automatic differentiation makes of `f` with every rule in it replaced by what the function itself
    computes, at seeded random cotangents and in float64, as in `check`. Where that is NaN, or takes one branch of a
    `where` or a `max` for the whole, or where JAX cannot differentiate at all, as in a kernel or a callback, slopes are
    measured from the values of `f` instead, and the report says so. A rule must be linear in what comes in, and its
    forward half must return what `f` does. A rule that is right so far is then asked in forward mode, differentiated
    once more, and run under `jit`, `vmap` and the other transformations. The leaves are named after the arguments of
    `f`.

    Args:
      f: a function with a rule, or one that calls such functions; through `jax.jit` and `functools.partial` too.
      *inputs: where to check. Inputs without floating numbers and those in `nondiff_argnums` are not differentiated.
        Functions among the leaves of an input, as in an equinox module, are kept as they are.

    Returns:
      A `GradientReport`, as from `check`.

    Raises:
      TypeError: `f` is not callable, an input or output is complex, or an input mixes floating arrays with others.
      ValueError: `f` has no rule, or takes other inputs, or these hold no floating number.

    Example:
      >>> import jax
      >>> import jax.numpy as jnp
      >>> from jaxmlp import check_rule
      >>> cube = jax.custom_vjp(lambda z: z**3)
      >>> cube.defvjp(lambda z: (z**3, z), lambda z, dout: (dout * z**2,))
      >>> report = check_rule(cube, jnp.array([1.0, -2.0]))
      >>> print(report.verdict, report.findings[0].factor)
      wrong 0.333333
    """
    forget()
    check_callable("f", f, *(() if isinstance(f, jax.custom_vjp | jax.custom_jvp) else inputs))
    check_numbers(input_names(f, len(inputs)), inputs, of_jax=True)
    return rule_report(_name(f), f, inputs)


def assert_gradients(
    loss: Callable[..., Any],
    grads: Callable[..., Any],
    params: Any,
    *args: Any,
    has_value: bool = False,
    numeric: bool = False,
) -> GradientReport:
    """`check`, for tests: raises unless the gradient is right, under `python -O` too.

    Returns:
      The report on the right gradient.

    Raises:
      GradientError: the gradient is wrong or undecided. An `AssertionError` that shows the report, and has it as
        `.report`.
      TypeError: as from `check`.
      ValueError: as from `check`.

    Example:
      >>> import jax.numpy as jnp
      >>> from jaxmlp import assert_gradients
      >>> loss = lambda w: jnp.sum(w**3)
      >>> report = assert_gradients(loss, lambda w: 3 * w**2, jnp.array([1.0, 2.0]))
      >>> assert_gradients(loss, lambda w: 3 * w, jnp.array([1.0, 2.0]))  # doctest: +ELLIPSIS
      Traceback (most recent call last):
        ...
      jaxmlp.GradientError: <lambda> is wrong: 1 of 1 leaf
      ...
    """
    __tracebackhide__ = True
    report = check(loss, grads, params, *args, has_value=has_value, numeric=numeric)
    if not report.ok:
        raise GradientError(report)
    return report


def _check_params(params: Any) -> None:
    leaves = named_leaves(params)
    if not leaves:
        raise ValueError(f"`params` is {params!r}, a tree without leaves: there is nothing to differentiate by.")
    for path, leaf in leaves.items():
        if not is_number(leaf):
            raise TypeError(f"`params` leaf `{path}` is {_kind(leaf)}, not a floating array.")
        dtype = jnp.result_type(leaf)
        if not jnp.issubdtype(dtype, jnp.floating):
            raise TypeError(
                f"`params` leaf `{path}` has dtype {dtype}, but only real floating numbers have a gradient: "
                "convert it, or pass it among the other arguments."
            )
        if jnp.size(leaf) == 0:
            raise ValueError(f"`params` leaf `{path}` has shape {jnp.shape(leaf)}: it is empty, remove it.")


def _kind(leaf: Any) -> str:
    return f"an array of {leaf.dtype}" if hasattr(leaf, "dtype") else f"a {type(leaf).__name__}"


def _name(function: Callable[..., Any]) -> str:
    """What to call a function in a report: through partial and jit to the name in its own `def`."""
    while isinstance(function, partial):
        function = function.func
    return getattr(function, "__name__", type(function).__name__)
