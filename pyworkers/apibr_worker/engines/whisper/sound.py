"""The sound of a file as Whisper hears it, in pieces that fit its window of half a minute."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from apibr_worker.audio.downmix import TooManyChannelsError, mixed, pan
from apibr_worker.audio.files import FORMATS
from apibr_worker.listening.listener import SAMPLE_RATE
from apibr_worker.runtime.api import Context, InputFile, InvalidInputError
from apibr_worker.runtime.child import ChildError
from apibr_worker.runtime.ffmpeg import ffmpeg
from apibr_worker.runtime.sentences import Sentence, say

LONGEST_HOURS = 6
"""Nobody waits for a longer recording; and its sound takes 115 MB an hour on the disk."""

_MIXED_FROM_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Sound:
    """A mono recording at SAMPLE_RATE, shape (samples,), int16, mapped from the disk."""

    samples: NDArray[np.int16]

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.samples.size / SAMPLE_RATE

    def piece(self, begin: int, end: int) -> NDArray[np.float32]:
        """A part of it, -1..1."""
        return self.samples[begin:end].astype(np.float32) / np.float32(32768)


def read(context: Context, file: InputFile) -> Sound:
    """Decodes the sound of an audio or video file into the run's folder, whatever its length.

    Raises InvalidInputError for a file without readable sound, and for one of more than LONGEST_HOURS.
    """
    path = context.out_dir / "sound.raw"
    argv = [ffmpeg(), "-nostdin", "-v", "error", "-protocol_whitelist", "file,pipe", "-format_whitelist", FORMATS]
    limit = ["-t", str(LONGEST_HOURS * 3600 + 1)]
    try:
        mix = _mix(context, [*argv, "-t", str(_MIXED_FROM_SECONDS), "-i", f"file:{file.path}", "-map", "0:a:0"])
        made = ["-ar", str(SAMPLE_RATE), "-c:a", "pcm_s16le", "-f", "s16le", f"file:{path}"]
        source = ["-i", f"file:{file.path}", "-map", "0:a:0"]
        with context.child([*argv, *limit, *source, *mix, *made]) as child:
            child.wait()
    except ChildError as error:
        if error.interrupted:
            raise
        raise InvalidInputError(_unreadable(file), field=file.name) from None
    if not path.stat().st_size:
        raise InvalidInputError(_unreadable(file), field=file.name)
    sound = Sound(np.memmap(path, np.int16, "r"))
    if sound.seconds > LONGEST_HOURS * 3600:
        message = say("the recording is longer than %d hours: send it in parts", LONGEST_HOURS)
        raise InvalidInputError(message, field=file.name)
    return sound


def _unreadable(file: InputFile) -> Sentence:
    if file.name == "video":
        return say("the video has no sound that can be read: send one with a sound track, or a recording as audio")
    return say("the file holds no readable audio: send WAV, MP3, FLAC, OGG or M4A")


def _mix(context: Context, argv: list[str]) -> list[str]:
    """How ffmpeg is to make one channel of the recording's: the mean, unless its channels cancel each other."""
    with context.child([*argv, "-c:a", "pcm_f32be", "-f", "au", "-"], stdout=True) as child:
        try:
            weights = mixed(child.stdout).weights
        except TooManyChannelsError:
            return ["-ac", "1"]
        child.wait()
    return ["-ac", "1"] if weights is None else ["-af", pan(weights)]
