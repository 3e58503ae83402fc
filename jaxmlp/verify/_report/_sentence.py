"""A sentence of the catalogue: English as it stands, and the same in any other language of `words/`."""

import re
import string
import tomllib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any


LANGUAGES = ("en", "ko")

MOST = 8
"""The most names that a sentence lists; the rest are counted."""


class Sentence(str):
    """A string, the English of `key` in the catalogue filled with `facts`, that `said` can put into another language.

    A fact is a string that needs no translation (a name, code, a shape), a number, a tuple of names to be listed, or
    a `Sentence`. In a template `{n:leaf|leaves}` is a count with its noun.
    """

    key: str
    facts: dict[str, Any]

    def __new__(cls, key: str, /, **facts: Any) -> "Sentence":
        self = super().__new__(cls, _filled("en", key, facts))
        self.key, self.facts = key, facts
        return self

    def __getnewargs_ex__(self) -> tuple[tuple[str], dict[str, Any]]:
        return (self.key,), self.facts


def said(text: str, lang: str) -> str:
    """`text` in the language `lang`, where it is a `Sentence`; any other string as it is."""
    return _filled(lang, text.key, text.facts) if isinstance(text, Sentence) else text


def has(key: str) -> bool:
    """Whether the catalogue has a sentence `key`."""
    return key in catalogue("en")


def catalogue(lang: str) -> dict[str, str]:
    """The templates of a language by their keys, `"table.name"` for a `name` in a `[table]` of its file."""
    if not (isinstance(lang, str) and lang in LANGUAGES):
        raise ValueError(f"`lang` must be one of {', '.join(map(repr, LANGUAGES))}, got {lang!r}.")
    return _catalogue(lang)


@cache
def _catalogue(lang: str) -> dict[str, str]:
    tables = tomllib.loads(files("jaxmlp.verify._report").joinpath("words", f"{lang}.toml").read_text("utf-8"))
    return {f"{table}.{name}": text for table, texts in tables.items() for name, text in texts.items()}


def _filled(lang: str, key: str, facts: dict[str, Any]) -> str:
    text = _Formatter(lang).format(catalogue(lang)[key], **facts)
    return _with_particles(text) if lang == "ko" else text


class _Formatter(string.Formatter):
    """Fills a template: nested sentences in its language, tuples of names as lists, counts with their nouns."""

    def __init__(self, lang: str) -> None:
        self._lang = lang

    def format_field(self, value: Any, format_spec: str) -> str:
        if isinstance(value, tuple) and value and all(isinstance(name, str) for name in value):
            value = listed(value)
        if "|" in format_spec:
            one, many = format_spec.split("|")
            return f"{value} {one if value == 1 else many}"
        return format(said(value, self._lang) if isinstance(value, str) else value, format_spec)


def listed(names: Sequence[str]) -> str:
    """`w1`, `b1` and `b2`; of very many the first ones and how many more."""
    quoted = [f"`{name}`" for name in names]
    if len(quoted) == 1:
        return quoted[0]
    if len(quoted) <= MOST:
        return Sentence("list.all", most=", ".join(quoted[:-1]), last=quoted[-1])
    return Sentence("list.some", most=", ".join(quoted[: MOST - 1]), count=len(quoted) - MOST + 1)


# A Korean particle depends on the sound before it. A template writes both forms; the one that fits is chosen after a
# Korean syllable or a digit, and both stay where only the reader knows how a name is pronounced.
_PARTICLE = re.compile(r"(?<=([^\s`]))(`?)(은\(는\)|이\(가\)|을\(를\)|과\(와\)|\(으\)로)")
_FINAL_OF_DIGIT = dict(zip("0123456789", "ㅇㄹ-ㅁ--ㄱㄹㄹ-", strict=True))


def _with_particles(text: str) -> str:
    return _PARTICLE.sub(lambda found: found[2] + _particle(found[1], found[3]), text)


def _particle(before: str, both: str) -> str:
    if "가" <= before <= "힣":
        final = {0: "-", 8: "ㄹ"}.get((ord(before) - ord("가")) % 28, "ㅇ")
    elif before in _FINAL_OF_DIGIT:
        final = _FINAL_OF_DIGIT[before]
    else:
        return both
    if both == "(으)로":
        return "로" if final in "-ㄹ" else "으로"
    with_final, without = both[0], both[2]
    return without if final == "-" else with_final
