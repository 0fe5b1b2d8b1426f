"""Colours of other spaces (a camera's Display P3, a printer's CMYK) as the sRGB that every engine works in."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageCms

LARGEST_PROFILE = 8 << 20
"""Bytes. A printing press's profile has up to 3 MB; a larger one is not read."""
_NEARLY = 2
"""8-bit steps by which a profile may differ from sRGB and still count as sRGB: the pixels then stay as they are."""
_SPACES = {"RGB": "RGB", "CMYK": "CMYK", "GRAY": "L"}
_INTENT = ImageCms.Intent.RELATIVE_COLORIMETRIC
_FLAGS = ImageCms.Flags.BLACKPOINTCOMPENSATION


def to_srgb(picture: Image.Image) -> Image.Image:
    """The picture in mode RGB and in sRGB, without its transparency.

    A profile that cannot be read, is too large, or is for another kind of picture is ignored.
    """
    profile = picture.info.get("icc_profile")
    if isinstance(profile, bytes) and 0 < len(profile) <= LARGEST_PROFILE:
        try:
            return _converted(picture, ImageCms.ImageCmsProfile(io.BytesIO(profile)))
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
            pass
    return picture.convert("RGB")


def _converted(picture: Image.Image, profile: ImageCms.ImageCmsProfile) -> Image.Image:
    space = str(profile.profile.xcolor_space)  # type: ignore[attr-defined]  # missing in the stubs
    mode = _SPACES.get(space.strip())
    if mode is None or (mode == "CMYK") != (picture.mode == "CMYK") or (mode == "L" and picture.mode[0] not in "L1"):
        raise ValueError("a profile of another kind of picture")
    transform = ImageCms.buildTransform(
        profile, ImageCms.createProfile("sRGB"), mode, "RGB", renderingIntent=_INTENT, flags=_FLAGS
    )
    plain = picture.convert(mode)
    if mode != "CMYK" and _is_srgb(transform, mode):
        return plain.convert("RGB")
    made = ImageCms.applyTransform(plain, transform)
    assert made is not None  # noqa: S101 (not in place)
    return made


def _is_srgb(transform: ImageCms.ImageCmsTransform, mode: str) -> bool:
    """Whether the transform leaves colours from all over the space as they are."""
    steps = np.linspace(0, 255, 9).round().astype(np.uint8)
    colours = steps if mode == "L" else np.stack(np.meshgrid(steps, steps, steps), axis=-1)
    row = Image.fromarray(colours.reshape(1, -1) if mode == "L" else colours.reshape(1, -1, 3))
    made = ImageCms.applyTransform(row, transform)
    difference = np.abs(np.asarray(made).astype(int) - np.asarray(row.convert("RGB")).astype(int))
    return int(difference.max()) <= _NEARLY
