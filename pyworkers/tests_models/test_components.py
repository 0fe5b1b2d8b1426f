"""Components whose weights stay in the file compute what diffusers' own copies compute."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKL, SD3Transformer2DModel
from gguf import GGMLQuantizationType as Kind

from apibr_worker.diffusion import components
from apibr_worker.engines.sd35.engine import Engine as SD35
from apibr_worker.torchkit import names
from apibr_worker.torchkit.conv import StoredConv2d
from apibr_worker.torchkit.weights import GGUFWeights
from tests_models.test_diffusion import files
from tiny_checkpoints.gguf_writer import write as write_gguf
from tiny_checkpoints.sd35 import original

Tiny = Callable[..., Path]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_the_vae_computes_in_float32_on_the_files_weights(tiny: Tiny, tmp_path: Path, dtype: torch.dtype) -> None:
    released: Any = AutoencoderKL.from_pretrained(tiny("flux") / "flux-dev" / "base" / "vae")
    released.to(dtype).save_pretrained(tmp_path)
    released.float()
    ours = components.vae(tmp_path)
    convolutions = [layer for layer in ours.modules() if isinstance(layer, torch.nn.Conv2d)]
    assert len(convolutions) > 20
    assert all(isinstance(layer, StoredConv2d) and layer.weight.dtype == dtype for layer in convolutions)
    latents, pictures = torch.randn(1, 16, 6, 8), torch.rand(1, 3, 48, 64)
    with torch.inference_mode():
        decoded = ours.decode(latents).sample
        assert decoded.dtype == torch.float32
        assert torch.allclose(decoded, released.decode(latents).sample, atol=1e-6, rtol=0)
        parameters = ours.encode(pictures).latent_dist.parameters
        assert torch.allclose(parameters, released.encode(pictures).latent_dist.parameters, atol=1e-6, rtol=0)


def transformer(path: Path, config: Path, dtype: torch.dtype) -> Any:
    return components.transformer(SD3Transformer2DModel, config, path, SD35.names, SD35.marker, dtype)


def test_the_table_of_positions_is_the_files(tiny: Tiny, tmp_path: Path) -> None:
    config = Path(files(tiny("sd35"), "sd3.5-large", "bf16")["transformer"])
    model: Any = SD3Transformer2DModel.from_pretrained(config)
    model.pos_embed.pos_embed.mul_(0.5)
    model.save_pretrained(tmp_path / "plain")
    given = {
        "hidden_states": torch.randn(1, 16, 8, 6),
        "encoder_hidden_states": torch.randn(1, 5, model.config.joint_attention_dim),
        "pooled_projections": torch.randn(1, model.config.pooled_projection_dim),
        "timestep": torch.tensor([500.0]),
    }
    ours = transformer(tmp_path / "plain", config, torch.float32)
    with torch.no_grad():
        expected = model(**given, return_dict=False)[0]
        assert torch.allclose(ours(**given, return_dict=False)[0], expected, atol=1e-5, rtol=0)

    state = {name: tensor.float().numpy() for name, tensor in model.state_dict().items()}
    stored = {
        name: (value, Kind.F16 if name == "pos_embed" or value.ndim == 4 else Kind.F32)
        for name, value in original(state).items()
    }
    write_gguf(tmp_path / "a.gguf", "sd3", stored)
    view = GGUFWeights(tmp_path / "a.gguf", names.sd3).read("pos_embed.pos_embed").numbers()
    for dtype, kept in ((torch.float32, torch.float16), (torch.bfloat16, torch.float16)):
        table = transformer(tmp_path / "a.gguf", config, dtype).pos_embed.pos_embed
        assert table.dtype == kept, "it is not made larger than the file has it"
        assert torch.equal(table, view)
    table = transformer(tmp_path / "plain", config, torch.bfloat16).pos_embed.pos_embed
    assert table.dtype == torch.bfloat16, "but smaller where the device computes in less"
