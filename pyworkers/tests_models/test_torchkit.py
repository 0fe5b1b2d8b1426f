"""The memory core against the plain computation."""

from __future__ import annotations

import struct
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
from gguf import GGMLQuantizationType as Kind
from torch.nn import functional as F

from apibr_worker.runtime.api import EngineError
from apibr_worker.torchkit.attention import bounded_attention, chunked_attention
from apibr_worker.torchkit.dequantise import dequantise
from apibr_worker.torchkit.gguf_file import GGUFFile
from apibr_worker.torchkit.linear import WEIGHT_SLICE, LowRank, StoredLinear
from tiny_checkpoints.gguf_writer import encode

KINDS = [Kind.Q4_0, Kind.Q4_1, Kind.Q5_0, Kind.Q5_1, Kind.Q8_0, Kind.Q4_K, Kind.Q5_K, Kind.Q6_K]


def numbers(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def write(path: Path, tensors: dict[str, np.ndarray], kind: Kind | None = None) -> Path:
    writer = gguf.GGUFWriter(path, "test")
    writer.add_array("names", ["a", "b"])
    writer.add_uint32("answer", 42)
    for name, data in tensors.items():
        if kind is None:
            writer.add_tensor(name, data)
        else:
            writer.add_tensor(name, encode(data, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_dequantise_equals_the_reference(kind: Kind) -> None:
    """Any bytes are valid integers; only the scales are kept small enough to be finite."""
    block, size = gguf.GGML_QUANT_SIZES[kind]
    raw = np.random.default_rng(1).integers(0, 256, (700, 3 * size), dtype=np.uint8)
    for at in {
        "Q8_0": [0],
        "Q4_0": [0],
        "Q4_1": [0, 2],
        "Q5_0": [0],
        "Q5_1": [0, 2],
        "Q4_K": [0, 2],
        "Q5_K": [0, 2],
    }.get(kind.name, [208]):
        scales = (
            np.random.default_rng(at).normal(0, 0.01, (700, 3)).astype(np.float16).view(np.uint8).reshape(700, 3, 2)
        )
        raw.reshape(700, 3, size)[:, :, at : at + 2] = scales
    expected = gguf.dequantize(raw, kind)
    ours = dequantise(torch.from_numpy(raw), kind)
    assert ours.shape == (700, 3 * block)
    assert np.abs(ours.numpy() - expected).max() <= 1e-6
    half = dequantise(torch.from_numpy(raw), kind, torch.float16)
    assert half.dtype == torch.float16
    assert torch.equal(half, ours.half())


def test_slices_of_rows_are_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = torch.from_numpy(encode(numbers(37, 512), Kind.Q4_K))
    whole = dequantise(raw, Kind.Q4_K)
    monkeypatch.setattr("apibr_worker.torchkit.dequantise.SCRATCH", 1)
    assert torch.equal(dequantise(raw, Kind.Q4_K), whole)


@pytest.mark.parametrize("kind", KINDS[:6], ids=lambda kind: kind.name)
def test_the_file_is_read_as_views(tmp_path: Path, kind: Kind) -> None:
    data = numbers(12, 256)
    file = GGUFFile(write(tmp_path / "a.gguf", {"w": data}, kind))
    assert file.metadata["answer"] == 42
    info = file.tensors["w"]
    assert info.shape == (12, 256)
    assert info.kind == kind
    raw = file.raw("w")
    assert raw.data_ptr() == file.raw("w").data_ptr(), "no copy is made"
    assert torch.equal(file.raw("w", slice(4, 8)), raw[4:8])
    assert np.abs(dequantise(raw, kind).numpy() - gguf.dequantize(encode(data, kind), kind)).max() <= 1e-6
    before = raw.clone()
    file.release("w")
    assert torch.equal(file.raw("w"), before), "what was released is read again"


def test_plain_tensors_are_views_in_their_own_dtype(tmp_path: Path) -> None:
    data = {"f32": numbers(3, 4), "f16": numbers(5, 2, 2).astype(np.float16)}
    file = GGUFFile(write(tmp_path / "a.gguf", data))
    for name, expected in data.items():
        assert torch.equal(file.plain(name), torch.from_numpy(expected))
    assert torch.equal(file.plain("f32", slice(1, 2)), torch.from_numpy(data["f32"][1:2]))


# How a file is damaged: the place of a number, counted from the file's begin or from the end of its only tensor's
# name, and the lie.
LIES = {
    "version": ("file", 4, "<I", 9),
    "tensor count": ("file", 8, "<Q", 2**60),
    "field count": ("file", 16, "<Q", 2**40),
    "shape": ("tensor", 4, "<Q", 2**50),
    "rows": ("tensor", 12, "<Q", 13),
    "odd row": ("tensor", 4, "<Q", 255),
    "type": ("tensor", 20, "<I", 999),
    "offset": ("tensor", 24, "<Q", 2**62),
    "array": ("array", 8, "<Q", 2**60),
}


def damaged(path: Path, how: str) -> Path:
    content = bytearray(path.read_bytes())
    tensor, array = struct.pack("<Q", 1) + b"w", b"names"
    starts = {"file": 0, "tensor": content.index(tensor) + len(tensor), "array": content.index(array) + len(array)}
    if how in LIES:
        start, offset, code, value = LIES[how]
        struct.pack_into(code, content, starts[start] + offset, value)
    cuts = {"truncated": content[:-1], "header cut": content[:40], "empty": b"", "magic": b"GGML" + content[4:]}
    path.write_bytes(cuts.get(how, content))
    return path


@pytest.mark.parametrize("how", ["truncated", "header cut", "empty", "magic", *LIES])
def test_a_lying_file_is_refused(tmp_path: Path, how: str) -> None:
    path = damaged(write(tmp_path / "a.gguf", {"w": numbers(12, 256)}, Kind.Q8_0), how)
    with pytest.raises(EngineError, match=r"a\.gguf is damaged") as refused:
        GGUFFile(path)
    assert refused.value.code == "model_missing"
    assert str(tmp_path) not in str(refused.value)


def test_the_linear_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = torch.from_numpy(encode(numbers(96, 256), Kind.Q4_K))
    bias, x = torch.randn(96), torch.randn(2, 5, 256) / 16
    layer = StoredLinear(raw, Kind.Q4_K, 256, bias)
    weight = torch.from_numpy(gguf.dequantize(raw.numpy(), Kind.Q4_K))
    expected = F.linear(x, weight, bias)
    assert torch.allclose(layer(x), expected, atol=1e-5, rtol=0)
    monkeypatch.setattr("apibr_worker.torchkit.linear.WEIGHT_SLICE", 10 * 256 * 4)
    assert torch.allclose(layer(x), expected, atol=1e-5, rtol=0), "slices of rows give the whole"
    assert WEIGHT_SLICE == 64 << 20
    down, up = torch.randn(4, 256) / 16, torch.randn(96, 4) / 2
    layer.low_rank.append(LowRank(down, up, 0.5))
    assert torch.allclose(layer(x), F.linear(x, weight + 0.5 * up @ down, bias), atol=1e-5, rtol=0)
    assert layer.to(torch.float16).raw.dtype == torch.uint8, "blocks are not numbers"
    assert layer(x.half()).dtype == torch.float16


@pytest.mark.parametrize("budget", [1, 4096, 1 << 30])
@pytest.mark.parametrize("mask", ["none", "causal", "bool", "float", "keys"])
def test_chunked_attention_equals_torchs(budget: int, mask: str) -> None:
    q, k, v = torch.randn(2, 3, 17, 8), torch.randn(2, 3, 23, 8), torch.randn(2, 3, 23, 8)
    looks = torch.rand(2, 1, 17, 23) > 0.3
    looks[..., 0] = True
    masks = {"bool": looks, "float": torch.randn(1, 3, 17, 23), "keys": looks[:, :, :1]}
    causal, given = mask == "causal", masks.get(mask)
    expected = F.scaled_dot_product_attention(q, k, v, given, is_causal=causal)
    assert torch.allclose(
        chunked_attention(q, k, v, given, is_causal=causal, budget=budget), expected, atol=1e-5, rtol=0
    )


def test_grouped_queries_equal_torchs() -> None:
    q, k, v = torch.randn(1, 4, 6, 8), torch.randn(1, 2, 6, 8), torch.randn(1, 2, 6, 8)
    expected = F.scaled_dot_product_attention(q, k, v, enable_gqa=True, scale=0.3)
    assert torch.allclose(
        chunked_attention(q, k, v, enable_gqa=True, scale=0.3, budget=64), expected, atol=1e-5, rtol=0
    )


def test_the_attention_hook_counts_and_is_removed() -> None:
    original = F.scaled_dot_product_attention
    q = torch.randn(1, 1, 4, 8)
    with bounded_attention(1024) as installed:
        F.scaled_dot_product_attention(q, q, q)
    assert installed.calls == 1
    with pytest.raises(ZeroDivisionError), bounded_attention(1024):
        raise ZeroDivisionError
    assert F.scaled_dot_product_attention is original
    with bounded_attention(None) as absent:
        assert F.scaled_dot_product_attention is original
    assert absent.calls == 0
