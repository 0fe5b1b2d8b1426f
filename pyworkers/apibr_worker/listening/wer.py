"""Word error rate: how many words a listener got wrong, spelling aside.

Speech and text write the same words differently ("R$ 5", "cinco reais"; "e-mail", "email"), and so does the listener.
Both sides are therefore written out in the same way before they are compared.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from apibr_worker.textnorm import normalise

_EMAIL = re.compile(r"\be[- ]mail")
_APOSTROPHES = str.maketrans("", "", "'’‘`´")
# An hour as the listener may spell it: 2.30 of "2:30".
_DOTTED_HOUR = re.compile(r"\b(\d{1,2})\.([0-5]\d)\b")


@dataclass(frozen=True, slots=True)
class WordErrors:
    """errors: words that were left out, added or replaced, at most `words`; words: how many were to be heard."""

    errors: int
    words: int

    @property
    def rate(self) -> float:
        """0 when each word was heard, 1 when none was. A text without words has 0."""
        return self.errors / self.words if self.words else 0.0


def words_of(text: str, language: str) -> list[str]:
    """The words that are compared: numbers written out; no case, accents, hyphens or punctuation."""
    said = _EMAIL.sub("email", normalise(text, language).lower()).translate(_APOSTROPHES)
    # The vowel signs of Devanagari and its like are marks that do not combine in this sense: they stay.
    letters = "".join(char for char in unicodedata.normalize("NFKD", said) if not unicodedata.combining(char))
    return "".join(char if _is_of_a_word(char) else " " for char in letters).split()


def _is_of_a_word(char: str) -> bool:
    """Letters, digits, and marks that spell a vowel."""
    return unicodedata.category(char)[0] in "LNM"


def word_errors(text: str, heard: str, language: str) -> WordErrors:
    """The errors in what was heard of a sentence. language: a BCP 47 tag, for numbers and abbreviations.

    A listener that repeats itself can add any number of words, so a sentence counts at most its own length. Of an hour
    with a dot, the reading that is nearer counts.
    """
    wanted = words_of(text, language)
    readings = {heard, _DOTTED_HOUR.sub(r"\1:\2", heard)}
    nearest = min(_distance(wanted, words_of(reading, language)) for reading in readings)
    return WordErrors(min(nearest, len(wanted)), len(wanted))


def word_errors_of_all(sentences: Iterable[tuple[str, str]], language: str) -> WordErrors:
    """The errors of many sentences, given as (text, heard): each is capped by itself, so that none hides the rest."""
    counted = [word_errors(text, heard, language) for text, heard in sentences]
    return WordErrors(sum(one.errors for one in counted), sum(one.words for one in counted))


def _distance(wanted: list[str], heard: list[str]) -> int:
    """The Levenshtein distance between two lists of words."""
    row = list(range(len(heard) + 1))
    for line, word in enumerate(wanted, 1):
        diagonal, row[0] = row[0], line
        for column, other in enumerate(heard, 1):
            best = min(row[column] + 1, row[column - 1] + 1, diagonal + (word != other))
            diagonal, row[column] = row[column], best
    return row[-1]
