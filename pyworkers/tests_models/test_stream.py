"""Blocks that pass through two buffers compute what resident ones do."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
import torch
from gguf import GGMLQuantizationType as Kind
from torch import nn

from apibr_worker.torchkit.embeddings import EmbeddingCache
from apibr_worker.torchkit.linear import StoredLinear
from apibr_worker.torchkit.stream import BlockStreamer, tensors_of
from tiny_checkpoints.gguf_writer import encode

CPU = torch.device("cpu")


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        raw = torch.from_numpy(encode(torch.randn(width, width).numpy() / width, Kind.Q8_0))
        self.norm = nn.LayerNorm(width)
        self.inner = StoredLinear(raw, Kind.Q8_0, width, torch.randn(width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.inner(self.norm(x))


class Model(nn.Module):
    def __init__(self, count: int, width: int = 64) -> None:
        super().__init__()
        self.first = nn.Linear(width, width)
        self.blocks = nn.ModuleList(Block(width) for _ in range(count))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x)
        for block in self.blocks:
            x = block(x)
        return x


@pytest.mark.parametrize("threaded", [True, False])
@pytest.mark.parametrize(("count", "resident"), [(5, 0), (5, 2), (6, 3), (6, 5), (3, None), (1, 0), (4, 9)])
def test_streamed_equals_resident(count: int, resident: int | None, threaded: bool) -> None:
    model, x = Model(count), torch.randn(2, 64)
    with torch.no_grad():
        expected = model(x)
        before = [(owner, name, tensor.data_ptr()) for owner, name, tensor in tensors_of(model)]
        streamer = BlockStreamer(model, list(model.blocks), CPU, resident=resident, threaded=threaded)
        for _ in range(2):
            with streamer.entered():
                for _ in range(3):
                    assert torch.equal(model(x), expected)
    after = [(owner, name, tensor.data_ptr()) for owner, name, tensor in tensors_of(model)]
    assert [entry[2] for entry in before] == [entry[2] for entry in after], (
        "the file's own tensors are back in their places"
    )
    assert not any(thread.name.startswith("weights") for thread in threading.enumerate())


def test_a_streamed_block_computes_from_the_buffers() -> None:
    model = Model(4)
    streamer = BlockStreamer(model, list(model.blocks), CPU, resident=1)
    seen: list[int] = []
    model.blocks[2].inner.register_forward_pre_hook(lambda layer, _: seen.append(layer.raw.data_ptr()))
    home = model.blocks[2].inner.raw.data_ptr()
    with streamer.entered(), torch.no_grad():
        buffers = [(slot.buffer.data_ptr(), slot.buffer.nbytes) for slot in streamer._slots]
        model(torch.randn(1, 64))
    assert len(buffers) == 2
    assert seen != [home]
    assert any(start <= seen[0] < start + size for start, size in buffers)


def test_a_cancel_passes_and_leaves_nothing() -> None:
    model = Model(6)
    calls = 0

    def look() -> None:
        nonlocal calls
        calls += 1
        if calls == 4:
            raise InterruptedError

    streamer = BlockStreamer(model, list(model.blocks), CPU, resident=2, on_block=look)
    with pytest.raises(InterruptedError), streamer.entered():
        model(torch.randn(1, 64))
    assert calls == 4
    assert not streamer._slots
    assert not any(thread.name.startswith("weights") for thread in threading.enumerate())
    assert not model.blocks[0]._forward_pre_hooks


def test_embeddings_are_kept_within_a_limit(tmp_path: Path) -> None:
    cache = EmbeddingCache(tmp_path / "e", limit=3000)
    keys = [cache.key(prompt=text, model="m") for text in "abc"]
    assert len(set(keys)) == 3
    assert keys[0] == cache.key(model="m", prompt="a")
    assert cache.load(keys[0]) is None
    for key in keys:
        cache.save(key, {"x": torch.full((1000,), 2.0, dtype=torch.bfloat16)})
    assert cache.load(keys[0]) is None, "the limit holds one of them"
    kept = cache.load(keys[2])
    assert kept is not None
    assert kept["x"].dtype == torch.bfloat16
    (tmp_path / "e" / f"{keys[2]}.safetensors").write_bytes(b"damaged")
    assert cache.load(keys[2]) is None
    assert EmbeddingCache(None).load(keys[2]) is None
