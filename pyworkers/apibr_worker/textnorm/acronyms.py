"""Words in capitals: which are read as words and which letter by letter."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass

from .numbers import roman
from .trace import Traced, change

_CAPITALS = re.compile(r"(?<![\w'’])([A-ZÀ-Ý]{2,40})('?s)?(?![\w])")
_WORD = re.compile(r"[^\W\d_]{2,}")
_VOWEL = re.compile(r"[AEIOUYÀ-Ý]")


@dataclass(frozen=True, slots=True)
class Rules:
    """A language's way with words in capitals."""

    said: Mapping[str, str]
    """Those with a reading of their own."""
    spelled: Set[str]
    """Those read by letters although they could be a word."""
    kept: Set[str]
    """Those read as words although they look unpronounceable."""
    pronounceable: re.Pattern[str]
    """What a word of the language may look like."""
    letters: Callable[[str], str]
    """A word's letters read out."""
    plural: Callable[[str], str]
    """The plural of letters read out."""


def expand(text: Traced, rules: Rules) -> Traced:
    """Replaces acronyms in text by their words.

    In a text that is all in capitals, only what has no vowel is taken for one.
    """
    words = [word for word in _WORD.findall(text.text) if not (word.isupper() and is_acronym(word, rules))]
    capitals = sum(word.isupper() for word in words)
    shouted = capitals > 2 and capitals * 2 > len(words)

    def replace(match: re.Match[str]) -> str:
        word, plural = match.group(1), match.group(2)
        if word in rules.said and not (shouted and word in rules.spelled):
            return rules.said[word] + ("s" if plural else "")
        if not is_spelled(word, rules, shouted=shouted):
            return match.group()
        return rules.plural(rules.letters(word)) if plural else rules.letters(word)

    return change(text, _CAPITALS, replace)


def step(rules: Rules) -> Callable[[Traced], Traced]:
    return lambda text: expand(text, rules)


def read(word: str, rules: Rules) -> str:
    """A word by itself."""
    return expand(Traced.of(word), rules).text


def is_acronym(word: str, rules: Rules) -> bool:
    """Whether a word in capitals is a known acronym, or cannot be read as a word."""
    return word in rules.said or word in rules.kept or word in rules.spelled or is_spelled(word, rules)


def is_shouted(before: str, last: str, rules: Rules) -> bool:
    """Whether the last word before a numeral is in capitals too, as in "EU VI VOCÊ", and is not a numeral itself."""
    return len(last) > 1 and last.isupper() and not (before.endswith(". ") or roman(last) or is_acronym(last, rules))


def is_spelled(word: str, rules: Rules, *, shouted: bool = False) -> bool:
    if word in rules.kept or not word.isascii():
        return False
    if not _VOWEL.search(word):
        return len(word) <= 8
    if shouted:
        return False
    return word in rules.spelled or (len(word) <= 5 and not rules.pronounceable.fullmatch(word))
