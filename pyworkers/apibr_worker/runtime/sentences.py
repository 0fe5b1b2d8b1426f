"""Sentences for people: an English text with its values, which the studio shows in the reader's language."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, TypeAlias

Argument: TypeAlias = "str | int | float | Sentence"


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence, or words that are put into one. str() is its English text."""

    key: str
    """The English text with a place for each value, as the % operator has them: %s, %d, %.1f, %g."""
    args: tuple[Argument, ...] = ()

    def __str__(self) -> str:
        return self.key % self.args

    def frame(self) -> dict[str, Any]:
        """The sentence as the frames carry it."""
        return {"key": self.key, "args": [_in_frame(arg) for arg in self.args]}


def say(key: str, *args: Argument) -> Sentence:
    """Makes a sentence. The key is a literal, so that a test finds its translations.

    Raises TypeError when the values are not those that the key has places for.
    """
    sentence = Sentence(key, tuple(_argument(arg) for arg in args))
    str(sentence)
    return sentence


def _argument(value: object) -> Argument:
    """A number of a library becomes Python's own: JSON has no others."""
    if isinstance(value, str | Sentence):
        return value
    if isinstance(value, Integral):
        return int(value)
    return float(value) if isinstance(value, Real) else str(value)


def _in_frame(arg: Argument) -> Any:
    if isinstance(arg, Sentence):
        return arg.frame()
    return str(arg) if isinstance(arg, float) and not math.isfinite(arg) else arg
