"""What a report says: one function a mistake, which gives its facts to the sentences of the catalogue.

To add one: a table in `words/en.toml`, the same in `words/ko.toml`, and a function here (or beside) that calls
`finding`, or `Sentence` for what is no finding. Facts are code, names, shapes and numbers: they need no translation.
"""

from collections.abc import Sequence
from typing import Any

from ._finding import finding, phrase, Place as Place
from ._gradient_report import Finding
from ._reasons import (
    at_a_kink as at_a_kink,
    corrected as corrected,
    drowned as drowned,
    in_the_loss as in_the_loss,
    no_truth as no_truth,
    only_in as only_in,
    only_of_symmetry as only_of_symmetry,
    planted as planted,
    zero_everywhere as zero_everywhere,
)
from ._sentence import Sentence
from ._words_of_slopes import (
    extra_slope as extra_slope,
    matrix_product as matrix_product,
    missing_slope as missing_slope,
    missing_softmax as missing_softmax,
    not_the_slope as not_the_slope,
    softmax_diagonal as softmax_diagonal,
    wrong_slope as wrong_slope,
)


# Mistakes of the formula. Each takes the leaves that show the mistake, and the place where it stands if that is known.


def missing(paths: tuple[str, ...], *, place: Place | None = None) -> Finding:
    return finding("shape", paths, place, table="missing")


def extra(paths: tuple[str, ...], *, place: Place | None = None) -> Finding:
    return finding("shape", paths, place, table="extra")


def not_floating(paths: tuple[str, ...], dtype: Any, *, place: Place | None = None) -> Finding:
    return finding("shape", paths, place, table="not-floating", dtype=str(dtype))


def wrong_shape(
    paths: tuple[str, ...], actual: tuple[int, ...], expected: tuple[int, ...], *, place: Place | None = None
) -> Finding:
    return finding("shape", paths, place, table="wrong-shape", actual=actual, expected=expected)


def paired(paths: tuple[str, ...], *, actual: tuple[int, ...], place: Place | None = None) -> Finding:
    """A row and a column, of which broadcasting pairs each number with every other."""
    return finding("shape", paths, place, table="paired", actual=actual)


def transposed(
    paths: tuple[str, ...], actual: tuple[int, ...], expected: tuple[int, ...], *, place: Place | None = None
) -> Finding:
    noticed = Sentence("phrase.square") if actual == expected else Sentence("phrase.of-shape", shape=actual)
    return finding("transposed", paths, place, noticed=noticed)


def not_normalized(paths: tuple[str, ...], *, place: Place | None = None) -> Finding:
    """Exponentials in the place of a softmax."""
    return finding("wrong-forward", paths, place, table="not-normalized")


def transposed_within(paths: tuple[str, ...], *, place: Place | None = None) -> Finding:
    """A square matrix on the way to the leaves."""
    return finding("transposed", paths, place, table="transposed-within")


def reversed_order(paths: tuple[str, ...], axes: tuple[int, ...], *, place: Place | None = None) -> Finding:
    """`axes` are those along which the order is the other way round."""
    return finding("transposed", paths, place, table="reversed", axis=phrase("axis", "number", axis=_axes(axes)))


def nonfinite(paths: tuple[str, ...], *, place: Place | None = None) -> Finding:
    return finding("nonfinite", paths, place)


def born_nonfinite(
    paths: tuple[str, ...], *, operation: str, operands: str | Sequence[str], place: Place | None = None
) -> Finding:
    """`operation` as code, such as "(1 - y) / (1 - p)"; its `operands` and their values, such as "1 - p = 0.0"."""
    shown = tuple([operands] if isinstance(operands, str) else operands)
    return finding("nonfinite", paths, place, table="born-nonfinite", operation=operation, operands=shown)


def zero_gradient(paths: tuple[str, ...], *, place: Place | None = None) -> Finding:
    return finding("zero-gradient", paths, place)


def zero_but_for_rounding(paths: tuple[str, ...], *, place: Place | None = None) -> Finding:
    return finding("zero-gradient", paths, place, sentence="rounded")


# In the following, with `part` only some of what the leaves are made of is off by the factor.


def sign(paths: tuple[str, ...], *, part: bool = False, place: Place | None = None) -> Finding:
    return finding("sign", paths, place, factor=-1.0, sentence=_whole_or(part))


def scale_batch(
    paths: tuple[str, ...], factor: float, batch: int, *, part: bool = False, place: Place | None = None
) -> Finding:
    table = "sum-over-batch" if factor > 1 else "mean-over-batch"
    return finding("scale-batch", paths, place, table=table, factor=factor, batch=batch, sentence=_whole_or(part))


def counted_batch(paths: tuple[str, ...], batch: int, *, place: Place | None = None) -> Finding:
    """The mean is taken over fewer examples, or over more, than the loss takes it."""
    return finding("scale-batch", paths, place, table="counted-batch", batch=batch)


def another_count(paths: tuple[str, ...], number: int, batch: int, *, place: Place | None = None) -> Finding:
    """The length of another axis divides where the number of examples ought to."""
    return finding("scale-batch", paths, place, table="another-count", number=number, batch=batch)


def counted_entries(
    paths: tuple[str, ...], *, count: int, batch: int, too_large: bool, place: Place | None = None
) -> Finding:
    """It sums over all `count` numbers of the output where the loss takes the mean, or the other way round."""
    table = "sum-over-entries" if too_large else "mean-over-entries"
    return finding("scale-batch", paths, place, table=table, count=count, batch=batch, each=count // batch)


def scale_constant(paths: tuple[str, ...], factor: float, *, part: bool = False, place: Place | None = None) -> Finding:
    return finding("scale-constant", paths, place, factor=factor, sentence=_whole_or(part))


def _whole_or(part: bool) -> str:
    return "part" if part else "message"


def missing_term(paths: tuple[str, ...], *, term: str | None = None, place: Place | None = None) -> Finding:
    return finding("missing-term", paths, place, term=phrase("term", term=term))


def double_counted(paths: tuple[str, ...], *, term: str | None = None, place: Place | None = None) -> Finding:
    return finding("double-counted-term", paths, place, table="double-counted", term=phrase("term", term=term))


def missing_upstream(paths: tuple[str, ...], *, upstream: str | None = None, place: Place | None = None) -> Finding:
    return finding("missing-upstream", paths, place, upstream=phrase("upstream", upstream=upstream))


def missing_reduction(
    paths: tuple[str, ...],
    *,
    actual: tuple[int, ...],
    expected: tuple[int, ...],
    axis: int | Sequence[int] | None = None,
    place: Place | None = None,
) -> Finding:
    """`actual` and `expected` are shapes."""
    along = phrase("axis", "number", axis=None if axis is None else _axes(axis))
    return finding("missing-reduction", paths, place, actual=actual, expected=expected, axis=along)


def wrong_axis(
    paths: tuple[str, ...],
    *,
    actual: int | Sequence[int] | None = None,
    expected: int | Sequence[int] | None = None,
    within: bool = False,
    place: Place | None = None,
) -> Finding:
    """`actual` and `expected` are axes, `within` that the line does more than sum over them."""
    facts: dict[str, Any] = {}
    if actual is not None and expected is not None:
        sentence = "within" if within else "axes"
        facts = {"sentence": sentence, "actual": _axes(actual), "expected": _axes(expected)}
    return finding("wrong-reduction-axis", paths, place, table="wrong-axis", **facts)


def _axes(axes: int | Sequence[int]) -> str:
    return ", ".join(map(str, [axes] if isinstance(axes, int) else axes))


# In the following `used` stands there and `instead` ought to, both as code.


def wrong_operand(
    paths: tuple[str, ...], *, used: str | None, instead: str | None, place: Place | None = None
) -> Finding:
    """Either may have no name, or both the same."""
    if used is None or instead is None or used == instead:
        return finding("wrong-operand", paths, place, table="another-operand")
    return finding("wrong-operand", paths, place, used=used, instead=instead)


def begun_anew(paths: tuple[str, ...], *, place: Place | None = None) -> Finding:
    """Each run of a loop goes on from the last one where it must begin anew."""
    return finding("wrong-operand", paths, place, table="begun-anew")


def stale_weights(paths: tuple[str, ...], *, used: str, instead: str, place: Place | None = None) -> Finding:
    return finding("stale-weights", paths, place, used=used, instead=instead)


def off_by_one_layer(paths: tuple[str, ...], *, used: str, instead: str, place: Place | None = None) -> Finding:
    return finding("off-by-one-layer", paths, place, used=used, instead=instead)


def wrong_mask(
    paths: tuple[str, ...], *, used: str | None = None, instead: str | None = None, place: Place | None = None
) -> Finding:
    """The conditions under which the gradient passes, such as "a1 > 0"."""
    sentence = "conditions" if used and instead else "message"
    return finding("wrong-mask", paths, place, sentence=sentence, used=used, instead=instead)


def wrong_forward(paths: tuple[str, ...], *, instead: str | None = None, place: Place | None = None) -> Finding:
    is_another = instead is not None and (place is None or place.name != instead)
    return finding("wrong-forward", paths, place, sentence="instead" if is_another else "message", instead=instead)


def swapped_leaves(paths: tuple[str, ...], *, place: Place | None = None) -> Finding:
    return finding("swapped-leaves", paths, place)


def loss_mismatch(paths: tuple[str, ...], *, of: str | None = None, place: Place | None = None) -> Finding:
    """`of` names the loss whose gradient it is."""
    return finding("loss-mismatch", paths, place, loss=phrase("another-loss", loss=of))


def missing_regularization(paths: tuple[str, ...], *, term: str | None = None, place: Place | None = None) -> Finding:
    """`term` is what the loss adds, such as "lam / 2 * sum(w1**2)"."""
    return finding("missing-regularization", paths, place, term=phrase("regularization", term=term))


def wrong_regularization(paths: tuple[str, ...], *, term: str | None = None, place: Place | None = None) -> Finding:
    return finding("wrong-regularization", paths, place, term=phrase("regularization", term=term))


def epsilon(
    paths: tuple[str, ...], *, eps: float | str, is_missing: bool = False, place: Place | None = None
) -> Finding:
    table = "missing-epsilon" if is_missing else "epsilon"
    return finding("epsilon", paths, place, table=table, eps=eps if isinstance(eps, str) else f"{eps:g}")


def missing_factor(paths: tuple[str, ...], *, what: str | None = None, place: Place | None = None) -> Finding:
    return finding("missing-factor", paths, place, what=phrase("factor", what=what))


def extra_factor(paths: tuple[str, ...], *, what: str | None = None, place: Place | None = None) -> Finding:
    return finding("extra-factor", paths, place, what=phrase("factor", what=what))


def wrong_value(paths: tuple[str, ...], *, place: Place | None = None) -> Finding:
    return finding("wrong-forward", paths, place, table="wrong-value")


def unknown(paths: tuple[str, ...], *, place: Place | None = None) -> Finding:
    return finding("unknown", paths, place)


def departed(paths: tuple[str, ...], *, place: Place | None = None) -> Finding:
    """Where what is not known of the loss is made of what is."""
    return finding("unknown", paths, place, table="departed")


def rounded(paths: tuple[str, ...], *, place: Place | None = None) -> Finding:
    """Where digits are cut off on the way, by `round` or by a coarser dtype."""
    return finding("precision", paths, place, table="rounded")


# Mistakes of the numbers, in the caller's own dtype, where the formula is right.


def in_a_coarser_dtype(path: str, actual: Any, expected: Any, *, place: Place | None = None) -> Finding:
    return finding("shape", (path,), place, table="coarser-dtype", actual=str(actual), expected=str(expected))


def not_finite_in(dtype: Any, paths: tuple[str, ...], *, place: Place | None = None) -> Finding:
    return finding("nonfinite", paths, place, table="not-finite-in", dtype=str(dtype))


def poor_numbers(
    errors: dict[str, tuple[float, float | None]], dtypes: dict[str, Any], *, place: Place | None = None
) -> Finding:
    path, (error, autodiff) = max(errors.items(), key=lambda item: item[1][0])
    facts: dict[str, Any] = {"worst": path, "dtype": str(dtypes[path]), "error": error, "autodiff": autodiff}
    sentence = "message" if autodiff is None else "beside"
    return finding("precision", tuple(errors), place, sentence=sentence, **facts)
