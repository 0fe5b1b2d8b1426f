"""Voice files of the natural voices."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from apibr_worker.runtime.api import InvalidInputError
from apibr_worker.runtime.sentences import say
from apibr_worker.speech.natural import catalogue

_NAME = re.compile(r"[a-z]{2}_[a-z0-9]{1,40}")
_USUAL_LUFS = -24.0


@dataclass(frozen=True, slots=True)
class NaturalVoice:
    """A voice of the model. name: that of its file; loudness_lufs: how loud the model says it."""

    name: str
    loudness_lufs: float


def is_natural(data: dict[str, Any]) -> bool:
    """Whether a voice file names a natural voice."""
    name = data.get("voice")
    return isinstance(name, str) and _NAME.fullmatch(name) is not None


def default_voice(dialect: str) -> NaturalVoice:
    """The voice that speaks a dialect (phonemes.dialect) where none is given."""
    entry = catalogue.default(dialect)
    return NaturalVoice(entry.name, entry.measures.loudness_lufs)


def natural_voice(data: dict[str, Any]) -> NaturalVoice:
    """Reads a voice file. Raises InvalidInputError naming voice_id when it does not name a natural voice."""
    if not is_natural(data):
        raise InvalidInputError(
            say("this voice is not one of the natural voices: choose a built-in voice, or draft quality"),
            field="voice_id",
        )
    loudness = data.get("loudness_lufs")
    if isinstance(loudness, bool) or not isinstance(loudness, (int, float)) or not -60.0 <= loudness <= 0.0:
        loudness = _USUAL_LUFS
    return NaturalVoice(str(data["voice"]), float(loudness))
