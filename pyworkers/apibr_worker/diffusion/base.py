"""The engine that FLUX and Stable Diffusion 3.5 share: prompt, then latents, then pictures, each phase with its own
memory.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import nn
from transformers import T5Tokenizer

from apibr_worker.diffusion import components
from apibr_worker.diffusion.latents import ApartVAE, StepWatch, to_image
from apibr_worker.diffusion.sampling import batches, generators, sample
from apibr_worker.image.pictures import save
from apibr_worker.runtime.api import Context, EngineError, InvalidInputError, LoadRequest, RunResult, Warning
from apibr_worker.runtime.sentences import say
from apibr_worker.torchkit import lora
from apibr_worker.torchkit.embeddings import EmbeddingCache
from apibr_worker.torchkit.names import Shapes
from apibr_worker.torchkit.placement import Placement, free, placement

Embeddings = dict[str, torch.Tensor]


@dataclass(slots=True)
class Request:
    """A run's parameters after the engine has put in its own defaults. Sizes are pixels."""

    prompt: str
    negative_prompt: str
    width: int
    height: int
    num_images: int
    steps: int
    guidance_scale: float
    strength: float
    image: Image.Image | None
    mask: Image.Image | None
    edit: bool


class DiffusionEngine(ABC):
    """load opens the files and checks them; nothing is on the device between runs."""

    names: components.Names
    marker: str
    """A part of the names that only files with the original project's names have."""
    transformer_class: Any
    longest: tuple[str, int]
    """The folder of the tokenizer that reads most of a prompt, and how many tokens it gives to its encoder."""
    originals: Callable[[Mapping[str, Any]], Shapes]
    """The original project's linear layers for a configuration of the transformer, by whose names LoRA files go."""

    def __init__(self) -> None:
        self.model_id = ""
        self.base = Path()
        self.place = Placement(torch.device("cpu"), torch.float32)
        self.transformer: nn.Module | None = None
        self.vae: ApartVAE | None = None
        self.cache = EmbeddingCache(None)
        self.identity = ""
        self.lowered = False
        self.lora_strength: float | None = None
        self.warnings: list[Warning] = []

    # ---- what each engine defines

    @abstractmethod
    def blocks(self, transformer: Any) -> list[nn.Module]:
        """The transformer's blocks in the order in which it calls them."""

    @abstractmethod
    def request(self, context: Context) -> Request:
        """The parameters, complete. Raises InvalidInputError for what cannot be honoured."""

    @abstractmethod
    def encode(self, request: Request) -> Embeddings:
        """What the text encoders make of the prompt, on the CPU, by the pipeline's argument names."""

    @abstractmethod
    def prompt_facts(self, request: Request) -> dict[str, Any]:
        """All that encode depends on besides the encoders' files."""

    @abstractmethod
    def pipeline(self, request: Request, place: Placement) -> tuple[Any, dict[str, Any]]:
        """The pipeline for the request and the arguments that only it takes."""

    @abstractmethod
    def unpacked(self, latents: torch.Tensor, request: Request) -> torch.Tensor:
        """Latents as the sampler has them -> (n, channels, height / 8, width / 8)."""

    # ---- what all engines share

    def load(self, request: LoadRequest) -> None:
        """Opens the transformer's weights and the VAE's. Text encoders are opened when a prompt needs them."""
        try:
            self.base, weights = Path(request.files["base"]), Path(request.files["transformer"])
        except KeyError as part:
            raise EngineError(
                "model_missing", say("the model's part %s is missing: install the model again", part.args[0])
            ) from None
        self.model_id, self.place = request.model, placement(request.plan)
        folder = os.environ.get("APIBR_CACHE_DIR")
        self.cache = EmbeddingCache(Path(folder) / "embeddings" if folder else None)
        config = weights if (weights / "config.json").is_file() else self.base / "transformer"
        self.transformer = components.transformer(
            self.transformer_class, config, weights, type(self).names, self.marker, self.place.dtype
        )
        self._load_lora(request)
        self.vae = ApartVAE(components.vae(self.base / "vae"), self.place)
        self.identity = _identity(self.base)

    def _load_lora(self, request: LoadRequest) -> None:
        self.lora_strength, self.warnings = None, []
        path = request.files.get("lora")
        if path is None:
            return
        transformer: Any = self.transformer
        strength = request.plan.get("lora_strength", 1.0)
        if isinstance(strength, bool) or not isinstance(strength, (int, float)):
            raise InvalidInputError(say("lora_strength must be a number"), field="lora_strength")
        own = type(self)
        try:
            applied = lora.apply(transformer, Path(path), float(strength), own.names, own.originals(transformer.config))
        except EngineError:
            self.transformer = None  # never a run without the LoRA that was asked for
            raise
        self.lora_strength = float(strength)
        if applied.unused:
            self.warnings.append(
                Warning(
                    "lora_partly_used",
                    say(
                        "%d of the LoRA's %d parts were left out: this model has no place for them",
                        applied.unused,
                        applied.tensors,
                    ),
                )
            )

    def unload(self) -> None:
        """Lets go of the files."""
        self.transformer, self.vae = None, None
        self.lora_strength, self.warnings = None, []
        free(self.place.device)

    def run(self, context: Context) -> RunResult:
        """Makes the pictures of one request."""
        if self.transformer is None or self.vae is None:
            raise EngineError("model_missing", say("no model is loaded: try again"))
        if context.plan is not None:
            self.place = placement(context.plan)
        request = self.request(context)
        with context.phase("prompt"):
            warnings = [*self.warnings, *self._cut(request)]
            embeddings = self._embeddings(request)
        with context.phase("sample"):
            latents = self._latents(context, request, embeddings)
        free(self.place.device)
        with context.phase("decode"):
            pictures: list[Image.Image] = []
            for index, one in enumerate(latents.split(1)):
                pictures.append(to_image(self.vae.decode(one)[0]))
                context.progress(index + 1, request.num_images)
            outputs = [save(context, picture, index) for index, picture in enumerate(pictures)]
        metadata = {
            "model": self.model_id,
            "width": request.width,
            "height": request.height,
            "num_inference_steps": request.steps,
            "guidance_scale": request.guidance_scale,
        }
        if self.lowered:
            metadata["lowered"] = True  # memory ran out once: this run's peak says nothing about the plan
        if self.lora_strength is not None:
            metadata["lora_strength"] = self.lora_strength
        return RunResult(outputs, metadata, warnings)

    def _cut(self, request: Request) -> list[Warning]:
        """A warning when the end of the prompt is beyond what the encoders read."""
        folder, most = self.longest
        if len(request.prompt) < most:  # a token has a letter at least, and one marks the end
            return []
        tokens = len(components.tokenizer(T5Tokenizer, self.base / folder)(request.prompt).input_ids)
        if tokens <= most:
            return []
        return [
            Warning(
                "prompt_cut",
                say("the prompt has %d tokens and the model reads %d: its end was left out; shorten it", tokens, most),
            )
        ]

    def _embeddings(self, request: Request) -> Embeddings:
        key = self.cache.key(encoders=self.identity, **self.prompt_facts(request))
        found = self.cache.load(key)
        if found is None:
            with torch.inference_mode():
                found = {name: tensor.cpu() for name, tensor in self.encode(request).items()}
            self.cache.save(key, found)
            free(torch.device("cpu"))
        return found

    def _latents(self, context: Context, request: Request, embeddings: Embeddings) -> torch.Tensor:
        """(num_images, channels, height / 8, width / 8) on the CPU."""
        transformer, vae = self.transformer, self.vae
        assert transformer is not None and vae is not None  # noqa: S101 (run has looked)

        def run(place: Placement) -> torch.Tensor:
            groups = batches(request.num_images, place.batch)
            watch = StepWatch(context, vae, self.steps(request) * len(groups), lambda x: self.unpacked(x, request))
            return torch.cat([self._batch(request, embeddings, place, watch, group, context.seed) for group in groups])

        latents, used = sample(context, transformer, self.blocks(transformer), self.place, run)
        self.lowered = used is not self.place
        return latents

    def _batch(
        self, request: Request, embeddings: Embeddings, place: Placement, watch: StepWatch, group: range, seed: int
    ) -> torch.Tensor:
        pipe, arguments = self.pipeline(request, place)
        pipe.set_progress_bar_config(disable=True)

        def after_step(pipe: Any, index: int, _: Any, state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
            watch.step(state["latents"], float(pipe.scheduler.sigmas[pipe.scheduler.step_index or index + 1]))
            return {}

        on_device = {
            name: tensor.to(place.device, place.dtype).repeat_interleave(len(group), 0)
            for name, tensor in embeddings.items()
        }
        made = pipe(
            **on_device,
            **arguments,
            num_inference_steps=request.steps,
            guidance_scale=request.guidance_scale,
            generator=generators(seed + group.start, len(group)),
            output_type="latent",
            callback_on_step_end=after_step,
        ).images
        return self.unpacked(made, request).cpu()

    def steps(self, request: Request) -> int:
        """Steps that the sampler really makes: of a picture to start from, only the part that `strength` leaves."""
        if request.image is None or not self.starts_from_image(request):
            return request.steps
        return min(int(request.steps * request.strength), request.steps)

    def starts_from_image(self, request: Request) -> bool:
        """Whether the sampler starts from the given picture, rather than using it as a condition."""
        return request.image is not None


def _identity(base: Path) -> str:
    """Identifies a set of text encoders by their files' names, sizes and times."""
    files = sorted(path for folder in base.glob("text_encoder*") for path in folder.iterdir())
    files += sorted(path for folder in base.glob("tokenizer*") for path in folder.iterdir())
    facts = [(path.parent.name, path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    return repr(facts)
