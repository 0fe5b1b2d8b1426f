"""Writes GGUF files of random weights for tests, in quantisations that the gguf package can only read."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Kind
from numpy.typing import NDArray


def encode(numbers: NDArray[np.float32], kind: Kind) -> NDArray[np.uint8]:
    """float32 (..., columns) -> uint8 (..., row bytes). Good enough to test with, not what llama.cpp's search would
    find.

    columns must hold whole blocks: 256 for K-quants, 32 for the others.
    """
    encoder = {Kind.Q4_K: _q4_k, Kind.Q5_K: _q5_k, Kind.Q6_K: _q6_k}.get(kind)
    return encoder(numbers) if encoder else gguf.quantize(numbers, kind)


def write(path: Path, architecture: str, tensors: dict[str, tuple[NDArray[np.float32], Kind]]) -> None:
    """Writes a file with these tensors, each in its own kind."""
    writer = gguf.GGUFWriter(path, architecture)
    for name, (data, kind) in tensors.items():
        if kind == Kind.F32:
            writer.add_tensor(name, data.astype(np.float32))
        elif kind == Kind.F16:
            writer.add_tensor(name, data.astype(np.float16))
        else:
            writer.add_tensor(name, encode(data, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _scaled(blocks: NDArray[np.float32], levels: int) -> tuple[NDArray[np.float16], ...]:
    """Scales and minimums of the eight groups of each block, in 6 bits of one scale and one minimum a block."""
    low = np.minimum(blocks.min(-1), 0)
    steps = (blocks.max(-1) - low) / (levels - 1)
    scale = (steps.max(-1) / 63).astype(np.float16)
    minimum = ((-low).max(-1) / 63).astype(np.float16)
    wide, deep = scale.astype(np.float32)[:, None], minimum.astype(np.float32)[:, None]
    factors = np.clip(np.rint(steps / np.maximum(wide, 1e-12)), 0, 63)
    offsets = np.clip(np.rint(-low / np.maximum(deep, 1e-12)), 0, 63)
    return scale, minimum, factors, offsets


def _packed(scale: NDArray, minimum: NDArray, factors: NDArray, offsets: NDArray) -> NDArray[np.uint8]:
    """The head of a Q4_K or Q5_K block: two float16 and twelve bytes of 6-bit numbers."""
    a, b = factors.astype(np.uint8), offsets.astype(np.uint8)
    packed = np.empty((len(a), 12), np.uint8)
    packed[:, :4] = a[:, :4] | a[:, 4:] >> 4 << 6
    packed[:, 4:8] = b[:, :4] | b[:, 4:] >> 4 << 6
    packed[:, 8:] = a[:, 4:] & 15 | (b[:, 4:] & 15) << 4
    return np.concatenate([scale[:, None].view(np.uint8), minimum[:, None].view(np.uint8), packed], 1)


def _levels(blocks: NDArray[np.float32], levels: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    scale, minimum, factors, offsets = _scaled(blocks, levels)
    wide = np.maximum(scale.astype(np.float32)[:, None] * factors, 1e-12)[..., None]
    deep = (minimum.astype(np.float32)[:, None] * offsets)[..., None]
    values = np.clip(np.rint((blocks + deep) / wide), 0, levels - 1).astype(np.uint8)
    return values, _packed(scale, minimum, factors, offsets)


def _q4_k(numbers: NDArray[np.float32]) -> NDArray[np.uint8]:
    values, head = _levels(numbers.reshape(-1, 8, 32), 16)
    pairs = values.reshape(-1, 4, 2, 32)
    body = (pairs[:, :, 0] | pairs[:, :, 1] << 4).astype(np.uint8).reshape(-1, 128)
    return np.concatenate([head, body], 1).reshape(*numbers.shape[:-1], -1)


def _q5_k(numbers: NDArray[np.float32]) -> NDArray[np.uint8]:
    values, head = _levels(numbers.reshape(-1, 8, 32), 32)
    pairs = (values & 15).reshape(-1, 4, 2, 32)
    body = (pairs[:, :, 0] | pairs[:, :, 1] << 4).astype(np.uint8).reshape(-1, 128)
    tops = np.zeros((len(values), 32), np.uint8)
    for group in range(8):
        tops |= (values[:, group] >> 4) << group
    return np.concatenate([head, tops, body], 1).reshape(*numbers.shape[:-1], -1)


def _q6_k(numbers: NDArray[np.float32]) -> NDArray[np.uint8]:
    blocks = numbers.reshape(-1, 16, 16)
    steps = np.abs(blocks).max(-1) / 31
    scale = (steps.max(-1) / 127).astype(np.float16)
    factors = np.clip(np.rint(steps / np.maximum(scale.astype(np.float32)[:, None], 1e-12)), 1, 127)
    wide = np.maximum(scale.astype(np.float32)[:, None] * factors, 1e-12)[..., None]
    values = (np.clip(np.rint(blocks / wide), -32, 31) + 32).astype(np.uint8).reshape(-1, 2, 4, 32)
    low, top = values & 15, values >> 4
    body = low[:, :, :2] | low[:, :, 2:] << 4
    tops = top[:, :, 0] | top[:, :, 1] << 2 | top[:, :, 2] << 4 | top[:, :, 3] << 6
    parts = [
        body.reshape(-1, 128),
        tops.reshape(-1, 64),
        factors.astype(np.int8).view(np.uint8),
        scale[:, None].view(np.uint8),
    ]
    return np.concatenate(parts, 1).reshape(*numbers.shape[:-1], -1)
