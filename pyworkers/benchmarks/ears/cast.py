"""Who is listened to: built-in voices, cloned voices in draft, and espeak-ng alone."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from apibr_worker.audio.measure import VoiceMeasures
from apibr_worker.runtime.ffmpeg import ffmpeg
from benchmarks.ears import ROOT
from benchmarks.ears.process import Process, borrowed_files, own_files

_VOICES = ROOT / "pyworkers/apibr_worker/engines/kokoro/voices.yaml"
SAMPLE = ROOT / "samples/voice.wav"
"""A person who reads English: samples/SOURCES.md."""
_RAISED = 1.3
"""How much higher the second sample is, its vocal tract with it: about a child or another sex of the same reader."""


@dataclass(frozen=True, slots=True)
class Voice:
    """A voice as the server gives it to an engine: conditionals is the content of its voice file."""

    name: str
    language: str
    sex: str
    engine: str
    conditionals: dict[str, Any]
    files: dict[str, str] = field(default_factory=dict[str, str])
    limit: float | None = 0.05
    """The highest word error rate, 0..1; None where no limit is promised."""
    preview: Path | None = None

    def process(self) -> Process:
        """The process that speaks it."""
        return Process(self.engine, self.files)


def builtin() -> list[Voice]:
    """The built-in voices. Portuguese and English ones have a limit."""
    return [
        Voice(
            str(entry["name"]),
            str(entry["language"]),
            str(entry["sex"]),
            "kokoro",
            dict(entry["conditionals"]),
            own_files("kokoro"),
            0.05 if str(entry["language"])[:2] in ("pt", "en") else None,
            _VOICES.parent / entry["preview"],
        )
        for entry in yaml.safe_load(_VOICES.read_text(encoding="utf-8"))
    ]


def named(name: str, language: str | None = None) -> Voice:
    """The built-in voice of a name, or of a name that Kokoro gives it ("pf_dora")."""
    return next(
        voice
        for voice in builtin()
        if name in (voice.name, voice.conditionals["voice"]) and language in (None, voice.language)
    )


def espeak() -> list[Voice]:
    """espeak-ng without the natural voices: how speech sounds where their weights are missing."""
    return [
        Voice(f"espeak-ng, as {voice.name}", voice.language, voice.sex, "draft-speech", voice.conditionals, {}, None)
        for voice in (named("pf_dora"), named("af_heart"))
    ]


def cloned(work: Path) -> list[tuple[Voice, Path]]:
    """Two cloned voices in draft, which speak Portuguese, with their samples."""
    raised = work / "raised.wav"
    graph = f"asetrate=16000*{_RAISED},aresample=16000,atempo=1/{_RAISED}"
    command = [ffmpeg(), "-nostdin", "-y", "-v", "error", "-i", str(SAMPLE), "-af", graph, str(raised)]
    subprocess.run(command, check=True)
    files = borrowed_files("kokoro")
    with Process("draft-voice", {}) as process:
        return [
            (Voice(name, "pt-BR", "", "draft-speech", process.clone(sample), files, None), sample)
            for name, sample in (("clone of samples/voice.wav", SAMPLE), ("clone of the same, raised", raised))
        ]


def base_of(voice: Voice) -> Voice:
    """The built-in voice that carries a cloned one in draft."""
    from apibr_worker.speech.natural import catalogue
    from apibr_worker.speech.natural.phonemes import dialect

    measures = VoiceMeasures.from_json(voice.conditionals)
    return named(catalogue.nearest(dialect(voice.language), measures).name)
