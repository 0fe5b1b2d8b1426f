"""Speaking with espeak-ng, which runs as a program of its own."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass

import numpy as np

from apibr_worker.api import Context, InvalidInputError
from apibr_worker.media import Samples

# espeak-ng's voice names where they differ from the lower-cased BCP 47 tag.
_VOICES = {"pt": "pt-br", "en": "en-us", "zh": "cmn", "zh-cn": "cmn", "no": "nb", "es-mx": "es-419"}

_TAG = re.compile(r"[a-z]{2,3}(-[a-z0-9]{2,8}){0,2}")

DEFAULT_RATE = 165
"""Words a minute of an unmeasured voice."""
_SLOWEST, _FASTEST = 80, 450


@dataclass(frozen=True, slots=True)
class Mark:
    """A word or phoneme with its place in time (seconds) and in the text (characters)."""

    kind: str
    name: str
    start: float
    position: int
    length: int


@dataclass(frozen=True, slots=True)
class Utterance:
    """What espeak-ng said: mono samples and the marks in the order of time."""

    samples: Samples
    sample_rate: int
    marks: list[Mark]


class Espeak:
    """One speaking program. A fresh one a run: its noise generator then starts the same, and so do the samples."""

    def __init__(self, context: Context) -> None:
        self._child = context.child([sys.executable, "-m", "apibr_worker.speech.helper"], stdin=True, stdout=True)

    def __enter__(self) -> Espeak:
        self._child.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._child.__exit__(None, None, None)

    def say(
        self, text: str, language: str, *, variant: str = "", rate: int, pitch: int = 50, span: int = 50
    ) -> Utterance:
        """Speaks text. rate is words a minute (80..450), pitch and span are espeak's own 0..99.

        Raises InvalidInputError for a language that espeak-ng does not speak.
        """
        for voice in _candidates(language):
            request = {
                "text": text,
                "voice": voice + (f"+{variant}" if variant else ""),
                "rate": min(max(rate, _SLOWEST), _FASTEST),
                "pitch": pitch,
                "range": span,
            }
            self._child.write(json.dumps(request).encode() + b"\n")
            self._child.stdin.flush()
            answer = json.loads(self._child.stdout.readline() or b'{"error": "the speech program ended"}')
            if "error" not in answer:
                return self._utterance(answer)
        raise InvalidInputError(
            f"the draft voice does not speak {language!r}: use a language tag such as pt-BR, en or es", field="language"
        )

    def _utterance(self, answer: dict[str, object]) -> Utterance:
        rate, count = int(str(answer["sample_rate"])), int(str(answer["samples"]))
        samples = np.frombuffer(self._child.stdout.read(count * 2), dtype="<i2").astype(np.float32) / 32768.0
        events: list[list[object]] = answer["events"]  # type: ignore[assignment]
        marks = [
            Mark(str(kind), str(name), int(str(sample)) / rate, int(str(position)), int(str(length)))
            for kind, sample, position, length, name in events
        ]
        return Utterance(samples, rate, marks)


def _candidates(language: str) -> list[str]:
    """espeak-ng voice names for a BCP 47 tag, best first."""
    tag = language.strip().lower().replace("_", "-")
    if not _TAG.fullmatch(tag):
        return []
    base = tag.split("-")[0]
    names = [_VOICES.get(tag, tag), _VOICES.get(base, base)]
    return list(dict.fromkeys(names))
