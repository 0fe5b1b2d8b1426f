"""A text that is changed step by step, each character of which knows what it stands for in the first text.

Text normalisation is a row of regular expressions. Each is applied by `change`, which keeps for every character the
span of the original that it came from, so that at the end each written word is found with the words that say it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

Change = str | Callable[[re.Match[str]], str]
"""What replaces a match: a template of re.sub, or a function that gives the text."""


@dataclass(frozen=True, slots=True)
class Traced:
    """A text with the origin of each of its characters.

    first, last: for each character the span original[first:last] that it comes from; both never fall from one
    character to the next. An empty span belongs to a character that was added, such as the full stop of a heading.
    """

    text: str
    first: list[int]
    last: list[int]

    @classmethod
    def of(cls, text: str, start: int = 0) -> Traced:
        """A text as it was written; start is the place of its first character in the original."""
        return cls(text, list(range(start, start + len(text))), list(range(start + 1, start + len(text) + 1)))

    def part(self, start: int, end: int) -> Traced:
        return Traced(self.text[start:end], self.first[start:end], self.last[start:end])

    def stripped(self, start: str | None = None, end: str | None = None) -> Traced:
        """Without the characters of `start` at the beginning and of `end` at the end (None: spaces)."""
        begin = len(self.text) - len(self.text.lstrip(start))
        stop = max(begin, len(self.text.rstrip(end)))
        return self if (begin, stop) == (0, len(self.text)) else self.part(begin, stop)

    def __add__(self, other: Traced) -> Traced:
        return Traced(self.text + other.text, self.first + other.first, self.last + other.last)


class Builder:
    """Puts a Traced together from spans of another one and from new words."""

    def __init__(self, source: Traced) -> None:
        self._source = source
        self._parts: list[str] = []
        self._first: list[int] = []
        self._last: list[int] = []

    def take(self, start: int, end: int) -> None:
        """source[start:end] as it is."""
        self._parts.append(self._source.text[start:end])
        self._first += self._source.first[start:end]
        self._last += self._source.last[start:end]

    def say(self, words: str, start: int, end: int) -> None:
        """New words for source[start:end]; what both have at their beginning and end keeps its own origin."""
        source = self._source
        old = source.text[start:end]
        if not words:
            return
        most = min(len(old), len(words))
        head = next((i for i in range(most) if old[i] != words[i]), most)
        tail = next((i for i in range(most - head) if old[-1 - i] != words[-1 - i]), most - head)
        self.take(start, start + head)
        begin, stop = start + head, end - tail
        count = len(words) - head - tail
        self._parts.append(words[head : head + count])
        if begin < stop:
            self._put(source.first[begin], source.last[stop - 1], count)
        else:
            # Added between two characters: it goes with the one before.
            place = source.last[begin - 1] if begin else source.first[0] if source.text else 0
            self._put(place, place, count)
        self.take(end - tail, end)

    def mean(self, words: str, start: int, end: int) -> None:
        """New words for all of source[start:end]."""
        if start < end:
            self._parts.append(words)
            self._put(self._source.first[start], self._source.last[end - 1], len(words))
        else:
            self.add(words, start)

    def add(self, words: str, place: int) -> None:
        """Words that nobody wrote, at a place of the source."""
        at = self._source.first[place] if place < len(self._source.text) else (self._source.last or [0])[-1]
        self._parts.append(words)
        self._put(at, at, len(words))

    def _put(self, first: int, last: int, count: int) -> None:
        self._first += [first] * count
        self._last += [last] * count

    def done(self) -> Traced:
        return Traced("".join(self._parts), self._first, self._last)


def change(text: Traced, pattern: re.Pattern[str], said: Change) -> Traced:
    """What pattern.sub(said, text) gives, with the origins kept."""
    if not pattern.search(text.text):
        return text
    built: Builder | None = None
    done = 0
    fixed = said if isinstance(said, str) and "\\" not in said else None
    for match in pattern.finditer(text.text):
        words = fixed if fixed is not None else match.expand(said) if isinstance(said, str) else said(match)
        if words != match.group():
            built = built or Builder(text)
            built.take(done, match.start())
            built.say(words, *match.span())
            done = match.end()
    if built is None:
        return text
    built.take(done, len(text.text))
    return built.done()


def changed(text: Traced, changes: Iterable[tuple[re.Pattern[str], Change]]) -> Traced:
    """text after each change, in their order."""
    for pattern, said in changes:
        text = change(text, pattern, said)
    return text


# Words between spaces; letter by letter in the scripts that put none between words, with the marks of a Thai letter.
WORD = re.compile(
    r"[^\s\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff]+|[\u0e00-\u0e7f][\u0e31\u0e34-\u0e3a\u0e47-\u0e4e]*|\S"
)
