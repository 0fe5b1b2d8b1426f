"""Random components in the released formats that several tiny checkpoints share: tokenizers, text encoders, a VAE, a
scheduler.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler
from tokenizers.pre_tokenizers import ByteLevel
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    T5Config,
    T5EncoderModel,
    T5Tokenizer,
)

LATIN = [chr(code) for code in (*range(33, 127), *range(0xC0, 0x180))]


def clip_tokenizer(folder: Path) -> int:
    """A CLIP tokenizer of single bytes; returns the size of its vocabulary."""
    alphabet = sorted(ByteLevel.alphabet())
    tokens = [*alphabet, *(letter + "</w>" for letter in alphabet), "<|startoftext|>", "<|endoftext|>"]
    CLIPTokenizer(
        vocab={token: index for index, token in enumerate(tokens)}, merges=[], model_max_length=77
    ).save_pretrained(folder)
    return len(tokens)


def clip(folder: Path, vocabulary: int, *, hidden: int, projection: int, projected: bool) -> None:
    """A CLIP text encoder of two layers. projected: with the projection that Stable Diffusion's have."""
    config = CLIPTextConfig(
        vocab_size=vocabulary,
        hidden_size=hidden,
        intermediate_size=2 * hidden,
        num_attention_heads=2,
        num_hidden_layers=2,
        projection_dim=projection,
        max_position_embeddings=77,
        bos_token_id=vocabulary - 2,
        eos_token_id=vocabulary - 1,
        pad_token_id=vocabulary - 1,
    )
    model: Any = CLIPTextModelWithProjection(config) if projected else CLIPTextModel(config)
    model.save_pretrained(folder)


def t5(tokenizer: Path, folder: Path, *, width: int, tokens: int) -> None:
    """A T5 encoder of two layers with a tokenizer of single characters, Portuguese ones too."""
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", -20.0), ("▁", -2.0), *((letter, -3.0) for letter in LATIN)]
    T5Tokenizer(vocab=pieces, extra_ids=0, model_max_length=tokens).save_pretrained(tokenizer)
    config = T5Config(
        vocab_size=len(pieces) + 8,
        d_model=width,
        d_kv=8,
        d_ff=32,
        num_layers=2,
        num_heads=4,
        feed_forward_proj="gated-gelu",
    )
    T5EncoderModel(config).save_pretrained(folder)


def vae(folder: Path, *, scaling: float, shift: float) -> None:
    """A VAE with the released number of latent channels and its factor of 8."""
    build: Any = AutoencoderKL  # annotated for one block only
    build(
        sample_size=1024,
        latent_channels=16,
        block_out_channels=(4, 4, 4, 4),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=1,
        norm_num_groups=1,
        use_quant_conv=False,
        use_post_quant_conv=False,
        scaling_factor=scaling,
        shift_factor=shift,
    ).save_pretrained(folder)


def scheduler(folder: Path, **config: Any) -> None:
    """The flow-matching scheduler."""
    FlowMatchEulerDiscreteScheduler(**config).save_pretrained(folder)


def index(folder: Path, pipeline: str, **components: tuple[str, str]) -> None:
    """model_index.json, by which diffusers finds the components of a folder."""
    facts = {"_class_name": pipeline, "_diffusers_version": "0.42.1", **components}
    (folder / "model_index.json").write_text(json.dumps(facts, indent=2), encoding="utf-8")


def seeded(seed: int) -> None:
    """Makes the weights that follow repeatable."""
    torch.manual_seed(seed)
