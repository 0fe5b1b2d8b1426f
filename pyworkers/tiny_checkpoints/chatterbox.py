"""Tiny Chatterbox checkpoints in the released formats: safetensors and .pt files under the released names, a
configuration file with the dimensions, random weights. They make noise of a plausible length, not speech.
"""

from __future__ import annotations

import json
import os
import unicodedata
from pathlib import Path
from typing import Any

import torch
import yaml
from chatterbox.models.s3gen import S3Gen
from chatterbox.models.t3 import T3
from chatterbox.models.voice_encoder import VoiceEncoder
from chatterbox.mtl_tts import SUPPORTED_LANGUAGES
from safetensors.torch import save_file
from tokenizers import Tokenizer
from tokenizers.models import BPE

from apibr_worker.engines.chatterbox import dims
from apibr_worker.engines.chatterbox.loader import Config
from tiny_checkpoints import parts

T3_DIMS = {"num_hidden_layers": 2, "intermediate_size": 128}
S3GEN_DIMS = {
    "encoder_blocks": 1,
    "encoder_units": 64,
    "decoder_channels": 64,
    "decoder_head_dim": 16,
    "decoder_blocks": 1,
    "decoder_mid_blocks": 1,
    "decoder_heads": 2,
    "vocoder_channels": 64,
    "speaker_growth": 8,
    "tokenizer_state": 128,
    "tokenizer_heads": 2,
    "tokenizer_layers": 1,
}
LENGTH = 48
"""Tokens after which the tiny model has always stopped: 1.9 s, plausible for a short sentence."""
_START, _STOP = 255, 0
_CONFIG = json.dumps({"t3": T3_DIMS, "s3gen": S3GEN_DIMS})


def write(folder: Path, seed: int = 0) -> None:
    """Writes folder/<model>/ with model.yaml for the three models. The sound model is one file, linked: it is the
    largest.
    """
    parts.seeded(seed)
    own = dims.Dims({**dims.RELEASED_T3, **T3_DIMS}, {**dims.RELEASED_S3GEN, **S3GEN_DIMS}, stated=True)
    with dims.applied(own):
        sound = S3Gen().state_dict()
    speaker, voice = VoiceEncoder().state_dict(), _voice()
    general = folder / "chatterbox"
    for model, variant, t3 in (
        ("chatterbox", "v3", "t3_mtl23ls_v3.safetensors"),
        ("chatterbox-pt-br", "fp32", "t3_pt_br.safetensors"),
    ):
        base, pack = _folders(folder / model)
        weights = _speech_model(own, dims.MULTILINGUAL_TEXT_TOKENS)
        save_file(weights if model == general.name else _half(weights), pack / t3)
        _tokenizer(base / "grapheme_mtl_merged_expanded_v1.json", dims.MULTILINGUAL_TEXT_TOKENS, SUPPORTED_LANGUAGES)
        torch.save(speaker, base / "ve.pt")
        torch.save(voice, base / "conds.pt")
        if model == general.name:
            torch.save(sound, base / "s3gen.pt")
        else:
            os.link(general / "base" / "s3gen.pt", base / "s3gen.pt")
        _describe(folder / model, model, variant)
    base, pack = _folders(folder / "chatterbox-en")
    save_file(_half(_speech_model(own, dims.ENGLISH_TEXT_TOKENS)), pack / "t3_cfg.safetensors")
    _tokenizer(base / "tokenizer.json", dims.ENGLISH_TEXT_TOKENS, [])
    save_file(_contiguous(speaker), base / "ve.safetensors")
    save_file(_half(_contiguous(sound)), base / "s3gen.safetensors")
    torch.save(voice, base / "conds.pt")
    _describe(folder / "chatterbox-en", "chatterbox-en", "fp32")


def _folders(model: Path) -> tuple[Path, Path]:
    base, pack = model / "base", model / "t3"
    for folder in (base, pack):
        folder.mkdir(parents=True)
        (folder / dims.CONFIG).write_text(_CONFIG, encoding="utf-8")
    return base, pack


def _describe(folder: Path, model: str, variant: str) -> None:
    described = {"id": model, "engine": "chatterbox", "variants": {variant: {"t3": "t3", "base": "base"}}}
    (folder / "model.yaml").write_text(yaml.safe_dump(described, sort_keys=False), encoding="utf-8")


def _contiguous(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: tensor.contiguous().clone() for name, tensor in state.items()}


def _half(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """In bfloat16, as fine-tunes often come, and half as large."""
    return {name: tensor.to(torch.bfloat16) if tensor.is_floating_point() else tensor for name, tensor in state.items()}


def _speech_model(own: dims.Dims, text_tokens: int) -> dict[str, torch.Tensor]:
    """T3's weights. Random ones never stop and name sounds that do not exist; these stop near LENGTH
    and name only sounds.
    """
    hp = Config(text_tokens)
    hp.llama_config_name = dims.backbone(own)
    state = T3(hp).state_dict()
    head = state["speech_head.weight"]
    head *= 20.0  # takes of one sentence differ, but are not all noise
    head[hp.start_speech_token :] = 0.0
    # The later the position, the louder a direction of its own, to which only the stop symbol listens.
    direction = torch.nn.functional.normalize(torch.randn(dims.WIDTH), dim=0)
    head -= torch.outer(head @ direction, direction)
    head[hp.stop_speech_token] = 4.0 * direction
    positions = state["speech_pos_emb.emb.weight"]
    ramp = ((torch.arange(len(positions)) - LENGTH // 2) / (LENGTH // 2)).clamp(0.0, 1.0)
    positions += 40.0 * ramp[:, None] * direction
    return _contiguous(state)


def _tokenizer(path: Path, symbols: int, languages: Any) -> None:
    """A tokenizer of single letters with the released special symbols and size."""
    fixed = {"[STOP]": _STOP, "[START]": _START}
    names = ["[UNK]", "[SPACE]", "[PAD]", "[SEP]", "[CLS]", "[MASK]", *(f"[{code}]" for code in languages)]
    letters = [chr(code) for code in (*range(33, 127), *range(0x300, 0x340), *range(0xC0, 0x180))]
    # Lower-casing and decomposing, as the released tokenizer's text comes.
    letters = [letter for letter in letters if not unicodedata.decomposition(letter)]
    free = iter(code for code in range(symbols) if code not in fixed.values())
    vocabulary = {**fixed, **{name: next(free) for name in [*names, *letters]}}
    vocabulary |= {f"[unused{code}]": code for code in free}
    tokenizer = Tokenizer(BPE(vocab=vocabulary, merges=[], unk_token="[UNK]"))  # noqa: S106 (a symbol, no password)
    tokenizer.add_special_tokens([*fixed, *names])
    tokenizer.save(str(path))


def _voice() -> dict[str, Any]:
    """conds.pt: two seconds of a random voice."""
    tokens = torch.randint(0, 6561, (1, 50))
    return {
        "t3": {
            "speaker_emb": torch.nn.functional.normalize(torch.rand(1, 256), dim=1),
            "clap_emb": None,
            "cond_prompt_speech_tokens": tokens,
            "cond_prompt_speech_emb": None,
            "emotion_adv": 0.5 * torch.ones(1, 1, 1),
        },
        "gen": {
            "prompt_token": tokens,
            "prompt_token_len": torch.tensor([tokens.shape[1]]),
            "prompt_feat": torch.randn(1, 2 * tokens.shape[1], 80),
            "prompt_feat_len": None,
            "embedding": torch.randn(1, 192),
        },
    }
