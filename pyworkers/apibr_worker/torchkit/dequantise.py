"""From blocks of a GGUF quantisation to numbers, in torch on any device.

Block layouts are those of ggml (https://github.com/ggml-org/ggml/blob/master/src/ggml-common.h): a block holds its
scales and the integers that they scale. Rows are decoded in slices, so that what is needed besides the result stays
within SCRATCH.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from gguf import GGML_QUANT_SIZES

from apibr_worker.torchkit.gguf_file import Kind

SCRATCH = 32 << 20
"""Bytes that the slices in work may take besides the result, about."""
_SCRATCH_PER_WEIGHT = 12  # two float32 and some bytes a weight, measured on Q6_K, the hungriest

_PLAIN = {Kind.F32: torch.float32, Kind.F16: torch.float16, Kind.BF16: torch.bfloat16}
# Each decoder takes uint8 (blocks, block bytes) and fills out, float32 (blocks, block weights).
Decoder = Callable[[torch.Tensor, torch.Tensor], None]


def dequantise(
    raw: torch.Tensor, kind: Kind, dtype: torch.dtype = torch.float32, *, out: torch.Tensor | None = None
) -> torch.Tensor:
    """Decodes rows of blocks.

    raw: uint8 (rows, row_bytes), on any device. Returns dtype (rows, columns) on the same device, in out when given.
    Computed in float32 whatever the dtype. Plain numbers are only cast, and are a view of raw when they have the
    dtype already. Raises KeyError for a quantisation that supported() does not know.
    """
    if kind in _PLAIN:
        numbers = raw.view(_PLAIN[kind])
        return numbers.to(dtype) if out is None else out.copy_(numbers)
    decode = _DECODERS[kind]
    block, size = GGML_QUANT_SIZES[kind]
    rows, columns = raw.shape[0], raw.shape[1] // size * block
    if out is None:
        out = torch.empty(rows, columns, dtype=dtype, device=raw.device)
    step = max(1, SCRATCH // (_SCRATCH_PER_WEIGHT * columns))
    for start in range(0, rows, step):
        part = raw[start : start + step].reshape(-1, size)
        if out.dtype == torch.float32:
            decode(part, out[start : start + step].view(-1, block))
        else:
            numbers = torch.empty(part.shape[0], block, dtype=torch.float32, device=raw.device)
            decode(part, numbers)
            out[start : start + step].copy_(numbers.view(-1, columns))
    return out


def supported(kind: Kind) -> bool:
    """Whether dequantise knows the quantisation."""
    return kind in _DECODERS or kind in _PLAIN


def _half(raw: torch.Tensor, at: int) -> torch.Tensor:
    """The float16 at a byte of each block, as float32 (blocks, 1)."""
    return raw[:, at : at + 2].contiguous().view(torch.float16).float()


def _nibbles(packed: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return packed & 15, packed >> 4


def _fifth_bits(raw: torch.Tensor, at: int) -> torch.Tensor:
    """32 high bits stored as one little-endian word: uint8 (blocks, 32) of 0 or 16."""
    bits = raw[:, at : at + 4].repeat_interleave(8, dim=1)
    shift = torch.arange(8, dtype=torch.uint8, device=raw.device).repeat(4)
    return (bits >> shift & 1) << 4


def _q8_0(raw: torch.Tensor, out: torch.Tensor) -> None:
    out.copy_(raw[:, 2:].view(torch.int8)).mul_(_half(raw, 0))


def _q4_0(raw: torch.Tensor, out: torch.Tensor) -> None:
    low, high = _nibbles(raw[:, 2:])
    out[:, :16], out[:, 16:] = low, high
    out.sub_(8).mul_(_half(raw, 0))


def _q4_1(raw: torch.Tensor, out: torch.Tensor) -> None:
    low, high = _nibbles(raw[:, 4:])
    out[:, :16], out[:, 16:] = low, high
    out.mul_(_half(raw, 0)).add_(_half(raw, 2))


def _q5_0(raw: torch.Tensor, out: torch.Tensor) -> None:
    low, high = _nibbles(raw[:, 6:])
    fifth = _fifth_bits(raw, 2)
    out[:, :16], out[:, 16:] = low | fifth[:, :16], high | fifth[:, 16:]
    out.sub_(16).mul_(_half(raw, 0))


def _q5_1(raw: torch.Tensor, out: torch.Tensor) -> None:
    low, high = _nibbles(raw[:, 8:])
    fifth = _fifth_bits(raw, 4)
    out[:, :16], out[:, 16:] = low | fifth[:, :16], high | fifth[:, 16:]
    out.mul_(_half(raw, 0)).add_(_half(raw, 2))


def _k_scales(raw: torch.Tensor, at: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The eight 6-bit scales and minimums of Q4_K and Q5_K, packed into 12 bytes: float32 (blocks, 8) each."""
    low, middle, high = raw[:, at : at + 4], raw[:, at + 4 : at + 8], raw[:, at + 8 : at + 12]
    scales = torch.cat([low & 63, high & 15 | low >> 6 << 4], dim=1)
    minimums = torch.cat([middle & 63, high >> 4 | middle >> 6 << 4], dim=1)
    return scales.float().mul_(_half(raw, 0)), minimums.float().mul_(_half(raw, 2))


def _q4_k(raw: torch.Tensor, out: torch.Tensor) -> None:
    scales, minimums = _k_scales(raw, 4)
    low, high = _nibbles(raw[:, 16:].view(-1, 4, 32))
    groups = out.view(-1, 4, 2, 32)
    groups[:, :, 0], groups[:, :, 1] = low, high
    out.view(-1, 8, 32).mul_(scales[:, :, None]).sub_(minimums[:, :, None])


def _q5_k(raw: torch.Tensor, out: torch.Tensor) -> None:
    scales, minimums = _k_scales(raw, 4)
    low, high = _nibbles(raw[:, 48:].view(-1, 4, 32))
    shift = torch.arange(8, dtype=torch.uint8, device=raw.device)[None, :, None]
    fifth = ((raw[:, 16:48, None].transpose(1, 2) >> shift & 1) << 4).view(-1, 4, 2, 32)
    groups = out.view(-1, 4, 2, 32)
    groups[:, :, 0], groups[:, :, 1] = low | fifth[:, :, 0], high | fifth[:, :, 1]
    out.view(-1, 8, 32).mul_(scales[:, :, None]).sub_(minimums[:, :, None])


def _q6_k(raw: torch.Tensor, out: torch.Tensor) -> None:
    low, high = _nibbles(raw[:, :128].view(-1, 2, 64))
    pairs = raw[:, 128:192].view(-1, 2, 1, 32)
    shift = torch.tensor([0, 2, 4, 6], dtype=torch.uint8, device=raw.device)[None, None, :, None]
    tops = (pairs >> shift & 3) << 4
    groups = out.view(-1, 2, 4, 32)
    groups[:, :, :2], groups[:, :, 2:] = (
        low.view(-1, 2, 2, 32) | tops[:, :, :2],
        high.view(-1, 2, 2, 32) | tops[:, :, 2:],
    )
    scales = raw[:, 192:208].view(torch.int8).float().mul_(_half(raw, 208))
    out.sub_(32).view(-1, 16, 16).mul_(scales[:, :, None])


_DECODERS: dict[Kind, Decoder] = {
    Kind.Q8_0: _q8_0,
    Kind.Q4_0: _q4_0,
    Kind.Q4_1: _q4_1,
    Kind.Q5_0: _q5_0,
    Kind.Q5_1: _q5_1,
    Kind.Q4_K: _q4_k,
    Kind.Q5_K: _q5_k,
    Kind.Q6_K: _q6_k,
}
