"""Face landmarks on the sample portrait."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from apibr_worker.image.face import FaceMesh, roll
from tests.harness import SAMPLES


@pytest.fixture(scope="module")
def mesh() -> FaceMesh:
    return FaceMesh()


def portrait() -> np.ndarray:
    picture = cv2.imread(str(SAMPLES / "portrait.png"))
    assert picture is not None
    return picture


def test_landmarks_lie_where_the_face_is(mesh: FaceMesh) -> None:
    points = mesh.find(portrait())
    assert points is not None
    assert points.shape == (468, 2)
    # Outer eye corners and upper lip of the sample, as read off an enlarged print of it.
    assert points[33] == pytest.approx((194, 101), abs=5)
    assert points[263] == pytest.approx((257, 105), abs=5)
    assert points[13] == pytest.approx((222, 142), abs=5)


def test_a_small_and_turned_face_is_found(mesh: FaceMesh) -> None:
    picture = portrait()
    height, width = picture.shape[:2]
    turn = cv2.getRotationMatrix2D((226, 120), 20, 1.0)
    turned = np.asarray(cv2.warpAffine(picture, turn, (width, height)), dtype=np.uint8)
    straight, tilted = mesh.find(picture), mesh.find(turned)
    assert straight is not None
    assert tilted is not None
    expected = straight @ turn[:, :2].T + turn[:, 2]
    assert np.abs(expected - tilted).mean() < 4.0


def test_a_face_far_away_is_found(mesh: FaceMesh) -> None:
    picture = np.full((900, 1280, 3), 120, np.uint8)
    picture[400:700, 700:1000] = np.asarray(cv2.resize(portrait(), (300, 300), interpolation=cv2.INTER_AREA))
    near, far = mesh.find(portrait()), mesh.find(picture)
    assert near is not None
    assert far is not None
    assert np.abs(near * 300 / 512 + [700, 400] - far).mean() < 3.0


@pytest.mark.parametrize("angle", [45, 60, 90, 135, 180, 225, 270, 300])
def test_a_head_is_found_at_every_angle(mesh: FaceMesh, angle: int) -> None:
    picture = portrait()
    turn = cv2.getRotationMatrix2D((256, 256), angle, 1.0)
    turn[:, 2] += 106
    turned = np.asarray(cv2.warpAffine(picture, turn, (724, 724)), dtype=np.uint8)
    straight, found = mesh.find(picture), mesh.find(turned)
    assert straight is not None
    assert found is not None
    assert np.abs(straight @ turn[:, :2].T + turn[:, 2] - found).mean() < 2.0
    assert np.cos(roll(found) - roll(straight) + np.radians(angle)) > 0.99


def test_all_faces_are_found_the_largest_first(mesh: FaceMesh) -> None:
    small = np.asarray(cv2.resize(portrait(), (300, 300), interpolation=cv2.INTER_AREA))
    both = np.asarray(np.hstack([np.pad(small, ((0, 212), (0, 0), (0, 0))), portrait()]), dtype=np.uint8)
    found = mesh.faces(both)
    assert found.speaker is not None
    assert found.speaker[13] == pytest.approx((522, 142), abs=5)
    assert [tuple(other[13]) for other in found.others] == [pytest.approx((130, 83), abs=5)]
    assert mesh.faces(portrait()).others == ()


def test_a_lying_face_that_is_not_clear_is_told(mesh: FaceMesh) -> None:
    blurred = np.asarray(cv2.GaussianBlur(np.rot90(portrait(), 2), (0, 0), 7), dtype=np.uint8)
    found = mesh.faces(blurred)
    assert found.speaker is None
    assert found.unsure


def test_a_picture_without_a_face_gives_none(mesh: FaceMesh) -> None:
    assert mesh.find(portrait()[300:]) is None
    assert mesh.find(np.full((300, 400, 3), 128, np.uint8)) is None
