"""The natural voices that every studio has, with what was measured of them: which one is nearest to another voice."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

from apibr_worker.audio.measure import VoiceMeasures
from apibr_worker.speech.natural.phonemes import dialect

_FILE = Path(__file__).parents[2] / "engines/kokoro/voices.yaml"
HIGH_VOICE_HZ = 165.0
"""Between the voices of most men and those of most women."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A voice of the model: the name of its file, its sex, the dialect that it grew up with, and its measures."""

    name: str
    sex: str
    dialect: str
    default: bool
    measures: VoiceMeasures


@cache
def entries() -> Sequence[Entry]:
    """All voices of the engine kokoro, in the order of its list."""
    return tuple(
        Entry(
            name=str(one["conditionals"]["voice"]),
            sex=str(one["sex"]),
            dialect=dialect(str(one["language"])),
            default=bool(one.get("default", False)),
            measures=VoiceMeasures.from_json(one["conditionals"]),
        )
        for one in yaml.safe_load(_FILE.read_text(encoding="utf-8"))
    )


def default(spoken: str) -> Entry:
    """The voice that speaks a dialect (phonemes.dialect) when none is chosen."""
    own = _of(spoken)
    return next((entry for entry in own if entry.default), own[0])


def nearest(spoken: str, target: VoiceMeasures) -> Entry:
    """The voice of a dialect that has the least way to go to the target: the same sex by pitch, then the pitch."""
    sex = "female" if target.f0_median_hz > HIGH_VOICE_HZ else "male"
    own = _of(spoken)
    alike = [entry for entry in own if entry.sex == sex] or own
    return min(alike, key=lambda entry: abs(math.log2(entry.measures.f0_median_hz / target.f0_median_hz)))


def _of(spoken: str) -> list[Entry]:
    own = [entry for entry in entries() if entry.dialect == spoken]
    return own or [entry for entry in entries() if entry.dialect[:2] == spoken[:2]] or list(entries())
