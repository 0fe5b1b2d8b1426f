"""The reader of the draft voices: clean sentences, the words that espeak-ng says for them, and where each word is."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from difflib import SequenceMatcher

from apibr_worker.textnorm.clean import is_emoji
from apibr_worker.textnorm.markup import unmarked
from apibr_worker.textnorm.normalise import normalise
from apibr_worker.textnorm.trace import Traced

_LONGEST = 280
_END = re.compile(r"(?<=[.!?…;:])\s+|(?<=[。！？।])\s*|\n+")
_PAUSE_SECONDS = {
    **dict.fromkeys(".!。！।", 0.32),
    **dict.fromkeys("?？", 0.34),
    **dict.fromkeys(";:", 0.24),
    "…": 0.42,
}
_POINTS = ".,;:!?…"
_CLOSING = "\"'”’»)]}"

# A full stop after one of these does not end a sentence; nor does one after a single capital (J. R. Silva).
_ABBREVIATION = re.compile(
    r"(?:^|[\s(])(?:sra?s?|dra?s?|prof[aª]?s?|eng|exm[oa]|ilm[oa]|av|pág|págs|núm|ex|vs|sta?|mrs?|ms|jr|gen|vol|fig"
    r"|[A-Z])\.$",
    re.IGNORECASE,
)
_SINGLE_LOWER = re.compile(r"(?:^|[\s(])[a-z]\.$")

# Languages whose numbers, dates, money and acronyms are written out before espeak-ng gets them.
_WRITTEN_OUT = frozenset({"pt", "en"})

# Said letter by letter or as in English; espeak-ng reads the first as a cry of pain and the second as "ya".
_REPLACED = {"es": [(re.compile(r"\bAI\b"), "ei ai"), (re.compile(r"\bI\.A\.|\bIA\b"), "i a")]}

# An English acronym by its letters: espeak-ng takes a lone A for the article.
_LETTERS = re.compile(r"\b(?=[A-Z ]*A)[A-Z](?: [A-Z])+\b")

# Words between spaces; letter by letter in the scripts that put none between words.
_TOKEN = re.compile(r"[^\s\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff]+|\S")


def clean(text: str) -> str:
    """Composed Unicode without markup, control characters and emoji, which espeak-ng would read out by their names."""
    kept: list[str] = []
    for char in unicodedata.normalize("NFC", unmarked(Traced.of(text)).text):
        category = unicodedata.category(char)
        if char in "\n\t\r\u2028\u2029":
            kept.append("\n" if char in "\n\u2028\u2029" else " ")
        elif char == "\u200d" or category in ("Cc", "Cs", "Co", "Cn") or is_emoji(char, category):
            continue
        else:
            kept.append(char)
    return "".join(kept)


def is_speakable(text: str) -> bool:
    """Whether there is a letter or a digit in it."""
    return any(char.isalnum() for char in text)


def sentences(text: str) -> list[str]:
    """Splits text at sentence ends, and longer pieces at commas or spaces, so that none exceeds 280 characters.

    Pieces with neither a letter nor a digit are left out.
    """
    pieces: list[str] = []
    for sentence in _whole_sentences(clean(text)):
        rest = sentence
        while len(rest) > _LONGEST:
            cut = max(rest.rfind(", ", 0, _LONGEST), 0) or max(rest.rfind(" ", 0, _LONGEST), 0) or _LONGEST - 1
            pieces.append(rest[: cut + 1].strip())
            rest = rest[cut + 1 :].strip()
        pieces.append(rest)
    return [piece for piece in pieces if is_speakable(piece)]


def _whole_sentences(text: str) -> list[str]:
    whole: list[str] = []
    for paragraph in text.split("\n"):
        begun = ""
        for piece in _END.split(paragraph):
            begun = f"{begun} {piece.strip()}".strip()
            if not _ABBREVIATION.search(begun) or _SINGLE_LOWER.search(begun):
                whole.append(begun)
                begun = ""
        whole.append(begun)
    return [sentence for sentence in whole if sentence]


def pause_after(sentence: str) -> float:
    """Seconds of silence that a sentence's last sign asks for."""
    return _PAUSE_SECONDS.get(sentence.rstrip(_CLOSING)[-1:], 0.18)


@dataclass(frozen=True, slots=True)
class Reading:
    """A sentence as espeak-ng should read it, and where each part of that comes from."""

    source: str
    said: str
    origins: list[int]
    """For each character of said, its place in source; one more for the end."""

    def token_at(self, position: int) -> tuple[int, str]:
        """The source's word, with its punctuation, around a place in said: (where it begins, the word)."""
        place = self.origins[min(max(position, 0), len(self.origins) - 1)]
        for match in _TOKEN.finditer(self.source):
            if match.end() > place:
                return match.start(), match.group()
        return len(self.source), ""


def reading(sentence: str, language: str) -> Reading:
    """The words that espeak-ng should say for a sentence that clean() has gone over."""
    base = language.lower().replace("_", "-").split("-")[0]
    if base in _WRITTEN_OUT:
        # espeak-ng reads what has no words, such as a lone sign.
        said = normalise(sentence, language) or sentence
        if base == "en":
            said = _LETTERS.sub(lambda match: match.group().replace(" ", ""), said)
        return aligned(sentence, said, language)
    found = sorted(
        (m.start(), m.end(), said) for pattern, said in _REPLACED.get(base, []) for m in pattern.finditer(sentence)
    )
    said, origins, done = "", [], 0
    for start, end, words in found:
        said += sentence[done:start] + words
        origins += [*range(done, start), *[start] * len(words)]
        done = end
    said += sentence[done:]
    origins += range(done, len(sentence) + 1)
    return Reading(sentence, said, origins)


def aligned(sentence: str, said: str, language: str) -> Reading:
    """Finds for each word that is said the word of the sentence that it says.

    Words that are said as they are written are anchors. Between two anchors, the words said are shared out among the
    sentence's words by how much each of them says alone: "R$ 1.234,56" and "mil duzentos ... centavos" have no word in
    common.
    """
    written, words = list(_TOKEN.finditer(sentence)), list(_TOKEN.finditer(said))
    begins = [0] * len(words)
    anchors = [_anchor(match.group(), language) or f" {place}" for place, match in enumerate(written)]
    keys = [_key(match.group()) for match in words]
    for kind, first, last, low, high in SequenceMatcher(None, anchors, keys, autojunk=False).get_opcodes():
        if kind == "equal":
            begins[low:high] = [match.start() for match in written[first:last]]
        elif low < high:
            between = written[first:last] or written[max(first - 1, 0) : max(first, 1)]
            begins[low:high] = _shared_out(between, high - low, language)
    origins: list[int] = []
    for begin, word in zip(begins, words, strict=True):
        origins += [begin] * (word.end() - len(origins))
    return Reading(sentence, said, [*origins, *[len(sentence)] * (len(said) + 1 - len(origins))])


def _key(token: str) -> str:
    return "".join(char for char in token.casefold() if char.isalnum())


def _anchor(token: str, language: str) -> str:
    """The key of a word that is said as it is written; "" of any other."""
    key = _key(token)
    if token.strip(_POINTS).islower() and token.strip(_POINTS).isalpha():
        return key
    return key if _key(normalise(token, language)) == key else ""


def _shared_out(written: list[re.Match[str]], count: int, language: str) -> list[int]:
    """Where each of `count` words said for these written ones comes from, in order."""
    weights = [len(normalise(match.group(), language).split()) for match in written]
    total = sum(weights)
    if not total:
        return [written[0].start()] * count
    begins: list[int] = []
    reached = 0
    for match, weight in zip(written, weights, strict=True):
        reached += weight
        begins += [match.start()] * (round(count * reached / total) - len(begins))
    return begins
