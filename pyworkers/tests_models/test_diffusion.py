"""FLUX and Stable Diffusion 3.5 on tiny checkpoints in the released formats, against the plain pipelines of
diffusers.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from diffusers import FluxKontextPipeline, FluxPipeline, SD3Transformer2DModel, StableDiffusion3Pipeline
from diffusers.loaders import single_file_utils
from PIL import Image

from apibr_worker.diffusion import sampling
from apibr_worker.engines.flux.engine import Engine as Flux
from apibr_worker.engines.sd35.engine import Engine as SD35
from apibr_worker.runtime.api import (
    Canceled,
    EngineError,
    InputFile,
    InvalidInputError,
    LoadRequest,
    RunResult,
)
from apibr_worker.torchkit import names
from apibr_worker.torchkit.weights import GGUFWeights
from tests.harness import Recorder, context
from tiny_checkpoints.flux import original as flux_original
from tiny_checkpoints.sd35 import original as sd3_original

Tiny = Callable[..., Path]
FLUX = {"writer": "flux", "id": "flux-dev"}
SIZE = {"width": 64, "height": 48}


def files(folder: Path, model: str, variant: str) -> dict[str, str]:
    described = yaml.safe_load((folder / model / "model.yaml").read_text())
    return {part: str(folder / model / path) for part, path in described["variants"][variant].items()}


def loaded(engine: Any, folder: Path, model: str, variant: str, **plan: Any) -> Any:
    engine.load(LoadRequest("x", model, variant, files(folder, model, variant), {"device": "cpu", **plan}))
    return engine


def run(
    engine: Any,
    out: Path,
    task: str = "image.generate",
    *,
    inputs: dict[str, Image.Image] | None = None,
    recorder: Recorder | None = None,
    canceled: threading.Event | None = None,
    **params: Any,
) -> tuple[list[np.ndarray], RunResult]:
    out.mkdir()
    given: list[InputFile] = []
    for name, picture in (inputs or {}).items():
        picture.save(out / f"in-{name}.png")
        given.append(InputFile(name, out / f"in-{name}.png", "image/png"))
    params = {"seed": 7, "num_inference_steps": 2, **params}
    if task == "image.generate":
        params = {"prompt": "a praia, céu azul", **SIZE, **params}
    reporter = recorder or Recorder()
    result = engine.run(context(out, task, params, given, reporter=reporter, canceled=canceled))
    assert reporter.segments == []
    return [np.asarray(Image.open(out / output.path)) for output in result.outputs], result


def close(a: np.ndarray, b: np.ndarray, levels: int = 2) -> bool:
    return a.shape == b.shape and int(np.abs(a.astype(int) - b.astype(int)).max()) <= levels


def picture(width: int = 64, height: int = 48, seed: int = 3) -> Image.Image:
    values = np.random.default_rng(seed).integers(0, 255, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(values)


def plain(cls: Any, folder: Path, model: str) -> Any:
    """The pipeline that a user of diffusers would load from the same files."""
    base, transformer = folder / model / "base", folder / model / "transformer-bf16"
    for file in transformer.iterdir():
        target = base / "transformer" / file.name
        if not target.exists():
            os.link(file, target)
    pipe = cls.from_pretrained(base, local_files_only=True)
    pipe.set_progress_bar_config(disable=True)
    (base / "transformer" / "diffusion_pytorch_model.safetensors").unlink()
    return pipe


@pytest.fixture(scope="module")
def flux(tiny: Tiny) -> Any:
    return loaded(Flux(), tiny("flux"), "flux-dev", "bf16")


@pytest.fixture(scope="module")
def sd35(tiny: Tiny) -> Any:
    return loaded(SD35(), tiny("sd35"), "sd3.5-large", "bf16")


def generator(seed: int = 7) -> torch.Generator:
    return torch.Generator("cpu").manual_seed(seed)


def test_flux_makes_the_picture_of_plain_diffusers(flux: Any, tiny: Tiny, tmp_path: Path) -> None:
    pipe = plain(FluxPipeline, tiny("flux"), "flux-dev")
    expected = pipe("a praia, céu azul", **SIZE, num_inference_steps=2, guidance_scale=3.5, generator=generator())
    made, result = run(flux, tmp_path / "a")
    assert close(made[0], np.asarray(expected.images[0]))
    assert made[0].std() > 1, "it shows something"
    assert result.metadata["guidance_scale"] == 3.5
    other, _ = run(flux, tmp_path / "b", prompt="outra coisa")
    assert not close(made[0], other[0])


def test_sd35_makes_the_picture_of_plain_diffusers(sd35: Any, tiny: Tiny, tmp_path: Path) -> None:
    pipe = plain(StableDiffusion3Pipeline, tiny("sd35"), "sd3.5-large")
    expected = pipe(
        "a praia, céu azul",
        negative_prompt="feio",
        **SIZE,
        num_inference_steps=2,
        guidance_scale=4.5,
        generator=generator(),
    )
    made, _ = run(sd35, tmp_path / "a", negative_prompt="feio")
    assert close(made[0], np.asarray(expected.images[0]))
    without, _ = run(sd35, tmp_path / "b")
    assert not np.array_equal(made[0], without[0]), "the negative prompt is honoured"


def test_kontext_makes_the_picture_of_plain_diffusers(tiny: Tiny, tmp_path: Path) -> None:
    folder = tiny("flux", model="flux-kontext")
    pipe = plain(FluxKontextPipeline, folder, "flux-kontext")
    source = picture()
    expected = pipe(
        image=source,
        prompt="de noite",
        **SIZE,
        num_inference_steps=2,
        guidance_scale=2.5,
        generator=generator(),
        max_area=64 * 48,
        _auto_resize=False,
    )
    engine = loaded(Flux(), folder, "flux-kontext", "bf16")
    made, _ = run(engine, tmp_path / "a", "image.edit", instruction="de noite", inputs={"image": source})
    assert close(made[0], np.asarray(expected.images[0]))
    text_only, _ = run(engine, tmp_path / "b")
    assert text_only[0].shape == (48, 64, 3)
    mask = Image.new("L", source.size)
    mask.paste(255, (0, 0, 32, 48))
    masked, _ = run(
        engine, tmp_path / "c", "image.edit", instruction="de noite", inputs={"image": source, "mask": mask}
    )
    assert masked[0].shape == (48, 64, 3)


@pytest.mark.parametrize("variant", ["Q4_K_S", "Q5_K_S", "Q8_0", "Q4_0"])
def test_quantised_flux_is_near(flux: Any, tiny: Tiny, tmp_path: Path, variant: str) -> None:
    exact, _ = run(flux, tmp_path / "a")
    made, _ = run(loaded(Flux(), tiny("flux"), "flux-dev", variant), tmp_path / "b")
    error = np.abs(exact[0].astype(int) - made[0].astype(int)).mean()
    assert error < {"Q8_0": 2, "Q5_K_S": 8}.get(variant, 16)


@pytest.mark.parametrize("variant", ["Q8_0", "Q5_K_S", "Q4_0"])
def test_quantised_sd35_is_near(sd35: Any, tiny: Tiny, tmp_path: Path, variant: str) -> None:
    exact, _ = run(sd35, tmp_path / "a")
    made, _ = run(loaded(SD35(), tiny("sd35"), "sd3.5-large", variant), tmp_path / "b")
    error = np.abs(exact[0].astype(int) - made[0].astype(int)).mean()
    assert error < {"Q8_0": 2, "Q5_K_S": 8}.get(variant, 16)


@pytest.mark.parametrize("name", ["flux", "sd35"])
def test_streaming_and_small_attention_change_nothing(tiny: Tiny, tmp_path: Path, name: str) -> None:
    folder, cls, model = (
        tiny(name),
        {"flux": Flux, "sd35": SD35}[name],
        {"flux": "flux-dev", "sd35": "sd3.5-large"}[name],
    )
    inner = sampling.bounded_attention
    resident, _ = run(loaded(cls(), folder, model, "bf16"), tmp_path / "a")
    watched: list[Any] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sampling, "bounded_attention", lambda budget: _Watched(inner(budget), watched))
        streamed, _ = run(loaded(cls(), folder, model, "bf16", attention_bytes=4096, resident_blocks=1), tmp_path / "b")
    assert close(streamed[0], resident[0], 1)
    blocks = {"flux": 5, "sd35": 4}[name]  # one of sd35's blocks has two attentions
    assert watched[0].calls == 2 * blocks, "every attention of the transformer goes through the hook"


class _Watched:
    def __init__(self, hook: Any, seen: list[Any]) -> None:
        self.hook, self.seen = hook, seen

    def __enter__(self) -> Any:
        self.seen.append(self.hook.__enter__())
        return self.seen[-1]

    def __exit__(self, *error: Any) -> Any:
        return self.hook.__exit__(*error)


def test_a_picture_depends_only_on_its_own_seed(flux: Any, tmp_path: Path) -> None:
    three, result = run(flux, tmp_path / "a", num_images=3)
    assert [output.metadata["seed"] for output in result.outputs] == [7, 8, 9]
    assert not close(three[0], three[1])
    alone, _ = run(flux, tmp_path / "b", seed=8)
    assert close(three[1], alone[0])
    flux.place = sampling.Placement(flux.place.device, flux.place.dtype, batch=1)
    apart, _ = run(flux, tmp_path / "c", num_images=3)
    assert all(close(a, b) for a, b in zip(three, apart, strict=True))


@pytest.mark.parametrize("name", ["flux", "sd35"])
def test_a_picture_to_start_from(request: pytest.FixtureRequest, tmp_path: Path, name: str) -> None:
    engine = request.getfixturevalue(name)
    source, recorder = picture(80, 64), Recorder()
    params = {"strength": 0.5, "num_inference_steps": 4, "inputs": {"image": source}, "width": 80, "height": 64}
    made, _ = run(engine, tmp_path / "a", recorder=recorder, **params)
    assert made[0].shape == (64, 80, 3)
    assert [step for step in recorder.steps if step[0] == "sample"][-1][1:3] == (2, 2), "half of the steps are made"
    other, _ = run(engine, tmp_path / "b", **{**params, "inputs": {"image": picture(80, 64, seed=4)}})
    assert not np.array_equal(made[0], other[0])


@pytest.mark.parametrize("name", ["flux", "sd35"])
def test_inpainting(request: pytest.FixtureRequest, tmp_path: Path, name: str) -> None:
    engine = request.getfixturevalue(name)
    source, mask = picture(), Image.new("L", (64, 48), 255)
    made, _ = run(engine, tmp_path / "a", "image.edit", instruction="um gato", inputs={"image": source, "mask": mask})
    assert made[0].shape == (48, 64, 3)
    with pytest.raises(InvalidInputError, match=r"32 x 48 pixels and the image 64 x 48: send a mask") as refused:
        small = mask.resize((32, 48))
        run(engine, tmp_path / "b", "image.edit", instruction="x", inputs={"image": source, "mask": small})
    assert refused.value.field == "mask"
    with pytest.raises(InvalidInputError, match="send a mask"):
        run(engine, tmp_path / "c", "image.edit", instruction="x", inputs={"image": source})


def test_steps_and_previews_are_reported_and_a_cancel_is_seen(flux: Any, tmp_path: Path) -> None:
    recorder = Recorder()
    run(flux, tmp_path / "a", recorder=recorder, num_inference_steps=4)
    sampled = [step for step in recorder.steps if step[0] == "sample" and step[1]]
    assert [step[1:3] for step in sampled] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert recorder.previews == ["previews/0002.jpg", "previews/0003.jpg"]
    with Image.open(tmp_path / "a" / recorder.previews[0]) as opened:
        assert opened.size == (64, 48)
    assert [step[0] for step in recorder.steps if step[1] == 0] == ["prompt", "sample", "decode"]

    canceled, blocks = threading.Event(), []
    flux.transformer.transformer_blocks[1].register_forward_pre_hook(lambda *_: (blocks.append(1), canceled.set())[0])
    with pytest.raises(Canceled):
        run(flux, tmp_path / "b", canceled=canceled, num_inference_steps=4)
    assert len(blocks) == 1, "it is seen at the next block, not at the next step"
    flux.transformer.transformer_blocks[1]._forward_pre_hooks.clear()
    run(flux, tmp_path / "c")


def test_a_prompt_is_encoded_once(tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APIBR_CACHE_DIR", str(tmp_path / "cache"))
    engine = loaded(Flux(), tiny("flux"), "flux-dev", "bf16")
    first, _ = run(engine, tmp_path / "a")
    monkeypatch.setattr(engine, "encode", lambda request: pytest.fail("encoded again"))
    second, _ = run(engine, tmp_path / "b")
    assert np.array_equal(first[0], second[0])
    with pytest.raises(pytest.fail.Exception):
        run(engine, tmp_path / "c", prompt="another")


@pytest.mark.parametrize("engine", ["flux", "sd35"])
def test_a_prompt_whose_end_is_not_read_is_a_warning(
    engine: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    model = request.getfixturevalue(engine)
    most = model.longest[1]
    _, result = run(model, tmp_path / "a", prompt="a " * most, num_inference_steps=1)
    [warning] = result.warnings
    assert warning.code == "prompt_cut"
    assert f"and the model reads {most}: its end was left out" in str(warning.message)
    _, result = run(model, tmp_path / "b", prompt="a", num_inference_steps=1)
    assert result.warnings == []


@pytest.mark.parametrize("phase", ["step", "decode"])
def test_out_of_memory_once_goes_a_step_lower(
    flux: Any, tmp_path: Path, phase: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected, _ = run(flux, tmp_path / "a")
    target = flux.transformer.single_transformer_blocks[1] if phase == "step" else flux.vae.model.decoder
    failures = [torch.OutOfMemoryError("injected")]

    def fail(*_: Any) -> None:
        if failures:
            raise failures.pop()

    handle = target.register_forward_pre_hook(fail)
    made, _ = run(flux, tmp_path / "b")
    assert close(made[0], expected[0])
    assert not failures
    handle.remove()


def test_out_of_memory_twice_is_a_clear_failure(flux: Any, tmp_path: Path) -> None:
    def fail(*_: Any) -> None:
        raise torch.OutOfMemoryError("injected")

    handle = flux.transformer.transformer_blocks[0].register_forward_pre_hook(fail)
    with pytest.raises(EngineError, match="choose a smaller size") as failed:
        run(flux, tmp_path / "a")
    assert failed.value.code == "out_of_memory"
    handle.remove()
    run(flux, tmp_path / "b")


def test_damaged_models_are_refused(tiny: Tiny, tmp_path: Path) -> None:
    folder = tiny("flux")
    good = files(folder, "flux-dev", "Q8_0")

    def load(**changed: str) -> None:
        Flux().load(LoadRequest("flux", "flux-dev", "Q8_0", {**good, **changed}, {"device": "cpu"}))

    cut = tmp_path / "cut.gguf"
    cut.write_bytes(Path(good["transformer"]).read_bytes()[:-1000])
    with pytest.raises(EngineError, match=r"cut\.gguf is damaged"):
        load(transformer=str(cut))
    pickle = tmp_path / "model.ckpt"
    pickle.write_bytes(b"cos\nsystem\n(S'touch /tmp/pwned'\ntR.")
    with pytest.raises(EngineError, match="neither GGUF nor safetensors"):
        load(transformer=str(pickle))
    with pytest.raises(EngineError, match=r"it is another model's file|lacks the weight"):
        load(transformer=files(tiny("sd35"), "sd3.5-large", "Q8_0")["transformer"])
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(EngineError, match="missing") as missing:
        load(base=str(empty))
    assert str(tmp_path) not in str(missing.value)
    with pytest.raises(EngineError, match="apibr doctor"):
        Flux().load(LoadRequest("flux", "flux-dev", "Q8_0", good, {"device": "hip:0"}))


def test_names_of_flux_agree_with_diffusers(monkeypatch: pytest.MonkeyPatch) -> None:
    """diffusers' converter holds the released width as a constant and cares about rows only, so one column will do."""
    width, tensors = 3072, {}
    rows = {"qkv": 3 * width, "lin": 6 * width, "linear1": 7 * width, "linear2": width, "adaLN_modulation.1": 2 * width}
    from diffusers import FluxTransformer2DModel

    with torch.device("meta"):
        shape = FluxTransformer2DModel(num_layers=2, num_single_layers=2, guidance_embeds=True).state_dict()
    thin = {name: np.random.default_rng(1).random(value.shape[0]).astype(np.float32) for name, value in shape.items()}
    tensors = {name: torch.from_numpy(value) for name, value in flux_original(thin).items()}
    assert rows["linear1"] == tensors["single_blocks.0.linear1.weight"].shape[0]
    pieces = names.flux({name: tuple(value.shape) for name, value in tensors.items()})
    theirs = single_file_utils.convert_flux_transformer_checkpoint_to_diffusers(dict(tensors))
    assert pieces.keys() == theirs.keys() == shape.keys()
    for name, expected in theirs.items():
        source = tensors[pieces[name].source]
        ours = torch.cat([source[a:b] for a, b in pieces[name].rows]) if pieces[name].rows else source
        assert torch.equal(ours, expected), name


def test_names_of_sd3_agree_with_diffusers() -> None:
    model = SD3Transformer2DModel(
        num_layers=3,
        attention_head_dim=8,
        num_attention_heads=4,
        caption_projection_dim=32,
        joint_attention_dim=32,
        pooled_projection_dim=32,
        qk_norm="rms_norm",
        dual_attention_layers=(0, 1),
        pos_embed_max_size=8,
    )
    state = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    tensors = {f"model.diffusion_model.{name}": torch.from_numpy(value) for name, value in sd3_original(state).items()}
    pieces = names.sd3({name: tuple(value.shape) for name, value in tensors.items()})
    theirs = single_file_utils.convert_sd3_transformer_checkpoint_to_diffusers(dict(tensors))
    assert pieces.keys() == theirs.keys() == state.keys()
    for name, expected in theirs.items():
        source = tensors[pieces[name].source]
        ours = torch.cat([source[a:b] for a, b in pieces[name].rows]) if pieces[name].rows else source
        assert torch.equal(ours, expected), name


def test_quantised_rows_are_views_of_the_file(tiny: Tiny) -> None:
    weights = GGUFWeights(Path(files(tiny("flux"), "flux-dev", "Q4_K_S")["transformer"]), names.flux)
    whole = weights.file.raw("single_blocks.0.linear1.weight")
    part = weights.read("single_transformer_blocks.0.attn.to_k.weight").raw
    assert whole.data_ptr() < part.data_ptr() < whole.data_ptr() + whole.nbytes
