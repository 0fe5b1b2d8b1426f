"""Loads a checkpoint into the released classes.

Differs from upstream's from_local in what a studio needs: no hub call, files found by content, weights as maps of
their files, dimensions checked, and the alignment analyser off. That one hooks layers which a fine-tune may lack, adds
a hook with every sentence that is never taken off, and was removed upstream after 0.1.7.
"""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import perth
import torch
from chatterbox.models.s3gen import S3Gen
from chatterbox.models.t3 import T3
from chatterbox.models.t3.modules.t3_config import T3Config
from chatterbox.models.voice_encoder import VoiceEncoder
from torch import nn

from apibr_worker.engines.chatterbox import dims, files
from apibr_worker.engines.chatterbox.tokens import ENGLISH, TextTokens
from apibr_worker.runtime.api import EngineError
from apibr_worker.runtime.sentences import Sentence, say

SAMPLE_RATE = 24000
_MAY_MISS = {"tokenizer._mel_filters", "tokenizer.window"}
"""Constants that the English file lacks."""


class Config(T3Config):
    """T3's own configuration with the analyser off; nothing else asks whether the model is multilingual."""

    @property
    def is_multilingual(self) -> bool:
        return False


@dataclass(slots=True)
class Model:
    """A loaded checkpoint, in float32: the released code is not made for halves."""

    id: str
    device: torch.device
    t3: T3
    s3gen: S3Gen
    ve: VoiceEncoder
    text: TextTokens
    conds: Path | None
    """The checkpoint's own voice."""
    identity: str
    """Changes with the networks from which a voice's conditionals are computed."""
    watermarker: Any


def load(model: str, parts: list[Path], device: torch.device) -> Model:
    """Raises EngineError when a file is missing, damaged, or of other dimensions than it says."""
    english = model == ENGLISH
    found = files.find(parts, english=english)
    t3 = load_t3(found.t3, english=english)
    s3gen = load_s3gen(found.s3gen)
    ve = load_voice_encoder(found.ve)
    text = TextTokens(found.tokenizer, found.cangjie, english=english, rows=t3.hp.text_tokens_dict_size)
    watermark: Any = perth.PerthImplicitWatermarker
    if watermark is None:  # so the package says that it could not be imported
        raise EngineError("internal", say("the watermark's library cannot be loaded: run `apibr models setup` again"))
    identity = _identity(s3gen, ve)
    for network in (t3, s3gen, ve):
        network.to(device)
    return Model(
        id=model,
        device=device,
        t3=t3,
        s3gen=s3gen,
        ve=ve,
        text=text,
        conds=found.conds,
        identity=identity,
        watermarker=watermark(),
    )


def load_t3(path: Path, *, english: bool) -> T3:
    """T3 with the weights of a file."""
    state, own = files.weights(path), dims.read(path.parent)
    _check_t3(state, own, english)
    hp = Config(int(state["text_emb.weight"].shape[0]))
    hp.llama_config_name = dims.backbone(own)
    with torch.device("meta"):
        t3 = T3(hp)
    _fill(t3, state, say("speech model"))
    # The positions' frequencies are not weights: the file does not have them.
    backbone: Any = t3.tfmr
    backbone.rotary_emb = type(backbone.rotary_emb)(t3.cfg)
    return _ready(t3)


def _check_t3(state: files.State, own: dims.Dims, english: bool) -> None:
    """Says in words what does not fit, before torch would say it in tensors."""
    text, speech = state.get("text_emb.weight"), state.get("speech_emb.weight")
    if text is None or speech is None or text.ndim != 2 or text.shape[1] != dims.WIDTH:
        raise EngineError("model_missing", say("the speech model is not Chatterbox's: install the model again"))
    layers = {name.split(".")[2] for name in state if name.startswith("tfmr.layers.")}
    symbols = dims.ENGLISH_TEXT_TOKENS if english else dims.MULTILINGUAL_TEXT_TOKENS
    for what, have, want in (
        (say("layers"), len(layers), own.t3["num_hidden_layers"]),
        (say("speech symbols"), len(speech), dims.SPEECH_TOKENS),
        (say("text symbols"), len(text), len(text) if own.stated else symbols),
    ):
        if have != want:
            raise EngineError(
                "model_missing",
                say(
                    "the speech model has %d %s where %d are expected: install the model again, or "
                    "a newer version of the studio",
                    have,
                    what,
                    want,
                ),
            )


def load_s3gen(path: Path) -> S3Gen:
    """S3Gen with the weights of a file. It computes constants as it is built, so that it cannot be built empty."""
    with dims.applied(dims.read(path.parent)):
        s3gen = S3Gen()
    _fill(s3gen, files.weights(path), say("sound model"), _MAY_MISS)
    return _ready(s3gen)


def load_voice_encoder(path: Path) -> VoiceEncoder:
    """The speaker encoder with the weights of a file."""
    ve = VoiceEncoder()
    _fill(ve, files.weights(path), say("voice encoder"))
    return _ready(ve)


def _fill(network: nn.Module, state: files.State, what: Sentence, may_miss: set[str] | None = None) -> None:
    """Puts the weights in without copying them. Raises EngineError when they are not this network's."""
    try:
        missing, unexpected = network.load_state_dict(state, strict=False, assign=True)
    except RuntimeError:  # shapes
        raise EngineError(
            "model_missing",
            say("the weights of the %s have other dimensions than the released ones: install the model again", what),
        ) from None
    missing = set(missing) - (may_miss or set())
    if missing or unexpected:
        raise EngineError(
            "model_missing",
            say(
                "the file of the %s lacks %d weights and has %d unknown ones: install the model again",
                what,
                len(missing),
                len(unexpected),
            ),
        )


def _ready(network: Any) -> Any:
    """In float32, for inference."""
    tensors = itertools.chain(network.parameters(), network.buffers())
    if any(tensor.is_floating_point() and tensor.dtype != torch.float32 for tensor in tensors):
        network.float()
    return network.eval().requires_grad_(False)


_SAMPLED = 64


def _identity(s3gen: S3Gen, ve: VoiceEncoder) -> str:
    """A hash over a sample of each weight from which conditionals are computed: hashing all would read 0.5 GB."""
    digest = hashlib.sha256()
    for network in (s3gen.tokenizer, s3gen.speaker_encoder, ve):
        for name, tensor in itertools.chain(network.named_parameters(), network.named_buffers()):
            flat = tensor.detach().reshape(-1)
            part = flat[:: max(1, flat.numel() // _SAMPLED)][:_SAMPLED].float().numpy()
            digest.update(f"{name}{tuple(tensor.shape)}".encode() + part.tobytes())
    return digest.hexdigest()[:32]
