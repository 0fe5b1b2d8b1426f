"""Where things compute and in which dtype, as the plan of a load says."""

from __future__ import annotations

import gc
from dataclasses import dataclass, replace
from typing import Any

import torch

from apibr_worker.runtime.api import EngineError
from apibr_worker.runtime.sentences import say


@dataclass(frozen=True, slots=True)
class Placement:
    """A plan in torch's terms.

    attention_bytes bounds a score matrix, None leaves torch's own attention; resident_blocks stay on the device while
    the others are streamed, None keeps all; batch is how many pictures are made at once; tile is the edge of the
    pieces in which the VAE works, in pixels.
    """

    device: torch.device
    dtype: torch.dtype
    attention_bytes: int | None = None
    resident_blocks: int | None = None
    batch: int = 1
    tile: int = 512
    threaded: bool = True

    def lower(self, blocks: int) -> Placement:
        """The next step down after memory ran out: half the slice and the resident blocks, one picture."""
        resident = blocks if self.resident_blocks is None else self.resident_blocks
        attention = self.attention_bytes or 256 << 20
        return replace(self, attention_bytes=max(attention // 2, 16 << 20), resident_blocks=resident // 2, batch=1)


def placement(plan: dict[str, Any]) -> Placement:
    """The plan's placement. torch names ROCm's devices cuda too.

    float16 on AMD cards, whose RDNA2 has no fast bfloat16; bfloat16 on NVIDIA ones that have it;
    float32 on the CPU. Raises EngineError(device_lost) when the plan's device is not there.
    """
    name = str(plan.get("device") or "cpu")
    kind, _, index = name.partition(":")
    if kind == "cpu":
        return Placement(
            torch.device("cpu"),
            torch.float32,
            _number(plan, "attention_bytes"),
            _number(plan, "resident_blocks"),
            _number(plan, "batch") or 1,
        )
    if not torch.cuda.is_available():
        raise EngineError("device_lost", say("the device %s cannot be used: run `apibr doctor`", name))
    half = torch.float16 if kind == "hip" or not torch.cuda.is_bf16_supported() else torch.bfloat16
    return Placement(
        torch.device("cuda", int(index or 0)),
        half,
        _number(plan, "attention_bytes"),
        _number(plan, "resident_blocks"),
        _number(plan, "batch") or 1,
        _number(plan, "tile") or 512,
        bool(plan.get("threaded", True)),
    )


def free(device: torch.device) -> None:
    """Gives unused memory of the device back."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()


def _number(plan: dict[str, Any], name: str) -> int | None:
    value = plan.get(name)
    return int(value) if isinstance(value, (int, float)) and value >= 0 else None
