"""The draft avatar: a portrait whose mouth follows the real speech."""

from __future__ import annotations

import math
import shutil
import time
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from apibr_worker.audio.files import Samples, write_wav
from apibr_worker.engines.draft_avatar import encode
from apibr_worker.engines.draft_avatar.compose import frame_picture, read_picture, without_title
from apibr_worker.engines.draft_avatar.drawn import DrawnFace, head_box, is_drawn
from apibr_worker.engines.draft_avatar.drive import Motion, motion
from apibr_worker.engines.draft_avatar.photo import PhotoFace
from apibr_worker.engines.draft_avatar.sound import AUDIO_RATE, read_sound
from apibr_worker.engines.draft_avatar.turned import LEAST, TurnedFace
from apibr_worker.image.face import FaceMesh, Faces, Landmarks, roll
from apibr_worker.listening import aside
from apibr_worker.runtime.api import Context, InvalidInputError, LoadRequest, Output, RunResult, Warning
from apibr_worker.runtime.sentences import say
from apibr_worker.speech.drafts import Naturals

_PREVIEW_SECONDS = 0.5
_PREVIEW_SIDE = 320
_NO_FACE = say("no face was found in the picture: send a portrait that looks towards the camera")
_UNSURE = say(
    "the face in the picture is not clear enough or not upright: send a larger picture, or turn the picture upright"
)
_LEANING = math.radians(30)
"""From this lean on, the user is told that an upright picture gives a better result."""


class Face(Protocol):
    """Whatever can be animated."""

    def frame(self, motion: Motion, index: int) -> NDArray[np.uint8]:
        """The picture of one frame, BGR."""
        ...


class Engine:
    """Animates a photograph by its landmarks, or one of our own drawn characters by its geometry."""

    def __init__(self) -> None:
        self._mesh: FaceMesh | None = None
        self._naturals = Naturals({})
        self._listener = ""

    def load(self, request: LoadRequest) -> None:
        """Loads the face's model. Those of the natural voices and of the listener are loaded where they are needed."""
        self._mesh = FaceMesh()
        self._naturals = Naturals(request.files)
        self._listener = request.files.get(aside.MODEL, "")

    def unload(self) -> None:
        """Lets go of the weights."""
        self._mesh = None
        self._naturals = Naturals({})

    def run(self, context: Context) -> RunResult:
        fps = int(context.params.get("fps", 25))
        with context.phase("speech"):
            sound = read_sound(context, self._naturals, self._listener)
            warnings = list(sound.warnings)
        with context.phase("landmarks"):
            face, size, notes = self._face(context)
            warnings += notes
        seconds = sound.samples.size / AUDIO_RATE
        wanted = float(context.params.get("duration") or 0.0)
        if wanted and seconds > wanted + 0.5 / fps:
            text = say("the speech takes %.1f s, longer than the %g s asked for; it was not cut", seconds, wanted)
            warnings.append(Warning("speech_longer_than_duration", text))
        frames = max(1, int(np.ceil(max(seconds, wanted) * fps - 1e-6)))
        moves = motion(sound.samples, AUDIO_RATE, sound.phonemes, fps, frames, context.seed)
        with context.phase("render"):
            pieces = _render(context, face, moves, size, fps, frames)
        with context.phase("mux"):
            _mux(context, pieces, sound.samples, frames / fps)
        metadata = {"duration_seconds": round(frames / fps, 3), "frames": frames, "fps": fps}
        return RunResult([Output("video", "video.mp4", "video/mp4"), *sound.outputs], metadata, warnings)

    def _face(self, context: Context) -> tuple[Face, tuple[int, int], list[Warning]]:
        image = context.input("image")
        if image is None:
            raise InvalidInputError(say("a picture is needed: send %s", "image"), field="image")
        picture = read_picture(image.path)
        aspect = str(context.params.get("aspect", "source"))
        geometry: Any = image.metadata.get("face")
        if is_drawn(geometry):
            return *self._drawn(picture, geometry, aspect), []
        return self._photograph(picture, aspect)

    @staticmethod
    def _drawn(picture: NDArray[np.uint8], geometry: dict[str, Any], aspect: str) -> tuple[Face, tuple[int, int]]:
        height, width = picture.shape[:2]
        framed, placed = frame_picture(without_title(picture, aspect), aspect, head_box(geometry, width, height))
        return DrawnFace(framed, geometry, placed, (width, height)), (framed.shape[1], framed.shape[0])

    def _photograph(self, picture: NDArray[np.uint8], aspect: str) -> tuple[Face, tuple[int, int], list[Warning]]:
        found = (self._mesh or FaceMesh()).faces(picture)
        landmarks = found.speaker
        if landmarks is None:
            raise InvalidInputError(_UNSURE if found.unsure else _NO_FACE, field="image")
        framed, (scale, dx, dy) = frame_picture(picture, aspect, _head_box(landmarks))
        moved = (landmarks * scale + np.array([dx, dy])).astype(np.float32)
        leans = abs(roll(moved)) > LEAST
        face = TurnedFace(framed, moved) if leans else PhotoFace(framed, moved)
        return face, (framed.shape[1], framed.shape[0]), _notes(found, landmarks)


def _head_box(landmarks: Landmarks) -> tuple[float, float, float, float]:
    """The head with its hair, by the face's landmarks; the hair is where the forehead is."""
    low, high = landmarks.min(axis=0), landmarks.max(axis=0)
    up = -np.array([-math.sin(roll(landmarks)), math.cos(roll(landmarks))])
    low, high = low - 0.35 * (high - low), high + 0.35 * (high - low)
    reach = 0.1 * (high - low) * up
    low, high = low + np.minimum(reach, 0), high + np.maximum(reach, 0)
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])


def _notes(found: Faces, speaker: Landmarks) -> list[Warning]:
    """What the user should know about the picture."""
    notes: list[Warning] = []
    if abs(roll(speaker)) > _LEANING:
        degrees = round(abs(math.degrees(roll(speaker))))
        notes.append(
            Warning(
                "turned_face",
                say(
                    "the head is tilted by about %d degrees and was animated as it is: turn the "
                    "picture upright for a better video",
                    degrees,
                ),
            )
        )
    if not found.others:
        return notes
    count = 1 + len(found.others)
    ways = [speaker.mean(axis=0) - face.mean(axis=0) for face in found.others]
    beside = [x > 0 for x, y in ways if abs(x) >= abs(y)]
    x, y = np.mean(ways, axis=0)
    if any(beside) and not all(beside):
        text = say("there are %d faces: one in the middle speaks; to choose, send a picture of one face", count)
    elif abs(y) > abs(x) and y < 0:
        text = say("there are %d faces: the upper one speaks; to choose, send a picture of one face", count)
    elif abs(y) > abs(x):
        text = say("there are %d faces: the lower one speaks; to choose, send a picture of one face", count)
    elif x < 0:
        text = say("there are %d faces: the one on the left speaks; to choose, send a picture of one face", count)
    else:
        text = say("there are %d faces: the one on the right speaks; to choose, send a picture of one face", count)
    return [*notes, Warning("several_faces", text)]


def _render(context: Context, face: Face, moves: Motion, size: tuple[int, int], fps: int, frames: int) -> list[Path]:
    """Renders the pieces that are not there yet."""
    folder, previews = context.out_dir / "segments", context.out_dir / "previews"
    folder.mkdir(exist_ok=True)
    previews.mkdir(exist_ok=True)
    pieces = list(context.resume.segments) if context.resume else []
    length, shown = encode.SEGMENT_SECONDS * fps, 0.0
    for number in range(len(pieces), -(-frames // length)):
        path = folder / f"{number:04d}.mp4"
        with encode.segment(context, path, size[0], size[1], fps) as encoder:
            for index in range(number * length, min(frames, (number + 1) * length)):
                picture = face.frame(moves, index)
                encode.write_frame(encoder, picture)
                preview = None
                if time.monotonic() - shown >= _PREVIEW_SECONDS:
                    shown = time.monotonic()
                    preview = _preview(previews / f"{index}.jpg", picture)
                context.progress(index + 1, frames, preview=preview)
        context.segment(number, path, "video/mp4")
        pieces.append(path)
    return pieces


def _preview(path: Path, picture: NDArray[np.uint8]) -> Path:
    scale = min(1.0, _PREVIEW_SIDE / max(picture.shape[:2]))
    small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(path), small, [cv2.IMWRITE_JPEG_QUALITY, 80])
    return path


def _mux(context: Context, pieces: list[Path], samples: Samples, seconds: float) -> None:
    """Adds the sound, as long as the pictures to a sample."""
    whole = np.zeros(round(seconds * AUDIO_RATE), dtype=np.float32)
    used = min(whole.size, samples.size)
    whole[:used] = samples[:used]
    write_wav(context.out_dir / "audio.wav", whole, AUDIO_RATE)
    encode.join(context, pieces, context.out_dir / "audio.wav", context.out_dir / "video.mp4")
    shutil.rmtree(context.out_dir / "previews", ignore_errors=True)
