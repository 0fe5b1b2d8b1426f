"""Chooses the steps of a text's language."""

from __future__ import annotations

from . import en, pt
from .clean import clean, plain
from .markup import unmarked


def normalise(text: str, language: str) -> str:
    """The words of a text as a voice should say them.

    language: a BCP 47 tag ("pt-BR", "pt", "en-GB"); _ for - is understood. Portuguese and English have their numbers,
    dates, money, abbreviations and addresses written out; of other languages only markup, control characters, emoji
    and needless spaces are taken out. Unknown words stay. A text in which nothing can be said gives "".
    """
    # Twice, since an emoji may stand before the mark of a line.
    return normalise_unmarked(unmarked(clean(unmarked(text).text)).text, language)


def normalise_unmarked(text: str, language: str) -> str:
    """As normalise, for a text whose markup is taken off already."""
    text = clean(text)
    tag = language.lower().replace("_", "-")
    match tag.split("-")[0]:
        case "pt":
            return pt.normalise(plain(text))
        case "en":
            return en.normalise(plain(text), day_first=tag in en.DAY_FIRST)
        case _:
            return text if any(char.isalnum() for char in text) else ""
