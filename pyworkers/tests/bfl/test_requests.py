"""What the engine of the Black Forest Labs API sends, and what it makes of a good answer."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from apibr_worker.runtime.api import InvalidInputError
from tests.bfl.calls import PENDING, failed, made
from tests.bfl.service import KEY, FakeBFL, Reply, png
from tests.harness import Recorder


def test_text_to_picture(fake: FakeBFL, tmp_path: Path) -> None:
    fake.polls = [PENDING, PENDING, fake.ready()]
    recorder = Recorder()
    pictures, result = made(tmp_path, recorder=recorder)
    assert pictures[0].size == (64, 48)
    assert pictures[0].convert("RGB").getpixel((5, 5)) == (0x22, 0x66, 0xAA)
    assert result.outputs[0].metadata == {"seed": 7}
    assert result.metadata == {"model": "flux-kontext-pro", "remote": True, "cost": 4.0}
    method, path, headers, body = fake.requests[0]
    assert (method, path) == ("POST", "/v1/flux-kontext-pro")
    assert headers["x-key"] == KEY
    assert body == {"prompt": "um gato azul", "output_format": "png", "safety_tolerance": 2, "seed": 7}
    assert fake.kinds()[1:] == ["GET /v1/get_result"] * 3 + ["GET /sample/a.png"]
    assert all(request[2]["x-key"] == KEY for request in fake.requests[1:4])
    assert "x-key" not in fake.requests[4][2], "the key is not for the storage"
    assert [step for phase, step, _ in recorder.steps if phase == "sample"] == [0, 40, 40, 40, 100]
    assert recorder.previews == ["preview-0.jpg"]


def test_the_picture_is_sent_with_the_request(fake: FakeBFL, tmp_path: Path) -> None:
    picture = Image.fromarray(np.random.default_rng(1).integers(0, 255, (40, 60, 3), dtype=np.uint8))
    made(tmp_path, "image.edit", image=picture)
    body = fake.requests[0][3]
    assert body["prompt"] == "um gato azul"
    assert "aspect_ratio" not in body
    sent = Image.open(io.BytesIO(base64.b64decode(body["input_image"])))
    assert np.array_equal(np.asarray(sent), np.asarray(picture))


def test_a_large_or_transparent_picture_is_brought_to_what_the_model_uses(fake: FakeBFL, tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (1900, 2375, 3), dtype=np.uint8)
    made(tmp_path / "a", image=Image.fromarray(noise))
    data = base64.b64decode(fake.requests[0][3]["input_image"])
    sent = Image.open(io.BytesIO(data))
    assert sent.format == "JPEG" and len(data) < 12 << 20, "noise is the worst there is"
    assert sent.width * sent.height <= 4 << 20
    assert sent.width / sent.height == pytest.approx(1.25, abs=0.01)
    made(tmp_path / "b", image=Image.new("RGBA", (8, 8), (0, 0, 0, 0)))
    clear = Image.open(io.BytesIO(base64.b64decode(fake.requests[-3][3]["input_image"])))
    assert clear.mode == "RGB" and clear.getpixel((3, 3)) == (255, 255, 255)


@pytest.mark.parametrize(
    ("params", "ratio", "size"),
    [
        ({"width": 1024, "height": 576}, "16:9", (1024, 576)),
        ({"width": 1000, "height": 563}, "16:9", (1000, 563)),
        ({"width": 512}, "1:1", (512, 512)),
        ({"height": 900, "width": 386}, "3:7", (386, 900)),
    ],
)
def test_the_picture_has_the_requested_size(
    fake: FakeBFL, tmp_path: Path, params: dict[str, Any], ratio: str, size: tuple[int, int]
) -> None:
    pictures, _ = made(tmp_path, **params)
    assert fake.requests[0][3]["aspect_ratio"] == ratio
    assert pictures[0].size == size


def test_one_edge_keeps_the_shape_of_the_picture(fake: FakeBFL, tmp_path: Path) -> None:
    assert made(tmp_path, image=Image.new("RGB", (80, 40)), width=600)[0][0].size == (600, 300)


def test_a_shape_that_is_too_long_is_refused_before_anything_is_sent(fake: FakeBFL, tmp_path: Path) -> None:
    error = failed(tmp_path, width=2048, height=512)
    assert isinstance(error, InvalidInputError) and error.field == "width" and "21/9" in str(error)
    assert fake.requests == []


def test_several_pictures_are_several_tasks_with_the_next_seeds(fake: FakeBFL, tmp_path: Path) -> None:
    fake.samples = [Reply(body=png(colour=colour)) for colour in ("red", "lime", "blue")]
    recorder = Recorder()
    pictures, result = made(tmp_path, num_images=3, seed=(1 << 31) - 2, recorder=recorder)
    assert [picture.convert("RGB").getpixel((0, 0)) for picture in pictures] == [(255, 0, 0), (0, 255, 0), (0, 0, 255)]
    assert [request[3]["seed"] for request in fake.requests if request[0] == "POST"] == [
        (1 << 31) - 2,
        (1 << 31) - 1,
        0,
    ]
    assert [output.metadata["seed"] for output in result.outputs] == [(1 << 31) - 2, (1 << 31) - 1, 1 << 31]
    assert result.metadata["cost"] == 12.0
    assert ("sample", 300, 300) in recorder.steps


def test_the_model_is_a_setting(fake: FakeBFL, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APIBR_BFL_MODEL", "flux-kontext-max")
    assert made(tmp_path)[1].metadata["model"] == "flux-kontext-max"
    assert fake.requests[0][1] == "/v1/flux-kontext-max"
