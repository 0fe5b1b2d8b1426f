"""Telephones and other numbers that are read digit by digit in English."""

from __future__ import annotations

import re

from . import words_en as words
from .shared import Step, replacing

_BEGIN = r"(?<![\w.,/-])"
_END = r"(?![\w/]|-\w|[.,]\d)"

_CARD = re.compile(rf"{_BEGIN}\d{{4}}(?: \d{{4}}){{3}}{_END}")
_NORTH = re.compile(rf"{_BEGIN}(?:\+?(1)[ .-]?)?(?:\((\d{{3}})\) ?|(\d{{3}})[-. ])(\d{{3}})[-. ](\d{{4}}){_END}")
_FOREIGN = re.compile(rf"{_BEGIN}\+\d{{1,3}}(?:[ .-]?\(?\d{{1,5}}\)?){{2,6}}{_END}")
_LOCAL = re.compile(rf"{_BEGIN}(\d{{3}}|\d{{5}})-(\d{{4}}){_END}")
_CODE = re.compile(rf"{_BEGIN}\d+(?:-\d+){{2,}}{_END}")
_SERVICE = re.compile(r"((?i:\b(?:call(?:ed|ing)?|dial(?:ed|ing)?|text))) (\d{3})(?!\w|[.,:/]\d|-)")


def _groups(text: str) -> str:
    return ", ".join(words.digits(group) for group in re.findall(r"\d+", text))


def _north(match: re.Match[str]) -> str:
    country, bracketed, area, exchange, line = match.groups()
    area = bracketed or area
    # 1-800 and 0800 are read by their hundreds, as every advertisement does.
    area = words.cardinal(int(area)) if area.endswith("00") and area[0] != "0" else words.digits(area)
    said = [words.digits(country)] if country else []
    said += [area, words.digits(exchange), words.digits(line)]
    return ("plus " if match.group().startswith("+") else "") + ", ".join(said)


def _local(match: re.Match[str]) -> str:
    first, last = match.groups()
    # 100-2000 is a span.
    span = int(first) < int(last) and first[0] != "0" and first.endswith("0") and last.endswith("0")
    return match.group() if span else f"{words.digits(first)}, {words.digits(last)}"


STEPS: list[Step] = [
    replacing(_CARD, lambda m: _groups(m.group())),
    replacing(_NORTH, _north),
    replacing(_FOREIGN, lambda m: "plus " + _groups(m.group())),
    replacing(_SERVICE, lambda m: f"{m.group(1)} {words.digits(m.group(2))}"),
    replacing(_LOCAL, _local),
]


CODES: Step = replacing(_CODE, lambda m: _groups(m.group()))
"""Codes with several hyphens; after the dates, which look alike."""
