"""Spanish, French and Italian: numbers, money, percentages, dates, hours and addresses as words; the rest is left.

The words of numbers are num2words' own. What this does not know, such as abbreviations, espeak-ng reads by itself.
"""

from __future__ import annotations

import re
from functools import lru_cache, partial

from num2words import num2words

from . import money, tables_latin, web
from .numbers import TOKEN, parse
from .shared import Step, around, replacing, replacing_all, strip_markup, tidy
from .trace import Change, Traced


@lru_cache(maxsize=4096)
def _cardinal(number: int, code: str) -> str:
    return str(num2words(number, lang=code)).replace(",", "")


def _whole(text: str, code: str) -> str:
    if len(text) > 15 or (len(text) > 1 and text[0] == "0"):
        return " ".join(_cardinal(int(char), code) for char in text)
    return _cardinal(int(text), code)


def _say(token: str, feminine: bool, *, words: tables_latin.Words) -> str:
    del feminine
    number = parse(token, ",")
    if number is None:
        parts = [_whole(part, words.code) if part.isdigit() else part for part in re.split(r"([.,])", token)]
        return " ".join(parts).replace(" .", f" {words.point}").replace(" ,", ",")
    if not number.fraction:
        return _whole(number.whole, words.code)
    mark = words.comma if number.mark == "," else words.point
    short = len(number.fraction) < 3 and number.fraction[0] != "0"
    digits = " ".join(_cardinal(int(char), words.code) for char in number.fraction)
    return f"{_whole(number.whole, words.code)} {mark} " + (
        _cardinal(int(number.fraction), words.code) if short else digits
    )


_DATE = re.compile(r"(?<![\w./,-])(\d{1,2})/(\d{1,2})/(\d{4})(?![\w/-]|\.\d)")
_HOUR = re.compile(r"(?<![\w:.,/])(\d{1,2})(?:[:h](\d{2})| ?h(?!\w))(?: ?h(?!\w))?(?![\w:])")
_GROUPED = re.compile(r"(?<![\d.,])(\d{1,3})((?: \d{3})+)(?![\d])")
_PERCENT = re.compile(r" ?%")
_ORDINAL = re.compile(r"(?<![\w.,])(\d{1,3})\.?(º|°|ª|er|re|e|ème)(?!\w)")
_NUMBER = re.compile(rf"(?<!\d){TOKEN}")
_MINUS = re.compile(r"(?<![\w.,)\]-])(?:-|− ?)(?=\d)")


# Before a noun: tercer piso, veintiún años, quinientas personas.
_SPANISH: list[tuple[re.Pattern[str], Change]] = [
    (re.compile(r"(?<!\w)(primer|tercer)o (?=[a-záéíóúñ]{3})"), r"\1 "),
    (re.compile(r"(?<=veinti)uno (?!(?:de|y|por|con|coma|punto|a|en|o)\b)(?=[a-záéíóúñ])"), "ún "),
    (re.compile(r"(?<= y )uno (?!(?:de|y|por|con|coma|punto|a|en|o)\b)(?=[a-záéíóúñ])"), "un "),
    (re.compile(r"(?<=ient)os (?=[a-záéíóúñ]+as(?!\w))"), "as "),
]


def _date(match: re.Match[str], words: tables_latin.Words) -> str:
    day, month, year = (int(part) for part in match.groups())
    if not (1 <= day <= 31 and 1 <= month <= 12):
        return match.group()
    first = words.first if day == 1 and words.first else str(day)
    return f"{first} {words.of}{words.months[month - 1]} {words.of}{year}".replace("  ", " ")


def _hour(match: re.Match[str], words: tables_latin.Words) -> str:
    hour, minute = int(match[1]), int(match[2] or 0)
    if hour > 24 or minute > 59:
        return match.group()
    named = words.hours[hour == 1]
    said = f"{hour} {named}".strip() if named else str(hour)
    return said + (f" {words.joint}{minute}" if minute else "")


def _steps(words: tables_latin.Words) -> list[Step]:
    amounts = money.Reader(
        money.Words(
            mark=",", coins=words.coins, magnitudes=words.magnitudes, joint=words.of.strip() or "de",
            without_joint=frozenset({"mil", "mille", "mila"}), minus=words.minus, conjunction=words.conjunction,
            to=words.to, per=words.per, units={}, is_one=lambda number: number.whole == "1" and not number.fraction,
            say=partial(_say, words=words),
        )
    )  # fmt: skip
    reader = web.Reader(
        words.signs, "hashtag", lambda text: " ".join(text.upper()), partial(_whole, code=words.code),
        lambda text: " ".join(_cardinal(int(char), words.code) for char in text),
    )  # fmt: skip
    return [
        web.step(reader),
        strip_markup,
        replacing(_GROUPED, lambda match: match.group().replace(" ", "")),
        replacing(_DATE, lambda match: _date(match, words)),
        amounts.expand,
        replacing(_HOUR, lambda match: _hour(match, words)),
        replacing(_MINUS, f"{words.minus} "),
        replacing(_PERCENT, lambda match: around(match, f" {words.percent}")),
        replacing(_ORDINAL, lambda match: _ordinal(match, words)),
        replacing(_NUMBER, lambda match: around(match, _say(match.group(), False, words=words))),
        replacing_all(_SPANISH if words.code == "es" else []),
        replacing_all([(re.compile(pattern), f" {said} ") for pattern, said in words.symbols]),
        tidy,
    ]


def _ordinal(match: re.Match[str], words: tables_latin.Words) -> str:
    number, mark = int(match[1]), match[2]
    if not number or mark == "°" or (mark in ("er", "re", "e", "ème")) != (words.code == "fr"):
        return match.group()
    said = str(num2words(number, lang=words.code, to="ordinal"))
    if mark == "ª" and said.endswith("o"):
        said = re.sub(r"o\b", "a", said)
    return "première" if mark == "re" and number == 1 else said


_STEPS = {words.code: _steps(words) for words in tables_latin.LANGUAGES}
KNOWN = frozenset(_STEPS)


def normalise(text: Traced, base: str) -> Traced:
    """text: cleaned, one form of each sign; base: "es", "fr" or "it"."""
    for step in _STEPS[base]:
        text = step(text)
    return text
