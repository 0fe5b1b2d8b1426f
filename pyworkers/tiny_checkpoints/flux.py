"""A tiny FLUX in the released formats: diffusers' folder, and GGUF files with Black Forest Labs' names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import yaml
from diffusers import FluxTransformer2DModel
from gguf import GGMLQuantizationType as Kind

from tiny_checkpoints import parts
from tiny_checkpoints.gguf_writer import write as write_gguf

WIDTH = 256
"""Two heads of 128: the least that K-quants, whose blocks hold 256 numbers, can store."""
KINDS = {"Q4_K_S": Kind.Q4_K, "Q5_K_S": Kind.Q5_K, "Q8_0": Kind.Q8_0, "Q4_0": Kind.Q4_0}
# Kept in float16 or float32, as the released files do it: what is small and what is not a block's.
_PRECISE = ("img_in", "txt_in", "time_in", "vector_in", "guidance_in", "final_layer")


def write(folder: Path, seed: int = 0, *, model: str = "flux-dev") -> None:
    """Writes folder/<model>/ with model.yaml: a base, a transformer as safetensors (bf16) and as GGUF in every
    variant.
    """
    parts.seeded(seed)
    base = folder / model / "base"
    vocabulary = parts.clip_tokenizer(base / "tokenizer")
    parts.clip(base / "text_encoder", vocabulary, hidden=32, projection=32, projected=False)
    parts.t5(base / "tokenizer_2", base / "text_encoder_2", width=WIDTH, tokens=512)
    parts.vae(base / "vae", scaling=0.3611, shift=0.1159)
    parts.scheduler(base / "scheduler", shift=3.0, use_dynamic_shifting=True)
    transformer = FluxTransformer2DModel(
        in_channels=64,
        num_layers=2,
        num_single_layers=3,
        attention_head_dim=128,
        num_attention_heads=2,
        joint_attention_dim=WIDTH,
        pooled_projection_dim=32,
        axes_dims_rope=(16, 56, 56),
        guidance_embeds=True,
    )
    transformer.save_pretrained(folder / model / "transformer-bf16")
    (base / "transformer").mkdir()
    (base / "transformer" / "config.json").write_bytes(
        (folder / model / "transformer-bf16" / "config.json").read_bytes()
    )
    parts.index(
        base,
        "FluxPipeline",
        scheduler=("diffusers", "FlowMatchEulerDiscreteScheduler"),
        text_encoder=("transformers", "CLIPTextModel"),
        text_encoder_2=("transformers", "T5EncoderModel"),
        tokenizer=("transformers", "CLIPTokenizer"),
        tokenizer_2=("transformers", "T5TokenizerFast"),
        transformer=("diffusers", "FluxTransformer2DModel"),
        vae=("diffusers", "AutoencoderKL"),
    )
    variants = {"bf16": {"base": "base", "transformer": "transformer-bf16"}}
    state = {name: tensor.float().numpy() for name, tensor in transformer.state_dict().items()}
    for variant, kind in KINDS.items():
        path = Path(f"transformer-{variant}") / f"{model}-tiny-{variant}.gguf"
        (folder / model / path).parent.mkdir()
        write_gguf(folder / model / path, "flux", _kinds(original(state), kind))
        variants[variant] = {"base": "base", "transformer": path.as_posix()}
    described = {"id": model, "engine": "flux", "variants": variants}
    (folder / model / "model.yaml").write_text(yaml.safe_dump(described, sort_keys=False), encoding="utf-8")


def _kinds(tensors: dict[str, np.ndarray], kind: Kind) -> dict[str, tuple[np.ndarray, Kind]]:
    return {name: (data, _kind(name, data, kind)) for name, data in tensors.items()}


def _kind(name: str, data: np.ndarray, kind: Kind) -> Kind:
    if data.ndim == 1 or data.shape[-1] % 256:
        return Kind.F32
    return Kind.F16 if name.startswith(_PRECISE) else kind


def original(state: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """A FluxTransformer2DModel's weights by the names of Black Forest Labs' checkpoints."""
    out: dict[str, np.ndarray] = {}

    def join(target: str, *sources: str, swap: bool = False) -> None:
        for end in ("weight", "bias"):
            if f"{sources[0]}.{end}" in state:
                value = np.concatenate([state[f"{source}.{end}"] for source in sources])
                out[f"{target}.{end}"] = np.roll(value, len(value) // 2, axis=0) if swap else value

    join("img_in", "x_embedder")
    join("txt_in", "context_embedder")
    for theirs, ours in (("time_in", "timestep"), ("vector_in", "text"), ("guidance_in", "guidance")):
        join(f"{theirs}.in_layer", f"time_text_embed.{ours}_embedder.linear_1")
        join(f"{theirs}.out_layer", f"time_text_embed.{ours}_embedder.linear_2")
    join("final_layer.linear", "proj_out")
    join("final_layer.adaLN_modulation.1", "norm_out.linear", swap=True)
    for i in range(_count(state, "transformer_blocks")):
        a, b = f"double_blocks.{i}", f"transformer_blocks.{i}"
        for stream, qkv, norm, ff in (
            ("img", ["to_q", "to_k", "to_v"], "norm1", "ff"),
            ("txt", ["add_q_proj", "add_k_proj", "add_v_proj"], "norm1_context", "ff_context"),
        ):
            join(f"{a}.{stream}_mod.lin", f"{b}.{norm}.linear")
            join(f"{a}.{stream}_attn.qkv", *(f"{b}.attn.{name}" for name in qkv))
            join(f"{a}.{stream}_mlp.0", f"{b}.{ff}.net.0.proj")
            join(f"{a}.{stream}_mlp.2", f"{b}.{ff}.net.2")
            for short, long in (("q", "query"), ("k", "key")):
                source = f"{b}.attn.norm_{'added_' if stream == 'txt' else ''}{short}.weight"
                out[f"{a}.{stream}_attn.norm.{long}_norm.scale"] = state[source]
        join(f"{a}.img_attn.proj", f"{b}.attn.to_out.0")
        join(f"{a}.txt_attn.proj", f"{b}.attn.to_add_out")
    for i in range(_count(state, "single_transformer_blocks")):
        a, b = f"single_blocks.{i}", f"single_transformer_blocks.{i}"
        join(f"{a}.linear1", f"{b}.attn.to_q", f"{b}.attn.to_k", f"{b}.attn.to_v", f"{b}.proj_mlp")
        join(f"{a}.linear2", f"{b}.proj_out")
        join(f"{a}.modulation.lin", f"{b}.norm.linear")
        for short, long in (("q", "query"), ("k", "key")):
            out[f"{a}.norm.{long}_norm.scale"] = state[f"{b}.attn.norm_{short}.weight"]
    return out


def _count(state: dict[str, np.ndarray], prefix: str) -> int:
    return len({name.split(".")[1] for name in state if name.startswith(f"{prefix}.")})
