"""Cloning a voice in draft quality: measuring it, and telling what is wrong with the recording."""

from __future__ import annotations

import json

from apibr_worker.audio import recording
from apibr_worker.audio.files import Samples, read_audio
from apibr_worker.audio.measure import RATE, RecordingQuality, measure_recording, measure_voice
from apibr_worker.listening.aside import MODEL
from apibr_worker.listening.sample import described
from apibr_worker.runtime.api import Context, InputFile, InvalidInputError, LoadRequest, Output, RunResult, Warning
from apibr_worker.runtime.sentences import say

_SILENT_LUFS = -55.0
"""Below it nobody is heard."""
_LITTLE_SPEECH = 0.4
"""Share of the sample below which it is mostly pauses."""


class Engine:
    """Measures with WORLD and numpy; only the listener, where there is one, is loaded, by each run that needs it."""

    def __init__(self) -> None:
        self._listener: str | None = None

    def load(self, request: LoadRequest) -> None:
        self._listener = request.files.get(MODEL)

    def unload(self) -> None:
        pass

    def run(self, context: Context) -> RunResult:
        sample = context.input("sample")
        if sample is None:
            raise InvalidInputError(say("a sample of the voice is needed: send audio"), field="audio")
        with context.phase("read"):
            samples = _read(context, sample, RATE, recording.LONGEST_SECONDS)
            context.progress(1, 2)
            clipped = recording.clipped_fraction(_read(context, sample, None, recording.CLIPPING_SECONDS))
            context.progress(2, 2)
        recommended = float(context.params.get("recommended_seconds", 15.0))
        least = float(context.params.get("min_seconds", 3.0))
        seconds = samples.size / RATE
        if seconds < least and round(seconds, 1) < least:  # compared as it is told
            raise InvalidInputError(
                say(
                    "the sample is %.1f s long; the shortest is %g s: record %g s or more of clear speech",
                    seconds,
                    least,
                    recommended,
                ),
                field="audio",
            )
        with context.phase("measure"):
            quality = measure_recording(samples)
            context.progress(1, 2)
            measures = measure_voice(samples)
            context.progress(2, 2)
        if measures is None or measures.loudness_lufs < _SILENT_LUFS:
            raise recording.nobody_heard()
        voice = {
            **measures.to_json(),
            "sample_seconds": round(quality.seconds, 3),
            "speech_seconds": round(quality.speech_seconds, 3),
            "signal_to_noise_db": round(quality.signal_to_noise_db, 2),
        }
        with context.phase("listen"):
            heard, doubts = described(context, self._listener, samples, RATE)
        (context.out_dir / "voice.json").write_text(json.dumps(voice, separators=(",", ":")), encoding="utf-8")
        return RunResult(
            outputs=[Output("voice", "voice.json", "application/json")],
            metadata={"sample_seconds": voice["sample_seconds"], "measures": voice, **heard},
            warnings=[*_hints(quality, clipped, recommended, measures.loudness_lufs), *doubts],
        )


def _read(context: Context, sample: InputFile, rate: int | None, longest: float) -> Samples:
    return read_audio(sample.path, rate, field="audio", check_cancel=context.check_cancel, longest_seconds=longest)


def _hints(quality: RecordingQuality, clipped: float, recommended: float, lufs: float) -> list[Warning]:
    """What would make the sample better."""
    hints = recording.length_hints(quality.seconds, recommended)
    if quality.speech_seconds < _LITTLE_SPEECH * quality.seconds:
        hints.append(
            Warning(
                "little_speech",
                say(
                    "only %.1f s of the %.1f s are speech: cut the pauses out", quality.speech_seconds, quality.seconds
                ),
            )
        )
    return [
        *hints,
        *recording.quiet_hints(lufs),
        *recording.level_hints(clipped, quality.signal_to_noise_db),
    ]
