"""The written words of a sentence, each with the part of it that says them.

Text normalisation keeps for every character what it came from (trace). Most words so have one place. Where several
written words were read together, as "R$ 1.234,56" is, what is said is shared out among them in order, by how much each
says alone.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from functools import lru_cache

from .normalise import normalise_unmarked
from .pauses import SIGNS
from .trace import WORD, Traced


@dataclass(frozen=True, slots=True)
class Word:
    """A written word and the part of a sentence that says it: text[said_start:said_end]."""

    said_start: int
    said_end: int
    written: str
    """As it was written, with its punctuation and without markup; lies at script[start:end]."""
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class _Token:
    """A written word: its letters are visible[begin:stop], which lie at script[start:end]."""

    begin: int
    stop: int
    start: int
    end: int


_SPACES = re.compile(r"\s+")
_LONGEST_ALONE = 80
"""Characters of a word whose share is found by reading it alone."""


class Visible:
    """A script as the eye sees it: without markup, and without the punctuation that stands for it."""

    def __init__(self, script: Traced, original: str, language: str) -> None:
        self._language = language
        kept = [
            place
            for place, char in enumerate(script.text)
            if script.first[place] < script.last[place] or char.isspace()
        ]
        text = "".join(_seen(script, place, original) for place in kept)
        self._text = Traced(text, [script.first[place] for place in kept], [script.last[place] for place in kept])
        self._tokens = [
            _Token(*match.span(), self._text.first[match.start()], self._text.last[match.end() - 1])
            for match in WORD.finditer(text)
        ]
        self._begins = [token.start for token in self._tokens]

    def words(self, said: Traced, start: int, end: int) -> tuple[Word, ...]:
        """The words of script[start:end]: in order, each once, and together they say all of said.

        A sign that says nothing, such as a dash or an emoji, is part of the word before it; a word that says nothing
        ("1" in "1 mil") of the word after it.
        """
        tokens = self._between(start, end)
        spoken = [match.span() for match in WORD.finditer(said.text)]
        if not tokens:
            return (Word(0, len(said.text), "", start, end),) if spoken else ()
        groups = _grouped(self._assigned(said, spoken, tokens))
        groups = _with_silent(groups, [self._says(token) for token in tokens])
        return tuple(
            Word(
                spoken[first][0],
                spoken[last][1],
                _SPACES.sub(" ", self._text.text[tokens[low].begin : tokens[high].stop]),
                tokens[low].start,
                tokens[high].end,
            )
            for first, last, low, high in groups
        )

    def _between(self, start: int, end: int) -> list[_Token]:
        """The tokens of script[start:end]; one that is longer than that is cut."""
        tokens: list[_Token] = []
        for token in self._tokens[max(0, bisect_right(self._begins, start) - 1) : bisect_left(self._begins, end)]:
            if token.start >= start and token.end <= end:
                tokens.append(token)
            elif token.end > start:
                first = self._text.first
                begin = max(token.begin, bisect_left(first, start))
                stop = min(token.stop, bisect_left(first, end))
                if begin < stop:
                    tokens.append(_Token(begin, stop, first[begin], self._text.last[stop - 1]))
        return tokens

    def _says(self, token: _Token) -> bool:
        return any(map(str.isalnum, self._text.text[token.begin : token.stop]))

    def _assigned(self, said: Traced, spoken: list[tuple[int, int]], tokens: list[_Token]) -> list[int]:
        """For each word that is said the token that it belongs to; never falling."""
        begins = [token.start for token in tokens]
        ranges: list[tuple[int, int]] = []
        for begin, stop in spoken:
            places = [place for place in range(begin, stop) if said.text[place].isalnum()] or range(begin, stop)
            first, last = said.first[places[0]], max(said.last[place] for place in places)
            low = max(0, bisect_right(begins, first) - 1)
            ranges.append((low, max(low, bisect_left(begins, last) - 1)))
        chosen: list[int] = []
        place = 0
        while place < len(ranges):
            low, high = ranges[place]
            stop = place + 1
            while stop < len(ranges) and ranges[stop] == (low, high):
                stop += 1
            chosen += [low] * (stop - place) if low == high else self._shared_out(tokens, low, high, stop - place)
            place = stop
        highest = 0
        for place, token in enumerate(chosen):
            highest = chosen[place] = max(highest, token)
        return chosen

    def _shared_out(self, tokens: list[_Token], low: int, high: int, count: int) -> list[int]:
        """Tokens low..high for `count` words that say them together."""
        weights = [self._weight(token) for token in tokens[low : high + 1]]
        total = sum(weights)
        chosen: list[int] = []
        reached = 0
        for place, weight in enumerate(weights, low):
            reached += weight
            chosen += [place] * (round(count * reached / total) - len(chosen)) if total else []
        return chosen + [high if total else low] * (count - len(chosen))

    def _weight(self, token: _Token) -> int:
        text = self._text.text[token.begin : token.stop]
        return _words_alone(text, self._language) if len(text) <= _LONGEST_ALONE else len(text) // 6


def _seen(script: Traced, place: int, original: str) -> str:
    """A character as it was written; an entity such as &amp; is seen as its character."""
    char = script.text[place]
    if SIGNS.match(char):
        return " "
    first, last = script.first[place], script.last[place]
    return original[first] if last - first == 1 and not char.isspace() else char


@lru_cache(maxsize=2048)
def _words_alone(text: str, language: str) -> int:
    return 1 if text.isalpha() and text.islower() else len(normalise_unmarked(Traced.of(text), language).text.split())


def _grouped(chosen: list[int]) -> list[tuple[int, int, int, int]]:
    """(first and last word said, first and last of the tokens): one for each token that has a word."""
    groups: list[tuple[int, int, int, int]] = []
    for place, token in enumerate(chosen):
        if groups and groups[-1][2] == token:
            groups[-1] = (groups[-1][0], place, token, token)
        else:
            groups.append((place, place, token, token))
    return groups


def _with_silent(groups: list[tuple[int, int, int, int]], says: list[bool]) -> list[tuple[int, int, int, int]]:
    """The groups with the tokens between them that no word was given to."""
    made: list[tuple[int, int, int, int]] = []
    for index, (first, last, low, high) in enumerate(groups):
        before = made[-1][3] + 1 if made else 0
        # From the first token on that could be said, the tokens go with the word after them.
        begin = next((place for place in range(before, low) if says[place] or not made), low)
        if made and begin > before:
            made[-1] = (*made[-1][:3], begin - 1)
        made.append((first, last, begin, len(says) - 1 if index == len(groups) - 1 else high))
    return made
