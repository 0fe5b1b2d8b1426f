"""Sentences to one recording: silence at their ends cut, voices equally loud, gaps and cross-fades between them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from apibr_worker.audio.files import Samples
from apibr_worker.engines.chatterbox.levelling import TARGET_LUFS, levelled, loudness
from apibr_worker.engines.chatterbox.loader import SAMPLE_RATE

_CROSS, _EDGE = int(0.03 * SAMPLE_RATE), int(0.008 * SAMPLE_RATE)
"""Samples over which divided sentences overlap, and over which others fade in and out."""
_KEPT_SILENCE = int(0.06 * SAMPLE_RATE)
_SILENCE = 10 ** (-45 / 20)
"""Of a sentence's peak: what is quieter at its ends is cut."""
_QUIETEST = -60.0


@dataclass(frozen=True, slots=True)
class Piece:
    """A sentence's samples, the silence in seconds after it (0: it goes on), and who speaks."""

    samples: Samples
    gap: float
    speaker: str


def joined(pieces: list[Piece], check_cancel: Callable[[], None]) -> tuple[Samples, list[tuple[float, float]]]:
    """One recording at -16 LUFS, and each piece's begin and end in it in seconds."""
    trimmed = [_trimmed(piece.samples) for piece in pieces]
    gains = _gains(pieces, trimmed)
    tape: list[Samples] = []
    times: list[tuple[float, float]] = []
    end, overlap = 0, 0
    for piece, own in zip(pieces, trimmed, strict=True):
        check_cancel()
        samples = own * gains[piece.speaker]
        overlap = min(overlap, samples.size // 2)
        if overlap:
            tape[-1], samples = _crossed(tape[-1], samples, overlap)
        else:
            samples = _faded_in(samples)
        begin, end = end - overlap, end - overlap + own.size
        times.append((begin / SAMPLE_RATE, end / SAMPLE_RATE))
        gap = round(piece.gap * SAMPLE_RATE)
        last = piece is pieces[-1]
        overlap = 0 if gap or last else min(_CROSS, own.size // 2)
        if not overlap:
            samples = _faded_in(samples[::-1])[::-1]
            tape += [samples, np.zeros(gap, np.float32)]
            end += gap
        else:
            tape.append(samples)
    made = np.concatenate(tape)
    check_cancel()
    return levelled(made, SAMPLE_RATE), times


def _trimmed(samples: Samples) -> Samples:
    size = np.abs(samples)
    heard = np.flatnonzero(size > _SILENCE * float(size.max(initial=0.0)))
    if heard.size == 0:
        return samples
    return samples[max(0, int(heard[0]) - _KEPT_SILENCE) : int(heard[-1]) + _KEPT_SILENCE]


def _gains(pieces: list[Piece], trimmed: list[Samples]) -> dict[str, np.float32]:
    """The factor that brings each speaker, not each sentence, to the same loudness."""
    said: dict[str, list[Samples]] = defaultdict(list)
    for piece, samples in zip(pieces, trimmed, strict=True):
        said[piece.speaker].append(samples)
    gains: dict[str, np.float32] = {}
    for speaker, own in said.items():
        now = loudness(np.concatenate(own), SAMPLE_RATE)
        gains[speaker] = np.float32(10.0 ** ((TARGET_LUFS - now) / 20.0) if now > _QUIETEST else 1.0)
    return gains


def _crossed(before: Samples, after: Samples, overlap: int) -> tuple[Samples, Samples]:
    """The end of one and the begin of the next, mixed with equal power: (what comes before, the rest with the mix)."""
    angle = np.linspace(0.0, np.pi / 2, overlap, dtype=np.float32)
    mixed = before[-overlap:] * np.cos(angle) + after[:overlap] * np.sin(angle)
    return before[:-overlap], np.concatenate([mixed, after[overlap:]])


def _faded_in(samples: Samples) -> Samples:
    length = min(_EDGE, samples.size)
    made = samples.copy()
    made[:length] *= np.linspace(0.0, 1.0, length, dtype=np.float32)
    return made
