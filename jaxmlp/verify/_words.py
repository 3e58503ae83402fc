"""What a report says: every sentence of every finding and reason, for a student who reads it."""

from typing import Any

from ._report import Finding


def listed(paths: tuple[str, ...]) -> str:
    """`w1`, `b1` and `b2`."""
    names = [f"`{path}`" for path in paths]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


# Mistakes of the formula. Each takes the leaves that show the mistake.


def missing(paths: tuple[str, ...]) -> Finding:
    return Finding(
        "shape",
        paths,
        f"The gradient of {listed(paths)} is missing.",
        "Return a tree with exactly the structure of `params`.",
    )


def extra(paths: tuple[str, ...]) -> Finding:
    return Finding(
        "shape",
        paths,
        f"The gradient has {listed(paths)}, which `params` does not have.",
        "Return a tree with exactly the structure of `params`.",
    )


def not_floating(paths: tuple[str, ...], dtype: Any) -> Finding:
    return Finding(
        "shape",
        paths,
        f"The gradient of {listed(paths)} holds {dtype} instead of floating numbers.",
        "Compute it from the floating numbers of `params`.",
    )


def wrong_shape(paths: tuple[str, ...], actual: tuple[int, ...], expected: tuple[int, ...]) -> Finding:
    return Finding(
        "shape",
        paths,
        f"The gradient of {listed(paths)} has shape {actual}, but the parameter has shape {expected}.",
        "A gradient has one number for each number of its parameter: look for a sum that is missing or too much.",
    )


def transposed(paths: tuple[str, ...], actual: tuple[int, ...], expected: tuple[int, ...]) -> Finding:
    noticed = "and only looks right because it is square" if actual == expected else f"of shape {actual}"
    return Finding(
        "transposed",
        paths,
        f"The gradient of {listed(paths)} is the transpose of the true gradient, {noticed}.",
        "Transpose it, or swap the two factors of the matrix product: (x.T @ dz).T is dz.T @ x.",
    )


def nonfinite(paths: tuple[str, ...]) -> Finding:
    return Finding(
        "nonfinite",
        paths,
        f"The gradient of {listed(paths)} holds NaN or inf, where the true gradient is finite.",
        "Look for a division by zero, a log of zero, or zero times infinity where an activation saturates.",
    )


def zero_gradient(paths: tuple[str, ...]) -> Finding:
    return Finding(
        "zero-gradient",
        paths,
        f"The gradient of {listed(paths)} is exactly zero, but the loss depends on it: it would never be trained.",
        "Compute it, and return it in place of the zeros.",
    )


def sign(paths: tuple[str, ...]) -> Finding:
    return Finding(
        "sign",
        paths,
        f"The gradient of {listed(paths)} has the wrong sign: a step against it climbs the loss instead of descending.",
        "Look for a minus sign that is lost or too much.",
        factor=-1.0,
    )


def scale_batch(paths: tuple[str, ...], factor: float, batch: int) -> Finding:
    if factor > 1:
        message = (
            f"The gradient of {listed(paths)} is {batch} times too large, and the batch has {batch} examples: "
            "it sums over the batch where the loss takes the mean."
        )
        return Finding("scale-batch", paths, message, f"Divide by the number of examples, {batch}, once.", factor)
    message = (
        f"The gradient of {listed(paths)} is {batch} times too small, and the batch has {batch} examples: "
        "it takes the mean over the batch where the loss sums, or divides by the number of examples twice."
    )
    return Finding("scale-batch", paths, message, f"Multiply by the number of examples, {batch}.", factor)


def scale_constant(paths: tuple[str, ...], factor: float) -> Finding:
    return Finding(
        "scale-constant",
        paths,
        f"The gradient of {listed(paths)} is {factor:g} times the true gradient.",
        f"Divide by {factor:g}: look for a constant that is lost or applied twice, such as the 2 of a square.",
        factor,
    )


def unknown(paths: tuple[str, ...]) -> Finding:
    return Finding(
        "unknown",
        paths,
        f"The gradient of {listed(paths)} is wrong, and not by a factor, a sign or a transpose.",
    )


def wrong_value(paths: tuple[str, ...]) -> Finding:
    return Finding(
        "wrong-forward",
        paths,
        "The value returned with the gradient is not the loss.",
        "Return the same loss that is differentiated.",
    )


# Mistakes of the numbers, in the caller's own dtype, where the formula is right.


def in_a_coarser_dtype(path: str, actual: Any, expected: Any) -> Finding:
    return Finding(
        "shape",
        (path,),
        f"The gradient of `{path}` has dtype {actual}, but the parameter has dtype {expected}: digits are lost.",
        f"Return it in {expected}.",
    )


def not_finite_in(dtype: Any, paths: tuple[str, ...]) -> Finding:
    return Finding(
        "nonfinite",
        paths,
        f"The formula of {listed(paths)} is right, but in {dtype} it gives NaN or inf at this point, "
        "where the loss and the true gradient are finite.",
        "Look for a division by zero, a log of zero, or zero times infinity where an activation saturates.",
    )


def poor_numbers(errors: dict[str, tuple[float, float | None]], dtypes: dict[str, Any]) -> Finding:
    path, (error, autodiff) = max(errors.items(), key=lambda item: item[1][0])
    beside = "" if autodiff is None else f" (jax.grad: {autodiff:.1g})"
    return Finding(
        "precision",
        tuple(errors),
        f"The formula of {listed(tuple(errors))} is right, but its numbers are poor in {dtypes[path]}: "
        f"at this point `{path}` is off by {error:.1g} of its size{beside}.",
        "Look for a difference of nearly equal numbers, such as p - y or 1 - p at a trained point: sigmoid(-z) is "
        "1 - p with all its digits. If there is none, the examples nearly cancel each other here.",
    )


# Reasons why nothing can be decided, each with what to change.


def no_truth(value: float) -> str:
    return (
        f"The loss is {value:g} here and its true gradient is not finite everywhere, so there is nothing to compare "
        "with. Check at parameters and inputs where the loss and jax.grad of it are finite."
    )


def zero_everywhere() -> str:
    return (
        "The true gradient is exactly zero at every point tried, so any mistake that multiplies it goes unseen. "
        "Check where the loss depends on `params`: not with every unit dead or saturated."
    )


def at_a_kink(paths: tuple[str, ...]) -> str:
    return (
        f"The gradient of {listed(paths)} differs at this very point and agrees at every point around it: the point "
        "lies on a kink, such as relu at exactly 0, where the slope is a convention. Move off it: use biases or "
        "inputs that are not exactly 0."
    )


def drowned(paths: tuple[str, ...]) -> str:
    return (
        f"Rounding alone moves the gradient of {listed(paths)} by as much as it differs from the truth, so too few "
        "digits are left to judge it. Check at a point where the gradient does not cancel."
    )


def only_in(dtypes: dict[str, Any], refusal: BaseException) -> str:
    names = " and ".join(sorted({str(dtype) for dtype in dtypes.values()}))
    return (
        f"It agrees with the truth as far as {names} shows, but could not be evaluated in float64 "
        f"({type(refusal).__name__}: {str(refusal).splitlines()[0] if str(refusal) else ''}), so a mistake below that "
        "accuracy cannot be excluded. Let the functions accept float64."
    )
