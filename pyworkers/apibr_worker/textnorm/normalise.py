"""Chooses the steps of a text's language."""

from __future__ import annotations

import re

from . import en, latin, pt, tables_latin, words_en, words_pt
from .clean import clean, plain
from .held import SIGNS, Held, released
from .markup import unmarked
from .numbers import LONGEST, TOKEN
from .trace import Change, Traced, changed

_HINDI: list[tuple[re.Pattern[str], Change]] = [
    (re.compile(r"(?:https?://|www\.)(?=\S)"), ""),
    # The coin is said after its number.
    (re.compile(rf"(₹|Rs\.?|\$|€) ?({TOKEN})"), lambda match: f"{match[2]} {_HINDI_COINS[match[1][0]]}"),
    (re.compile(rf"({TOKEN}) ?(₹|\$|€)"), lambda match: f"{match[1]} {_HINDI_COINS[match[2]]}"),
    *((re.compile(pattern), f" {said} ") for pattern, said in tables_latin.HINDI),
    (re.compile(r" {2,}"), " "),
    (re.compile(r"^ | $| (?=[।,.!?])"), ""),
]
_HINDI_COINS = {"₹": "रुपये", "R": "रुपये", "$": "डॉलर", "€": "यूरो"}


def normalise(text: str, language: str) -> str:
    """The words of a text as a voice should say them.

    language: a BCP 47 tag ("pt-BR", "pt", "en-GB"); _ for - is understood. Portuguese and English have their numbers,
    dates, money, abbreviations and addresses written out; Spanish, French and Italian their numbers, dates, hours,
    money and addresses, Hindi its signs; of other languages only markup, control characters, emoji and needless
    spaces are taken out. Unknown words stay. A text in which nothing can be said gives "".
    """
    # Twice, since an emoji may stand before the mark of a line.
    held = Held(text)
    return normalise_unmarked(unmarked(clean(unmarked(Traced.of(text), held))), language, held).text


def normalise_unmarked(text: Traced, language: str, held: Held | None = None) -> Traced:
    """As normalise, for a text whose markup is taken off already; each word knows its place in the original.

    held: what the letters of held words in text stand for.
    """
    text = clean(text)
    tag = language.lower().replace("_", "-")
    match tag.split("-")[0]:
        case "pt":
            text = pt.normalise(plain(text))
        case "en":
            text = en.normalise(plain(text), day_first=tag in en.DAY_FIRST)
        case "es" | "fr" | "it" as base:
            text = latin.normalise(plain(text), base)
        case "hi":
            text = changed(text, _HINDI)
        case _:
            pass
    if not any(map(str.isalnum, text.text)):
        text = text.part(0, 0)
    if held is None or not held.words:
        return text
    said = {letter: _held(held.words[letter], language) for letter in set(SIGNS.findall(text.text)) & set(held.words)}
    return released(text, said)


def without_marks(text: str) -> str:
    """The text itself without markup, control characters and emoji."""
    return clean(unmarked(clean(unmarked(Traced.of(text))))).text


def _held(held: tuple[str, int], language: str) -> str:
    text, kind = held
    base = language.lower().replace("_", "-").split("-")[0]
    match kind:
        case Held.TEXT:
            return normalise(text, language)
        case Held.LETTERS | Held.DIGITS:
            return ", ".join(_one_by_one(part, base) for part in text.split())
        case Held.ORDINAL if text.strip().isdecimal() and base in ("pt", "en"):
            number = int(text.strip()[:LONGEST])
            return words_pt.ordinal(number) if base == "pt" else words_en.ordinal(max(number, 1))
        case Held.ORDINAL:
            return normalise(text, language)
        case _:
            return text


def _one_by_one(text: str, base: str) -> str:
    """The names of letters and digits; a sign is left out."""
    said: list[str] = []
    for char in text:
        if char.isdecimal() and base in ("pt", "en"):
            said.append((words_pt if base == "pt" else words_en).digits(char))
        elif char.isalnum():
            said.append(words_pt.letters(char) if base == "pt" else char.upper())
    return " ".join(said)
