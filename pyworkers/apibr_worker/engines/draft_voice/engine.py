"""Cloning a voice in draft quality: measuring it, and telling what is wrong with the recording."""

from __future__ import annotations

import json

from apibr_worker.api import Context, InputFile, InvalidInputError, LoadRequest, Output, RunResult, Warning
from apibr_worker.media import Samples, read_audio
from apibr_worker.speech.measure import RATE, RecordingQuality, clipped_fraction, measure_recording, measure_voice

_CLIPPED = 0.001
"""Share of samples at the peak above which clipping is heard."""
_NOISY_DB = 25.0
_SILENT_LUFS, _QUIET_LUFS = -55.0, -36.0
"""Below them nobody is heard; and so little that the noise of the recording is heard with the voice."""
_LITTLE_SPEECH = 0.4
"""Share of the sample below which it is mostly pauses."""
_LONGEST_SECONDS = 600.0
"""What is listened to; the measures are steady long before that."""
_CLIPPING_SECONDS = 60.0


class Engine:
    """Measures with WORLD and numpy; there is nothing to load."""

    def load(self, request: LoadRequest) -> None:
        del request

    def unload(self) -> None:
        pass

    def run(self, context: Context) -> RunResult:
        sample = context.input("sample")
        if sample is None:
            raise InvalidInputError("a sample of the voice is needed: send audio", field="audio")
        with context.phase("read"):
            samples = _read(context, sample, RATE, _LONGEST_SECONDS)
            context.progress(1, 2)
            clipped = clipped_fraction(_read(context, sample, None, _CLIPPING_SECONDS))
            context.progress(2, 2)
        recommended = float(context.params.get("recommended_seconds", 15.0))
        least = float(context.params.get("min_seconds", 3.0))
        seconds = samples.size / RATE
        if seconds < least and round(seconds, 1) < least:  # compared as it is told
            raise InvalidInputError(
                f"the sample is {seconds:.1f} s long; the shortest is {least:g} s: "
                f"record {recommended:g} s or more of clear speech",
                field="audio",
            )
        with context.phase("measure"):
            quality = measure_recording(samples)
            context.progress(1, 2)
            measures = measure_voice(samples)
            context.progress(2, 2)
        if measures is None or measures.loudness_lufs < _SILENT_LUFS:
            raise InvalidInputError(
                "nobody is heard speaking in the sample: check the microphone and record again", field="audio"
            )
        voice = {
            **measures.to_json(),
            "sample_seconds": round(quality.seconds, 3),
            "speech_seconds": round(quality.speech_seconds, 3),
            "signal_to_noise_db": round(quality.signal_to_noise_db, 2),
        }
        (context.out_dir / "voice.json").write_text(json.dumps(voice, separators=(",", ":")), encoding="utf-8")
        return RunResult(
            outputs=[Output("voice", "voice.json", "application/json")],
            metadata={"sample_seconds": voice["sample_seconds"], "measures": voice},
            warnings=_hints(quality, clipped, recommended, measures.loudness_lufs),
        )


def _read(context: Context, sample: InputFile, rate: int | None, longest: float) -> Samples:
    return read_audio(sample.path, rate, field="audio", check_cancel=context.check_cancel, longest_seconds=longest)


def _hints(quality: RecordingQuality, clipped: float, recommended: float, lufs: float) -> list[Warning]:
    """What would make the sample better."""
    hints: list[Warning] = []
    if quality.seconds < recommended:
        hints.append(
            Warning(
                "short_sample",
                f"the sample is {quality.seconds:.1f} s long; {recommended:g} s or more make a better voice",
            )
        )
    if quality.seconds >= _LONGEST_SECONDS:
        hints.append(Warning("long_sample", f"only the first {_LONGEST_SECONDS / 60:g} minutes were listened to"))
    if quality.speech_seconds < _LITTLE_SPEECH * quality.seconds:
        hints.append(
            Warning(
                "little_speech",
                f"only {quality.speech_seconds:.1f} s of the {quality.seconds:.1f} s are speech: cut the pauses out",
            )
        )
    if lufs < _QUIET_LUFS:
        hints.append(
            Warning(
                "quiet_sample",
                f"the sample is quiet ({lufs:.0f} LUFS): speak nearer to the microphone or raise its gain; the voice "
                "is as loud as any other",
            )
        )
    if clipped > _CLIPPED:
        hints.append(Warning("clipped_sample", "the recording is too loud and clips: lower the microphone's gain"))
    if quality.signal_to_noise_db < _NOISY_DB:
        hints.append(Warning("noisy_sample", "there is much noise behind the voice: record in a quieter room"))
    return hints
