"""From lines to one recording: each sentence becomes a segment on disk, and the segments are joined in passing.

Half an hour of speech is never in memory as a whole: a segment is read when it is joined, and again when it is
measured. What an earlier attempt finished is taken as it is, so that a resumed run joins the very same samples; only
where the attempt said something else, because a text is now divided in another way or a voice is spoken by another
model, it is said again.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np
import soundfile

from apibr_worker.audio import captions, levelling
from apibr_worker.audio.files import LABEL, Samples
from apibr_worker.runtime.api import Context, InvalidInputError, Output
from apibr_worker.runtime.sentences import say
from apibr_worker.speech.script import Line, Part, Script
from apibr_worker.speech.segments import Said, Segment, keep, kept, timings
from apibr_worker.speech.spoken import Phoneme, Speaker, Word
from apibr_worker.textnorm import pauses

RATE = 24000
"""Samples a second of every recording."""

_TAKE_PAUSE = 0.12
"""The share by which pauses of takes differ."""
_SILENCE = 10 ** (-45 / 20)
"""Of a sentence's peak: what is quieter at its ends is cut."""
_KEPT_SECONDS, _FADE_SECONDS = 0.04, 0.008
_BLOCK = 1 << 16

Cast = Callable[[Sequence[Script]], Sequence[Speaker]]
"""Gives the speaker of each script: lines of the same voice and language may share one."""


class Ears(Protocol):
    """Chooses among takes of a sentence."""

    def best(self, line: Line, part: Part, make: Callable[[int], Segment]) -> Segment:
        """One of the takes; make(0) says the part as it is said where nobody chooses, other numbers say it again."""
        ...

    def kept(self, line: Line, part: Part, segment: Segment) -> None:
        """Is told of a part that an earlier attempt has said."""
        ...


@dataclass(frozen=True, slots=True)
class Speech:
    """A recording on disk with the times of what is said in it."""

    path: Path
    sample_rate: int
    seconds: float
    phonemes: list[Phoneme]
    words: list[Word]
    sentences: list[Said]

    def samples(self) -> Samples:
        """The recording as a whole, for those that need it in memory: 96 kB a second."""
        return np.asarray(soundfile.read(self.path, dtype="float32")[0], dtype=np.float32)


@dataclass(frozen=True, slots=True)
class _Item:
    """A part of the script with what is needed to say it. pause: seconds asked for after it besides its own."""

    part: Part
    speaker: Speaker
    line: int
    take: tuple[int, ...]
    pause: float
    last: bool


def say_lines(
    context: Context,
    scripts: Sequence[Script],
    cast: Cast,
    *,
    speed: float = 1.0,
    live: bool = True,
    ears: Ears | None = None,
) -> list[Path]:
    """Says every sentence into a file of the folder "segments"; reports a step each in the current phase.

    live: hands the files over as segments of the run, and takes those of an earlier attempt as they are. speed shortens
    the pauses; how fast a speaker speaks is its own affair. ears choose among takes; without them there is one take of
    each sentence. The same arguments and seed give the same samples.
    """
    items = _items(context, scripts, cast(scripts))
    done = context.resume.segments if context.resume and live else []
    paths: list[Path] = []
    for index, item in enumerate(items):
        if index < len(done) and _is_of(done[index], item):
            paths.append(done[index])
            if ears:
                ears.kept(scripts[item.line].line, item.part, kept(done[index]))
            continue
        make = partial(_take, context, item, speed)
        segment = ears.best(scripts[item.line].line, item.part, make) if ears else make(0)
        path = context.out_dir / "segments" / f"{index:04}.wav"
        keep(path, segment)
        if live and index >= len(done):
            context.segment(index, path, "audio/wav")
        paths.append(path)
        context.progress(index + 1, len(items))
    return paths


def join(context: Context, paths: Sequence[Path], label: str = LABEL, field: str = "text") -> Speech:
    """Writes speech.wav (16 bit) at -16 LUFS with peaks below -1 dBTP, all speakers equally loud.

    Raises InvalidInputError, naming field, when nothing is heard: a text in letters of which the voice knows none.
    """
    gains = _gains(context, paths)

    def blocks() -> Iterator[Samples]:
        for path in paths:
            context.check_cancel()
            segment = kept(path)
            gain = gains[segment.speaker]
            for block in _blocks(context, segment.samples):
                yield block * gain

    target = context.out_dir / "speech.wav"
    speech = _timed(target, paths)
    if not speech.phonemes:
        raise InvalidInputError(say("there is nothing in the text that can be spoken: write words"), field=field)
    with soundfile.SoundFile(target, "w", samplerate=RATE, channels=1, subtype="PCM_16", format="WAV") as file:
        file.comment = label
        for block in levelling.levelled(blocks, RATE):
            file.write(block)
    return speech


def outputs(context: Context, speech: Speech, language: str = "") -> list[Output]:
    """Writes the times and subtitles beside the recording; the outputs of audio.speech.

    language: that of all lines, for the words with which a line of the subtitles should not end; "" for several.
    """
    times = timed_outputs(context, speech.words, speech.phonemes, speech.sentences, language)
    return [Output("speech", "speech.wav", "audio/wav"), *times]


def timed_outputs(
    context: Context, words: list[Word], phonemes: list[Phoneme], said: list[Said], language: str = ""
) -> list[Output]:
    """Writes what is said when, as timings.json and as subtitles. language: how lines of subtitles are broken."""
    sentences = [captions.Timed(one.text, one.start, one.end, one.line) for one in said]
    spoken = [captions.TimedWord(one.text, one.start, one.end) for one in words]
    times = json.dumps(timings(words, phonemes, said), ensure_ascii=False, separators=(",", ":"))
    (context.out_dir / "timings.json").write_text(times, encoding="utf-8")
    (context.out_dir / "speech.srt").write_text(captions.srt(sentences, spoken, language), encoding="utf-8")
    (context.out_dir / "speech.vtt").write_text(captions.vtt(sentences, spoken, language), encoding="utf-8")
    return [
        Output("timings", "timings.json", "application/json"),
        Output("subtitles_srt", "speech.srt", "application/x-subrip"),
        Output("subtitles_vtt", "speech.vtt", "text/vtt"),
    ]


def _items(context: Context, scripts: Sequence[Script], speakers: Sequence[Speaker]) -> list[_Item]:
    items: list[_Item] = []
    for line, (script, speaker) in enumerate(zip(scripts, speakers, strict=True)):
        for number, part in enumerate(script.parts):
            last = number == len(script.parts) - 1
            pause = part.sentence.pause + (script.line.pause_seconds if last else 0.0)
            items.append(_Item(part, speaker, line, (context.seed, line, number), pause, last=False))
    items[-1] = replace(items[-1], last=True)
    return items


def _is_of(path: Path, item: _Item) -> bool:
    """Whether a segment of an earlier attempt is what would be said now."""
    try:
        segment = kept(path)
    except ValueError:
        return False
    said = segment.said
    return (segment.sample_rate, segment.speaker, said.text, said.line, said.continues) == (
        RATE, item.speaker.name, _source(item.part), item.line, item.part.continues,
    )  # fmt: skip


def _source(part: Part) -> str:
    """What a part says as it is written, on one line."""
    return captions.shown(" ".join(part.sentence.source.split()))


def _blocks(context: Context, samples: Samples) -> Iterator[Samples]:
    """Samples in blocks that take a few hundredths of a second to work on; a cancel is seen between them."""
    for begin in range(0, samples.size, _BLOCK):
        context.check_cancel()
        yield samples[begin : begin + _BLOCK]


def _take(context: Context, item: _Item, speed: float, number: int) -> Segment:
    """A sentence as it is said the first time, or, with a number above 0, another time."""
    return _segment(context, replace(item, take=(*item.take, number)) if number else item, speed)


def _segment(context: Context, item: _Item, speed: float) -> Segment:
    take = np.random.default_rng(item.take)
    rest = float(take.uniform(-1.0, 1.0))
    sentence = item.part.sentence
    spoken = item.speaker.say(sentence, take)
    samples = resampled(spoken.samples, spoken.sample_rate, RATE)
    begin, end = _heard(samples)
    samples = _faded(samples[begin:end])
    seconds = samples.size / RATE
    spoken = spoken.moved(-begin / RATE, seconds)
    gain = np.float32(10.0 ** ((levelling.TARGET_LUFS - item.speaker.loudness_lufs) / 20.0))
    level = levelling.limited(_blocks(context, samples * gain), RATE)
    samples = np.concatenate([np.zeros(0, np.float32), *level])
    # A <break> takes the place of the pause that the last sign asks for.
    own = 0.0 if item.last or sentence.pause else _pause(item.part) * (1.0 + _TAKE_PAUSE * rest) / speed
    pause = np.zeros(round((own + item.pause) * RATE), np.float32)
    return Segment(
        samples=np.concatenate([samples, pause]),
        sample_rate=RATE,
        speaker=item.speaker.name,
        said=Said(_source(item.part), 0.0, seconds, item.line, item.part.continues),
        phonemes=list(spoken.phonemes),
        words=list(spoken.words),
    )


def _pause(part: Part) -> float:
    """Seconds of silence that a sentence's last sign asks for."""
    return pauses.after(part.sentence.text, paragraph_end=part.sentence.paragraph_end)


def _heard(samples: Samples) -> tuple[int, int]:
    """Where the sound begins and ends, with a little of the silence around it."""
    size = np.abs(samples)
    loud = np.flatnonzero(size > max(_SILENCE * float(size.max(initial=0.0)), 1e-5))
    if loud.size == 0:
        return 0, 0
    kept_samples = int(_KEPT_SECONDS * RATE)
    return max(0, int(loud[0]) - kept_samples), min(samples.size, int(loud[-1]) + kept_samples)


def _faded(samples: Samples) -> Samples:
    """The same with silent ends, so that nothing clicks where it is joined."""
    length = min(int(_FADE_SECONDS * RATE), samples.size // 2)
    made, ramp = samples.copy(), np.linspace(0.0, 1.0, length, dtype=np.float32)
    made[:length] *= ramp
    made[made.size - length :] *= ramp[::-1]
    return made


def _gains(context: Context, paths: Sequence[Path]) -> dict[str, np.float32]:
    """The factor that brings each speaker, not each sentence, to the same loudness."""
    powers: dict[str, list[levelling.Array]] = defaultdict(list)
    for path in paths:
        context.check_cancel()
        segment = kept(path)
        said = segment.samples[: max(1, round(segment.said.end * RATE))]
        powers[segment.speaker].append(levelling.measured(_blocks(context, said), RATE).powers)
    gains: dict[str, np.float32] = {}
    for speaker, own in powers.items():
        now = levelling.lufs(np.concatenate(own))
        loud = now > levelling.QUIETEST_LUFS
        gains[speaker] = np.float32(10.0 ** ((levelling.TARGET_LUFS - now) / 20.0) if loud else 1.0)
    return gains


def _timed(path: Path, paths: Sequence[Path]) -> Speech:
    begin = 0
    phonemes, words, said = list[Phoneme](), list[Word](), list[Said]()
    for one in paths:
        segment = kept(one)
        at = begin / RATE
        phonemes += [replace(item, start=at + item.start, end=at + item.end) for item in segment.phonemes]
        words += [replace(item, start=at + item.start, end=at + item.end) for item in segment.words]
        own = replace(segment.said, start=at + segment.said.start, end=at + segment.said.end)
        if said and said[-1].continues:
            own = replace(own, text=f"{said[-1].text} {own.text}", start=said[-1].start)
            said.pop()
        if own.end > own.start:
            said.append(own)
        begin += segment.samples.size
    return Speech(path, RATE, begin / RATE, phonemes, words, said)


def resampled(samples: Samples, rate: int, wanted: int) -> Samples:
    """Mono samples at `rate` Hz as samples at `wanted` Hz, by their spectrum."""
    if rate == wanted or samples.size == 0:
        return samples
    size = round(samples.size * wanted / rate)
    spectrum = np.fft.rfft(samples)
    bins = size // 2 + 1
    spectrum = np.pad(spectrum, (0, max(0, bins - spectrum.size)))[:bins]
    return (np.fft.irfft(spectrum, size) * (size / samples.size)).astype(np.float32)
