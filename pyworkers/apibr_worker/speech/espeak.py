"""Speaking with espeak-ng, which runs as a program of its own."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass

import numpy as np

from apibr_worker.audio.files import Samples
from apibr_worker.runtime.api import Context, InvalidInputError
from apibr_worker.runtime.child import ChildError
from apibr_worker.runtime.sentences import say

# espeak-ng's voice names where they differ from the lower-cased BCP 47 tag.
_VOICES = {"pt": "pt-br", "en": "en-us", "zh": "cmn", "zh-cn": "cmn", "no": "nb", "es-mx": "es-419"}

_TAG = re.compile(r"[a-z]{2,3}(-[a-z0-9]{2,8}){0,2}")

SLOWEST, FASTEST = 80, 450
"""Words a minute that espeak-ng takes."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How espeak-ng speaks: a variant of its voice, words a minute, and its own 0..99 for pitch and its range."""

    variant: str
    rate: float
    pitch: int
    span: int


@dataclass(frozen=True, slots=True)
class Mark:
    """A word or phoneme with its start in seconds and its place in the text in characters."""

    name: str
    start: float
    position: int
    length: int


@dataclass(frozen=True, slots=True)
class Utterance:
    """What espeak-ng said: mono samples and the marks in the order of time."""

    samples: Samples
    sample_rate: int
    phonemes: list[Mark]
    words: list[Mark]


class Espeak:
    """One speaking program. The same request gives the same samples, in this program and in any other."""

    def __init__(self, context: Context) -> None:
        self._child = context.child([sys.executable, "-m", "apibr_worker.speech_helper"], stdin=True, stdout=True)
        self._known: dict[str, str] = {}

    def __enter__(self) -> Espeak:
        self._child.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._child.__exit__(None, None, None)

    def say(self, text: str, language: str, manner: Manner, *, seed: int = 0) -> Utterance:
        """Speaks text; seed (0 to 2^31 - 1) is that of the breath noise.

        Raises InvalidInputError for a language that espeak-ng does not speak.
        """
        names = [self._known[language]] if language in self._known else _candidates(language)
        for name in names:
            answer = self._ask(
                text=text,
                voice=name + (f"+{manner.variant}" if manner.variant else ""),
                rate=round(min(max(manner.rate, SLOWEST), FASTEST)),
                pitch=min(max(manner.pitch, 0), 99),
                range=min(max(manner.span, 0), 99),
                seed=seed,
            )
            if "error" not in answer:
                self._known[language] = name
                return self._utterance(answer)
        raise InvalidInputError(
            say("the draft voice does not speak “%s”: use a language tag such as pt-BR, en or es", language[:20]),
            field="language",
        )

    def _ask(self, **request: object) -> dict[str, object]:
        self._child.write(json.dumps(request).encode() + b"\n")
        line = self._child.stdout.readline()
        if not line:
            self._ended()
        return json.loads(line)

    def _utterance(self, answer: dict[str, object]) -> Utterance:
        rate, size = int(str(answer["sample_rate"])), int(str(answer["samples"])) * 2
        raw = self._child.stdout.read(size)
        if len(raw) < size:
            self._ended()
        marks: dict[str, list[Mark]] = {"phoneme": [], "word": []}
        events: list[list[object]] = answer["events"]  # type: ignore[assignment]
        for kind, sample, position, length, name in events:
            marks[str(kind)].append(Mark(str(name), int(str(sample)) / rate, int(str(position)), int(str(length))))
        samples = np.frombuffer(raw, dtype="<i2").astype(np.float32) / 32768.0
        return Utterance(samples, rate, marks["phoneme"], marks["word"])

    def _ended(self) -> None:
        """Raises the reason why the program ended: the run's cancel, or the program's own failure."""
        self._child.wait()
        raise ChildError("the speech helper ended early")


def _candidates(language: str) -> list[str]:
    """espeak-ng voice names for a BCP 47 tag, best first."""
    tag = language.strip().lower().replace("_", "-")
    if not _TAG.fullmatch(tag):
        return []
    base = tag.split("-")[0]
    names = [_VOICES.get(tag, tag), _VOICES.get(base, base)]
    return list(dict.fromkeys(names))
