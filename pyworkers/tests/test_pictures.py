"""Pictures as every engine reads them: in sRGB, without profiles; and masks by one rule."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

from apibr_worker.engines.draft_avatar.compose import read_picture
from apibr_worker.engines.draft_image.engine import Engine
from apibr_worker.image import colour, pictures
from apibr_worker.runtime.api import InputFile, InvalidInputError

from .harness import context

CASES = Path(__file__).parent / "cases"


def read_of(folder: Path, picture: Image.Image, **saved: Any) -> Image.Image:
    folder.mkdir(exist_ok=True)
    path = folder / "picture.png"
    picture.save(path, **saved)
    return pictures.read_file(path, "image")


def pixel(picture: Image.Image) -> tuple[int, ...]:
    return tuple(int(value) for value in np.asarray(picture.convert("RGB"))[picture.height // 2, picture.width // 2])


def test_display_p3_becomes_srgb() -> None:
    with Image.open(CASES / "display_p3.jpg") as opened:
        assert b"P3" in opened.info["icc_profile"].replace(b"\0", b"")
        raw = np.asarray(opened.convert("RGB")).astype(int)
    made = pictures.read_file(CASES / "display_p3.jpg", "image")
    red = raw[..., 0] - raw[..., 1:].max(axis=-1)
    place = np.unravel_index(red.argmax(), red.shape)
    assert np.abs(np.asarray(made).astype(int) - raw).max() > 8, "the numbers of another space are not sRGB's"
    # Display P3 holds redder reds than sRGB: the same red has larger red and smaller green and blue there.
    assert np.asarray(made)[place][0] >= raw[place][0]
    assert np.asarray(made)[place][1] <= raw[place][1]


def test_a_p3_red_is_the_srgb_red_that_it_looks_like(tmp_path: Path) -> None:
    with Image.open(CASES / "display_p3.jpg") as opened:
        profile = opened.info["icc_profile"]
    for stored, wanted in (
        ((255, 0, 0), (255, 0, 0)),
        ((234, 51, 35), (255, 0, 0)),
        ((128, 128, 128), (128, 128, 128)),
    ):
        made = pixel(read_of(tmp_path, Image.new("RGB", (4, 4), stored), icc_profile=profile))
        assert np.abs(np.array(made) - wanted).max() <= 6, (stored, made)


def test_cmyk_with_a_profile_is_converted_by_it() -> None:
    made = pictures.read_file(CASES / "cmyk_with_profile.jpg", "image")
    with Image.open(CASES / "cmyk_with_profile.jpg") as opened:
        assert opened.mode == "CMYK"
        naive = np.asarray(opened.convert("RGB")).astype(int)
        wanted = ImageCms.profileToProfile(
            opened,
            ImageCms.ImageCmsProfile(io.BytesIO(opened.info["icc_profile"])),
            ImageCms.createProfile("sRGB"),
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            outputMode="RGB",
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    assert np.abs(np.asarray(made).astype(int) - np.asarray(wanted)).max() <= 1
    assert np.abs(np.asarray(made).astype(int) - naive).mean() > 5


def grey_profile(gamma: float) -> bytes:
    """A small ICC profile of greys with that gamma."""

    def tag(kind: bytes, body: bytes) -> bytes:
        return kind + bytes(4) + body + bytes(-len(body) % 4)

    white = tag(b"XYZ ", b"".join(int(value * 65536).to_bytes(4, "big") for value in (0.9642, 1.0, 0.8249)))
    curve = tag(b"curv", (1).to_bytes(4, "big") + round(gamma * 256).to_bytes(2, "big"))
    name = b"grey\0"
    description = tag(b"desc", len(name).to_bytes(4, "big") + name + bytes(78))
    parts, table, place = [], b"", 128 + 4 + 3 * 12
    for signature, body in ((b"desc", description), (b"wtpt", white), (b"kTRC", curve)):
        table += signature + place.to_bytes(4, "big") + len(body).to_bytes(4, "big")
        parts.append(body)
        place += len(body)
    illuminant = b"".join(int(value * 65536).to_bytes(4, "big") for value in (0.9642, 1.0, 0.8249))
    head = (
        place.to_bytes(4, "big") + bytes(4) + b"\x02\x10\0\0mntrGRAYXYZ " + bytes(12) + b"acsp" + bytes(28)
        + illuminant
    )  # fmt: skip
    return head.ljust(128, b"\0") + (3).to_bytes(4, "big") + table + b"".join(parts)


@pytest.mark.parametrize("mode", ["L", "LA", "I;16"])
def test_a_grey_profile_is_heeded(tmp_path: Path, mode: str) -> None:
    if mode == "I;16":
        picture = Image.fromarray(np.full((4, 4), 128 << 8, np.uint16))
    else:
        picture = Image.new(mode, (4, 4), 128 if mode == "L" else (128, 200))
    made = read_of(tmp_path, picture, icc_profile=grey_profile(1.0))
    assert made.mode == ("RGBA" if mode == "LA" else "RGB")
    assert np.abs(np.array(pixel(made)) - 188).max() <= 2, "half of the light is 188 in sRGB"
    if mode == "LA":
        assert np.asarray(made)[1, 1, 3] == 200


def test_pictures_of_srgb_keep_their_pixels(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for saved in ({}, {"icc_profile": profile}):
        assert np.array_equal(np.asarray(read_of(tmp_path, Image.fromarray(noise), **saved)), noise)


@pytest.mark.parametrize(
    "profile",
    [b"\0" * 200, b"not a profile", grey_profile(1.0), grey_profile(1.0)[:200], b"x" * (colour.LARGEST_PROFILE + 1)],
    ids=["zeros", "text", "of greys", "cut", "huge"],
)
def test_a_profile_that_does_not_fit_is_ignored(tmp_path: Path, profile: bytes) -> None:
    path = tmp_path / "picture.webp"
    Image.new("RGB", (8, 8), (200, 30, 40)).save(path, lossless=True, icc_profile=profile)
    assert pixel(pictures.read_file(path, "image")) == (200, 30, 40)


def test_profile_and_metadata_are_not_passed_on(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010F] = "a camera"
    exif[0x0112] = 6
    with Image.open(CASES / "display_p3.jpg") as opened:
        opened.save(tmp_path / "in.jpg", icc_profile=opened.info["icc_profile"], exif=exif, comment=b"hello")
        size = opened.size
    inputs = [InputFile("image", tmp_path / "in.jpg", "image/jpeg")]
    for task, params in (("image.upscale", {"scale": 2}), ("image.edit", {"instruction": "preto e branco"})):
        folder = tmp_path / task
        result = Engine().run(context(folder, task, params, inputs))
        with Image.open(folder / result.outputs[0].path) as made:
            assert not {"icc_profile", "exif", "comment"} & set(made.info)
            assert made.width * size[0] == made.height * size[1], "upright"


def test_the_avatar_reads_colours_as_the_other_engines_do() -> None:
    made = read_picture(CASES / "cmyk_with_profile.jpg")
    wanted = np.asarray(pictures.read_file(CASES / "cmyk_with_profile.jpg", "image"))[..., ::-1]
    assert made.shape[0] * wanted.shape[1] == wanted.shape[0] * made.shape[1]
    assert np.abs(made.reshape(-1, 3).mean(axis=0) - wanted.reshape(-1, 3).mean(axis=0)).max() < 2


# --- Masks ---------------------------------------------------------------------------------------------------------


def masks() -> dict[str, Image.Image]:
    """The same mask, its left half marked, in every way that a mask is painted."""
    black = Image.new("L", (40, 20), 0)
    grey = black.copy()
    grey.paste(255, (0, 0, 20, 20))
    hole = Image.new("RGBA", (40, 20), (0, 0, 0, 255))
    hole.paste((0, 0, 0, 0), (0, 0, 20, 20))
    white_hole = Image.new("RGBA", (40, 20), (0, 0, 0, 255))
    white_hole.paste((255, 255, 255, 0), (0, 0, 20, 20))
    palette = grey.convert("P")
    clear = hole.convert("LA")
    indexed = Image.new("P", (40, 20), 1)
    indexed.putpalette([10, 10, 10, 0, 0, 0])
    indexed.paste(0, (0, 0, 20, 20))
    indexed.info["transparency"] = 0
    deep = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    return {
        "L": grey,
        "1": grey.convert("1"),
        "RGB": grey.convert("RGB"),
        "RGBA": hole,
        "white and clear": white_hole,
        "LA": clear,
        "P": palette,
        "P with transparency": indexed,
        "16 bits": deep,
    }


@pytest.mark.parametrize("name", list(masks()))
def test_white_and_transparent_parts_change(tmp_path: Path, name: str) -> None:
    mask = masks()[name]
    mask.save(tmp_path / "mask.png")
    inputs = [InputFile("mask", tmp_path / "mask.png", "image/png")]
    read = pictures.read_mask(context(tmp_path, "image.edit", {}, inputs), (40, 20))
    assert read is not None
    assert np.asarray(read)[:, :20].min() > 250
    assert np.asarray(read)[:, 20:].max() < 5


def test_the_draft_editor_changes_the_transparent_part(tmp_path: Path) -> None:
    masks()["RGBA"].save(tmp_path / "mask.png")
    Image.new("RGB", (40, 20), (200, 30, 40)).save(tmp_path / "image.png")
    inputs = [InputFile(name, tmp_path / f"{name}.png", "image/png") for name in ("image", "mask")]
    result = Engine().run(context(tmp_path / "out", "image.edit", {"instruction": "inverta as cores"}, inputs))
    made = np.asarray(Image.open(tmp_path / "out" / result.outputs[0].path).convert("RGB"))
    assert tuple(made[10, 5]) == (55, 225, 215)
    assert tuple(made[10, 35]) == (200, 30, 40)


def test_soft_edges_lie_on_white(tmp_path: Path) -> None:
    mask = Image.new("RGBA", (40, 20), (0, 0, 0, 255))
    mask.paste((0, 0, 0, 51), (0, 0, 20, 20))
    mask.save(tmp_path / "mask.png")
    inputs = [InputFile("mask", tmp_path / "mask.png", "image/png")]
    read = pictures.read_mask(context(tmp_path, "image.edit", {}, inputs), (40, 20))
    assert read is not None
    assert int(np.asarray(read)[10, 5]) == 204


@pytest.mark.parametrize("shade", [0, 100])
def test_a_mask_that_marks_nothing_is_refused(tmp_path: Path, shade: int) -> None:
    Image.new("L", (40, 20), shade).save(tmp_path / "mask.png")
    inputs = [InputFile("mask", tmp_path / "mask.png", "image/png")]
    with pytest.raises(InvalidInputError, match="marks nothing: make white or transparent") as refused:
        pictures.read_mask(context(tmp_path, "image.edit", {}, inputs), (40, 20))
    assert refused.value.field == "mask"
