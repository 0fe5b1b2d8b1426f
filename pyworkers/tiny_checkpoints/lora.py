"""A small random LoRA for a tiny transformer, under the names that different trainers give to the same layers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from diffusers import FluxTransformer2DModel
from safetensors.torch import save_file
from torch import nn

from apibr_worker.torchkit import names

Naming = Literal["diffusers", "kohya", "bfl"]
ALPHA = 2.0
"""The scale that kohya's trainer writes next to the matrices; the others have it multiplied into them."""


def write(
    path: Path,
    transformer: nn.Module,
    naming: Naming,
    *,
    rank: int = 4,
    seed: int = 0,
    extra: Mapping[str, torch.Tensor] | None = None,
) -> None:
    """Writes the same LoRA, of every linear layer of the model, in one of the namings.

    transformer: of diffusers, FLUX or Stable Diffusion 3. The layers that the original project keeps in one matrix
    share one input matrix. extra: further tensors for the file.
    """
    torch.manual_seed(seed)
    tensors = dict(extra or {})
    for source, (columns, parts) in _layers(transformer).items():
        down = torch.randn(rank, columns) / columns**0.5
        up = {name: torch.randn(height, rank) / 5 for name, (height, _) in parts.items()}
        if naming == "diffusers":
            for name, matrix in up.items():
                tensors[f"transformer.{name}.lora_A.weight"] = down.clone()
                tensors[f"transformer.{name}.lora_B.weight"] = matrix * (ALPHA / rank)
            continue
        whole = torch.zeros(sum(height for height, _ in parts.values()), rank)
        for name, (_, rows) in parts.items():
            _place(whole, up[name], rows)
        if naming == "kohya":
            layer = f"lora_unet_{source.replace('.', '_')}"
            tensors[f"{layer}.lora_down.weight"], tensors[f"{layer}.lora_up.weight"] = down, whole
            tensors[f"{layer}.alpha"] = torch.tensor(ALPHA)
        else:
            layer = f"diffusion_model.{source}"
            tensors[f"{layer}.lora_A.weight"], tensors[f"{layer}.lora_B.weight"] = down, whole * (ALPHA / rank)
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path)


def _layers(transformer: Any) -> dict[str, tuple[int, dict[str, tuple[int, tuple[tuple[int, int], ...]]]]]:
    """By the original project's layer: its inputs, and for each of diffusers' layers in it the height and the rows."""
    is_flux = isinstance(transformer, FluxTransformer2DModel)
    convert: Callable[[names.Shapes], dict[str, names.Piece]] = names.flux if is_flux else names.sd3
    shapes = (names.flux_layers if is_flux else names.sd3_layers)(transformer.config)
    linears = {name: layer for name, layer in transformer.named_modules() if isinstance(layer, nn.Linear)}
    found: dict[str, tuple[int, dict[str, tuple[int, tuple[tuple[int, int], ...]]]]] = {}
    for parameter, piece in convert(shapes).items():
        name = parameter.removesuffix(".weight")
        if name in linears:
            layer = linears[name]
            parts = found.setdefault(piece.source.removesuffix(".weight"), (layer.in_features, {}))[1]
            parts[name] = (layer.out_features, piece.rows)
    return found


def _place(whole: torch.Tensor, part: torch.Tensor, rows: tuple[tuple[int, int], ...]) -> None:
    """Puts a layer's rows where the original project has them."""
    at = 0
    for start, end in rows or ((0, len(whole)),):
        whole[start:end] = part[at : at + end - start]
        at += end - start
