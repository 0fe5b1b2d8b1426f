"""Silences: those that a text asks for by <break>, and those that its punctuation asks for.

A <break> becomes one private character that tells its length, which lies in the text until it is divided into
sentences.
"""

from __future__ import annotations

import re

from apibr_worker.runtime.api import InvalidInputError
from apibr_worker.runtime.sentences import say

LONGEST = 60.0
"""Seconds of one <break>."""
LONGEST_TOGETHER = 600.0
"""Seconds of all breaks of a text."""

_FIRST_SIGN = 0xF0000
"""A private plane: nothing of it is ever spoken."""
_TOO_LONG = int(LONGEST * 1000) + 1
SIGNS = re.compile(f"[{chr(_FIRST_SIGN)}-{chr(_FIRST_SIGN + _TOO_LONG)}]+")

_STRENGTHS = {"none": 0.0, "x-weak": 0.1, "weak": 0.2, "medium": 0.4, "strong": 0.8, "x-strong": 1.2}
"""SSML 1.1 names the strengths and leaves their lengths to the synthesiser."""
_TIME = re.compile(r"""\stime\s?=\s?["']?\+?(\d{0,9}(?:\.\d{1,9})?)\s?(ms|s)?["'\s/>]""", re.IGNORECASE)
_STRENGTH = re.compile(r"""\sstrength\s?=\s?["']?([a-z-]{1,12})""", re.IGNORECASE)

_BY_SIGN = {
    **dict.fromkeys(".!。！।؟۔॥", 0.32),
    **dict.fromkeys("?？", 0.34),
    **dict.fromkeys("…‽", 0.42),
    **dict.fromkeys(";:；：", 0.24),
    **dict.fromkeys(",，、—–", 0.14),
}
_PARAGRAPH = 0.55
LINE = 0.3
"""Seconds after a line of a dialogue that names no pause."""
_CLOSING = "\"'”’»)]} 」』）"


def sign(tag: str) -> str:
    """The character that stands for a <break> tag; "" for one without a length."""
    time, strength = _TIME.search(tag), _STRENGTH.search(tag)
    if time and time.group(1).strip("."):
        seconds = float(time.group(1)) / (1000.0 if (time.group(2) or "s").lower() == "ms" else 1.0)
    else:
        seconds = _STRENGTHS.get(strength.group(1).lower(), 0.4) if strength else _STRENGTHS["medium"]
    length = min(round(seconds * 1000.0), _TOO_LONG)
    return chr(_FIRST_SIGN + length) if length else ""


def seconds_of(signs: str) -> float:
    """The length of a row of signs together."""
    return sum(ord(char) - _FIRST_SIGN for char in signs) / 1000.0


def check(text: str, field: str) -> None:
    """Raises InvalidInputError, naming field, for a break or all of a text's breaks together that take too long."""
    rows = SIGNS.findall(text)
    if any(ord(char) - _FIRST_SIGN == _TOO_LONG for row in rows for char in row):
        raise InvalidInputError(
            say("a <break> takes more than %g s, which is the longest: shorten its time", LONGEST), field=field
        )
    together = sum(map(seconds_of, rows))
    if together > LONGEST_TOGETHER:
        raise InvalidInputError(
            say(
                "the <break>s of the text take %g s together; the longest is %g s: shorten them",
                together,
                LONGEST_TOGETHER,
            ),
            field=field,
        )


def after(text: str, *, asked: float = 0.0, paragraph_end: bool = False) -> float:
    """Seconds of silence after a sentence: what <break> asks for, or else by its last sign.

    text: as it is said or as it was written. 0 where a long sentence was divided at a space.
    """
    if asked > 0.0:
        return asked
    if paragraph_end:
        return _PARAGRAPH
    rest = text.rstrip(_CLOSING)
    return _BY_SIGN["…"] if rest.endswith("...") else _BY_SIGN.get(rest[-1:], 0.0)
