"""The sound of a clip: the audio of the request, or its script spoken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from apibr_worker.audio.files import DRAFT_LABEL, Samples, read_audio
from apibr_worker.listening import Heard
from apibr_worker.listening.aside import ListeningError, heard_aside
from apibr_worker.runtime.api import Context, InputFile, InvalidInputError, Output, Warning
from apibr_worker.runtime.sentences import say
from apibr_worker.speech import pipeline
from apibr_worker.speech.drafts import DraftCast, Naturals
from apibr_worker.speech.script import Line, check_length, line_of, scripts_of
from apibr_worker.speech.segments import Said
from apibr_worker.speech.spoken import Phoneme, Word
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


def read_sound(context: Context, naturals: Naturals, listener: str = "") -> Sound:
    """The audio of the request, or else its script spoken. Raises InvalidInputError when there is neither.

    listener: the folder of a Whisper model that writes down what the audio says; without one that is not known.
    """
    audio = context.input("audio")
    if audio is not None:
        return _given(context, audio, listener)
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
        speech = pipeline.join(context, paths, DRAFT_LABEL, field="script")
    made = pipeline.outputs(context, speech, line.language)
    outputs = [output for output in made if output.name != "speech"]
    hints = unmeasured_hints(voice) if voice else []
    return Sound(speech.samples(), speech.phonemes, outputs, [*hints, *cast.warnings])


def _given(context: Context, audio: InputFile, listener: str) -> Sound:
    samples = read_audio(
        audio.path, AUDIO_RATE, field="audio", check_cancel=context.check_cancel, longest_seconds=LONGEST_AUDIO + 1
    )
    if samples.size > LONGEST_AUDIO * AUDIO_RATE:
        raise InvalidInputError(
            say("the audio is longer than %.0f minutes: divide it into several requests", LONGEST_AUDIO / 60),
            field="audio",
        )
    if not listener:
        return Sound(samples)
    try:
        heard = heard_aside(context, listener, samples, AUDIO_RATE, str(context.params.get("language") or ""))
    except ListeningError:
        return Sound(samples, warnings=[_no_captions()])
    return Sound(samples, outputs=_captions(context, heard))


def _captions(context: Context, heard: Heard) -> list[Output]:
    """The times and subtitles of what was heard; none where nobody speaks."""
    if not heard.words:
        return []
    words = [Word(one.text, one.start, one.end) for one in heard.words]
    said = [Said(one.text, one.start, one.end, one.line) for one in heard.sentences]
    return pipeline.timed_outputs(context, words, [], said, heard.language)


def _no_captions() -> Warning:
    text = say("the audio could not be listened to, so there are no subtitles: run `apibr models verify whisper-base`")
    return Warning("no_subtitles", text)
