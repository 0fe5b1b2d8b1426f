"""What a speaker is: it says one sentence, and tells what is heard when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Protocol

import numpy as np

from apibr_worker.audio.captions import shown
from apibr_worker.audio.files import Samples
from apibr_worker.textnorm import Sentence


@dataclass(frozen=True, slots=True)
class Phoneme:
    """An IPA symbol with its time in seconds."""

    ipa: str
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Word:
    """A word of the text, as it was written and with its punctuation, with its time in seconds."""

    text: str
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Spoken:
    """A sentence as it was said: mono samples at sample_rate Hz, and times from their beginning."""

    samples: Samples
    sample_rate: int
    phonemes: Sequence[Phoneme]
    words: Sequence[Word]

    def moved(self, seconds: float, most: float) -> Spoken:
        """The same with all times `seconds` later, and within 0..most."""

        def at(time: float) -> float:
            return min(max(time + seconds, 0.0), most)

        return replace(
            self,
            phonemes=[replace(one, start=at(one.start), end=at(one.end)) for one in self.phonemes],
            words=[replace(one, start=at(one.start), end=at(one.end)) for one in self.words],
        )


class Speaker(Protocol):
    """One voice in one language. Two lines of the same voice may have two speakers with the same name."""

    @property
    def name(self) -> str:
        """Who speaks: all that one name says is brought to the same loudness together."""
        ...

    @property
    def loudness_lufs(self) -> float:
        """How loud the samples of say() are, about: finished sentences can be played before all are known."""
        ...

    def say(self, sentence: Sentence, take: np.random.Generator) -> Spoken:
        """Says a sentence. take chooses among ways to say it: the same take gives the same samples.

        Silence at the ends is cut by the caller, which adds pauses too. Raises Canceled.
        """
        ...


def written(sentence: Sentence, heard: Sequence[tuple[int, int, float, float]]) -> list[Word]:
    """The written words with their times. heard: (start, end) in sentence.text and the time of what is said there.

    A written word may say several ("14h30"). Several may be heard as one: they share its time by their letters. A word
    of which nothing was heard is left out.
    """
    timed: list[tuple[str, tuple[float, float]]] = []
    for word in sentence.words:
        own = [one for one in heard if one[0] < word.said_end and one[1] > word.said_start]
        text = shown(word.written)
        if own and text:
            timed.append((text, (min(one[2] for one in own), max(one[3] for one in own))))
    words: list[Word] = []
    for (start, end), group in groupby(timed, key=lambda one: one[1]):
        together = [text for text, _ in group]
        now = max(start, words[-1].end if words else 0.0)
        share = max(end - now, 0.0) / sum(map(len, together))
        for text in together:
            words.append(Word(text, now, now + share * len(text)))
            now = words[-1].end
    return words
