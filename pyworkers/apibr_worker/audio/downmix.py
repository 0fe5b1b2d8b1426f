"""Many channels to one, without losing a voice that the channels cancel.

A recorder with one wire turned around writes the same voice with opposite signs on the left and the right: their sum
is silence. So the energy of the sum is compared, window by window, with what channels that know nothing of each other
would give; where it is much less, only the loudest channel is used.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import IO

import numpy as np
from numpy.typing import NDArray

MOST_CHANNELS = 8
"""Recordings with more channels are mixed by ffmpeg: no phone and no pocket recorder makes them."""

_WINDOW_SECONDS = 0.1
_WINDOWS_AT_ONCE = 50
_SILENT = 1e-4
"""A channel this far below the loudest, in energy, is taken for silent (-40 dB)."""
_CANCELED = 0.5
"""Share of the energy that unrelated channels would give; below it, the channels cancel each other."""
_CANCELED_WINDOW = 0.25
_CANCELED_SHARE = 0.05
"""How much of the sound, in energy, may lie in windows that are canceled."""
_MAGIC = b".snd"
_HEADER = struct.Struct(">4sIIIII")


class TooManyChannelsError(Exception):
    """The recording has more than MOST_CHANNELS."""


@dataclass(frozen=True, slots=True)
class Mixed:
    """The mean of all channels, shape (samples,), and the weights to mix by instead where the mean loses sound."""

    samples: NDArray[np.float32]
    weights: NDArray[np.float64] | None
    """One for each channel; None when the mean of all is right."""


def mixed(stream: IO[bytes]) -> Mixed:
    """Reads an AU file of big-endian 32-bit floats to its end. An empty stream is an empty sound.

    Raises TooManyChannelsError."""
    head = stream.read(_HEADER.size)
    if len(head) < _HEADER.size:
        return Mixed(np.zeros(0, np.float32), None)
    magic, offset, _, _, rate, channels = _HEADER.unpack(head)
    if magic != _MAGIC or not channels:
        return Mixed(np.zeros(0, np.float32), None)
    if channels > MOST_CHANNELS:
        raise TooManyChannelsError
    stream.read(offset - _HEADER.size)
    window = max(1, round(rate * _WINDOW_SECONDS))
    parts: list[NDArray[np.float32]] = []
    products: list[NDArray[np.float64]] = []
    while raw := stream.read(4 * channels * window * _WINDOWS_AT_ONCE):
        frames = np.frombuffer(raw[: len(raw) - len(raw) % (4 * channels)], ">f4").reshape(-1, channels)
        frames = np.nan_to_num(frames.astype(np.float32), copy=False, posinf=0.0, neginf=0.0)
        parts.append(frames[:, 0].copy() if channels == 1 else frames.mean(axis=1, dtype=np.float32))
        if channels > 1:
            padded = np.pad(frames, ((0, -len(frames) % window), (0, 0))).reshape(-1, window, channels)
            products.append(np.einsum("nwc,nwd->ncd", padded, padded, dtype=np.float64))
    samples = np.concatenate(parts) if parts else np.zeros(0, np.float32)
    return Mixed(samples, weights(np.concatenate(products)) if products else None)


def weights(products: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """The weight of each channel; None when all weigh the same.

    products: (windows, channels, channels), each channel times each other, summed over a window.
    """
    energy = np.einsum("ncc->c", products)
    loudest = int(energy.argmax())
    speaking = energy > energy[loudest] * _SILENT
    mean = speaking / max(1, speaking.sum())
    if cancels(products, mean):
        return np.eye(len(energy))[loudest]
    return None if speaking.all() or not energy[loudest] else mean


def cancels(products: NDArray[np.float64], mean: NDArray[np.float64]) -> bool:
    """Whether the sum loses much of what its channels hold, on the whole or for a part of the time."""
    channels = np.einsum("ncc->nc", products)
    expected = channels @ mean**2
    real = np.einsum("c,ncd,d->n", mean, products, mean)
    if real.sum() < expected.sum() * _CANCELED:
        return True
    loud = channels.max(axis=1)
    canceled = real < expected * _CANCELED_WINDOW
    return bool(loud[canceled].sum() > loud.sum() * _CANCELED_SHARE)


def pan(parts: NDArray[np.float64]) -> str:
    """The ffmpeg filter that mixes channels by these weights."""
    taken = [f"{part:.6f}*c{channel}" for channel, part in enumerate(parts) if part > 0]
    return f"pan=mono|c0={'+'.join(taken)}"
