"""468 face landmarks with MediaPipe's two models, run by OpenCV.

Sources: V. Bazarevsky et al., "BlazeFace" (2019), and Y. Kartynnik et al., "Real-time facial surface geometry from
monocular video" (2019), as MediaPipe 0.10.21 configures them: detector input 128 x 128 in -1..1, anchors of 16 x 16 x 2
and 8 x 8 x 6, region 1.5 times the box and turned by the eyes, landmark input 192 x 192 in 0..1, refined from the
first mesh.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
"""BGR picture, shape (height, width, 3)."""
Landmarks = NDArray[np.float32]
"""Landmarks in pixels, shape (468, 2), x then y."""

_MODELS = Path(__file__).parent / "face_models"
_DETECTOR_SIZE, _MESH_SIZE = 128, 192
_DETECTOR_SCORE, _MESH_SCORE = 0.5, 0.5
_REGION_SCALE = 1.5
_REFINED, _SETTLED = 3, np.radians(4)
"""The mesh is looked for again, in the region that it spans itself, until its lean changes less than this."""
_TURNED_SCORE = 0.7
"""The least score of a face that is not upright: other things, seen at a wrong angle, score up to 0.6."""
_CLEAR = 0.85
"""An upright face with at least this score is not looked for at other angles."""
_UPRIGHT_BONUS = 0.05
_TURNS, _QUARTERS = (45, -45, 90, -90, 135, -135, 180), (90, -90, 180)
_LEAN = np.radians(50)
"""The detector knows faces that lean up to this; others are looked for in the picture turned by _TURNS, in degrees."""
_LESS_SURE = 0.2
"""By how much a second face may score less than the surest one."""
_SAME, _OTHER = 0.5, 0.25
"""Two finds nearer than the first share of a face's size are one face; a face below the second share of the largest is
one of the background."""
_RIGHT_EYE, _LEFT_EYE = 33, 263
"""Outer corners of the eyes; right is the person's own."""


@dataclass(frozen=True, slots=True)
class Region:
    """Where the detector sees a face: its center and side in pixels, its lean in radians, and how sure it is, 0..1."""

    x: float
    y: float
    side: float
    angle: float
    score: float


@dataclass(frozen=True, slots=True)
class Faces:
    """What was found in a picture.

    speaker: the largest face. others: the other faces, the largest first. unsure: a face seems to be there, but not
    upright and not clear enough to be animated.
    """

    speaker: Landmarks | None
    others: tuple[Landmarks, ...] = ()
    unsure: bool = False


@dataclass(frozen=True, slots=True)
class _View:
    """The faces that stand upright when the picture is turned by some degrees, with the surest one's score."""

    turn: int
    regions: list[Region]
    score: float


class FaceMesh:
    """The two networks, loaded once."""

    def __init__(self) -> None:
        self._detector = cv2.dnn.readNetFromTFLite(str(_MODELS / "face_detection_short_range.tflite"))
        self._mesh = cv2.dnn.readNetFromTFLite(str(_MODELS / "face_landmark.tflite"))
        self._anchors = _anchors()

    def find(self, picture: Picture) -> Landmarks | None:
        """The landmarks of the largest face, at whatever angle it stands, or None when there is none."""
        found = self._surest(picture)
        if found is None or (found.turn and found.score < _TURNED_SCORE):
            return None
        likely = [region for region in found.regions if region.score >= found.score - _LESS_SURE]
        return self._refined(picture, max(likely, key=lambda region: region.side))

    def faces(self, picture: Picture) -> Faces:
        """The faces of a picture, at whatever angle they stand."""
        found = self._surest(picture)
        if found is None:
            return Faces(None)
        if found.turn and found.score < _TURNED_SCORE:
            return Faces(None, unsure=True)
        smaller = self._view(picture, found.turn, lambda turned: self._in_parts(turned, 2) + self._in_parts(turned, 3))
        regions = [*found.regions, *smaller.regions]
        faces: list[Landmarks] = []
        for region in sorted(regions, key=lambda region: -region.side):
            points = self._refined(picture, region)
            if (
                region.score >= found.score - _LESS_SURE
                and points is not None
                and not any(_is_same(points, known) for known in faces)
            ):
                faces.append(points)
        faces.sort(key=_size, reverse=True)
        return Faces(faces[0], tuple(face for face in faces[1:] if _size(face) > _OTHER * _size(faces[0])))

    def _surest(self, picture: Picture) -> _View | None:
        """The view in which the detector is surest of a face; an upright face needs a little less.

        A face that is small in the picture is looked for in parts of it when the whole shows none that is upright.
        """
        upright = self._view(picture, 0, self._detect)
        if upright.score >= _CLEAR:
            return upright
        views = [upright, *(self._view(picture, turn, self._detect) for turn in _TURNS)]
        if not upright.regions:
            # In parts an upside-down face is taken for an upright one more often: the turns must be compared there too.
            likely = max(views, key=lambda view: view.score).turn
            for turn in dict.fromkeys((0, likely, *_QUARTERS)):
                views.append(self._view(picture, turn, self._detect_in_parts))
                if views[-1].score >= _CLEAR:
                    break
        best = max(views, key=lambda view: view.score + _UPRIGHT_BONUS * (view.turn == 0 and bool(view.regions)))
        return best if best.regions else None

    def _view(self, picture: Picture, turn: int, detect: Callable[[Picture], list[Region]]) -> _View:
        """The regions are in coordinates of the picture itself, not of the turned one."""
        turned, back = _turned(picture, turn)
        regions: list[Region] = []
        for region in detect(turned):
            x, y = back @ np.array([region.x, region.y, 1.0])
            placed = replace(region, x=float(x), y=float(y), angle=region.angle + float(np.radians(turn)))
            points = self._refined(picture, placed)
            if points is not None and abs(_between(roll(points), float(np.radians(turn)))) <= _LEAN:
                regions.append(placed)
        return _View(turn, regions, max((region.score for region in regions), default=0.0))

    def _refined(self, picture: Picture, region: Region) -> Landmarks | None:
        """The landmarks in a region, found again in what they span; None when there is no face in it."""
        points, score = self._landmarks(picture, region)
        if score < _MESH_SCORE:
            return None
        for _ in range(_REFINED):
            again, score = self._landmarks(picture, _region_of(points))
            if score < _MESH_SCORE:
                break
            leans = abs(_between(roll(again), roll(points)))
            points = again
            if leans < _SETTLED:
                break
        return points

    def _detect_in_parts(self, picture: Picture) -> list[Region]:
        """Faces in overlapping windows: one that is small in the picture is too small for the detector."""
        for parts in (2, 3):
            found = self._in_parts(picture, parts)
            if found:
                return found
        return []

    def _in_parts(self, picture: Picture, parts: int) -> list[Region]:
        height, width = picture.shape[:2]
        side = max(height, width) // parts
        if side < _DETECTOR_SIZE:
            return []
        found: list[Region] = []
        for top in _starts(height, side):
            for left in _starts(width, side):
                window = picture[top : top + side, left : left + side]
                found += [replace(r, x=r.x + left, y=r.y + top) for r in self._detect(window)]
        return found

    def _detect(self, picture: Picture) -> list[Region]:
        """The faces of a picture, the surest first, each once."""
        height, width = picture.shape[:2]
        side = max(height, width)
        square = np.zeros((side, side, 3), dtype=np.uint8)
        top, left = (side - height) // 2, (side - width) // 2
        square[top : top + height, left : left + width] = picture
        small = cv2.resize(square, (_DETECTOR_SIZE, _DETECTOR_SIZE), interpolation=cv2.INTER_AREA)
        blob = cv2.dnn.blobFromImage(small, 1 / 127.5, mean=(127.5, 127.5, 127.5), swapRB=True)
        self._detector.setInput(blob)
        outputs = [np.asarray(out).reshape(896, -1) for out in self._detector.forward(_outputs(self._detector))]
        boxes, scores = sorted(outputs, key=lambda out: -out.shape[1])
        probability = 1.0 / (1.0 + np.exp(-np.clip(scores[:, 0], -80, 80)))
        good = [int(index) for index in np.flatnonzero(probability > _DETECTOR_SCORE)]
        found: list[Region] = []
        # Of neighbouring boxes, which are the same face, the largest.
        for best in sorted(good, key=lambda index: -float(boxes[index, 2] * boxes[index, 3])):
            points = boxes[best, 4:8].reshape(2, 2) / _DETECTOR_SIZE + self._anchors[best]
            center = boxes[best, :2] / _DETECTOR_SIZE + self._anchors[best]
            size = float(boxes[best, 2:4].max()) / _DETECTOR_SIZE
            offset = np.array([left, top], dtype=np.float64)
            right_eye, left_eye = points * side - offset
            x, y = (float(value) for value in center * side - offset)
            region = Region(x, y, size * side * _REGION_SCALE, _tilt(right_eye, left_eye), float(probability[best]))
            same = [i for i, r in enumerate(found) if np.hypot(x - r.x, y - r.y) < _SAME * r.side / _REGION_SCALE]
            if not same:
                found.append(region)
            elif region.score > found[same[0]].score:
                found[same[0]] = replace(found[same[0]], score=region.score)
        return found

    def _landmarks(self, picture: Picture, region: Region) -> tuple[Landmarks, float]:
        x, y, side, angle = region.x, region.y, region.side, region.angle
        cosine, sine = np.cos(angle) * side / _MESH_SIZE, np.sin(angle) * side / _MESH_SIZE
        middle = _MESH_SIZE / 2
        back = np.array(
            [[cosine, -sine, x - cosine * middle + sine * middle], [sine, cosine, y - sine * middle - cosine * middle]]
        )
        crop = cv2.warpAffine(picture, back, (_MESH_SIZE, _MESH_SIZE), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
        self._mesh.setInput(cv2.dnn.blobFromImage(crop, 1 / 255.0, swapRB=True))
        outputs = [np.asarray(out).ravel() for out in self._mesh.forward(_outputs(self._mesh))]
        points = next(out for out in outputs if out.size == 468 * 3).reshape(468, 3)[:, :2]
        flag = next(out for out in outputs if out.size == 1)
        mapped = points @ back[:, :2].T + back[:, 2]
        return mapped.astype(np.float32), float(1.0 / (1.0 + np.exp(-flag[0])))


def _starts(length: int, side: int) -> list[int]:
    """Where windows of a side begin so that neighbours share half of it and the last one ends with the length."""
    if length <= side:
        return [0]
    count = -(-2 * (length - side) // side) + 1
    return [round(index * (length - side) / (count - 1)) for index in range(count)]


def _outputs(net: Any) -> list[str]:
    return list(net.getUnconnectedOutLayersNames())


def _anchors() -> NDArray[np.float64]:
    """Centers of the detector's anchors as fractions, shape (896, 2)."""
    centers: list[tuple[float, float]] = []
    for cells, repeats in ((16, 2), (8, 6)):
        for row in range(cells):
            for column in range(cells):
                centers += [((column + 0.5) / cells, (row + 0.5) / cells)] * repeats
    return np.array(centers)


def _tilt(right_eye: NDArray[Any], left_eye: NDArray[Any]) -> float:
    return float(np.arctan2(left_eye[1] - right_eye[1], left_eye[0] - right_eye[0]))


def _region_of(points: Landmarks) -> Region:
    low, high = points.min(axis=0), points.max(axis=0)
    middle = (low + high) / 2
    side = float((high - low).max()) * _REGION_SCALE
    return Region(float(middle[0]), float(middle[1]), side, roll(points), 1.0)


def roll(points: Landmarks) -> float:
    """How far a head leans, in radians: 0 upright, positive clockwise, pi upside down."""
    return _tilt(points[_RIGHT_EYE], points[_LEFT_EYE])


def _turned(picture: Picture, degrees: int) -> tuple[Picture, NDArray[np.float64]]:
    """The picture turned counterclockwise on a canvas that holds all of it, and the way back for points in it."""
    if degrees == 0:
        return picture, np.eye(2, 3)
    height, width = picture.shape[:2]
    turn = np.asarray(cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0), dtype=np.float64)
    wide, tall = (int(np.ceil(side)) for side in np.abs(turn[:, :2]) @ (width, height))
    turn[:, 2] += ((wide - width) / 2, (tall - height) / 2)
    turned = cv2.warpAffine(picture, turn, (wide, tall), flags=cv2.INTER_LINEAR)
    return np.asarray(turned, dtype=np.uint8), np.asarray(cv2.invertAffineTransform(turn), dtype=np.float64)


def _between(first: float, second: float) -> float:
    """The angle between two, from -pi to pi."""
    return float((first - second + np.pi) % (2 * np.pi) - np.pi)


def _size(points: Landmarks) -> float:
    return float(np.ptp(points, axis=0).max())


def _is_same(points: Landmarks, known: Landmarks) -> bool:
    return float(np.linalg.norm(points.mean(axis=0) - known.mean(axis=0))) < _SAME * _size(known)
