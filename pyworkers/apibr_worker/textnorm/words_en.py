"""English number words, from num2words without its commas, which are pauses to a voice."""

from __future__ import annotations

import re
from functools import lru_cache

from num2words import num2words

from .numbers import TOKEN, parse

__all__ = ["TOKEN", "cardinal", "digits", "letters", "ordinal", "ratio", "say", "whole", "year"]

_DENOMINATORS = {2: ("half", "halves"), 4: ("quarter", "quarters")}


@lru_cache(maxsize=2048)
def cardinal(number: int) -> str:
    """0 <= number < 10**18: "one thousand two hundred and thirty-four"."""
    return str(num2words(number, lang="en")).replace(",", "")


@lru_cache(maxsize=1024)
def ordinal(number: int) -> str:
    """1 <= number: "twenty-first"; "hundredth" and "thousandth" without their one."""
    said = str(num2words(number, lang="en", to="ordinal")).replace(",", "")
    return re.sub(r"^one (?=\w+th$)", "", said)


def digits(text: str) -> str:
    """Each digit by itself: "007" -> "zero zero seven"."""
    return " ".join(cardinal(int(char)) for char in text)


def letters(text: str) -> str:
    """Capitals with spaces: "FBI" -> "F B I". A voice reads those as letters, and "eff bee eye" no better."""
    return " ".join(text.upper())


def year(number: int) -> str:
    """1000 <= number <= 2999, in pairs: "nineteen oh five", "two thousand and five", "twenty twenty-six"."""
    return str(num2words(number, lang="en", to="year")).replace("oh-", "oh ")


def decade(number: int) -> str:
    """1990 -> "nineteen nineties", 2000 -> "two thousands"."""
    said = year(number) if number >= 1000 else cardinal(number)
    return re.sub(r"y$", "ie", said) + "s"


def whole(text: str) -> str:
    """A row of digits as a number, or as a code where it begins with 0 or has more than 18 digits."""
    if len(text) > 18 or (len(text) > 1 and text[0] == "0"):
        return digits(text)
    return cardinal(int(text))


def say(token: str) -> str:
    """A numbers.TOKEN in words."""
    number = parse(token, ".")
    if number is None:
        # 2.0.1 and 192.168.0.1 keep their dots; 1,2,3 is a list.
        said = [whole(part) if part.isdigit() else part for part in re.split(r"([.,])", token)]
        return " ".join(said).replace(" .", " point").replace(" ,", ",")
    if not number.fraction:
        return whole(number.whole)
    return f"{whole(number.whole)} point {digits(number.fraction)}"


def ratio(numerator: int, denominator: int) -> str:
    """A common fraction: 1/2 "one half", 3/4 "three quarters", 5/12 "five twelfths"."""
    plural = numerator > 1
    part = _DENOMINATORS[denominator][plural] if denominator in _DENOMINATORS else ordinal(denominator) + "s" * plural
    return f"{cardinal(numerator)} {part}"
