"""Text on its way to the synthesiser: sentences, and words that espeak-ng reads wrongly."""

from __future__ import annotations

import re

_LONGEST = 280
_END = re.compile(r"(?<=[.!?…;:])\s+|\n+")
_PAUSE_SECONDS = {".": 0.32, "!": 0.32, "?": 0.34, "…": 0.42, ";": 0.24, ":": 0.24}

# In Portuguese "AI" is said as in English; letter by letter it becomes "a-i", a cry of pain.
_PORTUGUESE = [(re.compile(r"\bAI\b"), "ei ai"), (re.compile(r"\bI\.?A\.?(?=\W|$)"), "í á")]


def sentences(text: str) -> list[str]:
    """Splits text at sentence ends, and longer pieces at commas or spaces, so that none exceeds 280 characters."""
    pieces: list[str] = []
    for piece in _END.split(text):
        rest = piece.strip()
        while len(rest) > _LONGEST:
            cut = max(rest.rfind(", ", 0, _LONGEST), 0) or max(rest.rfind(" ", 0, _LONGEST), 0) or _LONGEST
            pieces.append(rest[: cut + 1].strip())
            rest = rest[cut + 1 :].strip()
        if rest:
            pieces.append(rest)
    return pieces


def pause_after(sentence: str) -> float:
    """Seconds of silence that a sentence's last sign asks for."""
    return _PAUSE_SECONDS.get(sentence[-1:], 0.18)


def speakable(sentence: str, language: str) -> str:
    """The sentence as espeak-ng should read it."""
    if language.lower().startswith("pt"):
        for pattern, spoken in _PORTUGUESE:
            sentence = pattern.sub(spoken, sentence)
    return sentence
