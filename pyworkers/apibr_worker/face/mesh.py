"""468 face landmarks with MediaPipe's two models, run by OpenCV.

Sources: V. Bazarevsky et al., "BlazeFace" (2019), and Y. Kartynnik et al., "Real-time facial surface geometry from
monocular video" (2019), as MediaPipe 0.10.21 configures them: detector input 128 x 128 in -1..1, anchors of 16 x 16 x 2
and 8 x 8 x 6, region 1.5 times the box and turned by the eyes, landmark input 192 x 192 in 0..1, refined once from the
first mesh.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
"""BGR picture, shape (height, width, 3)."""
Landmarks = NDArray[np.float32]
"""Landmarks in pixels, shape (468, 2), x then y."""

_ASSETS = Path(__file__).parent.parent / "assets" / "face"
_DETECTOR_SIZE, _MESH_SIZE = 128, 192
_DETECTOR_SCORE, _MESH_SCORE = 0.5, 0.5
_REGION_SCALE = 1.5
_RIGHT_EYE, _LEFT_EYE = 33, 263
"""Outer corners of the eyes; right is the person's own."""


class FaceMesh:
    """The two networks, loaded once."""

    def __init__(self) -> None:
        self._detector = cv2.dnn.readNetFromTFLite(str(_ASSETS / "face_detection_short_range.tflite"))
        self._mesh = cv2.dnn.readNetFromTFLite(str(_ASSETS / "face_landmark.tflite"))
        self._anchors = _anchors()

    def find(self, picture: Picture) -> Landmarks | None:
        """The landmarks of the largest face, or None when there is none."""
        region = self._detect(picture) or self._detect_in_parts(picture)
        if region is None:
            return None
        first, score = self._landmarks(picture, region)
        if score < _MESH_SCORE:
            return None
        refined, score = self._landmarks(picture, _region_of(first))
        return refined if score >= _MESH_SCORE else first

    def _detect_in_parts(self, picture: Picture) -> tuple[float, float, float, float] | None:
        """The largest face in overlapping windows: one that is small in the picture is too small for the detector."""
        height, width = picture.shape[:2]
        for parts in (2, 3):
            side = max(height, width) // parts
            if side < _DETECTOR_SIZE:
                break
            found: list[tuple[float, float, float, float]] = []
            for top in _starts(height, side):
                for left in _starts(width, side):
                    region = self._detect(picture[top : top + side, left : left + side])
                    if region is not None:
                        found.append((region[0] + left, region[1] + top, region[2], region[3]))
            if found:
                return max(found, key=lambda region: region[2])
        return None

    def _detect(self, picture: Picture) -> tuple[float, float, float, float] | None:
        """Region (center x, center y, side, angle) of the largest face, in pixels and radians."""
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
        good = np.flatnonzero(probability > _DETECTOR_SCORE)
        if good.size == 0:
            return None
        # Among the confident detections the largest box; its neighbours are the same face.
        best = good[np.argmax(boxes[good, 2] * boxes[good, 3])]
        points = boxes[best, 4:8].reshape(2, 2) / _DETECTOR_SIZE + self._anchors[best]
        center = boxes[best, :2] / _DETECTOR_SIZE + self._anchors[best]
        size = float(boxes[best, 2:4].max()) / _DETECTOR_SIZE
        offset = np.array([left, top], dtype=np.float64)
        right_eye, left_eye = points * side - offset
        middle = center * side - offset
        return float(middle[0]), float(middle[1]), size * side * _REGION_SCALE, _tilt(right_eye, left_eye)

    def _landmarks(self, picture: Picture, region: tuple[float, float, float, float]) -> tuple[Landmarks, float]:
        x, y, side, angle = region
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


def _region_of(points: Landmarks) -> tuple[float, float, float, float]:
    low, high = points.min(axis=0), points.max(axis=0)
    middle = (low + high) / 2
    side = float((high - low).max()) * _REGION_SCALE
    return float(middle[0]), float(middle[1]), side, _tilt(points[_RIGHT_EYE], points[_LEFT_EYE])
