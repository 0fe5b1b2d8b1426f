"""Stable Diffusion 3.5 Large by Stability AI, in what 12 GB of VRAM and 32 GB of RAM can hold."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from diffusers import (
    SD3Transformer2DModel,
    StableDiffusion3Img2ImgPipeline,
    StableDiffusion3InpaintPipeline,
    StableDiffusion3Pipeline,
)
from torch import nn
from transformers import CLIPTextModelWithProjection, CLIPTokenizer, T5EncoderModel, T5Tokenizer

from apibr_worker.diffusion import components
from apibr_worker.diffusion.base import DiffusionEngine, Embeddings, Request
from apibr_worker.diffusion.latents import PipelineVAE
from apibr_worker.diffusion.sampling import at_device
from apibr_worker.image.pictures import fit, read_mask, read_opaque
from apibr_worker.runtime.api import Context, InvalidInputError
from apibr_worker.runtime.sentences import say
from apibr_worker.torchkit import names
from apibr_worker.torchkit.placement import Placement

MULTIPLE = 16
MAX_TOKENS = 256
PIXELS = 1 << 20
_GUIDANCE, _STEPS, _STRENGTH = 4.5, 28, 0.6


class Engine(DiffusionEngine):
    """Text to picture, picture to picture and inpainting, with a negative prompt."""

    originals: ClassVar = staticmethod(names.sd3_layers)
    names: ClassVar = staticmethod(names.sd3)
    marker = "joint_blocks."
    longest = ("tokenizer_3", MAX_TOKENS)
    transformer_class = SD3Transformer2DModel

    def blocks(self, transformer: Any) -> list[nn.Module]:
        """The joint blocks."""
        return list(transformer.transformer_blocks)

    def request(self, context: Context) -> Request:
        """Sizes default to the picture's when there is one, else 1024 x 1024."""
        params, edit = context.params, context.task == "image.edit"
        image = read_opaque(context, "image")
        mask = read_mask(context, image.size) if image else None
        if edit and mask is None:
            raise InvalidInputError(
                say("this model edits only inside a mask: send a mask, or choose the model flux-kontext"),
                field="mask",
            )
        if image is not None:
            image = fit(image, MULTIPLE, PIXELS)
            mask = mask.resize(image.size) if mask else None
        width, height = image.size if image else (1024, 1024)
        return Request(
            prompt=str(params["instruction"] if edit else params["prompt"]),
            negative_prompt=str(params.get("negative_prompt") or ""),
            width=int(params.get("width") or width),
            height=int(params.get("height") or height),
            num_images=int(params.get("num_images") or 1),
            steps=int(params.get("num_inference_steps") or _STEPS),
            guidance_scale=float(params.get("guidance_scale", _GUIDANCE)),
            strength=float(params.get("strength", 1.0 if edit else _STRENGTH)),
            image=image,
            mask=mask,
            edit=edit,
        )

    def prompt_facts(self, request: Request) -> dict[str, Any]:
        """Both prompts and how much of them is read."""
        prompts = [request.prompt, request.negative_prompt if request.guidance_scale > 1 else None]
        return {"family": "sd3", "prompts": prompts, "tokens": MAX_TOKENS}

    def encode(self, request: Request) -> Embeddings:
        """prompt_embeds: (1, 77 + 256, 4096); pooled_prompt_embeds: (1, 2048); the same of the negative prompt."""
        encoder, tokenizer = components.text_encoder, components.tokenizer
        build: Any = StableDiffusion3Pipeline  # whose annotations do not know that components may be left out
        pipe = build(
            transformer=None,
            scheduler=None,
            vae=None,
            text_encoder=encoder(CLIPTextModelWithProjection, self.base / "text_encoder"),
            tokenizer=tokenizer(CLIPTokenizer, self.base / "tokenizer"),
            text_encoder_2=encoder(CLIPTextModelWithProjection, self.base / "text_encoder_2"),
            tokenizer_2=tokenizer(CLIPTokenizer, self.base / "tokenizer_2"),
            text_encoder_3=encoder(T5EncoderModel, self.base / "text_encoder_3"),
            tokenizer_3=tokenizer(T5Tokenizer, self.base / "tokenizer_3"),
        )
        guided = request.guidance_scale > 1
        embeds, negative, pooled, negative_pooled = pipe.encode_prompt(
            prompt=request.prompt,
            prompt_2=None,
            prompt_3=None,
            device=torch.device("cpu"),
            do_classifier_free_guidance=guided,
            negative_prompt=request.negative_prompt,
            max_sequence_length=MAX_TOKENS,
        )
        made = {"prompt_embeds": embeds, "pooled_prompt_embeds": pooled}
        if guided:
            made |= {"negative_prompt_embeds": negative, "negative_pooled_prompt_embeds": negative_pooled}
        return made

    def pipeline(self, request: Request, place: Placement) -> tuple[Any, dict[str, Any]]:
        """Which of diffusers' pipelines the request needs."""
        extra: dict[str, Any] = {"height": request.height, "width": request.width}
        cls: Any = StableDiffusion3Pipeline
        if request.image is not None:
            extra |= {"image": request.image, "strength": request.strength}
            cls = StableDiffusion3Img2ImgPipeline
        if request.mask is not None:
            extra["mask_image"] = request.mask
            cls = StableDiffusion3InpaintPipeline
        assert self.vae is not None  # noqa: S101 (loaded)
        pipe = at_device(cls, place.device)(
            transformer=self.transformer,
            scheduler=components.scheduler(self.base / "scheduler"),
            vae=PipelineVAE(self.vae, place.dtype),
            text_encoder=None,
            tokenizer=None,
            text_encoder_2=None,
            tokenizer_2=None,
            text_encoder_3=None,
            tokenizer_3=None,
        )
        return pipe, extra

    def unpacked(self, latents: torch.Tensor, request: Request) -> torch.Tensor:
        """Returns them as they are: this model does not pack its latents."""
        del request
        return latents
