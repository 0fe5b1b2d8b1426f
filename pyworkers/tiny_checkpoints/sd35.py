"""A tiny Stable Diffusion 3.5 in the released formats: diffusers' folder, and GGUF files with Stability AI's names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import yaml
from diffusers import SD3Transformer2DModel
from gguf import GGMLQuantizationType as Kind

from tiny_checkpoints import parts
from tiny_checkpoints.gguf_writer import write as write_gguf

MODEL = "sd3.5-large"
WIDTH = 256
KINDS = {"Q4_0": Kind.Q4_0, "Q8_0": Kind.Q8_0, "Q5_K_S": Kind.Q5_K}
_PRECISE = ("pos_embed", "x_embedder", "t_embedder", "y_embedder", "context_embedder", "final_layer")


def write(folder: Path, seed: int = 0) -> None:
    """Writes folder/sd3.5-large/ with model.yaml: a base, a transformer as safetensors (bf16) and as GGUF in every
    variant.
    """
    parts.seeded(seed)
    base = folder / MODEL / "base"
    for number in ("", "_2"):
        vocabulary = parts.clip_tokenizer(base / f"tokenizer{number}")
        parts.clip(base / f"text_encoder{number}", vocabulary, hidden=16, projection=16, projected=True)
    parts.t5(base / "tokenizer_3", base / "text_encoder_3", width=WIDTH, tokens=256)
    parts.vae(base / "vae", scaling=1.5305, shift=0.0609)
    parts.scheduler(base / "scheduler", shift=3.0)
    transformer = SD3Transformer2DModel(
        sample_size=64,
        patch_size=2,
        in_channels=16,
        out_channels=16,
        num_layers=3,
        attention_head_dim=64,
        num_attention_heads=4,
        caption_projection_dim=WIDTH,
        joint_attention_dim=WIDTH,
        pooled_projection_dim=32,
        pos_embed_max_size=48,
        qk_norm="rms_norm",
        dual_attention_layers=(0,),
    )
    transformer.save_pretrained(folder / MODEL / "transformer-bf16")
    (base / "transformer").mkdir()
    config = (folder / MODEL / "transformer-bf16" / "config.json").read_bytes()
    (base / "transformer" / "config.json").write_bytes(config)
    parts.index(
        base,
        "StableDiffusion3Pipeline",
        scheduler=("diffusers", "FlowMatchEulerDiscreteScheduler"),
        text_encoder=("transformers", "CLIPTextModelWithProjection"),
        text_encoder_2=("transformers", "CLIPTextModelWithProjection"),
        text_encoder_3=("transformers", "T5EncoderModel"),
        tokenizer=("transformers", "CLIPTokenizer"),
        tokenizer_2=("transformers", "CLIPTokenizer"),
        tokenizer_3=("transformers", "T5TokenizerFast"),
        transformer=("diffusers", "SD3Transformer2DModel"),
        vae=("diffusers", "AutoencoderKL"),
    )
    variants = {"bf16": {"base": "base", "transformer": "transformer-bf16"}}
    state = {name: tensor.float().numpy() for name, tensor in transformer.state_dict().items()}
    for variant, kind in KINDS.items():
        path = Path(f"transformer-{variant}") / f"sd3.5-tiny-{variant}.gguf"
        (folder / MODEL / path).parent.mkdir()
        tensors = {name: (data, _kind(name, data, kind)) for name, data in original(state).items()}
        write_gguf(folder / MODEL / path, "sd3", tensors)
        variants[variant] = {"base": "base", "transformer": path.as_posix()}
    described = {"id": MODEL, "engine": "sd35", "variants": variants}
    (folder / MODEL / "model.yaml").write_text(yaml.safe_dump(described, sort_keys=False), encoding="utf-8")


def _kind(name: str, data: np.ndarray, kind: Kind) -> Kind:
    if data.ndim == 1 or data.shape[-1] % 256:
        return Kind.F32
    return Kind.F16 if name.startswith(_PRECISE) else kind


def original(state: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """An SD3Transformer2DModel's weights by the names of Stability AI's checkpoints."""
    out: dict[str, np.ndarray] = {"pos_embed": state["pos_embed.pos_embed"]}

    def join(target: str, *sources: str, swap: bool = False) -> None:
        for end in ("weight", "bias"):
            if f"{sources[0]}.{end}" in state:
                value = np.concatenate([state[f"{source}.{end}"] for source in sources])
                out[f"{target}.{end}"] = np.roll(value, len(value) // 2, axis=0) if swap else value

    join("x_embedder.proj", "pos_embed.proj")
    join("context_embedder", "context_embedder")
    for number, layer in ((1, 0), (2, 2)):
        join(f"t_embedder.mlp.{layer}", f"time_text_embed.timestep_embedder.linear_{number}")
        join(f"y_embedder.mlp.{layer}", f"time_text_embed.text_embedder.linear_{number}")
    join("final_layer.linear", "proj_out")
    join("final_layer.adaLN_modulation.1", "norm_out.linear", swap=True)
    count = len({name.split(".")[1] for name in state if name.startswith("transformer_blocks.")})
    for i in range(count):
        a, b = f"joint_blocks.{i}", f"transformer_blocks.{i}"
        join(f"{a}.x_block.attn.qkv", *(f"{b}.attn.to_{name}" for name in "qkv"))
        join(f"{a}.x_block.attn2.qkv", *(f"{b}.attn2.to_{name}" for name in "qkv"))
        join(f"{a}.context_block.attn.qkv", *(f"{b}.attn.add_{name}_proj" for name in "qkv"))
        for name in "qk":
            join(f"{a}.x_block.attn.ln_{name}", f"{b}.attn.norm_{name}")
            join(f"{a}.x_block.attn2.ln_{name}", f"{b}.attn2.norm_{name}")
            join(f"{a}.context_block.attn.ln_{name}", f"{b}.attn.norm_added_{name}")
        join(f"{a}.x_block.attn.proj", f"{b}.attn.to_out.0")
        join(f"{a}.x_block.attn2.proj", f"{b}.attn2.to_out.0")
        join(f"{a}.context_block.attn.proj", f"{b}.attn.to_add_out")
        join(f"{a}.x_block.adaLN_modulation.1", f"{b}.norm1.linear")
        join(f"{a}.context_block.adaLN_modulation.1", f"{b}.norm1_context.linear", swap=i == count - 1)
        for number, layer in ((1, "0.proj"), (2, "2")):
            join(f"{a}.x_block.mlp.fc{number}", f"{b}.ff.net.{layer}")
            join(f"{a}.context_block.mlp.fc{number}", f"{b}.ff_context.net.{layer}")
    return out
