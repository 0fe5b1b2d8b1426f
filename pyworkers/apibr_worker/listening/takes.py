"""Final takes are listened to: one that was misheard is made again with another seed, and the best is kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from apibr_worker.listening.listener import Listener
from apibr_worker.listening.wer import word_errors, words_of
from apibr_worker.runtime.api import Warning
from apibr_worker.runtime.sentences import say

TAKES = 3
"""How often a sentence is made at most, the first take included."""

MOST_ERRORS = 0.35
"""Word error rate above which a take counts as misheard. Clear speech has below 0.1 with Whisper base; names and
loanwords alone can bring a short sentence to 0.3."""

_FEWEST_WORDS = 3
"""One word that is written in another way would be half of a shorter sentence."""
_SHOWN = 80
_READ_OUT = frozenset({"pt", "en"})
"""Languages whose numbers are written out before they are compared."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What a listener made of a take. errors: the word error rate, 0..1."""

    errors: float
    heard: str


@dataclass(frozen=True, slots=True)
class Judge:
    """Compares takes with what they should say. most_errors: the highest word error rate that passes."""

    listener: Listener
    check_cancel: Callable[[], None]
    most_errors: float = MOST_ERRORS

    def can_judge(self, text: str, language: str) -> bool:
        """Whether a sentence can be compared: it has three words, and none is written in figures that stay figures."""
        figures = any(char.isdigit() for char in text) and language[:2].lower() not in _READ_OUT
        return not figures and len(words_of(text, language)) >= _FEWEST_WORDS

    def judge(self, texts: tuple[str, ...], samples: NDArray[np.float32], rate: int, language: str) -> Judged | None:
        """How well a take says any of the texts: as it was written and as it was spelled out. None where it cannot be
        told, as in a language that the listener does not know."""
        if not self.can_judge(texts[0], language):
            return None
        try:
            heard = self.listener.hear(samples, rate, language=language, check_cancel=self.check_cancel).text
        except ValueError:
            return None
        return Judged(min(word_errors(text, heard, language).rate for text in texts), heard)

    def misheard(self, judged: Judged | None) -> bool:
        """Whether a take should be made again."""
        return judged is not None and judged.errors > self.most_errors


_Take = TypeVar("_Take")


def best_take(
    make: Callable[[int], _Take], judge: Callable[[_Take], Judged | None], limit: float
) -> tuple[_Take, Judged | None]:
    """The first take with no more errors than the limit, else the best of TAKES; with what was heard of it.

    make(number) makes a take. The same takes give the same choice.
    """
    best, told = make(0), None
    for number in range(TAKES):
        take = best if number == 0 else make(number)
        judged = judge(take)
        if judged is None:
            return best, told
        if told is None or judged.errors < told.errors:
            best, told = take, judged
        if told.errors <= limit:
            break
    return best, told


def misheard(source: str, judged: Judged) -> Warning:
    """The warning of a sentence of which even the best take was misheard."""
    return Warning(
        "misheard",
        say("“%s” was heard as “%s”: listen to it, or write it in other words", _short(source), _short(judged.heard)),
    )


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
