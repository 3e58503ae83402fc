"""What stands in the pictures: the same in every language, and in Korean where a font can show it."""

import string

import jax
import jax.numpy as jnp
import pytest
from matplotlib import font_manager
from matplotlib.text import Text

import jaxmlp
from jaxmlp import plot
from jaxmlp.plot import _words
from jaxmlp.plot._words import catalogue, LANGUAGES, words

from ..helpers import problem
from .helpers import labels, rendered


X, Y = jaxmlp.gate("xor")
PARAMS, *_ = problem(jax.random.key(0), (2, 2, 1), dtype="float32")
NAMED = [font.name for font in font_manager.fontManager.ttflist if font.name in _words._FONTS]

PICTURES = {
    "loss_curve": lambda lang: plot.loss_curve({"a": [0.7, jnp.inf]}, marks={"a": {0: 0.7}}, lang=lang),
    "members": lambda lang: plot.loss_curve([[0.7, 0.5], [0.6, 0.2]], lang=lang),
    "decision_regions": lambda lang: plot.decision_regions(lambda x: jaxmlp.predict(PARAMS, x), X, Y, lang=lang),
    "lines_of_units": lambda lang: plot.lines_of_units(PARAMS, X, Y, lang=lang),
    "loss_surface": lambda lang: plot.loss_surface(lambda p: p @ p, jnp.ones(2), resolution=3, lang=lang),
    "gradient_errors": lambda lang: plot.gradient_errors(report(), lang=lang)[0],
}


def report():
    leaf = jaxmlp.LeafCheck("w", "wrong", 1.0, 1e-7, (2,), "float32", difference=jnp.ones((1, 2)).__array__())
    return jaxmlp.GradientReport("grads", "wrong", (leaf,))


def texts(ax):
    """All that stands on the axes and beside them."""
    return [text.get_text() for text in ax.get_figure(root=True).findobj(Text) if text.get_text()]


def facts(text):
    return sorted((name, spec) for _, name, spec, _ in string.Formatter().parse(text) if name)


@pytest.fixture
def a_font(monkeypatch):
    """Whether there is a Korean font: one that has the name at least, for a machine may have none."""
    return lambda name: monkeypatch.setattr(_words, "_korean_font", lambda: name)


def test_every_language_has_the_same_words_with_the_same_facts():
    english, *others = map(catalogue, LANGUAGES)
    for other in others:
        assert {key: facts(text) for key, text in other.items()} == {k: facts(text) for k, text in english.items()}


def test_another_language_is_refused():
    with pytest.raises(ValueError, match="`lang` is 'fr', but must be one of 'en', 'ko'"):
        words("fr")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="lang"):
        plot.loss_curve([1.0], lang="fr")  # type: ignore[arg-type]


@pytest.mark.parametrize("picture", PICTURES)
def test_in_korean_no_english_word_is_left(picture, a_font):
    a_font("NanumGothic")
    english, korean = (texts(PICTURES[picture](lang)) for lang in LANGUAGES)
    for key in {key for key, text in catalogue("en").items() if text in english and text != catalogue("ko")[key]}:
        assert catalogue("ko")[key] in korean and catalogue("en")[key] not in korean
    assert any(_words._HANGUL.search(text) for text in korean)


@pytest.mark.parametrize("picture", PICTURES)
def test_without_a_font_it_is_the_english_picture(picture, a_font):
    a_font(None)
    english, korean = (texts(PICTURES[picture](lang)) for lang in LANGUAGES)
    assert english == korean


def test_the_letters_of_a_text_in_korean_come_from_a_font_that_has_them(a_font):
    a_font("NanumGothic")
    ax = plot.loss_curve([0.7, 0.5], label="손실", lang="ko")
    of_label, of_ticks = ax.yaxis.label.get_fontfamily(), ax.get_yticklabels()[0].get_fontfamily()
    assert of_label == [*of_ticks, "NanumGothic"] and labels(ax) == ["손실"]
    [[ax]] = plot.panels()
    ax.set(title="부호", xlabel="스텝", ylabel="loss")
    assert {tuple(text.get_fontfamily()) for text in (ax.title, ax.xaxis.label, ax.yaxis.label)} == {tuple(of_label)}


@pytest.mark.skipif(not NAMED, reason="no font with Korean letters is installed")
@pytest.mark.parametrize("picture", PICTURES)
def test_it_is_drawn_without_a_box_for_a_letter(picture):
    rendered(PICTURES[picture]("ko"))  # matplotlib warns of a letter that no font has, and a warning is an error here
