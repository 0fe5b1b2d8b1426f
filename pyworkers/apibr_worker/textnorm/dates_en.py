"""Dates, years and hours in English, as words."""

from __future__ import annotations

import re

from . import tables_en as tables
from . import words_en as words
from .phones_en import CODES
from .shared import Step, around, replacing

MONTHS: list[str] = ["", *tables.MONTH_NAMES]
# "may" and "march" are words too, so the month must have its capital; only a shortened one takes a full stop.
_NAME = (
    "|".join(MONTHS[1:])
    + "|"
    + "|".join(name.capitalize() + r"\b\.?" for name in ("sept", *tables.MONTHS) if len(name) <= 4 and name != "may")
)

_NUMERIC = re.compile(r"(?<![\w./,-])(\d{1,2})([/.-])(\d{1,2})\2(\d{4}|\d{2})(?![\w/-]|\.\d)")
_ISO = re.compile(r"(?<![\w./,-])(\d{4})([/-])(\d{1,2})\2(\d{1,2})(?:T(?=\d)|(?!\w))(?![/-]\d)")
_MONTH_YEAR = re.compile(r"(?<![\w./,-])(\d{1,2})/(\d{4})(?![\w/])")
_SLASHED = re.compile(r"(?<![\w./,-])(\d{1,2})/(\d{1,2})(?![\w/]|[.,]\d)")
_MONTH_FIRST = re.compile(
    rf"(?<!\w)({_NAME}) (\d{{1,2}})(?:st|nd|rd|th)?(?: ?[-–] ?(\d{{1,2}}))?"
    rf"(?:(,?) (\d{{4}})(?![\d,]\d|\d))?(?![\w:]|[.,]\d)"
)
_DAY_FIRST = re.compile(
    rf"(\b[Tt]he )?(?<![\w.,])(\d{{1,2}})(?:st|nd|rd|th)?[ /-](?:of )?({_NAME})(?!\w)(?:,?[ /-](\d{{4}})(?!\w|[.,]\d))?"
)
_MONTH_AND_YEAR = re.compile(rf"(?<!\w)({_NAME}),?[ /-](\d{{4}})(?![\w]|[.,]\d)")


def _date(month: int, day: int, year: str) -> str | None:
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return None
    said = f"{MONTHS[month]} {words.ordinal(day)}"
    return f"{said}, {_year(year)}" if year else said


def _year(text: str) -> str:
    """Two digits are of this century below 50."""
    number = int(text) + (0 if len(text) > 2 else 2000 if int(text) < 50 else 1900)
    return words.year(number) if 1000 <= number < 3000 else words.whole(text)


def _numeric(match: re.Match[str], *, day_first: bool) -> str:
    first, mark, second, year = match.groups()
    if mark != "/" and len(year) == 2:
        return match.group()
    month, day = (second, first) if day_first else (first, second)
    # Beyond twelve it cannot be the month: 31/12/2026 was written elsewhere.
    return _date(int(month), int(day), year) or _date(int(day), int(month), year) or match.group()


def _iso(match: re.Match[str]) -> str:
    said = _date(int(match.group(3)), int(match.group(4)), match.group(1))
    return said + " " * match.group().endswith("T") if said else match.group()


def _month_year(match: re.Match[str]) -> str:
    month, year = int(match.group(1)), match.group(2)
    return f"{MONTHS[month]} {_year(year)}" if 1 <= month <= 12 and 1000 <= int(year) < 3000 else match.group()


def _slashed(match: re.Match[str], *, day_first: bool) -> str:
    """12/25 is a day unless it is a common fraction, as 1/2, 3/4 and 5/16 are."""
    first, second = match.groups()
    if (first, second) == ("9", "11"):
        return "nine eleven"
    fraction = first[0] != "0" and second[0] != "0" and int(first) < int(second) and int(second) in _DENOMINATORS
    # 10/10 and 5/5 are marks more often than days.
    if fraction or (first, second) in (("24", "7"), ("10", "10"), ("5", "5")):
        return match.group()
    month, day = (second, first) if day_first else (first, second)
    return _date(int(month), int(day), "") or match.group()


_DENOMINATORS = {2, 3, 4, 5, 6, 7, 8, 9, 10, 16, 20, 32, 50, 64, 100}


def _month_first(match: re.Match[str]) -> str:
    month, day, last, comma, year = match.groups()
    if not 1 <= int(day) <= 31:
        return match.group()
    said = f"{MONTHS[_month(month)]} {words.ordinal(int(day))}"
    said += f" to {words.ordinal(int(last))}" if last and int(last) else ""
    return said + (f"{comma or ','} {_year(year)}" if year else "")


def _day_first(match: re.Match[str]) -> str:
    the, day, month, year = match.groups()
    if not 1 <= int(day) <= 31:
        return match.group()
    said = f"{the or 'the '}{words.ordinal(int(day))} of {MONTHS[_month(month)]}"
    return said + (f", {_year(year)}" if year else "")


def _month(name: str) -> int:
    return tables.MONTHS[name.lower().rstrip(".")]


# --- Years ---------------------------------------------------------------------------------------------------------

_DECADE = re.compile(r"(?<![\w.,])'?(\d{4}|\d0)'?s(?!\w)")
_LONG_UNITS = "|".join(re.escape(unit) for unit in tables.UNITS if unit not in ("in", "m", "t", "s", "h"))
_AROUND_YEAR = re.compile(
    rf"((?i:\b(?:{'|'.join(tables.BEFORE_YEAR)}))) (1[0-9]\d\d|20\d\d|21\d\d)(?: ?[-–] ?(\d{{4}}|\d{{2}}))?"
    rf"(?!\w|[.,:/]\d|%|-|[°²³])(?! ?(?:{_LONG_UNITS})(?!\w))"
)
_ERA = re.compile(r"(?<![\w.,])(\d{1,4}) (?=(?:BC|AD|BCE|CE|B\.C\.|A\.D\.)(?!\w))")
_YEAR_SPAN = re.compile(r"(?<![\w.,/-])(1[0-9]\d\d|20\d\d) ?([-–/]) ?(1[0-9]\d\d|20\d\d|\d\d)(?![\w/-]|[.,]\d)")
# Alone, only what is nearly always a year; "1999 people" are counted.
_BARE = re.compile(
    r"(?<![\w.,:/$€£-])(19\d\d|20[0-4]\d)(?=[.,;:!?)\"']*"
    r"(?:$| (?:(?:was|is|has)(?!\w)|(?![^\W\d_]+s(?!\w))))|[)\"'])(?![.,:]\d)"
)


def _decade(match: re.Match[str]) -> str:
    number = int(match.group(1))
    if number % 10:
        return match.group()
    return words.decade(number) if number >= 1000 or number >= 20 else match.group()


def _around_year(match: re.Match[str]) -> str:
    said = f"{match.group(1)} {_year(match.group(2))}"
    return said + (f" to {_short_year(match.group(3))}" if match.group(3) else "")


def _short_year(text: str) -> str:
    return _year(text) if len(text) == 4 else words.whole(text)


def _span(match: re.Match[str]) -> str:
    first, mark, last = match.groups()
    if len(last) == 4 and int(last) <= int(first):
        return match.group()
    return f"{_year(first)} {'slash' if mark == '/' else 'to'} {_short_year(last)}"


# --- Hours ---------------------------------------------------------------------------------------------------------

_SPAN = re.compile(r"(?<=[\dm.]) ?[-–] ?(?=\d{1,2}(?::\d\d)? ?[ap](?:m(?!\w)|\.m\.)|\d{1,2}:\d\d)", re.IGNORECASE)
_HALF = re.compile(
    r"(?<![\w:.,])(\d{1,2})(?::(\d{2}))?(?::(\d{2}))? ?([ap])(?:m(?!\w)|\.m\.)( [ap]\.?m)?", re.IGNORECASE
)
_COLON = re.compile(r"(?<![\w:.,/])(\d{1,2}):(\d{2})(?::(\d{2}))?(?:\.\d+)?Z?(?![\w:])")
_VERSE = re.compile(rf"((?i:\b(?:{'|'.join(tables.BOOKS)}))) (\d{{1,3}}):(\d{{1,3}})(?:[-–](\d{{1,3}}))?(?![\w:])")


def _clock(hour: int, minute: int) -> str:
    return f"{words.cardinal(hour)} {'oh ' if minute < 10 else ''}{words.cardinal(minute)}"


def _half(match: re.Match[str]) -> str:
    hour, minute, second = int(match.group(1)), int(match.group(2) or 0), match.group(3)
    if hour > 24 or minute > 59:
        return match.group()
    said = _clock(hour, minute) if minute else words.cardinal(hour)
    said += f" and {words.cardinal(int(second))} seconds" if second and int(second) else ""
    # The full stop of "p.m." may be that of the sentence.
    stop = "." if match.group().endswith(".") and re.match(r"$| [A-Z]", match.string[match.end() :][:2]) else ""
    return f"{said} {match.group(4).upper()} M{stop}"


def _colon(match: re.Match[str]) -> str:
    hour, minute, second = int(match.group(1)), int(match.group(2)), match.group(3)
    if hour > 24 or minute > 59:
        return match.group()
    if second:
        return f"{_clock(hour, minute)} and {words.cardinal(int(second))} second{'s' * (int(second) != 1)}"
    if minute:
        return _clock(hour, minute)
    if not hour:
        return "midnight"
    return f"{words.cardinal(hour)} o'clock" if hour <= 12 else f"{words.cardinal(hour)} hundred"


def _verse(match: re.Match[str]) -> str:
    book, chapter, verse, last = match.groups()
    said = f"{book} {words.whole(chapter)}, {words.whole(verse)}"
    return said + (f" to {words.whole(last)}" if last else "")


def steps(*, day_first: bool) -> list[Step]:
    """day_first: 3/4/2026 is the third of April."""
    return [
        replacing(_VERSE, _verse),
        replacing(_ISO, _iso),
        replacing(_NUMERIC, lambda m: _numeric(m, day_first=day_first)),
        replacing(_MONTH_YEAR, _month_year),
        replacing(_SLASHED, lambda m: _slashed(m, day_first=day_first)),
        CODES,
        replacing(_MONTH_FIRST, _month_first),
        replacing(_DAY_FIRST, _day_first),
        replacing(_MONTH_AND_YEAR, lambda m: f"{MONTHS[_month(m.group(1))]} {_year(m.group(2))}"),
        replacing(_SPAN, " to "),
        replacing(_HALF, _half),
        replacing(_COLON, _colon),
        replacing(_DECADE, _decade),
    ]


YEAR_STEPS: list[Step] = [
    replacing(_ERA, lambda m: f"{_year(m.group(1)) if int(m.group(1)) >= 1000 else words.whole(m.group(1))} "),
    replacing(_AROUND_YEAR, _around_year),
    replacing(_YEAR_SPAN, _span),
    replacing(_BARE, lambda m: around(m, _year(m.group(1)))),
]
"""After money and units, whose numbers are not years."""
