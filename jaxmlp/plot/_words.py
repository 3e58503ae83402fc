"""What stands in the pictures, in the languages of `words/`; in Korean where a font can show it."""

import re
import tomllib
from collections.abc import Callable
from functools import cache, partial
from importlib.resources import files
from typing import Any, Literal, TypeAlias

from matplotlib import font_manager
from matplotlib.artist import Artist
from matplotlib.text import Text


Language: TypeAlias = Literal["en", "ko"]
LANGUAGES = ("en", "ko")

_HANGUL = re.compile("[가-힣]")
_FONTS = (  # with Hangul: of Linux, Windows and macOS
    *("Noto Sans CJK KR", "Noto Sans KR", "Noto Sans CJK JP", "NanumGothic", "NanumBarunGothic", "UnDotum"),
    *("Malgun Gothic", "Apple SD Gothic Neo", "AppleGothic"),
)


def words(lang: Language) -> Callable[..., str]:
    """`say(key, **facts)`: the words of `key`, `"table.name"`, in `lang`; in English if no font has its letters.

    Raises:
      ValueError: there is no such language.
    """
    if lang not in LANGUAGES:
        raise ValueError(f"`lang` is {lang!r}, but must be one of {', '.join(map(repr, LANGUAGES))}.")
    return partial(_said, catalogue("en" if lang == "ko" and _korean_font() is None else lang))


def in_a_font_that_has_it(artist: Artist) -> None:
    """Have every text of `artist` with Hangul in it drawn by a font that knows it; the other letters stay as they are.

    matplotlib would draw boxes, and warn.
    """
    for text in artist.findobj(Text):
        if isinstance(text, Text) and _HANGUL.search(text.get_text()):
            with_hangul(text)


def with_hangul(text: Text) -> None:
    """Have what is written there be drawn by a font with Hangul where it has such letters."""
    font = _korean_font()
    if font:
        text.set_fontfamily([name for name in text.get_fontfamily() if name != font] + [font])


@cache
def catalogue(lang: str) -> dict[str, str]:
    """The words of a language by their keys."""
    tables = tomllib.loads(files("jaxmlp.plot").joinpath("words", f"{lang}.toml").read_text("utf-8"))
    return {f"{table}.{name}": text for table, texts in tables.items() for name, text in texts.items()}


def _said(texts: dict[str, str], key: str, **facts: Any) -> str:
    return texts[key].format(**facts)


@cache
def _korean_font() -> str | None:
    there = {font.name for font in font_manager.fontManager.ttflist}
    return next((name for name in _FONTS if name in there), None)
