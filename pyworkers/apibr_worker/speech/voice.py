"""Voice files as draft speech reads them: the measures of a cloned voice, or a built-in one with the manner in which
espeak-ng speaks it where the natural voices are missing."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, fields
from typing import Any

from apibr_worker.audio.measure import VoiceMeasures
from apibr_worker.runtime.api import InputFile, InvalidInputError, Warning
from apibr_worker.runtime.sentences import say
from apibr_worker.speech.espeak import FASTEST, SLOWEST, Manner

_HIGH_VOICE_HZ = 165.0
"""Above it espeak-ng's second female variant is nearer to begin with."""
_VARIANT = re.compile(r"[A-Za-z0-9_-]{0,24}")
_KEYS = frozenset({"voice", "variant", "rate", "pitch", "range", *(one.name for one in fields(VoiceMeasures))})
"""What is read of a voice file."""
_DEFAULT = Manner(variant="f2", rate=160, pitch=50, span=75)


@dataclass(frozen=True, slots=True)
class Voice:
    """How to speak. target: the measures that the result is brought to; None for a built-in voice."""

    manner: Manner
    target: VoiceMeasures | None

    @staticmethod
    def from_json(data: dict[str, Any]) -> Voice:
        """Reads a voice file; an empty one is the default voice.

        Raises InvalidInputError naming voice_id when a number in it is outside the range of a voice.
        """
        try:
            measures = VoiceMeasures.from_json(data) if "f0_median_hz" in data else None
            if "variant" in data or measures is None:
                return Voice(_native(data), None)
            variant = "f2" if measures.f0_median_hz > _HIGH_VOICE_HZ else ""
            return Voice(Manner(variant, 165, 50, 50), measures)
        except (TypeError, ValueError, OverflowError):
            raise InvalidInputError(
                say("the voice's measures cannot be read: clone it again"), field="voice_id"
            ) from None


def _native(data: dict[str, Any]) -> Manner:
    """espeak-ng's own settings, which only the built-in voices have."""
    variant = str(data.get("variant", _DEFAULT.variant))
    if not _VARIANT.fullmatch(variant):
        raise ValueError("variant")
    rate = float(data.get("rate", _DEFAULT.rate))
    if math.isnan(rate):
        raise ValueError("rate")
    return Manner(
        variant=variant,
        rate=min(max(rate, SLOWEST), FASTEST),
        pitch=int(data.get("pitch", _DEFAULT.pitch)),
        span=int(data.get("range", _DEFAULT.span)),
    )


def is_known(data: dict[str, Any]) -> bool:
    """Whether draft speech understands a voice file; the files of other engines have none of its keys."""
    return "f0_median_hz" in data or "variant" in data


def read_voice(file: InputFile) -> dict[str, Any]:
    """What is said about a voice in its file: the numbers and names in it, without what other engines keep there.

    Raises InvalidInputError when it is not a voice file.
    """
    try:
        content = json.loads(file.path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        content = None
    # The recording and the embeddings of other engines are megabytes, and each line of a dialogue has a file.
    known = {name: one for name, one in content.items() if name in _KEYS} if isinstance(content, dict) else None
    if known is None or any(isinstance(one, (list, dict)) for one in known.values()):
        raise InvalidInputError(say("the voice's measures cannot be read: clone it again"), field="voice_id")
    return known


def unmeasured_hints(file: InputFile) -> list[Warning]:
    """The hint about a voice that only another engine knows: the default voice speaks in its place."""
    if is_known(read_voice(file)):
        return []
    name = file.metadata.get("name", file.name)
    return [
        Warning(
            "voice_not_measured",
            say("%s was not cloned in draft quality: the default draft voice speaks in its place", name),
        )
    ]
