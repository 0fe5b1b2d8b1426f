"""Dates and hours in Brazilian Portuguese, put into plain form: "31/12/2026" -> "31 de dezembro de 2026"."""

from __future__ import annotations

import re

from . import tables_pt as tables
from .phones_pt import CODES
from .shared import Step, replacing

MONTHS: list[str] = ["", *tables.MONTH_NAMES]
_MONTH_NAMES = "|".join(MONTHS[1:])
_SHORT = "|".join(tables.MONTHS)

_FULL = re.compile(r"(?<![\w./,-])(\d{1,2})([/.-])(\d{1,2})\2(\d{4}|\d{2})(?![\w/-]|\.\d)")
_ISO = re.compile(r"(?<![\w./,-])(\d{4})([/-])(\d{1,2})\2(\d{1,2})(?:T(?=\d)|(?!\w))(?![/-]\d)")
_MONTH_YEAR = re.compile(r"(?<![\w./,-])(\d{1,2})/(\d{4})(?![\w/])")
_SHORT_MONTH = re.compile(
    rf"(?<![\w./])(?:(\d{{1,2}})[ /-](?:de )?)?({_SHORT})(?:\.? (?:de )?|\.?[/-])(\d{{4}}|\d{{2}})(?![\w/:])",
    re.IGNORECASE,
)
_DAY_MONTH = re.compile(
    r"(?P<day>\b(?i:dias?|data|desde|feira,?|sábado,?|domingo,?|hoje,?|ontem,?|amanhã,?) )?"
    r"(?<![\w./,-])(\d{1,2})/(\d{1,2})(?![\w/]|[.,]\d)"
)
_FIRST = re.compile(rf"(?<![\w.,-])0?1(?= (?:de )?(?:{_MONTH_NAMES})(?!\w))", re.IGNORECASE)
_FIRST_DAY = re.compile(r"(?<=\b[Dd]ia )0?1(?![\w/:]|[.,]\d|[ºª°])")
_DAY = re.compile(rf"(?<![\w.,-])0(\d)(?= de (?:{_MONTH_NAMES})(?!\w))", re.IGNORECASE)


def _date(day: int, month: int, year: str) -> str | None:
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return None
    said = f"{'1º' if day == 1 else day} de {MONTHS[month]}"
    return f"{said} de {_year(year)}" if year else said


def _year(text: str) -> int:
    """Two digits are of this century below 50."""
    return int(text) + (0 if len(text) > 2 else 2000 if int(text) < 50 else 1900)


def _full(match: re.Match[str]) -> str:
    first, mark, second, year = match.groups()
    if mark != "/" and len(year) == 2:
        return match.group()
    # Beyond twelve it cannot be the month: 12/31/2026 was written by an American.
    said = _date(int(first), int(second), year) or _date(int(second), int(first), year)
    return said or match.group()


def _iso(match: re.Match[str]) -> str:
    said = _date(int(match.group(4)), int(match.group(3)), match.group(1))
    return said + " " * match.group().endswith("T") if said else match.group()


def _month_year(match: re.Match[str]) -> str:
    month, year = int(match.group(1)), int(match.group(2))
    return f"{MONTHS[month]} de {year}" if 1 <= month <= 12 and 1000 <= year < 3000 else match.group()


def _short_month(match: re.Match[str]) -> str:
    day, month, year = match.groups()
    # "mar 20" and "set 10" are words; without a day only mai/2026 is a date.
    if not day and not re.search(r"[/-]", match.group()):
        return match.group()
    said = f"{MONTHS[tables.MONTHS[month.lower()]]} de {_year(year)}"
    return f"{int(day)} de {said}" if day and 1 <= int(day) <= 31 else said if not day else match.group()


def _day_month(match: re.Match[str]) -> str:
    first, second = match.group(2), match.group(3)
    said = _date(int(first), int(second), "")
    told = bool(match["day"]) or "0" in (first[0], second[0]) or int(first) >= int(second)
    # 10/10 and 5/5 are marks more often than days.
    mark = not match["day"] and (first, second) in (("10", "10"), ("5", "5"))
    if said is None or not told or mark or (first, second) == ("24", "7"):
        return match.group()
    return (match["day"] or "") + said


# --- Hours ---------------------------------------------------------------------------------------------------------

_WEEKDAYS = {
    "seg": "segunda", "ter": "terça", "qua": "quarta", "qui": "quinta", "sex": "sexta", "sáb": "sábado",
    "dom": "domingo",
}  # fmt: skip
_DAYS = "|".join(_WEEKDAYS)
_WEEK = re.compile(rf"(?<!\w)({_DAYS})\.?(?: (a|à|e) |[-–]| [-–] )({_DAYS})(?!\w)\.?(?! *$)", re.IGNORECASE)
# Between spaces, only where an hour stands before it too: "Turno 1 - 8h às 12h" begins no span.
_SPAN = re.compile(
    r"(?:(?<=\d|h)[-–] ?|(?:(?<=\dh)|(?<=\dhs)|(?<=:\d\d)|(?<=h\d\d)) [-–] ?)(?=\d{1,2}(?:h(?!\w*[g-z])|:\d\d))"
)
_ENGLISH = re.compile(r"(?<![\w:.,])(\d{1,2})(?:[:h](\d{2}))? ?([ap])(?:m(?!\w)|\.m\.)", re.IGNORECASE)
_LETTER = re.compile(
    r"(?<![\w:.,])(\d{1,3}) ?h(?:(\d{2})(?:min|m)?(?: ?(\d{2}) ?s)?"
    r"| (\d{1,2}) ?min(?:utos?)?(?: ?(\d{1,2}) ?s)?|r?s)?(?![\w/])"
)
_COLON = re.compile(r"(?<![\w:.,/])(\d{1,2}):(\d{2})(?::(\d{2}))?(?:[.,]\d+)?(?: ?h(?:r?s)?|Z)?(?![\w:])")
_MINUTES = re.compile(r"(?<![\w.,])(\d{1,3}) ?min ?(\d{1,2}) ?s(?:eg)?(?!\w)")
_VERSE = re.compile(rf"((?i:\b(?:{'|'.join(tables.BOOKS)}))) (\d{{1,3}}):(\d{{1,3}})(?:[-–](\d{{1,3}}))?(?![\w:])")


def _count(number: str | int, one: str) -> str:
    return f"{int(number)} {one}{'s' if int(number) > 1 else ''}"


def _clock(hour: str, minute: str | None, second: str | None = None) -> str:
    parts = [_count(hour, "hora")]
    parts += [_count(minute, "minuto")] if minute and int(minute) else []
    parts += [_count(second, "segundo")] if second and int(second) else []
    return " e ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def _english(match: re.Match[str]) -> str:
    hour, minute, half = int(match.group(1)), match.group(2), match.group(3).lower()
    if not 1 <= hour <= 12:
        return match.group()
    if hour == 12:
        said = "meia-noite" if half == "a" else "meio-dia"
        return f"{said} e {_count(minute, 'minuto')}" if minute and int(minute) else said
    part = ("da madrugada" if hour < 5 else "da manhã") if half == "a" else "da tarde" if hour < 6 else "da noite"
    return f"{_clock(str(hour), minute)} {part}"


def _letter(match: re.Match[str]) -> str:
    return _clock(match.group(1), match.group(2) or match.group(4), match.group(3) or match.group(5))


def _colon(match: re.Match[str]) -> str:
    hour, minute, second = match.groups()
    if int(hour) > 24 or int(minute) > 59:
        return match.group()
    return _clock(hour, minute, second)


def _verse(match: re.Match[str]) -> str:
    book, chapter, verse, last = match.groups()
    return f"{book} {chapter}, {verse}" + (f" a {last}" if last else "")


STEPS: list[Step] = [
    replacing(_WEEK, lambda m: f"{_WEEKDAYS[m[1].lower()]} {m[2] or 'a'} {_WEEKDAYS[m[3].lower()]}"),
    replacing(_VERSE, _verse),
    replacing(_ISO, _iso),
    replacing(_FULL, _full),
    replacing(_MONTH_YEAR, _month_year),
    replacing(_SHORT_MONTH, _short_month),
    replacing(_DAY_MONTH, _day_month),
    replacing(_FIRST, "1º"),
    replacing(_FIRST_DAY, "1º"),
    replacing(_DAY, r"\1"),
    CODES,
    replacing(_SPAN, " às "),
    replacing(_ENGLISH, _english),
    replacing(_LETTER, _letter),
    replacing(_COLON, _colon),
    replacing(_MINUTES, lambda m: f"{_count(m.group(1), 'minuto')} e {_count(m.group(2), 'segundo')}"),
]
