"""The catalogue: every sentence in every language, about the same facts."""

import ast
import inspect
import re
import string
from pathlib import Path

import jax.numpy as jnp
import pytest

from jaxmlp import verify
from jaxmlp.verify import Line
from jaxmlp.verify._program._tree import element
from jaxmlp.verify._report import _words, _words_of_parts, _words_of_slopes
from jaxmlp.verify._report._sentence import catalogue, has, LANGUAGES, listed, said, Sentence


W1 = ("w1", "b1")
LINE = Line("net.py", 41, "dz1 = da1")
PLACE = _words.Place(LINE, "dz1", "da1", "da1 * a1 * (1 - a1)", _words.corrected(W1, 1e-15))
SHAPES = {"actual": (4, 3), "expected": (3,)}
SWAP = {"used": "a2", "instead": "a1"}

FINDINGS = [
    ("shape", _words.missing, {}),
    ("shape", _words.extra, {}),
    ("shape", _words.not_floating, {"dtype": jnp.dtype("int32")}),
    ("shape", _words.wrong_shape, SHAPES),
    ("shape", _words.paired, {"actual": (6, 6)}),
    ("transposed", _words.transposed, {"actual": (4, 3), "expected": (3, 4)}),
    ("transposed", _words.transposed, {"actual": (3, 3), "expected": (3, 3)}),
    ("transposed", _words.transposed_within, {}),
    ("wrong-forward", _words.not_normalized, {}),
    ("wrong-forward", _words_of_parts.always_the_same, {"number": 0.25}),
    ("nonfinite", _words.nonfinite, {}),
    ("nonfinite", _words.born_nonfinite, {"operation": "log(p)", "operands": "p = 0.0"}),
    ("zero-gradient", _words.zero_gradient, {}),
    ("zero-gradient", _words.zero_but_for_rounding, {}),
    ("sign", _words.sign, {}),
    ("scale-batch", _words.scale_batch, {"factor": 4.0, "batch": 4}),
    ("scale-batch", _words.scale_batch, {"factor": 0.25, "batch": 4}),
    ("scale-constant", _words.scale_constant, {"factor": 2.0}),
    ("missing-activation-derivative", _words.missing_slope, {}),
    ("missing-activation-derivative", _words.missing_slope, {"slope": "1 - a1**2"}),
    ("missing-activation-derivative", _words.missing_slope, {"at": "z1"}),
    ("missing-activation-derivative", _words.missing_softmax, {}),
    ("extra-activation-derivative", _words.extra_slope, {}),
    ("wrong-activation-derivative", _words.wrong_slope, {}),
    ("wrong-activation-derivative", _words.wrong_slope, {"used": "a1", "slope": "1 - a1**2"}),
    ("wrong-activation-derivative", _words.not_the_slope, {}),
    ("wrong-activation-derivative", _words.not_the_slope, {"slope": "a1 * (1 - a1)"}),
    ("missing-term", _words.missing_term, {}),
    ("missing-term", _words.missing_term, {"term": "dz @ u.T"}),
    ("double-counted-term", _words.double_counted, {"term": "dz @ u.T"}),
    ("missing-upstream", _words.missing_upstream, {}),
    ("missing-upstream", _words.missing_upstream, {"upstream": "dout"}),
    ("missing-reduction", _words.missing_reduction, SHAPES),
    ("missing-reduction", _words.missing_reduction, SHAPES | {"axis": 0}),
    ("wrong-reduction-axis", _words.wrong_axis, {}),
    ("wrong-reduction-axis", _words.wrong_axis, {"actual": 1, "expected": (0, 2)}),
    ("wrong-reduction-axis", _words.wrong_axis, {"actual": 1, "expected": (0, 2), "within": True}),
    ("transposed", _words.reversed_order, {"axes": (0, 1)}),
    ("transposed", _words_of_parts.reshaped, {"order": (1, 0)}),
    ("off-by-one-layer", _words_of_parts.another_pair, {"one": "a1", "other": "d2", "first": "a2", "second": "d3"}),
    ("wrong-operand", _words_of_parts.elsewhere, {"was": (0, 1), "instead": (0, 2)}),
    ("wrong-operand", _words_of_parts.elsewhere, {"array": "a1", "was": (0, 1), "instead": (0, 2)}),
    ("wrong-operand", _words_of_parts.parameter_itself, {"used": 'params["b1"]'}),
    ("wrong-operand", _words_of_parts.gradient_sent_back, {"used": "dw2"}),
    ("wrong-operand", _words.begun_anew, {}),
    ("extra-factor", _words_of_parts.inverted, {"part": "std", "divides": False}),
    ("missing-factor", _words_of_parts.inverted, {"part": None, "divides": True}),
    ("wrong-reduction-axis", _words_of_parts.lost_axis, {"axes": (1,)}),
    ("wrong-operand", _words_of_parts.half_a_turn, {"is_turned": False}),
    ("wrong-operand", _words_of_parts.half_a_turn, {"is_turned": True}),
    ("wrong-operand", _words_of_parts.class_numbers, {"count": 3}),
    ("wrong-operand", _words.matrix_product, {"of_a_slope": False}),
    ("wrong-activation-derivative", _words.matrix_product, {"of_a_slope": True}),
    ("scale-batch", _words.counted_batch, {"batch": 7}),
    ("scale-batch", _words.another_count, {"number": 4, "batch": 7}),
    ("scale-batch", _words.counted_entries, {"count": 21, "batch": 7, "too_large": True}),
    ("scale-batch", _words.counted_entries, {"count": 21, "batch": 7, "too_large": False}),
    ("wrong-operand", _words.wrong_operand, SWAP),
    ("wrong-operand", _words.wrong_operand, {"used": None, "instead": None}),
    ("wrong-operand", _words.wrong_operand, {"used": "a2", "instead": None}),
    ("wrong-operand", _words.wrong_operand, {"used": None, "instead": "a1"}),
    ("stale-weights", _words.stale_weights, SWAP),
    ("off-by-one-layer", _words.off_by_one_layer, SWAP),
    ("swapped-leaves", _words.swapped_leaves, {}),
    ("loss-mismatch", _words.loss_mismatch, {}),
    ("loss-mismatch", _words_of_parts.another_term, {}),
    ("loss-mismatch", _words.loss_mismatch, {"of": "half_squared_error"}),
    ("missing-regularization", _words.missing_regularization, {}),
    ("missing-regularization", _words.missing_regularization, {"term": "lam * sum(w1**2)"}),
    ("wrong-regularization", _words.wrong_regularization, {}),
    ("epsilon", _words.epsilon, {"eps": 1e-8}),
    ("epsilon", _words.epsilon, {"eps": 1e-8, "is_missing": True}),
    ("wrong-mask", _words.wrong_mask, {}),
    ("wrong-mask", _words.wrong_mask, SWAP),
    ("softmax-jacobian-diagonal-only", _words.softmax_diagonal, {}),
    ("missing-factor", _words.missing_factor, {}),
    ("missing-factor", _words.missing_factor, {"what": "gamma"}),
    ("extra-factor", _words.extra_factor, {}),
    ("wrong-forward", _words.wrong_forward, {}),
    ("wrong-forward", _words.wrong_forward, {"instead": "tanh(z1)"}),
    ("wrong-forward", _words.wrong_value, {}),
    ("unknown", _words.unknown, {}),
    ("unknown", _words.departed, {}),
    ("precision", _words.rounded, {}),
    ("sign", _words_of_parts.term_sign, {}),
    ("wrong-forward", _words_of_parts.term_sign, {"cause": "wrong-forward", "term": "b1"}),
    ("wrong-forward", _words_of_parts.other_sign, {}),
    ("missing-term", _words_of_parts.penalty_alone, {}),
    ("missing-term", _words_of_parts.put_twice, {}),
    ("wrong-operand", _words_of_parts.last_for_first, {}),
    ("missing-term", _words_of_parts.overwritten, {}),
    ("wrong-operand", _words_of_parts.loss_itself, {}),
    ("scale-constant", _words_of_parts.part_scale, {"times": 0.5}),
    ("scale-constant", _words_of_parts.part_scale, {"times": 0.5, "part": "x @ w1"}),
    ("scale-batch", _words_of_parts.another_reduction, {"part": "jnp.sum(z, axis=0)", "is_a_mean": False}),
    ("scale-batch", _words_of_parts.another_reduction, {"part": "jnp.mean(z, axis=0)", "is_a_mean": True}),
    ("wrong-activation-derivative", _words_of_parts.another_power, {"part": "s", "used": -1.0, "instead": -2.0}),
    ("double-counted-term", _words_of_parts.extra_part, {"part": "n"}),
    ("extra-factor", _words_of_parts.extra_factor_of, {"part": "t - 1"}),
    ("missing-term", _words_of_parts.missing_part, {"part": "b1"}),
    ("wrong-regularization", _words_of_parts.missing_factor_of, {"part": "w1", "cause": "wrong-regularization"}),
    ("wrong-operand", _words_of_parts.another_name, SWAP),
    ("missing-factor", _words_of_parts.factor_inside, {"by": "gamma", "value": "dy"}),
    ("missing-factor", _words_of_parts.factor_inside, {"by": None, "value": None}),
]
REASONS = [
    _words.no_truth(float("nan")),
    _words.zero_everywhere(),
    _words.at_a_kink(W1),
    _words.only_of_symmetry(W1),
    _words.drowned(W1),
    _words.only_in({"w1": jnp.dtype("float32")}, TypeError("this kernel takes float32")),
    _words.planted(29, 29),
    _words.corrected(W1, 1e-15),
]


UNSAID = (
    *(_words.transposed, _words.scale_batch, _words.counted_entries, _words.matrix_product),
    _words_of_parts.another_reduction,
)
"""Of these not every fact is said: the shape of a square, a mean's factor, what is multiplied, which of two it is."""


def placeholders(template):
    return {name for _, name, _, _ in string.Formatter().parse(template) if name is not None}


def test_both_languages_have_every_sentence_about_the_same_facts():
    english, korean = catalogue("en"), catalogue("ko")
    assert list(english) == list(korean), "the same keys, in the same order"
    for key in english:
        assert placeholders(english[key]) == placeholders(korean[key]), key
        assert re.search("[가-힣]", korean[key]), key
        assert not re.search("[가-힣]", english[key]), key


def test_no_sentence_lies_unused():
    """Every table of the catalogue is one that some module asks for."""
    folder = Path(inspect.getfile(verify)).parent
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in folder.rglob("*.py")]
    nodes = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    named = {word for node in nodes if isinstance(node.value, str) for word in node.value.split(".")}
    unused = {key.split(".")[0] for key in catalogue("en")} - named
    assert not unused


@pytest.mark.parametrize(("cause", "words", "facts"), FINDINGS)
@pytest.mark.parametrize("place", (None, _words.Place(LINE), PLACE), ids=("nowhere", "line", "name"))
def test_a_finding_is_said_in_every_language(cause, words, facts, place):
    finding = words(W1, **facts, place=place)
    assert finding.cause == cause and finding.leaves == W1
    for lang in LANGUAGES:
        for text in (finding.said(lang).message, finding.said(lang).fix):
            assert text is None or not re.search(r"[{}]|None|phrase\.|\bnan\b", text), text
            assert text is None or text.endswith((".", "요"))
    assert finding.message == finding.said("en").message != finding.said("ko").message
    assert finding.line == (place and place.line)
    if place is PLACE:
        assert finding.fix == "`dz1` must be `da1 * a1 * (1 - a1)`."
        assert finding.said("ko").fix == "`dz1`은 `da1 * a1 * (1 - a1)`이어야 합니다."
        assert (finding.computes, finding.must, finding.evidence) == (PLACE.computes, PLACE.must, PLACE.evidence)
    else:
        assert "`w1`" in finding.message or words is _words.wrong_value
        which = [fact for fact in (facts | {"cause": ""}).values() if not isinstance(fact, bool)]
        for fact in () if None in facts.values() or words in UNSAID else which:
            numbers = f"{fact:g}" if isinstance(fact, float) else str(fact).strip("()")
            assert numbers in f"{finding.message} {finding.fix}"


def test_every_function_of_the_catalogue_is_tried():
    modules = (_words, _words_of_parts, _words_of_slopes)
    functions = {f for m in modules for _, f in inspect.getmembers(m, inspect.isfunction) if f.__module__ == m.__name__}
    functions = {f for f in functions if not f.__name__.startswith("_")}
    numbers = {_words.in_a_coarser_dtype, _words.not_finite_in, _words.poor_numbers}
    assert functions == {words for _, words, _ in FINDINGS} | numbers


@pytest.mark.parametrize("sentence", REASONS)
def test_a_reason_is_an_english_string_that_can_be_said_in_korean(sentence):
    assert isinstance(sentence, str) and said(sentence, "en") == sentence
    assert re.search("[가-힣]", said(sentence, "ko")) and not re.search("[{}]", said(sentence, "ko"))


@pytest.mark.parametrize(
    ("words", "numbers"),
    (
        (_words.sign, ()),
        (_words.scale_batch, (4.0, 4)),
        (_words.scale_batch, (0.25, 4)),
        (_words.scale_constant, (3.0,)),
    ),
)
def test_what_is_wrong_with_a_part_is_not_said_of_the_whole(words, numbers):
    part, whole = words(W1, *numbers, part=True), words(W1, *numbers)
    assert part.cause == whole.cause and part.factor == whole.factor and part.fix == whole.fix
    assert part.message.startswith("A part of the gradient of `w1` and `b1` ") and "A part" not in whole.message
    assert "한 부분" in part.said("ko").message and "한 부분" not in whole.said("ko").message


def test_the_name_in_the_code_leads_the_sentence():
    assert _words.missing_slope(W1, at="z1", place=PLACE).message == "`dz1` lacks the slope of the activation at `z1`."
    assert _words.missing_slope(W1).message == "The gradient of `w1` and `b1` lacks the slope of the activation."
    assert _words.transposed(W1, (4, 3), (3, 4)).message != _words.transposed(W1, (3, 3), (3, 3)).message
    assert _words.planted(29, 29) == "29 of 29 planted mistakes would have been caught."
    line_only = _words.sign(W1, place=_words.Place(LINE, must="-da1"))
    assert line_only.fix == "This line must compute `-da1`."


def test_poor_numbers_are_said_beside_those_of_autodiff():
    dtypes = {"w1": jnp.dtype("float32"), "b1": jnp.dtype("float32")}
    finding = _words.poor_numbers({"w1": (1e-3, 2e-7), "b1": (0.25, 1e-7)}, dtypes)
    assert "`b1` is off by 0.2 of its size (jax.grad: 1e-07)" in finding.message
    assert "jax.grad" not in _words.poor_numbers({"w1": (1e-3, None)}, dtypes).message
    assert _words.in_a_coarser_dtype("w1", "float16", "float32").fix == "Return it in float32."
    assert "float16" in _words.not_finite_in(jnp.dtype("float16"), W1).said("ko").message


@pytest.mark.parametrize(
    ("name", "particle"),
    (("w1", "은"), ("w2", "는"), ("w10", "은"), ("기울기", "는"), ("값", "은"), ("grad", "은(는)"), ("f(x)", "은(는)")),
)
def test_a_particle_follows_the_sound_before_it(name, particle):
    said_of = said(Sentence("fix.must", name=name, must="a"), "ko")
    assert said_of == f"`{name}`{particle} `a`이어야 합니다."


@pytest.mark.parametrize(("batch", "particle"), ((2, "로"), (4, "로"), (8, "로"), (3, "으로"), (10, "으로")))
def test_the_particle_of_means_treats_a_final_l_as_a_vowel(batch, particle):
    assert _words.scale_batch(W1, float(batch), batch).said("ko").fix == f"샘플 수 {batch}{particle} 한 번 나누세요."


def test_several_numbers_of_a_leaf_are_told_as_that_leaf():
    of = lambda *numbers: tuple(element(leaf, index) for leaf, index in numbers)
    assert "`w[0, 1]`" in _words.unknown(of(("w", (0, 1)))).message
    several = _words.unknown((*of(("w", (0, 1)), ("w", (0, 2)), ("v", (3,))), "b[0]", "b[1]")).message
    assert "`w`, `v[3]`, `b[0]` and `b[1]`" in several


def test_a_list_of_names_ends():
    assert listed(("w1",)) == "`w1`" and listed(("a", "b", "c")) == "`a`, `b` and `c`"
    assert listed(tuple(f"w{i}" for i in range(200))).endswith("`w6` and 193 more")


def test_a_fact_is_never_taken_for_a_template():
    finding = _words.wrong_operand(("{0}",), used="{a!r}", instead="{} 은(는)")
    assert finding.message == "The gradient of `{0}` uses `{a!r}` where `{} 은(는)` belongs."
    assert not has("sign.nothing")
    with pytest.raises(KeyError):
        Sentence("sign.nothing")
