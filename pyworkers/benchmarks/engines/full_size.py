"""Writes checkpoints of the released sizes, shapes, names and quantisations in a minute, their numbers random.

A pool of 32 MiB for each way of storing is repeated: what is read, decoded and computed with is real memory and real
work, and only the numbers repeat. Scales are such that activations stay finite.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import gguf
import numpy as np
import torch
from diffusers import AutoencoderKL, FluxTransformer2DModel, SD3Transformer2DModel
from gguf import GGML_QUANT_SIZES
from gguf import GGMLQuantizationType as Kind
from numpy.typing import NDArray
from torch import nn
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    T5Config,
    T5EncoderModel,
    T5Tokenizer,
)

from tiny_checkpoints import flux, parts, sd35

POOL = 32 << 20
_NORMAL = 0.02
# Where the scales of a block are, as float16, and their value: products of about the size of trained weights.
_SCALES: dict[Kind, dict[int, float]] = {
    Kind.Q8_0: {0: 3e-4},
    Kind.Q4_0: {0: 4e-3},
    Kind.Q4_1: {0: 4e-3, 2: -0.03},
    Kind.Q5_0: {0: 2e-3},
    Kind.Q5_1: {0: 2e-3, 2: -0.03},
    Kind.Q4_K: {0: 1e-4, 2: 7.5e-4},
    Kind.Q5_K: {0: 5e-5, 2: 7.5e-4},
    Kind.Q6_K: {208: 1.5e-5},
}


@dataclass(frozen=True, slots=True)
class Full:
    """A model at full size: its engine's files, and how they are made."""

    engine: str
    model: str
    variant: str
    kind: Kind
    precise: tuple[str, ...]
    architecture: str
    build: Callable[[], nn.Module]
    original: Callable[[dict[str, Any]], dict[str, Any]]
    clips: tuple[tuple[int, int, int, bool], ...]
    """Width, layers, heads, projected, of each CLIP."""
    vae: dict[str, float]
    tokens: int


MODELS = {
    "flux": Full(
        "flux",
        "flux-dev",
        "Q4_K_S",
        Kind.Q4_K,
        flux._PRECISE,
        "flux",
        lambda: FluxTransformer2DModel(guidance_embeds=True),
        flux.original,
        ((768, 12, 12, False),),
        {"scaling_factor": 0.3611, "shift_factor": 0.1159},
        512,
    ),
    "sd35": Full(
        "sd35",
        "sd3.5-large",
        "Q4_0",
        Kind.Q4_0,
        sd35._PRECISE,
        "sd3",
        lambda: SD3Transformer2DModel(
            sample_size=128,
            patch_size=2,
            in_channels=16,
            out_channels=16,
            num_layers=38,
            attention_head_dim=64,
            num_attention_heads=38,
            joint_attention_dim=4096,
            caption_projection_dim=2432,
            pooled_projection_dim=2048,
            pos_embed_max_size=192,
            qk_norm="rms_norm",
        ),
        sd35.original,
        ((768, 12, 12, True), (1280, 32, 20, True)),
        {"scaling_factor": 1.5305, "shift_factor": 0.0609},
        256,
    ),
}


def write(work: Path, name: str, *, encoders: bool = True) -> dict[str, str]:
    """Writes what is not there yet of a model; returns the files of a load by role. Without encoders, no prompt can be
    encoded, and 10 GB less are written.
    """
    full, folder = MODELS[name], work / name
    base, transformer = folder / "base", folder / f"{name}-{full.variant}.gguf"
    if not transformer.exists():
        (base / "transformer").mkdir(parents=True, exist_ok=True)
        _transformer(full, base / "transformer", transformer)
    if not (base / "vae").exists():
        _vae(base / "vae", full.vae)
        parts.scheduler(base / "scheduler", shift=3.0, **({"use_dynamic_shifting": True} if name == "flux" else {}))
    if encoders and not (base / "text_encoder").exists():
        for index, (width, layers, heads, projected) in enumerate(full.clips):
            number = f"_{index + 1}" if index else ""
            vocabulary = parts.clip_tokenizer(base / f"tokenizer{number}")
            _clip(base / f"text_encoder{number}", vocabulary, width, layers, heads, projected=projected)
        number = f"_{len(full.clips) + 1}"
        pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", -20.0), ("▁", -2.0), *((c, -3.0) for c in parts.LATIN)]
        T5Tokenizer(vocab=pieces, extra_ids=0, model_max_length=full.tokens).save_pretrained(
            base / f"tokenizer{number}"
        )
        _t5(work / "t5-xxl")
        (base / f"text_encoder{number}").symlink_to(Path("../../t5-xxl"), target_is_directory=True)
    return {"base": str(base), "transformer": str(transformer)}


def pool(kind: Kind) -> NDArray[np.uint8]:
    """About POOL bytes of valid blocks of a quantisation, or of numbers of a float type."""
    random = np.random.default_rng(7)
    if kind in (Kind.F32, Kind.F16, Kind.BF16):
        numbers = random.standard_normal(POOL // 4, dtype=np.float32) * _NORMAL
        if kind == Kind.BF16:
            return torch.from_numpy(numbers).bfloat16().view(torch.uint8).numpy()
        return (numbers if kind == Kind.F32 else numbers.astype(np.float16)).view(np.uint8)
    size = GGML_QUANT_SIZES[kind][1]
    blocks = random.integers(0, 256, (POOL // size, size), dtype=np.uint8)
    for at, value in _SCALES[kind].items():
        blocks[:, at : at + 2] = np.array([value], np.float16).view(np.uint8)
    return blocks.reshape(-1)


def quantised(kind: Kind, rows: int, columns: int) -> torch.Tensor:
    """A random matrix as a file stores it: uint8 (rows, row bytes)."""
    block, size = GGML_QUANT_SIZES[kind]
    total = rows * columns // block * size
    filled = np.resize(pool(kind), total)
    return torch.from_numpy(filled).view(rows, -1)


def _fill(file: BinaryIO, content: memoryview, size: int) -> None:
    """Writes so many bytes of the pool, over and over."""
    while size:
        size -= file.write(content[: min(size, len(content))])


def original_shapes(full: Full) -> dict[str, tuple[int, ...]]:
    """The released file's tensors: what the tiny writer makes of the heights, and of the widths, alone."""
    with torch.device("meta"):
        state = {name: tuple(tensor.shape) for name, tensor in full.build().state_dict().items()}
    heights = full.original({name: np.empty(shape[0], np.uint8) for name, shape in state.items()})
    widths: dict[str, NDArray[Any]] = {}
    for name, shape in state.items():
        widths[name] = np.empty(1, dtype=object)
        widths[name][0] = shape[1:]
    return {name: (len(heights[name]), *rest[0]) for name, rest in full.original(widths).items()}


def _transformer(full: Full, config: Path, path: Path) -> None:
    with torch.device("meta"):
        model: Any = full.build()
    model.save_config(config)
    kinds = {name: _kind(full, name, shape) for name, shape in original_shapes(full).items()}
    writer = gguf.GGUFWriter(path, full.architecture)
    for name, (shape, kind) in kinds.items():
        writer.add_tensor_info(name, shape, np.dtype(np.float32), _bytes(shape, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    assert writer.fout is not None  # it was just opened
    file = writer.fout[0]
    writer.write_padding(file, file.tell())
    pools = {kind: pool(kind).data for _, kind in kinds.values()}
    for shape, kind in kinds.values():
        _fill(file, pools[kind], _bytes(shape, kind))
        writer.write_padding(file, _bytes(shape, kind))
    writer.close()


def _kind(full: Full, name: str, shape: tuple[int, ...]) -> tuple[tuple[int, ...], Kind]:
    if len(shape) == 1:
        return shape, Kind.F32
    if name.startswith(full.precise) or shape[-1] % GGML_QUANT_SIZES[full.kind][0]:
        return shape, Kind.F16
    return shape, full.kind


def _bytes(shape: tuple[int, ...], kind: Kind) -> int:
    block, size = GGML_QUANT_SIZES[kind]
    return math.prod(shape) // block * size


def _safetensors(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """A safetensors file of bfloat16."""
    header: dict[str, Any] = {}
    at = 0
    for name, shape in shapes.items():
        size = 2 * math.prod(shape)
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        _fill(file, pool(Kind.BF16).data, at)


def _parameters(module: nn.Module) -> Iterator[tuple[str, tuple[int, ...]]]:
    for name, parameter in module.named_parameters():
        yield name, tuple(parameter.shape)


def _component(folder: Path, build: Callable[[], Any]) -> None:
    """A component's folder: its configuration and one file of weights."""
    folder.mkdir(parents=True)
    with torch.device("meta"):
        model = build()
    if isinstance(model, AutoencoderKL):
        model.save_config(folder)
    else:
        model.config.save_pretrained(folder)
    _safetensors(folder / "model.safetensors", dict(_parameters(model)))


def _clip(folder: Path, vocabulary: int, width: int, layers: int, heads: int, *, projected: bool) -> None:
    config = CLIPTextConfig(
        vocab_size=49408,
        hidden_size=width,
        intermediate_size=4 * width,
        num_attention_heads=heads,
        num_hidden_layers=layers,
        projection_dim=width,
        max_position_embeddings=77,
        bos_token_id=vocabulary - 2,
        eos_token_id=vocabulary - 1,
        pad_token_id=vocabulary - 1,
    )
    cls: Any = CLIPTextModelWithProjection if projected else CLIPTextModel
    _component(folder, lambda: cls(config))


def _t5(folder: Path) -> None:
    """T5 1.1 XXL's encoder: 4.76 G parameters, 9.5 GB."""
    config = T5Config(
        vocab_size=32128,
        d_model=4096,
        d_kv=64,
        d_ff=10240,
        num_layers=24,
        num_heads=64,
        feed_forward_proj="gated-gelu",
    )
    if not folder.exists():
        _component(folder, lambda: T5EncoderModel(config))


def _vae(folder: Path, constants: dict[str, float]) -> None:
    build: Any = AutoencoderKL
    _component(
        folder,
        lambda: build(
            sample_size=1024,
            latent_channels=16,
            block_out_channels=(128, 256, 512, 512),
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            layers_per_block=2,
            norm_num_groups=32,
            use_quant_conv=False,
            use_post_quant_conv=False,
            **constants,
        ),
    )
