"""Numbers as they stand in a text: 1.234,56 or 1,234.56, 2.0.1, 007."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

TOKEN = r"\d+(?:[.,]\d+)*"  # noqa: S105
"""A number with whatever dots and commas are in it; linear, and the same for every language."""

LONGEST = 18
"""Digits up to which a number is read as one; a longer one is a code and read digit by digit."""


@dataclass(frozen=True, slots=True)
class Number:
    """A number taken apart: the digits before the mark, those after it, and the mark as it stood ("" without)."""

    whole: str
    fraction: str = ""
    mark: str = ""

    @property
    def value(self) -> Decimal:
        return Decimal(f"{self.whole}.{self.fraction or '0'}")

    @property
    def is_code(self) -> bool:
        """Whether its whole part is not a quantity: 007, or more digits than have a name."""
        return len(self.whole) > LONGEST or (len(self.whole) > 1 and self.whole[0] == "0")


_GROUPED = {
    mark: re.compile(rf"[1-9]\d{{0,2}}(?:[{group}]\d{{3}})+(?:[{mark}](\d+))?")
    for mark, group in ((",", "."), (".", ","))
}


def parse(token: str, mark: str) -> Number | None:
    """The number in a TOKEN, where `mark` ("," or ".") is the decimal mark of the language and the other one groups.

    The other language's way is understood where it can mean nothing else (1,234.56 in Portuguese). None for a row of
    numbers: 2.0.1, 192.168.0.1, 1,2,3.
    """
    group = "." if mark == "," else ","
    if token.isdigit():
        return Number(token)
    if match := _GROUPED[mark].fullmatch(token):
        whole = token.partition(mark)[0].replace(group, "")
        return Number(whole, match.group(1) or "", mark if match.group(1) else "")
    parts = re.split(r"[.,]", token)
    if len(parts) == 2:
        return Number(parts[0], parts[1], mark if mark in token else group)
    if match := _GROUPED[group].fullmatch(token):
        return Number(token.partition(group)[0].replace(mark, ""), match.group(1) or "", mark if match.group(1) else "")
    return None


_ROMAN = re.compile(r"M{0,3}(?:CM|CD|D?C{0,3})(?:XC|XL|L?X{0,3})(?:IX|IV|V?I{0,3})")
_VALUES = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100, "D": 500, "M": 1000}


def roman(text: str) -> int:
    """The value of a Roman numeral in capitals written by the rules; 0 for anything else."""
    if not text or not _ROMAN.fullmatch(text):
        return 0
    values = [_VALUES[char] for char in text]
    return sum(-v if v < after else v for v, after in zip(values, [*values[1:], 0], strict=True))
