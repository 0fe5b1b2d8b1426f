"""The draft editor: what it understands, what it leaves alone, and how it enlarges."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFilter

from apibr_worker.engines.draft_image.engine import Engine
from apibr_worker.engines.draft_image.instructions import read
from apibr_worker.image import pictures
from apibr_worker.runtime.api import Canceled, InputFile, InvalidInputError, RunResult
from tests.harness import Recorder, context


def scene(width: int = 160, height: int = 120) -> Image.Image:
    """Smooth colours with some detail, different in all four corners."""
    ys, xs = np.mgrid[0:height, 0:width].astype(np.float64)
    rgb = np.stack([xs / width, ys / height, 0.5 + 0.3 * np.sin(xs / 2) * np.cos(ys / 3)], -1)
    return Image.fromarray((rgb * 220 + 15).astype(np.uint8))


def given(folder: Path, name: str, picture: Image.Image, **options: Any) -> InputFile:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"in-{name}.png"
    picture.save(path, **options)
    return InputFile(name, path, "image/png")


def edited(
    folder: Path, instruction: str, picture: Image.Image, mask: Image.Image | None = None
) -> tuple[Image.Image, RunResult]:
    inputs = [given(folder, "image", picture)] + ([given(folder, "mask", mask)] if mask else [])
    result = Engine().run(context(folder, "image.edit", {"instruction": instruction, "seed": 5}, inputs))
    return Image.open(folder / result.outputs[0].path), result


def upscaled(folder: Path, file: InputFile, scale: int) -> tuple[Image.Image, RunResult]:
    result = Engine().run(context(folder, "image.upscale", {"scale": scale, "seed": 5}, [file]))
    return Image.open(folder / result.outputs[0].path), result


def array(picture: Image.Image) -> np.ndarray:
    return np.asarray(picture.convert("RGB")).astype(int)


def sharpness(picture: Image.Image) -> float:
    return float(np.abs(np.diff(array(picture), axis=1)).mean())


@pytest.mark.parametrize(
    ("instruction", "edits"),
    [
        ("make it black and white", ["black_and_white"]),
        ("Deixe a foto em preto e branco, por favor!", ["black_and_white"]),
        ("tons de cinza", ["black_and_white"]),
        ("remove the colors", ["black_and_white"]),
        ("efeito sépia", ["sepia"]),
        ("invert the colours", ["invert"]),
        ("inverta as cores", ["invert"]),
        ("brighter", ["brighten"]),
        ("mais claro e com mais contraste", ["brighten", "contrast"]),
        ("less bright, please", ["darken"]),
        ("escureça a imagem", ["darken"]),
        ("um pouco menos contraste", ["lower_contrast"]),
        ("more saturated then sharpen", ["saturate", "sharpen"]),
        ("cores mais vivas", ["saturate"]),
        ("make the picture warmer", ["warmer"]),
        ("mais fria", ["colder"]),
        ("blur the background", ["blur"]),
        ("desfoque o fundo", ["blur"]),
        ("deixe mais nítida", ["sharpen"]),
        ("pixelate", ["pixelate"]),
        ("rotate 90 degrees counterclockwise", ["rotate"]),
        ("gire 180 graus", ["rotate"]),
        ("vire de cabeça para baixo", ["rotate"]),
        ("turn it left", ["rotate"]),
        ("flip horizontally", ["flip"]),
        ("espelhe na vertical", ["flip"]),
        ("crop to a square", ["crop"]),
        ("corte em 16:9", ["crop"]),
        ("recorte quadrado", ["crop"]),
        ("add a thin red border", ["border"]),
        ("coloque uma moldura azul", ["border"]),
        ('add the caption "Summer, and Sea"', ["caption"]),
        ("escreva “Olá, mundo”", ["caption"]),
        ("legenda: Bom dia e boa sorte", ["caption"]),
        ("make the sky red", ["tint"]),
        ("deixe o céu vermelho", ["tint"]),
        ("vignette", ["vignette"]),
    ],
)
def test_simple_instructions_are_understood(instruction: str, edits: list[str]) -> None:
    reading = read(instruction, masked=False)
    assert [edit.name for edit in reading.edits] == edits
    assert reading.unread == []


@pytest.mark.parametrize(
    "instruction",
    [
        "make the dog black and white",
        "add a hat to the woman",
        "coloque um chapéu no homem",
        "remove the border",
        "don't make it darker",
        "não deixe mais claro",
        "make the left darker",
        "troque a camisa por uma azul",
        "turn it into a painting",
        "make it rain",
    ],
)
def test_edits_of_things_in_the_picture_are_not_understood(instruction: str) -> None:
    reading = read(instruction, masked=False)
    assert reading.edits == []
    assert reading.unread == [instruction]


def test_a_reading_keeps_the_values_of_edits() -> None:
    def first(instruction: str, *, masked: bool = False) -> tuple[str, str, float, str]:
        edit = read(instruction, masked=masked).edits[0]
        return edit.name, edit.value, edit.amount, edit.region

    assert first("make the sky red") == ("tint", "#d8342c", 1.0, "sky")
    assert first("desfoque um pouco o fundo") == ("blur", "", 0.5, "background")
    assert first("much darker") == ("darken", "", 1.6, "whole")
    assert first("rotate 30 degrees to the left") == ("rotate", "330", 1.0, "whole")
    assert first("gire no sentido horário") == ("rotate", "90", 1.0, "whole")
    assert first("crop to 4:3") == ("crop", "4:3", 1.0, "whole")
    assert first("add a green border") == ("border", "#3f9b52", 1.0, "whole")
    assert first("caption: Olá, Mundo") == ("caption", "Olá, Mundo", 1.0, "whole")
    assert first("make the shirt blue", masked=True) == ("tint", "#3468c8", 1.0, "whole")


def test_half_an_instruction_is_done_and_the_rest_is_written_on_the_picture(tmp_path: Path) -> None:
    picture, result = edited(tmp_path / "a", "make it black and white and add a Hat to the dog", scene(400, 300))
    alone, _ = edited(tmp_path / "b", "make it black and white", scene(400, 300))
    assert [edit["edit"] for edit in result.metadata["edits"]] == ["black_and_white"]
    assert result.metadata["not_understood"] == ["add a Hat to the dog"]
    assert [warning.code for warning in result.warnings] == ["instruction_not_understood"]
    changed = np.argwhere((array(picture) != array(alone)).any(-1))
    assert changed[:, 0].min() > 0.6 * 300, "the note lies at the lower edge"
    assert array(picture)[-3, 200].max() < 70, "and it is dark"
    assert array(picture)[-60:].max() > 230, "with light letters"


def test_another_unknown_instruction_gives_another_note(tmp_path: Path) -> None:
    first, _ = edited(tmp_path / "a", "add a hat", scene(400, 300))
    second, result = edited(tmp_path / "b", "add a dog", scene(400, 300))
    assert not np.array_equal(array(first), array(second))
    assert result.metadata == {"edits": [], "not_understood": ["add a dog"], "masked": False}


@pytest.mark.parametrize("instruction", ["🎩🎩", "?", "a" * 4000, "x " * 2000, "write quoted7quoted", "crop to 0:5"])
@pytest.mark.parametrize("size", [(1, 1), (17, 400), (700, 20)])
def test_any_instruction_and_size_gives_a_picture(tmp_path: Path, instruction: str, size: tuple[int, int]) -> None:
    assert edited(tmp_path / "a", instruction, scene(*size))[0].size == size


def test_each_edit_changes_the_picture_as_named(tmp_path: Path) -> None:
    picture = scene()
    plain = array(picture)

    def made(instruction: str) -> np.ndarray:
        made, result = edited(tmp_path / str(abs(hash(instruction))), instruction, picture)
        assert result.warnings == []
        return array(made)

    grey = made("black and white")
    assert (grey[..., 0] == grey[..., 1]).all() and (grey[..., 1] == grey[..., 2]).all()
    sepia = made("sepia").mean((0, 1))
    assert sepia[0] > sepia[1] > sepia[2]
    assert np.array_equal(made("invert"), 255 - plain)
    assert made("brighter").mean() > plain.mean() + 10
    assert made("darker").mean() < plain.mean() - 10
    assert made("much darker").mean() < made("slightly darker").mean() - 10
    assert made("more contrast").std() > plain.std() + 5
    assert (made("warmer")[..., 0] - made("warmer")[..., 2]).mean() > (plain[..., 0] - plain[..., 2]).mean() + 10
    assert made("colder")[..., 2].mean() > plain[..., 2].mean() + 5
    assert np.ptp(made("less saturated"), axis=-1).mean() < np.ptp(plain, axis=-1).mean() - 10
    assert sharpness(Image.fromarray(made("blur").astype(np.uint8))) < 0.8 * sharpness(picture)
    assert sharpness(Image.fromarray(made("sharpen").astype(np.uint8))) > 1.1 * sharpness(picture)
    assert np.array_equal(made("rotate 90 degrees"), np.rot90(plain, -1))
    assert np.array_equal(made("gire 90 graus para a esquerda"), np.rot90(plain, 1))
    assert np.array_equal(made("flip"), plain[:, ::-1])
    assert np.array_equal(made("espelhe na vertical"), plain[::-1])
    assert np.array_equal(made("crop to a square"), plain[:, 20:140])
    assert made("corte em 16:9").shape == (90, 160, 3)
    bordered = made("add a red border")
    assert tuple(bordered[0, 0]) == (0xD8, 0x34, 0x2C)
    assert np.array_equal(bordered[5:-5, 5:-5], plain)
    assert np.abs(made('caption "Olá"') - plain)[60:].max() > 100
    assert np.array_equal(made('caption "Olá"')[:60], plain[:60])


def test_a_part_of_the_picture(tmp_path: Path) -> None:
    plain = array(scene())
    sky = array(edited(tmp_path / "a", "make the sky red", scene())[0])
    assert (sky[:30, :, 0] - sky[:30, :, 2]).mean() > (plain[:30, :, 0] - plain[:30, :, 2]).mean() + 30
    assert np.array_equal(sky[80:], plain[80:])
    background = array(edited(tmp_path / "b", "make the background black and white", scene())[0])
    assert np.array_equal(background[55:65, 75:85], plain[55:65, 75:85])
    assert (background[0, 0, 0] == background[0, 0]).all()


def test_the_mask_bounds_the_edit(tmp_path: Path) -> None:
    mask = Image.new("L", (160, 120), 0)
    mask.paste(255, (40, 30, 120, 90))
    made, result = edited(tmp_path / "a", "make the shirt darker", scene(), mask)
    difference = np.abs(array(made) - array(scene())).max(-1)
    assert result.metadata["masked"] and result.warnings == []
    inside = np.asarray(mask) > 0
    assert difference[~inside].max() == 0
    assert difference[50:70, 60:100].min() > 0
    edge, middle = difference[60, 41], difference[60, 80]
    assert edge < middle, "the edge is soft"


def test_a_thin_mask_still_edits(tmp_path: Path) -> None:
    mask = Image.new("L", (160, 120), 0)
    mask.paste(255, (40, 60, 120, 61))
    made, _ = edited(tmp_path / "a", "invert the colours", scene(), mask)
    assert np.argwhere((array(made) != array(scene())).any(-1))[:, 0].tolist().count(60) > 60


def test_a_rotation_within_a_mask_is_not_claimed(tmp_path: Path) -> None:
    made, result = edited(tmp_path / "a", "rotate 90 degrees", scene(), Image.new("L", (160, 120), 255))
    assert made.size == (160, 120)
    assert result.metadata["not_understood"] == ["rotate 90 degrees"]


def test_a_mask_of_another_size_is_refused_with_both_sizes(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"80 x 60.*160 x 120") as raised:
        edited(tmp_path / "a", "darker", scene(), Image.new("L", (80, 60), 255))
    assert raised.value.field == "mask"


def test_transparency_is_kept(tmp_path: Path) -> None:
    picture = scene().convert("RGBA")
    picture.putalpha(Image.linear_gradient("L").resize(picture.size))
    made, _ = edited(tmp_path / "a", "sepia", picture)
    assert made.mode == "RGBA"
    assert np.array_equal(np.asarray(made)[..., 3], np.asarray(picture)[..., 3])
    large, _ = upscaled(tmp_path / "b", given(tmp_path / "b", "image", picture), 2)
    assert large.mode == "RGBA"
    wanted = picture.getchannel("A").resize((320, 240), Image.Resampling.LANCZOS)
    assert np.abs(np.asarray(large)[..., 3].astype(int) - np.asarray(wanted)).max() <= 1


@pytest.mark.parametrize("scale", [2, 4])
def test_enlarging(tmp_path: Path, scale: int) -> None:
    made, result = upscaled(tmp_path / "a", given(tmp_path / "a", "image", scene()), scale)
    assert made.size == (160 * scale, 120 * scale)
    assert made.mode == "RGB"
    assert result.metadata == {"method": "lanczos", "scale": scale, "width": 160 * scale, "height": 120 * scale}
    back = made.resize((160, 120), Image.Resampling.BOX)
    assert np.abs(array(back) - array(scene())).mean() < 2
    plain = scene().resize(made.size, Image.Resampling.LANCZOS)
    assert sharpness(made) > sharpness(plain)


def test_the_camera_s_orientation_is_honoured(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: to be shown rotated by 90 degrees clockwise
    file = given(tmp_path / "a", "image", scene(), exif=exif)
    made, _ = upscaled(tmp_path / "a", file, 2)
    assert made.size == (240, 320)
    turned = Image.fromarray(np.ascontiguousarray(np.rot90(np.asarray(scene()), -1)))
    assert np.abs(array(made.resize((120, 160), Image.Resampling.BOX)) - array(turned)).mean() < 2
    assert made.getexif().get(0x0112) is None


@pytest.mark.parametrize("mode", ["L", "LA", "P", "1", "I;16", "CMYK"])
def test_every_kind_of_picture_is_read(tmp_path: Path, mode: str) -> None:
    tmp_path.joinpath("a").mkdir()
    grey = scene().convert("L")
    path = tmp_path / "a" / ("in.jpg" if mode == "CMYK" else "in.png")
    if mode == "I;16":
        Image.fromarray(np.asarray(grey).astype(np.uint16) * 257).save(path)
    else:
        scene().convert(mode).save(path)
    made, _ = upscaled(tmp_path / "a", InputFile("image", path, "image/png"), 2)
    assert made.size == (320, 240)
    assert abs(array(made).mean() - np.asarray(grey).mean()) < 12


def test_too_large_a_result_is_refused_with_the_limit(tmp_path: Path) -> None:
    file = given(tmp_path / "a", "image", Image.new("1", (1800, 1800)))
    with pytest.raises(InvalidInputError, match=r"7200 x 7200 .*limit is 50 megapixels.*scale 2") as raised:
        upscaled(tmp_path / "a", file, 4)
    assert raised.value.field == "image"
    with pytest.raises(InvalidInputError, match="limited to 16384 pixels"):
        upscaled(tmp_path / "b", given(tmp_path / "b", "image", Image.new("1", (4100, 10))), 4)
    with pytest.raises(InvalidInputError, match="limit is 50 megapixels"):
        upscaled(tmp_path / "c", given(tmp_path / "c", "image", Image.new("1", (10000, 5001))), 2)


@pytest.mark.parametrize(
    "content", [b"", b"a usable picture", b"\x89PNG\r\n\x1a\n" + b"\0" * 40, b"GIF89a\x01\x00\x01\x00\x00\x00\x00;"]
)
def test_a_file_that_is_not_a_picture_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "in.png"
    path.write_bytes(content)
    with pytest.raises(InvalidInputError, match="cannot be read") as raised:
        upscaled(tmp_path, InputFile("image", path, "image/png"), 2)
    assert raised.value.field == "image"


def test_a_truncated_picture_is_refused(tmp_path: Path) -> None:
    file = given(tmp_path, "image", scene().filter(ImageFilter.UnsharpMask()))
    file.path.write_bytes(file.path.read_bytes()[:-2000])
    with pytest.raises(InvalidInputError, match="cannot be read"):
        upscaled(tmp_path, file, 2)


def test_progress_and_cancel(tmp_path: Path) -> None:
    recorder = Recorder()
    file = given(tmp_path, "image", scene())
    running = context(tmp_path, "image.edit", {"instruction": "sepia", "seed": 1}, [file], reporter=recorder)
    Engine().run(running)
    assert [phase for phase, step, _ in recorder.steps if step == 0] == ["read", "draw", "encode"]
    assert recorder.previews == ["preview-0.jpg"]
    assert Image.open(tmp_path / "preview-0.jpg").format == "JPEG"
    recorder.progress = lambda *_: stopped._canceled.set()  # type: ignore[method-assign]
    stopped = context(tmp_path, "image.edit", {"instruction": "sepia", "seed": 1}, [file], reporter=recorder)
    with pytest.raises(Canceled):
        Engine().run(stopped)


def test_the_limits_equal_those_of_the_studio() -> None:
    assert (pictures.MAX_PIXELS, pictures.MAX_SIDE) == (50_000_000, 16384)
