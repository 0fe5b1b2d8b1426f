"""Which language's steps a text goes through."""

from __future__ import annotations

from . import en, pt
from .clean import clean, plain


def speak(text: str, language: str) -> str:
    """The words of a text as a voice should say them.

    language: a BCP 47 tag ("pt-BR", "pt", "en-GB"); _ for - is understood. Portuguese and English have their numbers,
    dates, money, abbreviations and addresses written out; of other languages only control characters, emoji and
    needless spaces are taken out. Words that are not understood stay. A text in which nothing can be said gives "".
    """
    text = clean(text)
    tag = language.lower().replace("_", "-")
    match tag.split("-")[0]:
        case "pt":
            return pt.speak(plain(text))
        case "en":
            return en.speak(plain(text), day_first=tag in en.DAY_FIRST)
        case _:
            return text if any(char.isalnum() for char in text) else ""
