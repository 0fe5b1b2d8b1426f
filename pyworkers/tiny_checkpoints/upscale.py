"""Tiny Real-ESRGAN networks in the released format: a .pth of `params_ema` with the released names."""

from __future__ import annotations

from pathlib import Path

import torch
import yaml

WIDTH, GROWTH, BLOCKS = 8, 32, 1
"""Channels (released: 64), channels that a dense block adds (as released: it is part of the format), blocks (23)."""
FILES = {"realesrgan-x2": (2, "RealESRGAN_x2plus.pth"), "realesrgan-x4": (4, "RealESRGAN_x4plus.pth")}


def write(folder: Path, seed: int = 0) -> None:
    """Writes folder/realesrgan-x2/ and folder/realesrgan-x4/, each with model.yaml."""
    for model, (scale, name) in FILES.items():
        (folder / model).mkdir(parents=True)
        torch.save({"params_ema": network(scale, seed)}, folder / model / name)
        described = {"id": model, "engine": "upscale", "variants": {"fp32": {"weights": name}}}
        (folder / model / "model.yaml").write_text(yaml.safe_dump(described, sort_keys=False), encoding="utf-8")


def network(
    scale: int, seed: int = 0, *, width: int = WIDTH, blocks: int = BLOCKS, channels: int = 3
) -> dict[str, torch.Tensor]:
    """Random weights of an RRDBNet: float32, (out, in, 3, 3) and (out,). Scale 2 folds 2 x 2 pixels into channels.

    Scaled so that a picture comes out in mid tones and not all black or white.
    """
    random = torch.Generator().manual_seed(seed)
    state: dict[str, torch.Tensor] = {}

    def conv(name: str, inputs: int, outputs: int, gain: float = 1.0, bias: float = 0.0) -> None:
        spread = gain * (2 / (9 * inputs)) ** 0.5
        state[f"{name}.weight"] = torch.randn(outputs, inputs, 3, 3, generator=random) * spread
        state[f"{name}.bias"] = torch.full((outputs,), bias)

    conv("conv_first", channels * (4 if scale == 2 else 1), width)
    for block in range(blocks):
        for dense in (1, 2, 3):
            for layer in range(5):
                outputs = width if layer == 4 else GROWTH
                conv(f"body.{block}.rdb{dense}.conv{layer + 1}", width + layer * GROWTH, outputs)
    for name in ("conv_body", "conv_up1", "conv_up2", "conv_hr"):
        conv(name, width, width)
    conv("conv_last", width, channels, 0.4, 0.5)
    return state
