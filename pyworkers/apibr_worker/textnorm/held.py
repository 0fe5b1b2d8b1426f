"""Words with a reading of their own: those of the user's dictionary, and what SSML says instead of a written word.

Such a word is held back by one letter of a script that no text has, so that no step of text normalisation changes it,
and is put in its place at the end.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from .trace import Builder, Traced, change

LONGEST_SAID = 200
"""Characters of one pronunciation."""
_FIRST, _LAST = 0x17000, 0x187F7
"""Tangut: letters, so that the word beside one is read as beside any other."""
SIGNS = re.compile(f"[{chr(_FIRST)}-{chr(_LAST)}]")
# Scripts without spaces between words are taken letter by letter.
_SPACELESS = "\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff"
_TOKEN = re.compile(rf"[^\W{_SPACELESS}]+|\S")
_WORD = re.compile(rf"[^\W{_SPACELESS}]")


@dataclass(frozen=True, slots=True)
class _Entry:
    pattern: re.Pattern[str]
    said: str
    length: int


class Held:
    """What is held back of one text, by its letter."""

    AS_IS, TEXT, LETTERS, DIGITS, ORDINAL = range(5)
    """How words are read: not at all, as a text, letter by letter, digit by digit, as an ordinal."""

    def __init__(self, text: str) -> None:
        taken = set(SIGNS.findall(text))
        self._free = (chr(code) for code in range(_FIRST, _LAST + 1) if chr(code) not in taken)
        self._letters: dict[tuple[str, int], str] = {}
        self.words: dict[str, tuple[str, int]] = {}
        """letter -> (words, how they are read)"""

    def hold(self, words: str, kind: int) -> str:
        """The letter that stands for words; the words themselves where a text has used up all 6,000 letters."""
        key = (words, kind)
        if key not in self._letters:
            letter = next(self._free, "")
            if not letter:
                return words
            self._letters[key] = letter
            self.words[letter] = key
        return self._letters[key]

    def replace(self, text: Traced, words: Sequence[tuple[str, str]]) -> Traced:
        """Holds each word of a dictionary [(written, said)] that stands in text.

        Only whole words, of any case but with their accents, the longest first. said is spoken as it is, up to 200
        characters; an entry without either is left out.
        """
        index = _index(words)
        if not index:
            return text
        built: Builder | None = None
        done = 0
        for token in _TOKEN.finditer(text.text):
            if token.start() < done:
                continue
            for entry in index.get(token.group().lower(), ()):
                if match := entry.pattern.match(text.text, token.start()):
                    built = built or Builder(text)
                    built.take(done, match.start())
                    built.mean(self.hold(entry.said, self.AS_IS), *match.span())
                    done = match.end()
                    break
        if built is None:
            return text
        built.take(done, len(text.text))
        return built.done()


def _index(words: Sequence[tuple[str, str]]) -> dict[str, list[_Entry]]:
    """By the first token of what is written, so that an entry is tried only where it may begin."""
    index: dict[str, list[_Entry]] = {}
    for entry_written, entry_said in words:
        written = " ".join(unicodedata.normalize("NFC", entry_written).split())
        said = " ".join(unicodedata.normalize("NFC", entry_said).split())[:LONGEST_SAID].strip()
        first = _TOKEN.search(written)
        if not first or not said:
            continue
        body = r"\s+".join(map(re.escape, written.split()))
        begin = r"(?<!\w)" if _WORD.match(written[0]) else ""
        end = r"(?!\w)" if _WORD.match(written[-1]) else ""
        entry = _Entry(re.compile(f"{begin}{body}{end}", re.IGNORECASE), said, len(written))
        index.setdefault(first.group().lower(), []).append(entry)
    for entries in index.values():
        entries.sort(key=lambda entry: -entry.length)
    return index


def released(text: Traced, said: dict[str, str]) -> Traced:
    """text with its words in place of the letters that held them; said: letter -> words."""
    return change(text, SIGNS, lambda match: said.get(match.group(), match.group())) if said else text
