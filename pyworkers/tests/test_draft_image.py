"""Storyboard cards: exact sizes, repeatable pixels, characters with geometry, titles that fit."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from apibr_worker.engines.draft_image.engine import Engine, draw
from apibr_worker.engines.draft_image.words import read, title
from tests.harness import Recorder, context


def pixels(picture: Image.Image) -> np.ndarray:
    return np.asarray(picture)


@pytest.mark.parametrize(("width", "height"), [(64, 64), (512, 768), (1024, 576), (301, 203), (2048, 256)])
@pytest.mark.parametrize("prompt", ["Professional headshot", "pôr do sol na praia", "algo abstrato"])
def test_exactly_the_size_asked_for(prompt: str, width: int, height: int) -> None:
    assert draw(prompt, width, height, 1)[0].size == (width, height)


@pytest.mark.parametrize("prompt", ["retrato de mulher", "cidade à noite", "floresta"])
def test_the_same_seed_gives_the_same_picture(prompt: str) -> None:
    first, second, other = (draw(prompt, 256, 256, seed)[0] for seed in (5, 5, 6))
    assert np.array_equal(pixels(first), pixels(second))
    assert not np.array_equal(pixels(first), pixels(other))


@pytest.mark.parametrize(
    ("prompt", "person"),
    [
        ("Professional headshot", True),
        ("uma mulher sorrindo", True),
        ("um homem de óculos", True),
        ("RETRATO", True),
        ("montanhas ao amanhecer", False),
        ("um avião no céu", False),
        ("manual de instruções", False),
    ],
)
def test_people_are_recognised(prompt: str, person: bool) -> None:
    assert read(prompt).person is person
    assert ("face" in draw(prompt, 128, 128, 1)[1]) is person


def test_the_words_of_the_prompt_change_the_picture() -> None:
    subject = read("Mulher loira careca? Não: de óculos, ao pôr do sol, na praia azul")
    assert (subject.gender, subject.glasses, subject.scene, subject.hair) == ("woman", True, "sea", "#d9b26a")
    assert read("red planet").hue == 0.0
    assert read("redhead").hue is None


@pytest.mark.parametrize(
    ("prompt", "hair", "style", "hue"),
    [
        ("Professional headshot of a woman with red curly hair", "#a4492c", "curly", None),
        ("mulher de cabelo longo preto, fundo azul", "#1d1a1b", "long", 0.6),
        ("retrato de um homem idoso, vida longa", "#a6a4a2", "", None),
        ("woman in a red dress", None, "", 0.0),
    ],
)
def test_hair_is_read_apart_from_the_rest(prompt: str, hair: str | None, style: str, hue: float | None) -> None:
    subject = read(prompt)
    assert subject.person
    assert (subject.hair, subject.style, subject.hue) == (hair, style, hue)


def test_all_four_corners_are_marked() -> None:
    rgb = pixels(draw("floresta", 512, 512, 1)[0]).astype(int)
    inset = round(0.035 * 512)
    for x in (inset + 8, 511 - inset - 8):
        for y in (inset, 512 - inset):
            assert rgb[y - 2 : y + 3, x].max(axis=1).max() > rgb[y + 6, x].max() + 15


def test_geometry_is_where_the_features_are() -> None:
    picture, metadata = draw("Professional headshot", 512, 640, 3)
    face = metadata["face"]
    rgb = pixels(picture)
    for eye in face["eyes"]:
        x, y = int(eye["x"] * 512), int(eye["y"] * 640)
        assert rgb[y - 2 : y + 6, x - 4 : x + 4].min() < 60, "a pupil is dark"
    head = face["head"]
    skin = rgb[int((head["y"] + 0.02) * 640), int((head["x"] + 0.25 * head["rx"]) * 512)]
    assert "#" + "".join(f"{value:02x}" for value in skin) == face["colours"]["skin"] or np.ptp(skin.astype(int)) > 15
    for brow, eye in zip(face["brows"], face["eyes"], strict=True):
        column = rgb[: int(eye["y"] * 640 - eye["ry"] * 512 * 1.2), int(brow["x"] * 512)].astype(int).sum(axis=1)
        darkest = int(np.argmin(column[int(brow["y"] * 640) - 20 :])) + int(brow["y"] * 640) - 20
        assert abs(darkest - brow["y"] * 640) < 8
    assert face["jaw"]["y"] > face["mouth"]["y"] + face["mouth"]["height"] * 512 / 640
    assert head["y"] * 640 < face["mouth"]["y"] * 640 < (head["y"] * 640 + head["ry"] * 512)


def test_a_title_is_one_line_cut_at_a_word() -> None:
    assert title("  olá,\n mundo ") == "Olá, mundo"
    long = title("palavra " * 40)
    assert len(long) <= 91
    assert long.endswith("…")


def test_the_engine_makes_several_and_reports(tmp_path: object) -> None:
    from pathlib import Path

    out = Path(str(tmp_path))
    recorder = Recorder()
    params = {"prompt": "Professional headshot", "width": 128, "height": 128, "num_images": 3, "seed": 9}
    result = Engine().run(context(out, "image.generate", params, reporter=recorder))
    assert [output.name for output in result.outputs] == ["image_0", "image_1", "image_2"]
    contents = {(out / output.path).read_bytes() for output in result.outputs}
    assert len(contents) == 3
    assert [output.metadata["seed"] for output in result.outputs] == [9, 10, 11]
    assert all(output.metadata["face"]["kind"] == "drawn" for output in result.outputs)
    assert ("draw", 3, 3) in recorder.steps
    assert len(recorder.previews) == 3
