"""Text to the symbols that the model knows, each with the word that it belongs to.

espeak-ng (in a program of its own) gives the IPA; its affricates and diphthongs become the model's single symbols as in
the model's own reader (misaki's espeak.py, hexgrad, Apache-2.0). Words are kept apart although espeak-ng joins some
("of the"), so that each phoneme's time is a word's time.
"""

from __future__ import annotations

import json
import re
import sys
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from apibr_worker.runtime.api import Context, EngineError
from apibr_worker.runtime.child import Child, ChildError
from apibr_worker.runtime.sentences import say

SYMBOLS: dict[str, int] = json.loads((Path(__file__).parent / "symbols.json").read_text(encoding="utf-8"))
"""The model's symbols and their ids (its config.json)."""

_VOICES = {"pt-br": "pt-br", "en-us": "en-us", "en-gb": "en", "es": "es", "fr": "fr", "it": "it", "hi": "hi"}
_LANGUAGES = {"pt": "pt-br", "en": "en-us", "es": "es", "fr": "fr", "it": "it", "hi": "hi"}
_BRITISH = frozenset({"en-gb", "en-au", "en-nz", "en-ie", "en-za", "en-in"})

_TIED = [("a^ɪ", "I"), ("a^ʊ", "W"), ("d^z", "ʣ"), ("d^ʒ", "ʤ"), ("e^ɪ", "A"), ("t^s", "ʦ"), ("t^ʃ", "ʧ"), ("ɔ^ɪ", "Y")]
_ENGLISH = [
    *[("ə^l", "ᵊl"), ("ʔˌn\u0329", "tᵊn"), ("ʔn", "tᵊn"), ("ɚ", "əɹ"), ("ɐ", "ə"), ("r", "ɹ"), ("x", "k"), ("ç", "k")],
    *[("ɬ", "l"), ("ʔ", "t"), ("e", "A"), ("ʲ", ""), ("\u0303", "")],
]
_BY_LANGUAGE = {
    "en-us": [("o^ʊ", "O"), *_ENGLISH, ("ɜːɹ", "ɜɹ"), ("ɜː", "ɜɹ"), ("ɪə", "iə"), ("ː", ""), ("o", "ɔ")],
    "en-gb": [("ə^ʊ", "Q"), ("e^ə", "ɛː"), ("i^ə", "ɪə"), *_ENGLISH, ("iə", "ɪə"), ("o", "ɔ")],
}
_OTHERS = [("o^ʊ", "O"), ("ə^ʊ", "Q"), ("s^s", "S")]
_SWITCH = re.compile(r"\([a-z]{2,3}(?:-[a-z0-9]+)*\)")
"""espeak-ng's note that a word is of another language."""

IPA = {
    "I": "aɪ",
    "W": "aʊ",
    "A": "eɪ",
    "O": "oʊ",
    "Q": "əʊ",
    "Y": "ɔɪ",
    "S": "ss",
    "ʧ": "tʃ",
    "ʤ": "dʒ",
    "ʦ": "ts",
    "ʣ": "dz",
    "ᵊ": "ə",
    "ᵻ": "ɪ",
}
"""What the model's own symbols stand for."""

MARKS = frozenset("ˈˌ")
LENGTHENING = frozenset("ː\u0303ʰʲ")

_PUNCTUATION = {
    **{char: char for char in ';:,.!?—…"()“”'},
    "«": "“",
    "»": "”",
    "„": "“",
    "–": "—",
    "[": "(",
    "]": ")",
    "‽": "?",
    "。": ".",
    "।": ".",
    "॥": ".",
    "！": "!",
    "？": "?",
    "、": ",",
    "，": ",",
    "；": ";",
    "：": ":",
    **dict.fromkeys("¿¡{}<>|/\\*_#~^`=+", ""),
}
"""Signs between words and the model's symbols for them."""
_TOKEN = re.compile(r"\S+")
_DIGIT_POINTS = ".,:"


@dataclass(frozen=True, slots=True)
class Symbol:
    """One id of the model. word: (start, end) in the text of the word that it says; None between words."""

    sign: str
    word: tuple[int, int] | None

    @property
    def id(self) -> int:
        return SYMBOLS[self.sign]


def dialect(language: str) -> str:
    """The language that is spoken for a BCP 47 tag ("pt", "pt-PT" and "pt_BR" give "pt-br"); "" for none of ours."""
    tag = language.strip().lower().replace("_", "-")
    return "en-gb" if tag in _BRITISH else _LANGUAGES.get(tag.split("-")[0], "")


class Phonemes:
    """One program that knows how words sound. Started at the first text; a context manager that ends it."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._child: Child | None = None
        self._alone: dict[tuple[str, str], str] = {}

    def __enter__(self) -> Phonemes:
        return self

    def __exit__(self, *_: object) -> None:
        if self._child is not None:
            self._child.__exit__(None, None, None)

    def symbols(self, text: str, language: str) -> list[Symbol]:
        """The model's symbols of a text; language as dialect() gives it. Symbols that the model lacks are left out."""
        pieces = _pieces(text)
        clauses = [[(text[a:b], a, b) for a, b in piece] for piece in pieces if isinstance(piece, list)]
        alone = list(dict.fromkeys(word for clause in clauses for word, _, _ in clause))
        unknown = [word for word in alone if (language, word) not in self._alone]
        found = self._ipa([*(" ".join(word for word, _, _ in clause) for clause in clauses), *unknown], language)
        for word, ipa in zip(unknown, found[len(clauses) :], strict=True):
            self._alone[language, word] = ipa
        said = iter(found)
        made: list[Symbol] = []
        for piece in pieces:
            if isinstance(piece, str):
                made += [Symbol(char, None) for char in piece if char in SYMBOLS]
                continue
            own = [(text[a:b], (a, b)) for a, b in piece]
            shares = shared(next(said).split(), [self._alone[language, word] for word, _ in own])
            for number, (ipa, (_, place)) in enumerate(zip(shares, own, strict=True)):
                made += [Symbol(" ", None)] if number and ipa else []
                made += [Symbol(char, place) for char in model_signs(ipa, language) if char in SYMBOLS]
        return _tidy(made)

    def _ipa(self, texts: Sequence[str], language: str) -> list[str]:
        if not texts:
            return []
        if self._child is None:
            argv = [sys.executable, "-m", "apibr_worker.speech_helper"]
            self._child = self._context.child(argv, stdin=True, stdout=True)
        request = {"voice": _VOICES[language], "phonemes": list(texts)}
        self._child.write(json.dumps(request).encode() + b"\n")
        line = self._child.stdout.readline()
        if not line:
            self._child.wait()
            raise ChildError("the speech helper ended early")
        answer = json.loads(line)
        if "error" in answer:
            raise EngineError("internal", say("the speech helper lacks a language: run `make setup` again"))
        return [_SWITCH.sub("", ipa).replace("-", "") for ipa in answer["phonemes"]]


def model_signs(ipa: str, language: str) -> str:
    """IPA with ties as the model's symbols."""
    for old, new in [*_TIED, *_BY_LANGUAGE.get(language, _OTHERS)]:
        ipa = ipa.replace(old, new)
    if language.startswith("en"):
        ipa = re.sub("(\\S)\u0329", r"ᵊ\1", ipa)
    # A nasal vowel is two symbols, whether espeak-ng writes it as one letter or two.
    return "".join(sign if sign in SYMBOLS else unicodedata.normalize("NFD", sign) for sign in ipa.replace("^", ""))


def _pieces(text: str) -> list[str | list[tuple[int, int]]]:
    """A text as clauses (the places of their words) and the signs between them, in order."""
    pieces: list[str | list[tuple[int, int]]] = []
    words: list[tuple[int, int]] = []
    for token in _TOKEN.finditer(text):
        begin = place = token.start()
        while place <= token.end():
            char = text[place] if place < token.end() else " "
            if char != " " and (char not in _PUNCTUATION or _within_number(text, place)):
                place += 1
                continue
            if begin < place and any(one.isalnum() for one in text[begin:place]):
                words.append((begin, place))
            sign = _PUNCTUATION.get(char, "")
            if sign:
                opening = sign in "(“" or (sign == '"' and begin == place == token.start())
                pieces += [words] if words else []
                pieces.append(" " + sign if opening else sign + " ")
                words = []
            place += 1
            begin = place
    return [*pieces, words] if words else pieces


def _within_number(text: str, place: int) -> bool:
    around = text[place - 1 : place] + text[place + 1 : place + 2]
    return text[place] in _DIGIT_POINTS and len(around) == 2 and around.isdecimal()


def _tidy(symbols: list[Symbol]) -> list[Symbol]:
    """Without spaces at the ends, after one another, or before a closing sign."""
    made: list[Symbol] = []
    for symbol in symbols:
        if symbol.sign == " " and (not made or made[-1].sign == " "):
            continue
        if symbol.sign in ";:,.!?…)”" and made and made[-1].sign == " ":
            made.pop()
        made.append(symbol)
    while made and made[-1].sign == " ":
        made.pop()
    return made


# --- Which word says what ------------------------------------------------------------------------------------------


_STRAYS = 8
"""How far the words may run ahead of the groups, or behind them."""


def shared(groups: list[str], alone: list[str]) -> list[str]:
    """The IPA of each word in its clause. groups: the clause's IPA at its spaces; alone: each word's IPA by itself.

    espeak-ng joins some words ("of the" is one group) and parts others; the words alone tell which sounds are whose.
    """
    parts = [max(1, len(one.split())) if one else 0 for one in alone]
    if len(groups) == len(alone) and all(count == 1 for count in parts):
        return groups
    # best[i][j]: the least cost of saying the first i words with the first j groups.
    best = [[(float("inf"), 0, 0)] * (len(groups) + 1) for _ in range(len(alone) + 1)]
    best[0][0] = (0.0, 0, 0)
    for i in range(len(alone) + 1):
        likely = i * len(groups) // max(1, len(alone))
        for j in range(max(0, likely - _STRAYS), min(len(groups), likely + _STRAYS) + 1):
            cost = best[i][j][0]
            if cost == float("inf"):
                continue
            for di, dj in [(1, 1), (2, 1), (3, 1), (1, 0), (1, parts[i] if i < len(parts) else 1), (1, 2), (4, 1)]:
                if i + di <= len(alone) and j + dj <= len(groups):
                    own = cost + _difference("".join(groups[j : j + dj]), "".join(alone[i : i + di])) + 0.1 * (di + dj)
                    if own < best[i + di][j + dj][0]:
                        best[i + di][j + dj] = (own, di, dj)
    if best[-1][-1][0] == float("inf"):
        return _by_length("".join(groups), alone)
    made: list[str] = []
    i, j = len(alone), len(groups)
    while i:
        _, di, dj = best[i][j]
        made = _by_length("".join(groups[j - dj : j]), alone[i - di : i]) + made
        i, j = i - di, j - dj
    return made


def _difference(one: str, other: str) -> float:
    """How unlike two pronunciations are: the letters that only one of them has."""
    mine, theirs = Counter(one), Counter(other)
    return sum(((mine - theirs) + (theirs - mine)).values())


def _by_length(ipa: str, alone: list[str]) -> list[str]:
    """One group of several words, shared out by their lengths alone; a mark stays with the sound that it belongs to."""
    total, reached, begin, made = sum(map(len, alone)), 0, 0, list[str]()
    for number, one in enumerate(alone):
        reached += len(one)
        cut = len(ipa) if number == len(alone) - 1 else round(len(ipa) * reached / max(1, total))
        while 0 < cut < len(ipa) and (ipa[cut] in LENGTHENING or ipa[cut] == "^" or ipa[cut - 1] in "^ˈˌ"):
            cut -= 1
        made.append(ipa[begin : max(begin, cut)])
        begin = max(begin, cut)
    return made
