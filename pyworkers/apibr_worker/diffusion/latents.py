"""Between pictures and latents: the VAE, apart from everything else, in tiles, with fallbacks when memory runs out."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from diffusers.models.modeling_outputs import AutoencoderKLOutput
from PIL import Image

from apibr_worker.runtime.api import Context
from apibr_worker.torchkit.attention import bounded_attention
from apibr_worker.torchkit.placement import Placement
from apibr_worker.torchkit.stream import tensors_of

OVERLAP = 0.25
"""Part of a tile that it shares with the next, diffusers' default."""
SMALLEST_TILE = 256
PREVIEW_EDGE = 32
"""Latents along the longer edge of a preview: 256 pixels."""
PREVIEWS = 6
"""How many previews a picture gets, about."""
_ATTENTION = 256 << 20


class ApartVAE:
    """A VAE that is on the device only while it works, so that it never shares memory with the transformer."""

    def __init__(self, model: AutoencoderKL, place: Placement) -> None:
        self.model: Any = model  # the annotations of its methods are not those of what they return
        self._place = place

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """latents: (n, channels, h, w) as the transformer knows them -> float32 CPU (n, 3, 8h, 8w) in -1..1."""
        config = self.model.config
        raw = latents.float() / config.scaling_factor + (config.shift_factor or 0)
        pictures = [self._with_fallbacks(lambda part: self.model.decode(part).sample, part) for part in raw.split(1)]
        return torch.cat(pictures)

    def encode(self, pictures: torch.Tensor) -> torch.Tensor:
        """pictures: (n, 3, h, w) in -1..1 -> float32 CPU parameters of the latents' distribution (n, 2 channels, h/8,
        w/8).
        """
        parts = pictures.float().split(1)
        return torch.cat(
            [self._with_fallbacks(lambda part: self.model.encode(part).latent_dist.parameters, part) for part in parts]
        )

    def _with_fallbacks(self, work: Callable[[torch.Tensor], torch.Tensor], part: torch.Tensor) -> torch.Tensor:
        """Smaller tiles, then the CPU, when the device's memory does not suffice."""
        tile = self._place.tile
        while tile >= SMALLEST_TILE:
            try:
                return self._work(work, part, self._place.device, tile)
            except torch.OutOfMemoryError:
                tile //= 2
        return self._work(work, part, torch.device("cpu"), SMALLEST_TILE)

    def _work(
        self, work: Callable[[torch.Tensor], torch.Tensor], part: torch.Tensor, device: torch.device, tile: int
    ) -> torch.Tensor:
        tiled(self.model, tile)
        budget = _ATTENTION if device.type != "cpu" else None
        with on_device(self.model, device), bounded_attention(budget), torch.inference_mode():
            return work(part.to(device)).float().cpu()

    def preview(self, latents: torch.Tensor, path: Path) -> None:
        """Writes a small JPEG of the first of the latents (n, channels, h, w), decoded on the CPU from their
        averages.
        """
        height, width = latents.shape[-2:]
        scale = min(1.0, PREVIEW_EDGE / max(height, width))
        size = (max(1, round(height * scale)), max(1, round(width * scale)))
        small = torch.nn.functional.adaptive_avg_pool2d(latents[:1].float().cpu(), size)
        config = self.model.config
        with torch.inference_mode():
            picture = self.model.decode(small / config.scaling_factor + (config.shift_factor or 0)).sample
        to_image(picture[0]).save(path, quality=80)


def tiled(model: Any, tile: int) -> None:
    """Tiles of so many pixels. diffusers' default is the model's whole size, which does not tile at 1024."""
    model.enable_tiling()
    factor = 2 ** (len(model.config.block_out_channels) - 1)
    model.tile_sample_min_size = tile
    model.tile_latent_min_size = tile // factor
    model.tile_overlap_factor = OVERLAP


@contextmanager
def on_device(model: torch.nn.Module, device: torch.device) -> Generator[None]:
    """A module on the device for the block; its tensors of before are put back after it, without copying."""
    home = [(owner, name, tensor) for owner, name, tensor in tensors_of(model) if tensor.device != device]
    try:
        for owner, name, tensor in home:
            _put(owner, name, tensor.to(device))
        yield
    finally:
        for owner, name, tensor in home:
            _put(owner, name, tensor)
        if home and device.type == "cuda":
            torch.cuda.empty_cache()


def _put(owner: torch.nn.Module, name: str, tensor: torch.Tensor) -> None:
    if name in owner._parameters:
        owner._parameters[name] = torch.nn.Parameter(tensor, requires_grad=False)
    else:
        owner._buffers[name] = tensor


def to_image(picture: torch.Tensor) -> Image.Image:
    """(3, h, w) in -1..1 -> an RGB image, rounded as diffusers does it."""
    values = ((picture / 2 + 0.5).clamp(0, 1).permute(1, 2, 0).numpy() * 255).round().astype("uint8")
    return Image.fromarray(values)


class StepWatch:
    """Reports the steps of a sampler, now and then with a preview, and lets a cancel through."""

    def __init__(
        self, context: Context, vae: ApartVAE, total: int, unpack: Callable[[torch.Tensor], torch.Tensor]
    ) -> None:
        self._context = context
        self._vae = vae
        self._total = total
        self._unpack = unpack
        self._step = 0
        self._every = max(1, total // PREVIEWS)
        self._last: tuple[torch.Tensor, float] | None = None

    def step(self, latents: torch.Tensor, sigma: float) -> None:
        """To be called after each step: latents as the sampler has them, and how much noise (0..1) is still in them."""
        self._step += 1
        preview = None
        if self._step % self._every == 0 and self._step < self._total and self._last is not None:
            folder = self._context.out_dir / "previews"
            folder.mkdir(exist_ok=True)
            preview = folder / f"{self._step:04d}.jpg"
            self._vae.preview(self._unpack(self._expected(latents, sigma)), preview)
        self._last = (latents, sigma)
        self._context.progress(self._step, self._total, preview=preview)

    def _expected(self, latents: torch.Tensor, sigma: float) -> torch.Tensor:
        """Where the sampler is heading: a flow's latents are on a straight line from the noise to the picture."""
        if self._last is None or self._last[1] == sigma or self._last[0].shape != latents.shape:
            return latents
        before, earlier = self._last
        return latents - sigma * (latents - before) / (sigma - earlier)


class PipelineVAE:
    """What a pipeline sees of the VAE when it must encode a picture: the same results, computed apart from the
    transformer.
    """

    def __init__(self, apart: ApartVAE, dtype: torch.dtype) -> None:
        self._apart = apart
        self.config = apart.model.config
        self.dtype = dtype

    def encode(self, pictures: torch.Tensor) -> AutoencoderKLOutput:
        """pictures: (n, 3, h, w) in -1..1 on any device -> the distribution of their latents on the same device."""
        parameters = self._apart.encode(pictures.float()).to(pictures.device, self.dtype)
        return AutoencoderKLOutput(latent_dist=DiagonalGaussianDistribution(parameters))
