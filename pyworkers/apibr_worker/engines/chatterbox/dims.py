"""The networks' dimensions: the released ones, unless a file next to the weights states smaller ones."""

from __future__ import annotations

import functools
import json
import logging
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chatterbox.models.s3gen import s3gen as s3gen_module
from chatterbox.models.t3.llama_configs import LLAMA_CONFIGS
from s3tokenizer.model_v2 import S3TokenizerV2

from apibr_worker.runtime.api import EngineError
from apibr_worker.runtime.sentences import say

CONFIG = "chatterbox.json"
"""Beside weights of other dimensions than the released ones: {"t3": {...}, "s3gen": {...}} with names as below."""
_MAX_CONFIG = 64 << 10

RELEASED_T3 = {"num_hidden_layers": 30, "intermediate_size": 4096}
RELEASED_S3GEN = {
    "encoder_blocks": 6,
    "encoder_units": 2048,
    "decoder_channels": 256,
    "decoder_head_dim": 64,
    "decoder_blocks": 4,
    "decoder_mid_blocks": 12,
    "decoder_heads": 8,
    "vocoder_channels": 512,
    "speaker_growth": 32,
    "tokenizer_state": 1280,
    "tokenizer_heads": 20,
    "tokenizer_layers": 6,
}
MULTILINGUAL_TEXT_TOKENS, ENGLISH_TEXT_TOKENS, SPEECH_TOKENS = 2454, 704, 8194
WIDTH = 1024
"""The Perceiver has it in its code, so that no checkpoint can differ in it."""


@dataclass(frozen=True, slots=True)
class Dims:
    """A checkpoint's dimensions. stated: there is a configuration file, so that the vocabulary is free too."""

    t3: dict[str, int]
    s3gen: dict[str, int]
    stated: bool


def read(folder: Path) -> Dims:
    """The dimensions for the weights in a folder.

    Raises EngineError when the file there names an unknown dimension, or a larger one than the released networks have.
    """
    path = folder / CONFIG
    if not path.is_file():
        return Dims(dict(RELEASED_T3), dict(RELEASED_S3GEN), stated=False)
    try:
        if path.stat().st_size > _MAX_CONFIG:
            raise ValueError("too large")
        content: Any = json.loads(path.read_text(encoding="utf-8"))
        return Dims(
            _checked(content.get("t3", {}), RELEASED_T3), _checked(content.get("s3gen", {}), RELEASED_S3GEN), True
        )
    except (OSError, ValueError, RecursionError, AttributeError) as error:
        logging.getLogger(__name__).warning("%s: %s", CONFIG, error)
        raise EngineError(
            "model_missing", say("the model's file %s cannot be used: install the model again", CONFIG)
        ) from None


def _checked(given: Any, released: dict[str, int]) -> dict[str, int]:
    if not isinstance(given, dict):
        raise ValueError("its parts must be objects")
    for name, value in given.items():
        if name not in released:
            raise ValueError(f"{str(name)[:40]!r} is not a dimension")
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= released[name]:
            raise ValueError(f"{name} must be 1 to {released[name]}")
    return {**released, **given}


def backbone(dims: Dims) -> str:
    """The name under which T3 finds a backbone of these dimensions among its configurations."""
    if dims.t3 == RELEASED_T3:
        return "Llama_520M"
    name = "apibr-" + "-".join(str(value) for value in dims.t3.values())
    known: dict[str, Any] = LLAMA_CONFIGS
    known[name] = {**known["Llama_520M"], **dims.t3}
    return name


@contextmanager
def applied(dims: Dims) -> Generator[None]:
    """S3Gen, whose constructor takes no dimensions, is built with these while the context lasts."""
    if dims.s3gen == RELEASED_S3GEN:
        yield
        return
    d: dict[str, Any] = dims.s3gen
    changed: dict[str, dict[str, Any]] = {
        "UpsampleConformerEncoder": {"num_blocks": d["encoder_blocks"], "linear_units": d["encoder_units"]},
        "ConditionalDecoder": {
            "channels": [d["decoder_channels"]],
            "attention_head_dim": d["decoder_head_dim"],
            "n_blocks": d["decoder_blocks"],
            "num_mid_blocks": d["decoder_mid_blocks"],
            "num_heads": d["decoder_heads"],
        },
        "HiFTGenerator": {"base_channels": d["vocoder_channels"]},
        "CAMPPlus": {"growth_rate": d["speaker_growth"]},
    }
    module: Any = s3gen_module
    originals = {name: getattr(module, name) for name in changed}
    # S3TokenizerV2's default argument is one instance that all tokenizers share.
    shared: Any = S3TokenizerV2.__init__.__defaults__
    config = shared[0]
    tokenizer = {
        "n_audio_state": d["tokenizer_state"],
        "n_audio_head": d["tokenizer_heads"],
        "n_audio_layer": d["tokenizer_layers"],
    }
    before = {name: getattr(config, name) for name in tokenizer}
    try:
        for name, extra in changed.items():
            setattr(module, name, _with(originals[name], extra))
        for name, value in tokenizer.items():
            setattr(config, name, value)
        yield
    finally:
        for name, original in originals.items():
            setattr(module, name, original)
        for name, value in before.items():
            setattr(config, name, value)


def _with(cls: Any, extra: dict[str, Any]) -> Any:
    """cls with some arguments always the same, whatever its caller says."""

    @functools.wraps(cls, updated=())
    def build(*args: Any, **kwargs: Any) -> Any:
        return cls(*args, **{**kwargs, **extra})

    return build
