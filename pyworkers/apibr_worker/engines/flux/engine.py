"""FLUX.1 [dev] and FLUX.1 Kontext [dev] by Black Forest Labs, in what 12 GB of VRAM and 32 GB of RAM can hold."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from diffusers import (
    FluxImg2ImgPipeline,
    FluxInpaintPipeline,
    FluxKontextInpaintPipeline,
    FluxKontextPipeline,
    FluxPipeline,
    FluxTransformer2DModel,
)
from torch import nn
from transformers import CLIPTextModel, CLIPTokenizer, T5EncoderModel, T5Tokenizer

from apibr_worker.diffusion import components
from apibr_worker.diffusion.base import DiffusionEngine, Embeddings, Request
from apibr_worker.diffusion.latents import PipelineVAE
from apibr_worker.diffusion.sampling import at_device
from apibr_worker.image.pictures import fit, read_mask, read_opaque
from apibr_worker.runtime.api import Context, InvalidInputError
from apibr_worker.runtime.sentences import say
from apibr_worker.torchkit import names
from apibr_worker.torchkit.placement import Placement

KONTEXT = "flux-kontext"
MULTIPLE = 16
"""Edges are multiples of it: the VAE's 8 pixels times the transformer's patches of 2."""
MAX_TOKENS = 512
PIXELS = 1 << 20
"""Pixels that Kontext was made for; a larger picture is brought to it."""
# Guidance of the model cards; strength is diffusers' default.
_GUIDANCE = {KONTEXT: 2.5}
_DEFAULT_GUIDANCE, _STEPS, _STRENGTH = 3.5, 28, 0.6


class Engine(DiffusionEngine):
    """Text to picture, picture to picture, inpainting, and editing by instruction (Kontext)."""

    originals: ClassVar = staticmethod(names.flux_layers)
    names: ClassVar = staticmethod(names.flux)
    marker = "double_blocks."
    longest = ("tokenizer_2", MAX_TOKENS)
    transformer_class = FluxTransformer2DModel

    def blocks(self, transformer: Any) -> list[nn.Module]:
        """Double blocks, then single ones."""
        return [*transformer.transformer_blocks, *transformer.single_transformer_blocks]

    def request(self, context: Context) -> Request:
        """Sizes default to the picture's when there is one, else 1024 x 1024."""
        params, edit = context.params, context.task == "image.edit"
        image = read_opaque(context, "image")
        mask = read_mask(context, image.size) if image else None
        if edit and self.model_id != KONTEXT and mask is None:
            raise InvalidInputError(
                say("this model edits only inside a mask: send a mask, or choose the model flux-kontext"),
                field="mask",
            )
        if self.model_id == KONTEXT and mask is None and "strength" in params:
            raise InvalidInputError(
                say("this model takes strength only with a mask: leave strength out, or send a mask"), field="strength"
            )
        if image is not None:
            image = fit(image, MULTIPLE, PIXELS)
            mask = mask.resize(image.size) if mask else None
        width, height = image.size if image else (1024, 1024)
        return Request(
            prompt=str(params["instruction"] if edit else params["prompt"]),
            negative_prompt="",
            width=int(params.get("width") or width),
            height=int(params.get("height") or height),
            num_images=int(params.get("num_images") or 1),
            steps=int(params.get("num_inference_steps") or _STEPS),
            guidance_scale=float(params.get("guidance_scale", _GUIDANCE.get(self.model_id, _DEFAULT_GUIDANCE))),
            strength=float(params.get("strength", 1.0 if edit else _STRENGTH)),
            image=image,
            mask=mask,
            edit=edit,
        )

    def prompt_facts(self, request: Request) -> dict[str, Any]:
        """The prompt and how much of it is read."""
        return {"family": "flux", "prompt": request.prompt, "tokens": MAX_TOKENS}

    def encode(self, request: Request) -> Embeddings:
        """prompt_embeds: (1, 512, 4096) of T5; pooled_prompt_embeds: (1, 768) of CLIP."""
        build: Any = FluxPipeline  # whose annotations do not know that components may be left out
        pipe = build(
            scheduler=None,
            vae=None,
            text_encoder=components.text_encoder(CLIPTextModel, self.base / "text_encoder"),
            tokenizer=components.tokenizer(CLIPTokenizer, self.base / "tokenizer"),
            text_encoder_2=components.text_encoder(T5EncoderModel, self.base / "text_encoder_2"),
            tokenizer_2=components.tokenizer(T5Tokenizer, self.base / "tokenizer_2"),
            transformer=None,
        )
        embeds, pooled, _ = pipe.encode_prompt(
            prompt=request.prompt, prompt_2=None, device=torch.device("cpu"), max_sequence_length=MAX_TOKENS
        )
        return {"prompt_embeds": embeds, "pooled_prompt_embeds": pooled}

    def pipeline(self, request: Request, place: Placement) -> tuple[Any, dict[str, Any]]:
        """Which of diffusers' pipelines the request needs."""
        size = {"height": request.height, "width": request.width}
        looks = {"image": request.image, "max_area": request.width * request.height, "_auto_resize": False}
        starts = {"image": request.image, "strength": request.strength}
        if self.model_id == KONTEXT:
            if request.mask is not None:
                cls, extra = (
                    FluxKontextInpaintPipeline,
                    {**looks, "mask_image": request.mask, "strength": request.strength},
                )
            else:
                cls, extra = FluxKontextPipeline, looks
        elif request.mask is not None:
            cls, extra = FluxInpaintPipeline, {**starts, "mask_image": request.mask}
        elif request.image is not None:
            cls, extra = FluxImg2ImgPipeline, starts
        else:
            cls, extra = FluxPipeline, {}
        assert self.vae is not None  # noqa: S101 (loaded)
        pipe = at_device(cls, place.device)(
            scheduler=components.scheduler(self.base / "scheduler"),
            vae=PipelineVAE(self.vae, place.dtype),
            text_encoder=None,
            tokenizer=None,
            text_encoder_2=None,
            tokenizer_2=None,
            transformer=self.transformer,
        )
        return pipe, {**size, **extra}

    def starts_from_image(self, request: Request) -> bool:
        """Kontext uses the picture as a condition; the others, and runs with a mask, start from it."""
        return self.model_id != KONTEXT or request.mask is not None

    def unpacked(self, latents: torch.Tensor, request: Request) -> torch.Tensor:
        """(n, tokens, 64) -> (n, 16, h, w). Latents with four dimensions are unpacked already."""
        if latents.ndim == 4:
            return latents
        return FluxPipeline._unpack_latents(latents, request.height, request.width, 8)
