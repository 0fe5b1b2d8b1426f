"""Real-ESRGAN on tiny networks in the released format: seams, memory, transparency, hostile files."""

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
from PIL import Image
from safetensors.torch import save_file

from apibr_worker.engines.upscale import engine as upscale_engine
from apibr_worker.engines.upscale import tiles, weights
from apibr_worker.engines.upscale.engine import Engine, Pass, passes
from apibr_worker.engines.upscale.tiles import Tiling
from apibr_worker.runtime.api import (
    Canceled,
    EngineError,
    InputFile,
    InvalidInputError,
    LoadRequest,
    RunResult,
)
from tests.harness import Recorder, context
from tiny_checkpoints.upscale import network

Tiny = Callable[..., Path]
SEES = {2: 44, 4: 24}
"""How far the tiny networks look, in pixels of the small picture: 19 layers of 3 x 3, at half the size for x2."""


def scene(width: int, height: int) -> Image.Image:
    ys, xs = np.mgrid[0:height, 0:width].astype(np.float64)
    rgb = np.stack([xs / width, ys / height, 0.5 + 0.4 * np.sin(xs / 3) * np.cos(ys / 4)], -1)
    return Image.fromarray((rgb * 255).astype(np.uint8))


def loaded(tiny: Tiny, scale: int, **plan: Any) -> Engine:
    folder = tiny("upscale") / f"realesrgan-x{scale}"
    described = yaml.safe_load((folder / "model.yaml").read_text())
    files = {part: str(folder / path) for part, path in described["variants"]["fp32"].items()}
    made = Engine()
    made.load(LoadRequest("upscale", described["id"], "fp32", files, {"device": "cpu", **plan}))
    return made


def enlarge(
    engine: Engine,
    folder: Path,
    picture: Image.Image,
    scale: int,
    recorder: Recorder | None = None,
    canceled: threading.Event | None = None,
) -> tuple[np.ndarray, RunResult]:
    folder.mkdir(parents=True)
    picture.save(folder / "in.png")
    reporter = recorder or Recorder()
    inputs = [InputFile("image", folder / "in.png", "image/png")]
    params = {"scale": scale, "seed": 3}
    result = engine.run(context(folder, "image.upscale", params, inputs, reporter=reporter, canceled=canceled))
    assert reporter.segments == []
    return np.asarray(Image.open(folder / result.outputs[0].path)).astype(int), result


def whole(engine: Engine, picture: Image.Image) -> np.ndarray:
    """What the network makes of the picture at once."""
    assert engine.model is not None
    tensor = torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None].float() / 255
    return (engine.model(tensor)[0].permute(1, 2, 0) * 255).round().int().numpy()


@pytest.mark.parametrize("scale", [2, 4])
@pytest.mark.parametrize("size", [(8, 8), (100, 72), (261, 150)])
def test_tiles_leave_no_trace(tiny: Tiny, tmp_path: Path, scale: int, size: tuple[int, int]) -> None:
    engine = loaded(tiny, scale)
    engine.tiling = Tiling(128, margin=SEES[scale], band=8)
    made, result = enlarge(engine, tmp_path / "a", scene(*size), scale)
    wanted = whole(engine, scene(*size))
    assert made.shape == wanted.shape == (size[1] * scale, size[0] * scale, 3)
    assert wanted.std() > 10, "the network must say something"
    # At the outer edge the padding up to a multiple of 4 differs from the network's own.
    inner = np.abs(made - wanted)[
        : (size[1] - size[1] % 4 - 4) * scale or None, : (size[0] - size[0] % 4 - 4) * scale or None
    ]
    if size[0] % 4 or size[1] % 4:
        inner = np.abs(made - wanted)[: -SEES[scale] * scale, : -SEES[scale] * scale]
    assert inner.max() <= 1
    assert result.metadata == {
        "method": f"realesrgan-x{scale}", "scale": scale, "width": size[0] * scale, "height": size[1] * scale,
        "tile": 128, "passes": 1,
    }  # fmt: skip


def test_too_small_a_margin_shows_so_the_test_above_can_fail(tiny: Tiny, tmp_path: Path) -> None:
    engine = loaded(tiny, 4)
    engine.tiling = Tiling(64, margin=0, band=4)
    made, _ = enlarge(engine, tmp_path / "a", scene(200, 120), 4)
    assert np.abs(made - whole(engine, scene(200, 120))).max() > 2


def test_a_band_fades_where_tiles_disagree() -> None:
    """A network that answers each tile with another grey: no step is larger than the band makes it."""
    calls: list[int] = []

    def grey(tensor: torch.Tensor) -> torch.Tensor:
        calls.append(1)
        return torch.full((1, 3, tensor.shape[2] * 2, tensor.shape[3] * 2), len(calls) % 2 * 0.5)

    made = tiles.run(grey, np.zeros((150, 170, 3), np.uint8), 2, Tiling(64, 8, 16), shrink=1, done=lambda: None).astype(
        int
    )
    assert len(calls) == Tiling(64, 8, 16).count(150, 170) > 9
    for axis in (0, 1):
        assert np.abs(np.diff(made, axis=axis)).max() <= 128 / 32 * 2 + 1
    assert made.max() > 120


@pytest.mark.parametrize(("has", "wanted", "plan"), [
    (2, 2, [Pass(2)]), (4, 4, [Pass(4)]), (2, 4, [Pass(2), Pass(2)]), (4, 2, [Pass(4, 2)]),
])  # fmt: skip
def test_passes_for_the_other_scale(has: int, wanted: int, plan: list[Pass]) -> None:
    assert passes(has, wanted) == plan


def test_x4_for_two_times_is_the_whole_made_smaller_by_lanczos(tiny: Tiny, tmp_path: Path) -> None:
    engine = loaded(tiny, 4)
    engine.tiling = Tiling(128, margin=SEES[4] + 4, band=8)
    made, result = enlarge(engine, tmp_path / "a", scene(220, 140), 2)
    large = Image.fromarray(whole(engine, scene(220, 140)).astype(np.uint8))
    wanted = np.asarray(large.resize((440, 280), Image.Resampling.LANCZOS)).astype(int)
    assert made.shape == wanted.shape
    assert np.abs(made - wanted).max() <= 2
    assert result.metadata["passes"] == 1


def test_x2_for_four_times_runs_twice(tiny: Tiny, tmp_path: Path) -> None:
    engine = loaded(tiny, 2)
    recorder = Recorder()
    made, result = enlarge(engine, tmp_path / "a", scene(60, 40), 4, recorder)
    once = Image.fromarray(whole(engine, scene(60, 40)).astype(np.uint8))
    assert np.abs(made - whole(engine, once)).max() <= 1
    assert result.metadata["passes"] == 2
    steps = [(step, total) for phase, step, total in recorder.steps if phase == "sample" and step]
    assert steps == [(1, 2), (2, 2)]


def test_transparency_is_kept_and_leaves_no_dark_rim(tiny: Tiny, tmp_path: Path) -> None:
    picture = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
    picture.paste((200, 120, 60, 255), (16, 16, 48, 48))
    hidden = picture.copy()
    hidden.paste((255, 0, 255, 0), (0, 0, 64, 8))
    engine = loaded(tiny, 4)
    made, _ = enlarge(engine, tmp_path / "a", picture, 4)
    assert made.shape == (256, 256, 4)
    wanted = picture.getchannel("A").resize((256, 256), Image.Resampling.LANCZOS)
    assert np.array_equal(made[..., 3], np.asarray(wanted))
    flat, _ = enlarge(engine, tmp_path / "b", Image.new("RGB", (64, 64), (200, 120, 60)), 4)
    assert np.abs(made[100:156, 100:156, :3] - flat[100:156, 100:156]).max() <= 2, "the rim is its own colour"
    assert np.array_equal(enlarge(engine, tmp_path / "c", hidden, 4)[0], made), "what is invisible has no say"


def test_progress_by_tile_and_cancel_between_tiles(tiny: Tiny, tmp_path: Path) -> None:
    engine = loaded(tiny, 4, tile=64)
    recorder, canceled = Recorder(), threading.Event()
    enlarge(engine, tmp_path / "a", scene(150, 100), 4, recorder)
    count = Tiling(64).count(100, 150)
    assert count > 20
    assert [step for phase, step, _ in recorder.steps if phase == "sample"] == list(range(count + 1))
    seen = Recorder()
    seen.when = lambda phase, step: canceled.set() if (phase, step) == ("sample", 2) else None
    with pytest.raises(Canceled, match="sample"):
        enlarge(engine, tmp_path / "b", scene(150, 100), 4, seen, canceled)
    assert seen.steps[-1][:2] == ("sample", 2), "the third tile was not reported"


@pytest.mark.parametrize(
    "failure",
    [
        torch.OutOfMemoryError("HIP out of memory"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"),
    ],
    ids=["card", "processor"],
)
def test_out_of_memory_halves_the_tile(tiny: Tiny, tmp_path: Path, monkeypatch: Any, failure: Exception) -> None:
    engine = loaded(tiny, 4, tile=256)
    wanted, _ = enlarge(engine, tmp_path / "a", scene(150, 110), 4)
    tried = fail_above(engine, monkeypatch, 100, failure)
    made, result = enlarge(engine, tmp_path / "b", scene(150, 110), 4)
    assert result.metadata["tile"] == 64
    assert tried[:3] == [152, 128, 64]
    assert np.abs(made - wanted).mean() < 1
    assert engine.tiling.tile == 256, "the next picture tries the full tile again"


def test_out_of_memory_at_the_smallest_tile_is_a_clear_error(tiny: Tiny, tmp_path: Path, monkeypatch: Any) -> None:
    engine = loaded(tiny, 4, tile=256)
    tried = fail_above(engine, monkeypatch, 0, torch.OutOfMemoryError("HIP out of memory"))
    with pytest.raises(EngineError, match="tiles of 64 pixels") as raised:
        enlarge(engine, tmp_path / "a", scene(300, 300), 4)
    assert raised.value.code == "out_of_memory"
    assert tried == [256, 128, 64]


def test_a_tile_larger_than_the_picture_is_not_tried_twice(tiny: Tiny, tmp_path: Path, monkeypatch: Any) -> None:
    engine = loaded(tiny, 4, tile=512)
    tried = fail_above(engine, monkeypatch, 0, torch.OutOfMemoryError("HIP out of memory"))
    with pytest.raises(EngineError, match="memory to enlarge"):
        enlarge(engine, tmp_path / "a", scene(100, 100), 4)
    assert tried == [100, 64]


def test_another_failure_is_not_taken_for_out_of_memory(tiny: Tiny, tmp_path: Path, monkeypatch: Any) -> None:
    engine = loaded(tiny, 4)
    fail_above(engine, monkeypatch, 0, RuntimeError("HIP error: page fault"))
    with pytest.raises(RuntimeError, match="page fault"):
        enlarge(engine, tmp_path / "a", scene(30, 30), 4)


def fail_above(engine: Engine, monkeypatch: Any, edge: int, failure: Exception) -> list[int]:
    """The network fails for tiles wider than edge; returns the widths that it is asked for."""
    tried: list[int] = []
    real = engine._network

    def network(model: Any) -> tiles.Network:
        def call(tensor: torch.Tensor) -> torch.Tensor:
            tried.append(tensor.shape[3])
            if tensor.shape[3] > edge:
                raise failure
            return real(model)(tensor)

        return call

    monkeypatch.setattr(engine, "_network", network)
    return tried


def test_sizes_that_are_too_large_are_refused_with_the_limit(tiny: Tiny, tmp_path: Path) -> None:
    engine = loaded(tiny, 4)
    with pytest.raises(InvalidInputError, match="limit is 50 megapixels"):
        enlarge(engine, tmp_path / "a", Image.new("1", (2000, 1600)), 4)


def test_one_pixel(tiny: Tiny, tmp_path: Path) -> None:
    assert enlarge(loaded(tiny, 2), tmp_path / "a", scene(1, 1), 4)[0].shape == (4, 4, 3)


def test_without_a_model(tiny: Tiny, tmp_path: Path) -> None:
    engine = loaded(tiny, 2)
    engine.unload()
    with pytest.raises(EngineError, match="no model"):
        enlarge(engine, tmp_path / "a", scene(8, 8), 2)
    with pytest.raises(EngineError, match="weights is missing"):
        engine.load(LoadRequest("upscale", "realesrgan-x4", "fp32", {}, {}))


# ---- files


def test_safetensors_and_a_folder_are_read_too(tmp_path: Path) -> None:
    state = network(4)
    save_file(state, tmp_path / "x.safetensors")
    assert weights.load_upscaler(tmp_path / "x.safetensors").scale == 4
    assert weights.load_upscaler(tmp_path).scale == 4


class Evil:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def test_a_pickle_is_refused_and_nothing_is_executed(tmp_path: Path) -> None:
    for legacy in (False, True):
        torch.save({"params_ema": network(4), "x": Evil(tmp_path / "done")}, tmp_path / "a.pth",
                   _use_new_zipfile_serialization=not legacy)  # fmt: skip
        with pytest.raises(EngineError, match="cannot be used") as raised:
            weights.load_upscaler(tmp_path / "a.pth")
        assert raised.value.code == "model_missing"
        assert str(tmp_path) not in str(raised.value)
        assert raised.value.__cause__ is None
        assert not (tmp_path / "done").exists()
    # The file is really what it says: the plain unpickler would have done it.
    torch.load(tmp_path / "a.pth", weights_only=False)
    assert (tmp_path / "done").exists()


def changed(change: Callable[[dict[str, torch.Tensor]], Any]) -> dict[str, Any]:
    state = network(4)
    change(state)
    return state


@pytest.mark.parametrize(
    "state",
    [
        {},
        {"params_ema": {}},
        [1, 2],
        {"params_ema": {"conv_first.weight": "text"}},
        changed(lambda s: s.pop("conv_hr.weight")),
        changed(lambda s: s.update({"body.400000000.rdb1.conv1.weight": torch.zeros(32, 8, 3, 3)})),
        changed(lambda s: s.update({"body.500.rdb1.conv1.weight": torch.zeros(32, 8, 3, 3)})),
        changed(lambda s: s.update({"conv_first.weight": torch.zeros(1).expand(1 << 16, 3, 3, 3)})),
        changed(lambda s: s.update({"conv_first.weight": torch.zeros(4000, 3, 3, 3)})),
        {"params_ema": network(4, channels=1)},
    ],
    ids=["empty", "nothing", "list", "text", "missing", "index", "hole", "strides", "shape", "grey"],
)
def test_a_model_that_is_not_an_upscaler_is_refused(tmp_path: Path, state: Any) -> None:
    torch.save(state, tmp_path / "a.pth")
    with pytest.raises(EngineError, match="install the model again") as raised:
        weights.load_upscaler(tmp_path / "a.pth")
    assert raised.value.code == "model_missing"


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"not a checkpoint" * 50])
def test_damaged_files_are_refused(tmp_path: Path, content: bytes) -> None:
    for name in ("a.pth", "b.safetensors"):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(EngineError, match="cannot be used"):
            weights.load_upscaler(tmp_path / name)


def test_truncated_files_and_other_kinds_are_refused(tiny: Tiny, tmp_path: Path) -> None:
    real = (tiny("upscale") / "realesrgan-x4" / "RealESRGAN_x4plus.pth").read_bytes()
    (tmp_path / "a.pth").write_bytes(real[: len(real) // 2])
    with pytest.raises(EngineError, match="cannot be used"):
        weights.load_upscaler(tmp_path / "a.pth")
    (tmp_path / "a.bin").write_bytes(real)
    with pytest.raises(EngineError, match="neither"):
        weights.load_upscaler(tmp_path / "a.bin")
    with pytest.raises(EngineError, match="missing"):
        weights.load_upscaler(tmp_path / "nowhere")


def test_a_huge_file_is_not_opened(tmp_path: Path) -> None:
    with (tmp_path / "a.pth").open("wb") as file:
        file.truncate(weights.MAX_BYTES + 1)
    with pytest.raises(EngineError, match="larger than 512 MB"):
        weights.load_upscaler(tmp_path / "a.pth")


def test_the_released_dimensions_are_recognised(tmp_path: Path) -> None:
    """23 blocks of 64 channels: 16.7 million numbers, as the released files hold."""
    torch.save({"params_ema": network(4, width=64, blocks=23)}, tmp_path / "a.pth")
    model = weights.load_upscaler(tmp_path / "a.pth")
    assert model.scale == 4
    assert "23nb" in model.tags and "64nf" in model.tags
    assert sum(tensor.numel() for tensor in model.model.parameters()) == 16_697_987


def test_tilings_that_cannot_be() -> None:
    for options in ((64, 32, 4), (62, 8, 8), (64, 6, 8)):
        with pytest.raises(ValueError, match="does not go"):
            Tiling(*options)
    assert Tiling(128).halved(64) == Tiling(64)
    assert Tiling(64).halved(64) is None
    assert upscale_engine._edge(None, 512) == 512
    assert upscale_engine._edge(10, 512) == 64
