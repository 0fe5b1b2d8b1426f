"""Audio files: ffmpeg decodes every format that comes in, soundfile writes the results."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from apibr_worker.audio.downmix import Mixed, TooManyChannelsError, mixed, pan
from apibr_worker.runtime.api import InvalidInputError
from apibr_worker.runtime.child import Child, ChildError
from apibr_worker.runtime.ffmpeg import ffmpeg
from apibr_worker.runtime.sentences import say

Samples = NDArray[np.float32]
"""Mono audio, shape (samples,), -1..1."""

DRAFT_LABEL = "APIBR Studio draft, made by a speech synthesiser (AI-made media)"
LABEL = "APIBR Studio (AI-made media)"


FORMATS = "wav,w64,aiff,caf,au,mp3,flac,ogg,aac,amr,ac3,mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,asf,mpegts,mpeg,flv"
"""Formats that ffmpeg may open. Playlists are not among them: they can name other files of this machine."""


def read_audio(
    path: Path,
    sample_rate: int | None,
    *,
    field: str,
    check_cancel: Callable[[], None] = lambda: None,
    longest_seconds: float | None = None,
) -> Samples:
    """Decodes any audio (or the audio of a video) to mono at sample_rate Hz, at most longest_seconds of it.

    Without sample_rate the file's own rate stays: resampling would round off the flat tops that clipping leaves.
    Channels that cancel each other are not summed (see downmix).
    Raises InvalidInputError naming `field` when the file holds no readable audio, and ChildError when ffmpeg was ended
    from outside, which says nothing about the file.
    """
    argv = [ffmpeg(), "-nostdin", "-v", "error", "-protocol_whitelist", "file,pipe", "-format_whitelist", FORMATS]
    if longest_seconds is not None:
        argv += ["-t", f"{longest_seconds:g}"]
    argv += ["-i", f"file:{path}", "-map", "0:a:0", *(["-ar", str(sample_rate)] if sample_rate else [])]
    try:
        samples = _decoded(argv, check_cancel)
    except ChildError as error:
        if error.interrupted:
            raise
        raise InvalidInputError(
            say("the file holds no readable audio: send WAV, MP3, FLAC, OGG or M4A"), field=field
        ) from None
    if samples.size == 0:
        raise InvalidInputError(say("the recording is empty: record again"), field=field)
    return samples


_FLOATS = ["-c:a", "pcm_f32be", "-f", "au", "-"]


def _decoded(argv: list[str], check_cancel: Callable[[], None]) -> Samples:
    """Decodes to one channel; a second time, with other weights, where the mean of all channels loses sound."""
    try:
        made = _mixed([*argv, *_FLOATS], check_cancel)
    except TooManyChannelsError:
        return _mixed([*argv, "-ac", "1", *_FLOATS], check_cancel).samples
    if made.weights is None:
        return made.samples
    return _mixed([*argv, "-af", pan(made.weights), *_FLOATS], check_cancel).samples


def _mixed(argv: list[str], check_cancel: Callable[[], None]) -> Mixed:
    with Child(argv, stdin=False, stdout=True, cwd=None, check_cancel=check_cancel) as child:
        made = mixed(child.stdout)
        child.wait()
    return made


_CHUNK = 1 << 20


def write_wav(path: Path, samples: Samples, sample_rate: int, label: str = DRAFT_LABEL) -> None:
    """Writes 16-bit PCM with the label in the INFO chunk; the bytes depend on the samples only."""
    with soundfile.SoundFile(path, "w", samplerate=sample_rate, channels=1, subtype="PCM_16", format="WAV") as file:
        file.comment = label
        for begin in range(0, max(samples.size, 1), _CHUNK):
            file.write(np.clip(samples[begin : begin + _CHUNK], -1.0, 1.0))
