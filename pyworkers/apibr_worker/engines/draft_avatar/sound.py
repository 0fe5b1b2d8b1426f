"""The sound of a clip: the audio of the request, or its script spoken."""

from __future__ import annotations

from dataclasses import dataclass

from apibr_worker.audio.files import Samples, read_audio
from apibr_worker.runtime.api import Context, InputFile, InvalidInputError, Warning
from apibr_worker.runtime.sentences import say
from apibr_worker.speech.convert import resampled
from apibr_worker.speech.synthesis import Phoneme, synthesize
from apibr_worker.speech.voice import read_voice, unmeasured_hints

AUDIO_RATE = 22050
LONGEST_AUDIO = 1800.0
"""Seconds: as long as the longest script takes to speak."""


@dataclass(frozen=True, slots=True)
class Sound:
    """Mono samples at AUDIO_RATE; phonemes are None when only the sound itself is known."""

    samples: Samples
    phonemes: list[Phoneme] | None
    warnings: list[Warning]


def read_sound(context: Context) -> Sound:
    """The audio of the request, or else its script spoken. Raises InvalidInputError when there is neither."""
    audio = context.input("audio")
    if audio is not None:
        return _given(context, audio)
    script = str(context.params.get("script") or "").strip()
    if not script:
        raise InvalidInputError(say("send a script with a voice, or audio"), field="script")
    voice = context.input("voice")
    own = read_voice(voice) if voice else None
    language = context.params.get("language") or (voice.metadata.get("language") if voice else None)
    speed = float(context.params.get("speed", 1.0))
    speech = synthesize(script, language=language, voice=own, speed=speed, context=context, field="script")
    samples = resampled(speech.samples, speech.sample_rate, AUDIO_RATE)
    return Sound(samples, speech.phonemes, unmeasured_hints(voice) if voice else [])


def _given(context: Context, audio: InputFile) -> Sound:
    samples = read_audio(
        audio.path, AUDIO_RATE, field="audio", check_cancel=context.check_cancel, longest_seconds=LONGEST_AUDIO + 1
    )
    if samples.size > LONGEST_AUDIO * AUDIO_RATE:
        raise InvalidInputError(
            say("the audio is longer than %.0f minutes: divide it into several requests", LONGEST_AUDIO / 60),
            field="audio",
        )
    return Sound(samples, None, [])
