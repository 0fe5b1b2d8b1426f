"""The sound of a clip: the audio of the request, or its script spoken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from apibr_worker.audio.files import DRAFT_LABEL, Samples, read_audio
from apibr_worker.runtime.api import Context, InputFile, InvalidInputError, Output, Warning
from apibr_worker.runtime.sentences import say
from apibr_worker.speech import pipeline
from apibr_worker.speech.drafts import DraftCast, Naturals
from apibr_worker.speech.script import Line, check_length, line_of, scripts_of
from apibr_worker.speech.spoken import Phoneme
from apibr_worker.speech.voice import read_voice, unmeasured_hints

AUDIO_RATE = pipeline.RATE
LONGEST_AUDIO = 1800.0
"""Seconds: as long as the longest script takes to speak."""


@dataclass(frozen=True, slots=True)
class Sound:
    """Mono samples at AUDIO_RATE. phonemes are None when only the sound itself is known; outputs: times and captions,
    where they are known."""

    samples: Samples
    phonemes: Sequence[Phoneme] | None = None
    outputs: list[Output] = field(default_factory=list[Output])
    warnings: list[Warning] = field(default_factory=list[Warning])


def read_sound(context: Context, naturals: Naturals) -> Sound:
    """The audio of the request, or else its script spoken. Raises InvalidInputError when there is neither."""
    audio = context.input("audio")
    if audio is not None:
        return _given(context, audio)
    script = str(context.params.get("script") or "").strip()
    if not script:
        raise InvalidInputError(say("send a script with a voice, or audio"), field="script")
    return _spoken(context, naturals, script)


def _spoken(context: Context, naturals: Naturals, script: str) -> Sound:
    """The script in the input voice. A resumed clip speaks it again, which gives the same samples."""
    voice = context.input("voice")
    line: Line = line_of(context, script, voice, 0.0, "script", read_voice)
    check_length([line])
    speed = float(context.params.get("speed", 1.0))
    with DraftCast(context, naturals, speed) as cast:
        paths = pipeline.say_lines(context, scripts_of([line]), cast, speed=speed, live=False)
        speech = pipeline.join(context, paths, DRAFT_LABEL)
    outputs = [output for output in pipeline.outputs(context, speech) if output.name != "speech"]
    hints = unmeasured_hints(voice) if voice else []
    return Sound(speech.samples(), speech.phonemes, outputs, [*hints, *cast.warnings])


def _given(context: Context, audio: InputFile) -> Sound:
    samples = read_audio(
        audio.path, AUDIO_RATE, field="audio", check_cancel=context.check_cancel, longest_seconds=LONGEST_AUDIO + 1
    )
    if samples.size > LONGEST_AUDIO * AUDIO_RATE:
        raise InvalidInputError(
            say("the audio is longer than %.0f minutes: divide it into several requests", LONGEST_AUDIO / 60),
            field="audio",
        )
    return Sound(samples)
