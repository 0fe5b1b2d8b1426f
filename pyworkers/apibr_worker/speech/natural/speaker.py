"""One natural voice in one language."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from apibr_worker.audio.files import Samples
from apibr_worker.runtime.api import Context, InvalidInputError
from apibr_worker.runtime.sentences import say
from apibr_worker.speech.natural.model import SAMPLE_RATE, Model
from apibr_worker.speech.natural.phonemes import IPA, LENGTHENING, MARKS, Phonemes, Symbol, dialect
from apibr_worker.speech.spoken import Phoneme, Spoken, written
from apibr_worker.textnorm import Sentence

LONGEST_IDS = 150
"""Ids of one call at the usual pace or a faster one: 9 s of speech. Memory grows by about 20 MB a second of it."""
_LEAST_SHARE = 0.4
"""Of the longest: a piece is not cut earlier than that."""
_PLACES = (frozenset(".!?…"), frozenset(";:—"), frozenset(',()“”"'), frozenset(" "))
"""Signs to divide after, best first."""
_GAPS = {**dict.fromkeys(".!?…", 0.3), **dict.fromkeys(";:—", 0.2), **dict.fromkeys(',()“”"', 0.14)}
"""Seconds of silence where a piece was divided."""

_TAKE_PACE, _TAKE_ROWS = 0.02, 6
"""How far takes of one sentence differ: the share of pace, and rows of the voice's styles."""
_LOUD_SHARE = 10 ** (-45 / 20)
_EDGE_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class _Piece:
    samples: Samples
    symbols: Sequence[Symbol]
    starts: Sequence[float]
    ends: Sequence[float]


class NaturalSpeaker:
    """Says sentences in a voice of the model. speed multiplies the voice's own pace."""

    def __init__(
        self,
        model: Model,
        phonemes: Phonemes,
        context: Context,
        *,
        voice: str,
        language: str,
        loudness_lufs: float,
        speed: float = 1.0,
    ) -> None:
        """Raises InvalidInputError naming "language" for one that the model does not speak."""
        self._model, self._phonemes, self._context = model, phonemes, context
        self._styles = model.styles(voice)
        self._language = dialect(language)
        if not self._language:
            raise InvalidInputError(
                say(
                    "the natural voices do not speak “%s”: use pt-BR, en, en-GB, es, fr, it or hi, or draft quality",
                    language[:20],
                ),
                field="language",
            )
        self._speed = speed
        self._voice = voice
        self._loudness = loudness_lufs

    @property
    def name(self) -> str:
        return self._voice

    @property
    def loudness_lufs(self) -> float:
        return self._loudness

    def say(self, sentence: Sentence, take: np.random.Generator) -> Spoken:
        """Says a sentence in pieces of at most LONGEST_IDS, and of fewer where it is said slowly."""
        pace, rows = float(take.uniform(-1.0, 1.0)), int(take.integers(-_TAKE_ROWS, _TAKE_ROWS + 1))
        speed = self._speed * (1.0 + _TAKE_PACE * pace)
        made: list[Samples] = []
        phonemes: list[Phoneme] = []
        heard: list[tuple[int, int, float, float]] = []
        begin, longest = 0, round(LONGEST_IDS * min(1.0, self._speed))
        with self._model.watched(self._context):
            for symbols in divided(self._phonemes.symbols(sentence.text, self._language), longest):
                self._context.check_cancel()
                piece = self._piece(symbols, speed, rows)
                gap = _GAPS.get(symbols[-1].sign, 0.0) / self._speed
                at = begin / SAMPLE_RATE
                phonemes += _sounds(piece, at)
                heard += _words(piece, at)
                made += [piece.samples, np.zeros(round(gap * SAMPLE_RATE), np.float32)]
                begin += piece.samples.size + made[-1].size
        samples = np.concatenate([np.zeros(0, np.float32), *made])
        return Spoken(samples, SAMPLE_RATE, phonemes, written(sentence, heard))

    def _piece(self, symbols: Sequence[Symbol], speed: float, rows: int) -> _Piece:
        count = len(symbols)
        row = min(max(count - 1 + rows, 0), len(self._styles) - 1)
        samples, seconds = self._model.say([one.id for one in symbols], self._styles[row], speed)
        ends = np.cumsum(seconds)
        begin, end = _sound(samples)
        starts = [max(0.0, float(one) - begin / SAMPLE_RATE) for one in ends[:count]]
        stops = [max(0.0, float(one) - begin / SAMPLE_RATE) for one in ends[1 : count + 1]]
        return _Piece(_faded(samples[begin:end]), symbols, starts, stops)


def divided(symbols: list[Symbol], longest: int = LONGEST_IDS) -> Iterator[list[Symbol]]:
    """Pieces of at most `longest` ids, cut after a phrase, else between words, else anywhere."""
    rest = symbols
    while len(rest) > longest:
        # A last piece of a few sounds would be said badly: the rest is shared by two.
        cut = most = min(longest, max(len(rest) * 2 // 3, len(rest) - longest))
        for signs in _PLACES:
            places = [at for at in range(int(most * _LEAST_SHARE), most) if rest[at].sign in signs]
            if places:
                cut = places[-1] + 1
                break
        yield rest[:cut]
        rest = rest[cut:]
        while rest and rest[0].sign == " ":
            rest = rest[1:]
    if any(symbol.word for symbol in rest):
        yield rest


def _sound(samples: Samples) -> tuple[int, int]:
    """Where a piece's sound begins and ends."""
    size = np.abs(samples)
    loud = np.flatnonzero(size > _LOUD_SHARE * float(size.max(initial=0.0)))
    if loud.size == 0:
        return 0, samples.size
    edge = int(_EDGE_SECONDS * SAMPLE_RATE)
    return max(0, int(loud[0]) - edge), min(samples.size, int(loud[-1]) + edge)


def _faded(samples: Samples) -> Samples:
    length = min(int(_EDGE_SECONDS * SAMPLE_RATE) // 2, samples.size // 2)
    made, ramp = samples.copy(), np.linspace(0.0, 1.0, length, dtype=np.float32)
    made[:length] *= ramp
    made[made.size - length :] *= ramp[::-1]
    return made


def _sounds(piece: _Piece, at: float) -> Iterator[Phoneme]:
    """The phonemes: a stress mark goes with the sound after it, a length mark with the one before."""
    name, start, stop = "", 0.0, 0.0
    for symbol, begin, end in zip(piece.symbols, piece.starts, piece.ends, strict=True):
        sound = symbol.word is not None and symbol.sign not in MARKS
        if sound and symbol.sign in LENGTHENING and name:
            name, stop = name + symbol.sign, end
            continue
        if name and not all(one in MARKS for one in name):
            yield Phoneme(name.lstrip("ˈˌ"), at + start, at + stop)
            name = ""
        if sound:
            start = start if name else begin
            name, stop = name + IPA.get(symbol.sign, symbol.sign), end
        elif symbol.sign in MARKS:
            name, start, stop = symbol.sign, begin, end
        else:
            name = ""
    if name and not all(one in MARKS for one in name):
        yield Phoneme(name.lstrip("ˈˌ"), at + start, at + stop)


def _words(piece: _Piece, at: float) -> Iterator[tuple[int, int, float, float]]:
    timed = zip(piece.symbols, piece.starts, piece.ends, strict=True)
    for place, group in groupby((one for one in timed if one[0].word is not None), key=lambda one: one[0].word):
        own = list(group)
        if place is not None:
            yield place[0], place[1], at + own[0][1], at + own[-1][2]
