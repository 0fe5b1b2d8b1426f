"""The draft avatar: the mouth follows the sound, rests in silence, and a clip that goes on is the same clip."""

from __future__ import annotations

import dataclasses
import itertools
import json
import threading
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import soundfile
from PIL import Image

from apibr_worker.audio.files import read_audio
from apibr_worker.engines.draft_avatar.compose import read_picture
from apibr_worker.engines.draft_avatar.drawn import DrawnFace
from apibr_worker.engines.draft_avatar.drive import Motion, levels, motion
from apibr_worker.engines.draft_avatar.engine import Engine
from apibr_worker.engines.draft_avatar.photo import PhotoFace
from apibr_worker.engines.draft_avatar.sound import AUDIO_RATE, Sound, read_sound
from apibr_worker.engines.draft_avatar.turned import TurnedFace
from apibr_worker.engines.draft_image.engine import draw
from apibr_worker.image.face import FaceMesh
from apibr_worker.listening import word_errors
from apibr_worker.runtime.api import Canceled, Context, InputFile, InvalidInputError, LoadRequest, Resume, RunResult
from apibr_worker.runtime.child import run
from apibr_worker.runtime.ffmpeg import ffmpeg
from apibr_worker.runtime.sentences import Sentence
from apibr_worker.speech.drafts import Naturals
from apibr_worker.speech.spoken import Phoneme
from tests.harness import NATURAL, SAMPLES, Recorder, context

PORTRAIT = InputFile("image", SAMPLES / "portrait.png", "image/png")


@pytest.fixture(scope="module")
def engine() -> Engine:
    made = Engine()
    made.load(LoadRequest("draft-avatar", "draft-avatar", "default", {}, {}))
    return made


def sound(path: Path, seconds: float, pause: tuple[float, float] | None = None) -> InputFile:
    """The sample voice, cut to a length, with a silence in it."""
    samples = read_audio(SAMPLES / "voice.wav", AUDIO_RATE, field="audio")[: int(seconds * AUDIO_RATE)].copy()
    if pause:
        samples[int(pause[0] * AUDIO_RATE) : int(pause[1] * AUDIO_RATE)] = 0
    soundfile.write(path, samples, AUDIO_RATE)
    return InputFile("audio", path, "audio/wav")


def make(engine: Engine, out: Path, inputs: list[InputFile], **params: Any) -> tuple[RunResult, Context]:
    made = context(out, "video.avatar", {"seed": 3, **params}, inputs)
    return engine.run(made), made


def frames(path: Path) -> list[np.ndarray]:
    video = cv2.VideoCapture(str(path))
    pictures: list[np.ndarray] = []
    while True:
        good, picture = video.read()
        if not good:
            return pictures
        pictures.append(picture)


def hashes(path: Path) -> bytes:
    return run([ffmpeg(), "-nostdin", "-v", "error", "-i", str(path), "-map", "0:v", "-f", "framemd5", "-"])


def aperture(pictures: list[np.ndarray]) -> np.ndarray:
    """Opening of the mouth as a share of its width, measured by the landmark network."""
    mesh = FaceMesh()
    values: list[float] = []
    for picture in pictures:
        points = mesh.find(picture)
        assert points is not None
        values.append(float(np.linalg.norm(points[13] - points[14]) / np.linalg.norm(points[61] - points[291])))
    return np.array(values)


def test_the_mouth_follows_the_sound_and_rests_in_silence(engine: Engine, tmp_path: Path) -> None:
    audio = sound(tmp_path / "a.wav", 5.0, pause=(2.0, 3.5))
    make(engine, tmp_path / "out", [PORTRAIT, audio])
    opening = aperture(frames(tmp_path / "out/video.mp4"))
    samples = read_audio(audio.path, AUDIO_RATE, field="audio")
    moves = motion(samples, AUDIO_RATE, None, 25, 125, 3)
    assert np.corrcoef(opening, moves.opening)[0, 1] > 0.85
    silent, spoken = opening[60:84], opening[np.r_[0:45, 92:125]]
    assert silent.max() < np.percentile(spoken, 60)
    assert silent.std() < 0.25 * spoken.std()


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Sound:
    """A script full of sounds that the lips make, said by a natural voice."""
    params = {"script": "Mamãe pediu um café bem forte para o papai.", "language": "pt-BR", "seed": 1}
    return read_sound(context(tmp_path_factory.mktemp("spoken"), "video.avatar", params), Naturals(NATURAL))


def test_the_mouth_is_in_time_with_the_sound(spoken: Sound) -> None:
    assert spoken.phonemes is not None
    count = int(spoken.samples.size / AUDIO_RATE * 100)
    vowels = np.zeros(count)
    for one in spoken.phonemes:
        if one.ipa[0] in "aɐɛeɔoʊui":
            vowels[int(one.start * 100) : int(one.end * 100)] = 1.0
    opening = motion(spoken.samples, AUDIO_RATE, spoken.phonemes, 100, count, 1).opening
    by_lag = {lag: np.corrcoef(np.roll(vowels, lag)[30:-30], opening[30:-30])[0, 1] for lag in range(-15, 16)}
    assert abs(max(by_lag, key=lambda lag: by_lag[lag])) <= 4, "hundredths of a second: less than a viewer notices"


def test_the_lips_meet_at_each_m_b_and_p_of_real_speech(spoken: Sound) -> None:
    assert spoken.phonemes is not None
    count = int(spoken.samples.size / AUDIO_RATE * 25)
    opening = motion(spoken.samples, AUDIO_RATE, spoken.phonemes, 25, count, 1).opening

    def at(phoneme: Phoneme) -> float:
        """In the frame that is shown at the middle of a phoneme."""
        return float(opening[min(count - 1, int((phoneme.start + phoneme.end) / 2 * 25))])

    pressed = [at(one) for one in spoken.phonemes if one.ipa[0] in "mbp"]
    bitten = [at(one) for one in spoken.phonemes if one.ipa[0] in "fv"]
    open_ = [at(one) for one in spoken.phonemes if one.ipa[0] in "aɐɛ"]
    assert len(pressed) >= 6
    assert max(pressed) < 0.05
    assert bitten
    assert max(bitten) < 0.35
    assert np.median(open_) > 0.3


def test_both_sounds_of_a_diphthong_have_their_shape() -> None:
    tone = (0.3 * np.sin(np.arange(AUDIO_RATE) * 0.1)).astype(np.float32)
    moves = motion(tone, AUDIO_RATE, [Phoneme("aʊ", 0.0, 1.0)], 25, 25, 3)
    assert moves.opening[8] > 2 * moves.opening[21]
    assert moves.rounding[21] > 0.6 > moves.rounding[8]


def test_a_script_has_its_times_and_subtitles(engine: Engine, tmp_path: Path) -> None:
    result, _ = make(engine, tmp_path / "a", [PORTRAIT], script="Oi.", fps=12)
    assert [output.name for output in result.outputs] == ["video", "timings", "subtitles_srt", "subtitles_vtt"]
    assert "Oi." in (tmp_path / "a/speech.srt").read_text(encoding="utf-8")


def test_the_users_own_audio_has_subtitles_where_a_listener_is_installed(whisper_folder: Path, tmp_path: Path) -> None:
    engine = Engine()
    engine.load(LoadRequest("draft-avatar", "draft-avatar", "default", {"whisper-base/model": str(whisper_folder)}, {}))
    result, _ = make(engine, tmp_path / "out", [PORTRAIT, sound(tmp_path / "a.wav", 4.0)], fps=12)
    assert [output.name for output in result.outputs] == ["video", "timings", "subtitles_srt", "subtitles_vtt"]
    assert result.warnings == []
    timings = json.loads((tmp_path / "out/timings.json").read_text(encoding="utf-8"))
    text = " ".join(word["text"] for word in timings["words"])
    assert word_errors("And Mr. John Dashwood had then leisure to consider how much", text, "en").rate <= 0.2
    assert all(0 <= word["start"] <= word["end"] <= 4.1 for word in timings["words"])
    assert "Dashwood" in (tmp_path / "out/speech.srt").read_text(encoding="utf-8")


def test_silence_has_no_subtitles_and_a_damaged_listener_does_not_fail_the_clip(
    whisper_folder: Path, tmp_path: Path
) -> None:
    soundfile.write(tmp_path / "silence.wav", np.zeros(2 * AUDIO_RATE, np.float32), AUDIO_RATE)
    inputs = [InputFile("audio", tmp_path / "silence.wav", "audio/wav")]
    read = read_sound(context(tmp_path / "a", "video.avatar", {}, inputs), Naturals({}), str(whisper_folder))
    assert (read.outputs, read.warnings) == ([], [])

    for name in ("config.json", "tokenizer.json"):
        (tmp_path / name).write_bytes((whisper_folder / name).read_bytes())
    (tmp_path / "model.bin").write_bytes(b"\0" * 1000)
    read = read_sound(context(tmp_path / "b", "video.avatar", {}, inputs), Naturals({}), str(tmp_path))
    assert read.samples.size == 2 * AUDIO_RATE
    assert [warning.code for warning in read.warnings] == ["no_subtitles"]
    assert "apibr models verify whisper-base" in str(read.warnings[0].message)


def test_phonemes_drive_the_mouth(engine: Engine, tmp_path: Path) -> None:
    result, _ = make(engine, tmp_path, [PORTRAIT], script="Papai ama a praia. Mamãe também.", language="pt-BR")
    assert result.metadata["frames"] > 40
    opening = aperture(frames(tmp_path / "video.mp4"))
    # The sample smiles with its teeth, so even a closed mouth measures about a tenth.
    assert opening.max() > 1.7 * opening.min()


def test_blinks_come_and_go() -> None:
    moves = motion(np.zeros(AUDIO_RATE * 12, np.float32), AUDIO_RATE, None, 25, 300, 3)
    shut = moves.blink > 0.8
    starts = int(np.sum(shut[1:] & ~shut[:-1]))
    assert 2 <= starts <= 6
    assert np.mean(moves.blink > 0.1) < 0.12
    assert moves.opening.max() == 0.0


def test_the_mouth_rests_in_silence_whatever_the_phonemes_say() -> None:
    samples = np.zeros(AUDIO_RATE * 2, np.float32)
    samples[:AUDIO_RATE] = 0.3 * np.sin(np.arange(AUDIO_RATE) * 0.1)
    moves = motion(samples, AUDIO_RATE, [Phoneme("a", 0.0, 2.0)], 25, 50, 3)
    assert moves.opening[5:23].min() > 0.7
    assert moves.opening[38:].max() < 0.02


def test_a_blink_shuts_the_photographed_eyes() -> None:
    picture = read_picture(PORTRAIT.path)
    mesh = FaceMesh()
    landmarks = mesh.find(picture)
    assert landmarks is not None
    face = PhotoFace(picture, landmarks)

    def eye(shut: float) -> float:
        points = mesh.find(face.frame(still(0.0, blink=shut), 0))
        assert points is not None
        return float(np.linalg.norm(points[159] - points[145]) / np.linalg.norm(points[33] - points[133]))

    assert eye(1.0) < 0.75 * eye(0.0)


def test_silence_has_the_level_zero() -> None:
    samples = np.zeros(AUDIO_RATE, np.float32)
    samples[: AUDIO_RATE // 2] = 0.3 * np.sin(np.arange(AUDIO_RATE // 2) * 0.1)
    level = levels(samples, AUDIO_RATE, 100)
    assert level[5:45].min() > 0.9
    assert level[55:].max() == 0.0


@pytest.mark.parametrize(("duration", "expected"), [(None, 60), (4.0, 100), (1.0, 60)])
def test_the_clip_is_as_long_as_its_sound(
    engine: Engine, tmp_path: Path, duration: float | None, expected: int
) -> None:
    params = {} if duration is None else {"duration": duration}
    result, _ = make(engine, tmp_path / "out", [PORTRAIT, sound(tmp_path / "a.wav", 2.4)], **params)
    assert len(frames(tmp_path / "out/video.mp4")) == expected
    spoken = read_audio(tmp_path / "out/video.mp4", AUDIO_RATE, field="video")
    assert spoken.size / AUDIO_RATE == pytest.approx(expected / 25, abs=0.06)
    assert [warning.code for warning in result.warnings] == (["speech_longer_than_duration"] if duration == 1.0 else [])


def test_a_resumed_clip_equals_an_unbroken_one(engine: Engine, tmp_path: Path) -> None:
    audio = sound(tmp_path / "a.wav", 5.0)
    make(engine, tmp_path / "whole", [PORTRAIT, audio])
    kept = [tmp_path / "whole/segments/0000.mp4", tmp_path / "whole/segments/0001.mp4"]
    recorder = Recorder()
    recorder.segments = list(kept)
    rest = context(
        tmp_path / "rest", "video.avatar", {"seed": 3}, [PORTRAIT, audio], resume=Resume(2, kept), reporter=recorder
    )
    engine.run(rest)
    assert [path.name for path in recorder.segments[2:]] == ["0002.mp4"]
    assert min(step for phase, step, _ in recorder.steps if phase == "render" and step) == 101
    assert hashes(tmp_path / "rest/video.mp4") == hashes(tmp_path / "whole/video.mp4")
    assert (tmp_path / "rest/video.mp4").read_bytes() == (tmp_path / "whole/video.mp4").read_bytes()


def test_the_seed_decides_the_sway(engine: Engine, tmp_path: Path) -> None:
    audio = sound(tmp_path / "a.wav", 2.0)
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        make(engine, tmp_path / name, [PORTRAIT, audio], seed=seed)
    first, second, other = (hashes(tmp_path / name / "video.mp4") for name in "abc")
    assert first == second
    assert first != other


@pytest.mark.parametrize(("aspect", "ratio"), [("1:1", 1.0), ("9:16", 9 / 16), ("16:9", 16 / 9), ("source", 1.0)])
def test_each_aspect_has_its_ratio(engine: Engine, tmp_path: Path, aspect: str, ratio: float) -> None:
    make(engine, tmp_path / "out", [PORTRAIT, sound(tmp_path / "a.wav", 2.0)], aspect=aspect, fps=12)
    pictures = frames(tmp_path / "out/video.mp4")
    height, width = pictures[0].shape[:2]
    assert width / height == pytest.approx(ratio, rel=0.02)
    assert width % 2 == height % 2 == 0
    assert FaceMesh().find(pictures[0]) is not None


def test_a_drawn_character_speaks(engine: Engine, tmp_path: Path) -> None:
    picture, metadata = draw("Professional headshot", 480, 480, 1)
    picture.save(tmp_path / "head.png")
    drawn = InputFile("image", tmp_path / "head.png", "image/png", metadata)
    make(engine, tmp_path / "out", [drawn, sound(tmp_path / "a.wav", 3.0, pause=(1.2, 2.4))])
    pictures = frames(tmp_path / "out/video.mp4")
    mouth = metadata["face"]["mouth"]
    x, y, half = int(mouth["x"] * 480), int(mouth["y"] * 480), int(0.5 * mouth["width"] * 480)
    windows = np.array([p[y - half : y + half, x - half : x + half].astype(float) for p in pictures])
    change = np.abs(np.diff(windows, axis=0)).mean(axis=(1, 2, 3))
    assert change[3:26].max() > 3 * change[40:55].max(), "it moves while it speaks, not while it is silent"


def test_round_vowels_draw_the_mouth_together() -> None:
    picture = read_picture(PORTRAIT.path)
    mesh = FaceMesh()
    landmarks = mesh.find(picture)
    assert landmarks is not None
    face = PhotoFace(picture, landmarks)

    def width(shape: Motion) -> float:
        points = mesh.find(face.frame(shape, 0))
        assert points is not None
        return float(np.linalg.norm(points[61] - points[291]))

    assert width(still(0.3, -0.8, 1.0)) < 0.9 * width(still(0.3, 0.8))
    assert width(still(0.62, -0.45, 0.75)) < 0.95 * width(still(0.6, 0.5))


def test_a_mouth_photographed_shut_stays_as_it_is_until_it_speaks() -> None:
    picture = read_picture(PORTRAIT.path)
    mesh = FaceMesh()
    landmarks = mesh.find(picture)
    assert landmarks is not None
    smiling = PhotoFace(picture, landmarks)
    assert smiling._mouth.teeth
    shut = np.ascontiguousarray(smiling.frame(still(-0.9), 0))
    found = mesh.find(shut)
    assert found is not None
    face = PhotoFace(shut, found)
    assert not face._mouth.teeth
    assert np.abs(face.frame(still(0.0), 0).astype(int) - shut).max() <= 2
    spoken = aperture([face.frame(still(0.0), 0), face.frame(still(0.9), 0)])
    assert spoken[1] > 2 * spoken[0]


def still(opening: float, width: float = 0.0, rounding: float = 0.0, blink: float = 0.0) -> Motion:
    """One frame of a head that does not move."""
    return Motion(*(np.array([value], np.float32) for value in (opening, width, rounding, blink, 0.0, 0.0, 0.0, 0.0)))


def test_a_drawn_mouth_has_shapes_and_grows_out_of_the_smile() -> None:
    picture, metadata = draw("Professional headshot", 480, 480, 1)
    bgr = np.ascontiguousarray(np.asarray(picture)[..., ::-1])
    face = DrawnFace(bgr, metadata["face"], (1.0, 0.0, 0.0), (480, 480))
    mouth = metadata["face"]["mouth"]
    x, y, half = int(mouth["x"] * 480), int(mouth["y"] * 480), int(0.7 * mouth["width"] * 480)

    def cavity(shape: Motion) -> tuple[int, int]:
        """Width and height of what is darker than skin and lips."""
        window = face.frame(shape, 0)[y - half : y + half, x - half : x + half]
        dark = (window.max(axis=2) < 90) & (window[..., 0] > window[..., 1])
        return int(dark.any(axis=0).sum()), int(dark.any(axis=1).sum())

    wide, high = cavity(still(0.95))
    rounded = cavity(still(0.3, -0.8, 1.0))
    assert high > 0.25 * mouth["width"] * 480
    assert 0 < rounded[0] < 0.75 * wide
    assert rounded[1] / rounded[0] > cavity(still(0.3, 0.8))[1] / cavity(still(0.3, 0.8))[0]
    steps = [face.frame(still(opening), 0).astype(int) for opening in (0.0, 0.02, 0.04, 0.06, 0.08, 0.10)]
    whole = np.abs(face.frame(still(0.3), 0).astype(int) - steps[0]).max()
    assert max(np.abs(b - a).max() for a, b in itertools.pairwise(steps)) < 0.5 * whole, "no jump"


@pytest.mark.parametrize(("aspect", "ratio"), [("1:1", 1.0), ("9:16", 9 / 16), ("16:9", 16 / 9)])
@pytest.mark.parametrize(("width", "height"), [(640, 360), (360, 640), (480, 480)])
def test_drawn_characters_in_every_aspect(engine: Engine, aspect: str, ratio: float, width: int, height: int) -> None:
    picture, metadata = draw("Professional headshot", width, height, 1)
    framed, size = engine._drawn(np.ascontiguousarray(np.asarray(picture)[..., ::-1]), metadata["face"], aspect)
    assert size[0] / size[1] == pytest.approx(ratio, rel=0.02)
    speaking, resting = (framed.frame(still(opening), 0).astype(int) for opening in (0.95, 0.0))
    changed = np.argwhere(np.abs(speaking - resting).max(axis=2) > 40)
    assert changed.size > 0, "the mouth moves where the mouth is"
    (low_y, low_x), (high_y, high_x) = changed.min(axis=0), changed.max(axis=0)
    assert abs((low_x + high_x) / 2 - size[0] / 2) < 0.05 * size[0]
    assert high_y < 0.9 * size[1]
    assert low_y > 0.3 * size[1]


def test_drawn_eyes_shut() -> None:
    picture, metadata = draw("Professional headshot", 480, 480, 1)
    bgr = np.ascontiguousarray(np.asarray(picture)[..., ::-1])
    face = DrawnFace(bgr, metadata["face"], (1.0, 0.0, 0.0), (480, 480))
    shut = face.frame(still(0.0, blink=1.0), 0)
    for eye in metadata["face"]["eyes"]:
        x, y = int(eye["x"] * 480), int(eye["y"] * 480)
        assert bgr[y : y + 3, x - 1 : x + 2].max() < 120, "a pupil"
        assert np.ptp(shut[y - 4 : y + 1, x - 4 : x + 5].astype(int), axis=(0, 1)).max() < 12, "the lid's skin"


def test_the_body_breathes_but_the_title_does_not() -> None:
    picture, metadata = draw("Professional headshot", 480, 480, 1)
    bgr = np.ascontiguousarray(np.asarray(picture)[..., ::-1])
    face = DrawnFace(bgr, metadata["face"], (1.0, 0.0, 0.0), (480, 480))
    breathing = face.frame(dataclasses.replace(still(0.0), breath=np.ones(1, np.float32)), 0)
    assert not np.array_equal(breathing[:395], bgr[:395])
    assert np.array_equal(breathing[397:], bgr[397:])


def test_no_face_is_a_clear_error(engine: Engine, tmp_path: Path) -> None:
    Image.new("RGB", (300, 300), "#448").save(tmp_path / "wall.png")
    with pytest.raises(InvalidInputError, match="no face was found") as refused:
        make(engine, tmp_path / "out", [InputFile("image", tmp_path / "wall.png", "image/png")], script="Olá")
    assert refused.value.field == "image"
    (tmp_path / "no.png").write_text("a usable picture")
    with pytest.raises(InvalidInputError, match="cannot be read"):
        make(engine, tmp_path / "out", [InputFile("image", tmp_path / "no.png", "image/png")], script="Olá")


def turned(angle: int) -> np.ndarray:
    """The portrait turned counterclockwise, on grey."""
    turn = cv2.getRotationMatrix2D((256, 256), angle, 1.0)
    turn[:, 2] += 106
    return np.asarray(cv2.warpAffine(read_picture(PORTRAIT.path), turn, (724, 724), borderValue=(90, 90, 90)), np.uint8)


@pytest.mark.parametrize("angle", [15, 45, 60, 90, 180, 300])
def test_the_lips_of_a_leaning_head_move_where_they_are(angle: int) -> None:
    picture = turned(angle)
    points = FaceMesh().find(picture)
    assert points is not None
    face = TurnedFace(picture, points)
    change = np.abs(face.frame(still(0.9), 0).astype(int) - face.frame(still(0.0), 0)).sum(axis=2).astype(float)
    ys, xs = np.nonzero(change > 60)
    mouth, chin, forehead = points[[13, 14]].mean(axis=0), points[152], points[10]
    tall = float(np.linalg.norm(chin - forehead))
    middle = np.array([xs.mean(), ys.mean()])
    down = (chin - forehead) / tall
    assert abs(float((middle - mouth) @ np.array([-down[1], down[0]]))) < 0.1 * tall, "beside the mouth"
    assert -0.1 * tall < float((middle - mouth) @ down) < 0.35 * tall, "above the mouth or below the chin"
    distance = np.hypot(xs - mouth[0], ys - mouth[1])
    assert distance.max() < 0.8 * tall, "nothing else moves"
    away = np.hypot(*(np.indices(picture.shape[:2])[::-1] - mouth[:, None, None])) > 1.5 * tall
    assert np.abs(face.frame(still(0.9), 0).astype(int) - picture)[away].max() <= 1, "the photograph's own pixels"
    # The mouth opens along the head, not along the picture: the network sees it open as wide as upright.
    opened = FaceMesh().find(face.frame(still(0.9), 0))
    assert opened is not None
    assert np.linalg.norm(opened[13] - opened[14]) > 1.2 * np.linalg.norm(points[13] - points[14])


def test_a_lying_head_speaks_and_the_user_is_told(engine: Engine, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "lying.png"), np.rot90(read_picture(PORTRAIT.path)))
    inputs = [InputFile("image", tmp_path / "lying.png", "image/png"), sound(tmp_path / "a.wav", 0.6)]
    result, _ = make(engine, tmp_path / "out", inputs)
    assert [warning.code for warning in result.warnings] == ["turned_face"]
    assert "about 87 degrees" in str(result.warnings[0].message)
    assert frames(tmp_path / "out/video.mp4")[0].shape == (512, 512, 3)


def test_a_lying_face_that_is_not_clear_is_refused(engine: Engine, tmp_path: Path) -> None:
    blurred = cv2.GaussianBlur(np.rot90(read_picture(PORTRAIT.path), 2), (0, 0), 7)
    cv2.imwrite(str(tmp_path / "lying.png"), blurred)
    inputs = [InputFile("image", tmp_path / "lying.png", "image/png"), sound(tmp_path / "a.wav", 0.6)]
    with pytest.raises(InvalidInputError, match="turn the picture upright") as refused:
        make(engine, tmp_path / "out", inputs)
    assert refused.value.field == "image"


@pytest.mark.parametrize(
    ("sizes", "told"),
    [((512, 300), "2 faces: the one on the left"), ((300, 512), "2 faces: the one on the right"),
     ((300, 512, 300), "3 faces: one in the middle")],
)  # fmt: skip
def test_with_several_faces_a_warning_tells_which_one_speaks(
    engine: Engine, tmp_path: Path, sizes: tuple[int, ...], told: str
) -> None:
    portrait = read_picture(PORTRAIT.path)
    shown = [cv2.resize(portrait, (size, size), interpolation=cv2.INTER_AREA) for size in sizes]
    row = np.hstack([np.pad(face, ((0, 512 - face.shape[0]), (0, 0), (0, 0))) for face in shown])
    cv2.imwrite(str(tmp_path / "row.png"), row)
    _, _, notes = engine._face(
        context(tmp_path, "video.avatar", {}, [InputFile("image", tmp_path / "row.png", "image/png")])
    )
    assert [warning.code for warning in notes] == ["several_faces"]
    assert told in str(notes[0].message)


def test_errors_name_the_wrong_field(engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError) as refused:
        make(engine, tmp_path / "a", [PORTRAIT], script="... !?")
    assert refused.value.field == "script"
    (tmp_path / "voice.json").write_text("[1")
    with pytest.raises(InvalidInputError) as refused:
        make(engine, tmp_path / "b", [PORTRAIT, InputFile("voice", tmp_path / "voice.json", "")], script="Olá")
    assert refused.value.field == "voice_id"
    Image.new("1", (20_000, 10_000)).save(tmp_path / "bomb.png")
    with pytest.raises(InvalidInputError, match="too many pixels"):
        make(engine, tmp_path / "c", [InputFile("image", tmp_path / "bomb.png", "image/png")], script="Olá")


def test_another_engines_voice_is_replaced_with_a_warning(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "voice.json").write_text("{}")
    voice = InputFile("voice", tmp_path / "voice.json", "application/json", {"name": "Ana"})
    result, _ = make(engine, tmp_path / "out", [PORTRAIT, voice], script="Olá", fps=12)
    assert [(warning.code, "Ana" in str(warning.message)) for warning in result.warnings] == [
        ("voice_not_measured", True),
        ("natural_voice_missing", False),
    ]


@pytest.mark.parametrize("face", ["x", {"kind": "drawn"}, {"kind": "drawn", "head": {"x": "?"}}])
def test_geometry_that_cannot_be_used_leaves_a_photograph(engine: Engine, tmp_path: Path, face: object) -> None:
    portrait = InputFile("image", PORTRAIT.path, PORTRAIT.mime, {"face": face})
    result, _ = make(engine, tmp_path / "it's here", [portrait, sound(tmp_path / "a.wav", 0.5)], fps=12)
    assert result.metadata["frames"] == 6


def test_a_picture_is_read_upright_and_in_full_range(tmp_path: Path) -> None:
    grey = np.asarray(Image.open(PORTRAIT.path).convert("L"))
    Image.fromarray(grey.astype(np.uint16) * 257).save(tmp_path / "deep.png")
    assert np.abs(read_picture(tmp_path / "deep.png")[..., 0].astype(int) - grey).max() <= 1
    turned = Image.open(PORTRAIT.path).convert("RGB").crop((0, 0, 512, 400)).rotate(90, expand=True)
    exif = Image.Exif()
    exif[0x0112] = 6
    turned.save(tmp_path / "turned.png", exif=exif)
    upright = read_picture(tmp_path / "turned.png")
    assert upright.shape == (400, 512, 3)
    assert FaceMesh().find(upright) is not None


def test_cancel_acts_within_a_frame(engine: Engine, tmp_path: Path) -> None:
    canceled = threading.Event()

    class Canceling(Recorder):
        def progress(
            self, phase: str, step: int, total: int | None, message: Sentence | None, preview: str | None
        ) -> None:
            super().progress(phase, step, total, message, preview)
            if phase == "render" and step == 5:
                canceled.set()

    recorder = Canceling()
    audio = sound(tmp_path / "a.wav", 4.0)
    run_context = context(
        tmp_path / "out", "video.avatar", {"seed": 1}, [PORTRAIT, audio], reporter=recorder, canceled=canceled
    )
    with pytest.raises(Canceled):
        engine.run(run_context)
    assert max(step for phase, step, _ in recorder.steps if phase == "render") == 5
