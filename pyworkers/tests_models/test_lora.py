"""LoRA files of three namings, on plain and on quantised weights, against plain diffusers and against arithmetic."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import FluxPipeline, FluxTransformer2DModel, SD3Transformer2DModel, StableDiffusion3Pipeline
from safetensors.torch import load_file, save_file

from apibr_worker.diffusion import components
from apibr_worker.engines.flux.engine import Engine as Flux
from apibr_worker.engines.sd35.engine import Engine as SD35
from apibr_worker.runtime.api import EngineError, InvalidInputError, LoadRequest
from apibr_worker.torchkit import lora, names
from apibr_worker.torchkit.linear import LowRank, StoredLinear
from apibr_worker.torchkit.stream import BlockStreamer
from tests_models.test_diffusion import SIZE, close, files, generator, plain, run
from tiny_checkpoints import lora as tiny_lora

Tiny = Callable[..., Path]
FAMILIES: dict[str, Any] = {
    "flux": (Flux, "flux-dev", FluxTransformer2DModel, FluxPipeline, 3.5),
    "sd35": (SD35, "sd3.5-large", SD3Transformer2DModel, StableDiffusion3Pipeline, 4.5),
}


def transformer_of(tiny: Tiny, name: str) -> Any:
    return FAMILIES[name][2].from_pretrained(tiny(name) / FAMILIES[name][1] / "transformer-bf16")


@pytest.fixture(scope="module")
def written(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Any], Path]:
    """written("flux", "kohya") -> the LoRA of that naming, the same weights under every name."""
    folder = tmp_path_factory.mktemp("lora")

    def make(name: str, naming: Any) -> Path:
        path = folder / f"{name}-{naming}.safetensors"
        if not path.exists():
            tiny_lora.write(path, transformer_of(tiny, name), naming)
        return path

    return make


def loaded(name: str, tiny: Tiny, variant: str, path: Path, **plan: Any) -> Any:
    cls, model = FAMILIES[name][:2]
    engine = cls()
    given = {**files(tiny(name), model, variant), "lora": str(path)}
    engine.load(LoadRequest(name, model, variant, given, {"device": "cpu", **plan}))
    return engine


@pytest.fixture(scope="module")
def expected(tiny: Tiny, written: Any) -> Callable[[str, float], np.ndarray]:
    """The picture of plain diffusers with the LoRA that it loaded itself."""

    def make(name: str, strength: float) -> np.ndarray:
        _, model, _, cls, guidance = FAMILIES[name]
        pipe = plain(cls, tiny(name), model)
        path = written(name, "diffusers")
        pipe.load_lora_weights(path.parent, weight_name=path.name, adapter_name="x")
        pipe.set_adapters("x", strength)
        made = pipe("a praia", **SIZE, num_inference_steps=2, guidance_scale=guidance, generator=generator())
        return np.asarray(made.images[0])

    return make


@pytest.mark.parametrize("name", FAMILIES)
def test_the_picture_is_that_of_plain_diffusers(
    name: str, tiny: Tiny, written: Any, expected: Any, tmp_path: Path
) -> None:
    for strength in (1.0, 0.5):
        theirs = expected(name, strength)
        for naming in ("diffusers", "kohya", "bfl"):
            engine = loaded(name, tiny, "bf16", written(name, naming), lora_strength=strength)
            ours, result = run(engine, tmp_path / f"{naming}{strength}", prompt="a praia")
            assert close(ours[0], theirs), (naming, strength)
            assert result.metadata["lora_strength"] == strength
            assert result.warnings == []
    without, _ = run(loaded(name, tiny, "bf16", written(name, "bfl"), lora_strength=0), tmp_path / "0")
    assert not close(without[0], theirs, 8), "the LoRA shows"


def inputs(name: str, model: Any) -> dict[str, torch.Tensor]:
    torch.manual_seed(5)
    config = model.config
    text = torch.randn(1, 9, config.joint_attention_dim)
    given = {"pooled_projections": torch.randn(1, config.pooled_projection_dim), "timestep": torch.tensor([0.5])}
    if name == "sd35":
        return given | {"hidden_states": torch.randn(1, 16, 8, 6), "encoder_hidden_states": text}
    return given | {
        "hidden_states": torch.randn(1, 12, 64),
        "encoder_hidden_states": text,
        "guidance": torch.tensor([3.5]),
        "img_ids": torch.rand(12, 3).mul(4).round(),
        "txt_ids": torch.zeros(9, 3),
    }


@pytest.mark.parametrize(("name", "variant"), [("flux", "Q4_K_S"), ("flux", "Q8_0"), ("sd35", "Q5_K_S")])
def test_on_quantised_weights_it_is_the_sum_in_float32(name: str, variant: str, tiny: Tiny, written: Any) -> None:
    engine = loaded(name, tiny, variant, written(name, "kohya"), lora_strength=0.75)
    model = engine.transformer
    pairs = load_file(written(name, "diffusers"))
    state: dict[str, torch.Tensor] = {}
    for key, parameter in transformer_of(tiny, name).state_dict().items():
        module, _, last = key.rpartition(".")
        layer = model.get_submodule(module)
        if isinstance(layer, StoredLinear) and last == "weight":
            up, down = (pairs[f"transformer.{module}.lora_{letter}.weight"] for letter in "BA")
            state[key] = layer.weight + 0.75 * up @ down
        else:
            state[key] = getattr(layer, last).float().view(parameter.shape)
    merged = FAMILIES[name][2].from_config(model.config).eval()
    merged.load_state_dict(state)
    with torch.no_grad():
        given = inputs(name, model)
        ours, theirs = model(**given, return_dict=False)[0], merged(**given, return_dict=False)[0]
    assert (ours - theirs).abs().max() <= 1e-4
    assert theirs.abs().max() > 0.1


@pytest.mark.parametrize("name", FAMILIES)
def test_streamed_blocks_bring_their_lora(name: str, tiny: Tiny, written: Any) -> None:
    engine = loaded(name, tiny, "Q8_0", written(name, "bfl"))
    model, given = engine.transformer, inputs(name, engine.transformer)
    block = engine.blocks(model)[-1]
    part = next(module for module in block.modules() if isinstance(module, LowRank))
    home, seen = part.down.data_ptr(), []
    owner = next(layer for layer in block.modules() if isinstance(layer, StoredLinear) and part in layer.low_rank)
    with torch.no_grad():
        resident = model(**given, return_dict=False)[0]
        owner.register_forward_pre_hook(lambda *_: seen.append((part.down.data_ptr(), part.up.data_ptr())))
        streamer = BlockStreamer(model, engine.blocks(model), torch.device("cpu"), resident=1)
        with streamer.entered():
            buffers = [(slot.buffer.data_ptr(), slot.buffer.nbytes) for slot in streamer._slots]
            streamed = model(**given, return_dict=False)[0]
    assert torch.allclose(streamed, resident, atol=1e-5, rtol=0), "but for kernels that depend on the alignment"
    assert all(any(start <= pointer < start + size for start, size in buffers) for pointer in seen[0])
    assert part.down.data_ptr() == home


def test_tensors_without_a_layer_are_a_warning(tiny: Tiny, written: Any, tmp_path: Path) -> None:
    model = transformer_of(tiny, "flux")
    extra = {
        "lora_te1_text_model_encoder_layers_0_mlp_fc1.lora_down.weight": torch.ones(2, 8),
        "lora_te1_text_model_encoder_layers_0_mlp_fc1.lora_up.weight": torch.ones(8, 2),
        "lora_unet_double_blocks_77_img_attn_qkv.lora_down.weight": torch.ones(2, 8),
        "something.else": torch.ones(3),
    }
    tiny_lora.write(tmp_path / "a.safetensors", model, "kohya", extra=extra)
    engine = loaded("flux", tiny, "Q8_0", tmp_path / "a.safetensors")
    _, result = run(engine, tmp_path / "out")
    assert [warning.code for warning in result.warnings] == ["lora_partly_used"]
    assert str(result.warnings[0].message).startswith("4 of the LoRA's")
    engine.unload()
    engine.load(LoadRequest("flux", "flux-dev", "Q8_0", files(tiny("flux"), "flux-dev", "Q8_0"), {"device": "cpu"}))
    _, result = run(engine, tmp_path / "again")
    assert result.warnings == []
    assert "lora_strength" not in result.metadata, "another load has no LoRA"


def test_a_lora_of_another_model_is_refused(tiny: Tiny, written: Any, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="the LoRA is for another model") as refused:
        loaded("sd35", tiny, "Q8_0", written("flux", "kohya"))
    assert refused.value.field == "lora"
    wide = {"transformer.transformer_blocks.0.attn.to_q.lora_A.weight": torch.ones(2, 3072)}
    wide["transformer.transformer_blocks.0.attn.to_q.lora_B.weight"] = torch.ones(3072, 2)
    save_file(wide, tmp_path / "a.safetensors")
    with pytest.raises(InvalidInputError, match="3072 inputs and 3072 outputs where 256 and 256"):
        loaded("flux", tiny, "Q8_0", tmp_path / "a.safetensors")


LAYER = "diffusion_model.double_blocks.0.img_mlp.0"
GOOD = {f"{LAYER}.lora_A.weight": torch.ones(2, 256), f"{LAYER}.lora_B.weight": torch.ones(1024, 2)}
HOSTILE: dict[str, tuple[dict[str, torch.Tensor], str]] = {
    "rank": (
        {f"{LAYER}.lora_A.weight": torch.ones(2000, 256), f"{LAYER}.lora_B.weight": torch.ones(1024, 2000)},
        "the rank 2000",
    ),
    "dtype": ({**GOOD, f"{LAYER}.lora_A.weight": torch.ones(2, 256, dtype=torch.int8)}, "stored as I8"),
    "not finite": ({**GOOD, f"{LAYER}.lora_B.weight": torch.full((1024, 2), torch.nan)}, "not finite"),
    "alpha": ({**GOOD, f"{LAYER}.alpha": torch.tensor(torch.inf)}, "not finite"),
    "alpha shape": ({**GOOD, f"{LAYER}.alpha": torch.ones(2)}, "is damaged"),
    "shape": ({**GOOD, f"{LAYER}.lora_A.weight": torch.ones(2, 2, 256)}, "impossible shape"),
    "empty": ({**GOOD, f"{LAYER}.lora_A.weight": torch.ones(0, 256)}, "impossible shape"),
    "ranks differ": ({**GOOD, f"{LAYER}.lora_B.weight": torch.ones(1024, 3)}, "for another model"),
    "half a pair": ({f"{LAYER}.lora_A.weight": torch.ones(2, 256)}, "for another model"),
    "dora": ({**GOOD, f"{LAYER}.dora_scale": torch.ones(1024)}, "a DoRA adapter"),
    "lokr": ({f"{LAYER}.lokr_w1": torch.ones(4, 4)}, "a LoKr adapter"),
}


@pytest.mark.parametrize("how", HOSTILE)
def test_hostile_files_are_refused(how: str, tiny: Tiny, tmp_path: Path) -> None:
    tensors, message = HOSTILE[how]
    save_file(tensors, tmp_path / "a.safetensors")
    with pytest.raises(EngineError, match=message) as refused:
        loaded("flux", tiny, "Q8_0", tmp_path / "a.safetensors")
    assert str(tmp_path) not in str(refused.value)


def test_files_that_are_not_loras_are_refused(
    tiny: Tiny, tmp_path: Path, written: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = written("flux", "kohya")
    cases: dict[str, tuple[bytes, str]] = {
        "cut.safetensors": (good.read_bytes()[:-10], r"cut\.safetensors is damaged"),
        "long.safetensors": ((2**60).to_bytes(8, "little") + good.read_bytes()[8:], "is damaged"),
        "a.pt": (b"cos\nsystem\n(S'true'\ntR.", "only safetensors"),
    }
    for file, (content, message) in cases.items():
        (tmp_path / file).write_bytes(content)
        with pytest.raises(EngineError, match=message):
            loaded("flux", tiny, "Q8_0", tmp_path / file)
    with pytest.raises(EngineError, match="is missing"):
        loaded("flux", tiny, "Q8_0", tmp_path / "none.safetensors")
    for strength in (11.0, float("nan"), "1", True):
        with pytest.raises(InvalidInputError, match="lora_strength must be"):
            loaded("flux", tiny, "Q8_0", good, lora_strength=strength)
    monkeypatch.setattr(lora, "MAX_TENSORS", 3)
    with pytest.raises(EngineError, match="too many parts"):
        loaded("flux", tiny, "Q8_0", good)
    monkeypatch.setattr(lora, "MAX_FILE", 100)
    with pytest.raises(InvalidInputError, match="install it as a model"):
        loaded("flux", tiny, "Q8_0", good)


def test_the_scale_of_peft_metadata(tiny: Tiny, tmp_path: Path) -> None:
    """What diffusers' own trainers write: the scale is in the file's metadata, for some layers another one."""
    name = "transformer.transformer_blocks.0.attn.to_{}.lora_{}.weight"
    tensors = {name.format(q, "A"): torch.ones(2, 256) for q in "qkv"}
    tensors |= {name.format(q, "B"): torch.ones(256, 2) for q in "qkv"}
    tensors["transformer.transformer_blocks.0.attn.to_v.alpha"] = torch.tensor(3.0)
    facts = {"transformer.r": 2, "transformer.lora_alpha": 8, "transformer.alpha_pattern": {"attn.to_k": 1}}
    save_file(tensors, tmp_path / "a.safetensors", {"lora_adapter_metadata": json.dumps(facts)})
    attention = loaded("flux", tiny, "Q8_0", tmp_path / "a.safetensors").transformer.transformer_blocks[0].attn
    assert [getattr(attention, f"to_{q}").low_rank[0].strength for q in "qkv"] == [4, 0.5, 1.5]
    save_file(tensors, tmp_path / "b.safetensors", {"lora_adapter_metadata": "[{"})
    assert lora.read(tmp_path / "b.safetensors")[0]["transformer.transformer_blocks.0.attn.to_q"].alpha is None


@pytest.mark.parametrize("name", FAMILIES)
def test_every_layer_of_the_original_project_is_known(name: str, tiny: Tiny) -> None:
    """Each linear layer of the file whose names LoRA trainers take is one that the map can place."""
    cls, model = FAMILIES[name][:2]
    path = Path(files(tiny(name), model, "Q8_0")["transformer"])
    weights = components.transformer_weights(path, cls.names, cls.marker)
    config = transformer_of(tiny, name).config
    listed = cls.originals(config)
    convert = {"flux": names.flux, "sd35": names.sd3}[name]
    placed = {piece.source for piece in convert(listed).values()}
    shapes = weights.file.tensors
    linear = {name for name, info in shapes.items() if len(info.shape) == 2 and name.endswith(".weight")}
    assert linear <= placed
    for source in linear & {piece.source for piece in convert(listed).values() if piece.rows}:
        assert listed[source][0] == shapes[source].shape[0], source
