"""Voices: recordings that are refused or handled, and the voice files made of them."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from scipy.signal import resample_poly

from apibr_worker.engines.chatterbox import conditionals, levelling, voices
from apibr_worker.engines.chatterbox.engine import Engine
from apibr_worker.runtime.api import InputFile, InvalidInputError
from tests_models.chatterbox.calls import SAMPLE, clone, codes, context, model_of


def test_a_clone_is_kept_with_its_recording(cloned: Path, brazilian: Engine) -> None:
    content = json.loads(cloned.read_text())
    assert cloned.stat().st_size < 1 << 20
    assert content["conditionals"]["model"] == model_of(brazilian).identity
    made = conditionals.Conditionals.from_bytes(base64.b64decode(content["conditionals"]["data"]))
    assert made.tokens.shape[1] <= 251
    loudest = voices._unflac(base64.b64decode(content["reference"]["flac"]))
    assert 3.0 < loudest.size / 24000 <= 10.0


def test_ten_seconds_of_noise_still_fit(brazilian: Engine) -> None:
    noise = np.random.default_rng(0).uniform(-1, 1, 240_000).astype(np.float32)
    clip = base64.b64encode(voices._flac(noise))
    rest = 4 * (250 * 2 * 80 * 4 + 250 * 8 + 150 * 8 + 448 * 4 + 2048) / 3
    assert len(clip) + rest + 2048 < 1 << 20


def test_a_clone_of_another_model_is_made_anew_and_kept(
    brazilian: Engine, cloned: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("APIBR_CACHE_DIR", str(tmp_path / "cache"))
    content = json.loads(cloned.read_text())
    expected = conditionals.Conditionals.from_bytes(base64.b64decode(content["conditionals"]["data"]))
    content["conditionals"]["model"] = "another"
    (tmp_path / "old.json").write_text(json.dumps(content))
    file = InputFile("voice", tmp_path / "old.json", "application/json", {"name": "Ana"})
    counted: list[int] = []
    plain = voices.compute
    monkeypatch.setattr(voices, "compute", lambda *a: counted.append(1) or plain(*a))
    for _ in range(2):
        made = voices.Voices(model_of(brazilian)).of(context(tmp_path / "a"), file, [])
        assert all(torch.equal(tensor, made.tensors()[name]) for name, tensor in expected.tensors().items())
    assert len(counted) == 1
    assert len(list((tmp_path / "cache/voices").glob("*.safetensors"))) == 1


def test_a_voice_that_was_tampered_with_is_refused(brazilian: Engine, cloned: Path, tmp_path: Path) -> None:
    content = json.loads(cloned.read_text())
    made = conditionals.Conditionals.from_bytes(base64.b64decode(content["conditionals"]["data"]))
    wrong = {**made.tensors(), "tokens": made.tokens + 6561}
    with pytest.raises(ValueError, match="out of range"):
        conditionals.Conditionals.from_tensors(wrong)
    for change in (
        {"conditionals": {}, "reference": {}},
        {"conditionals": 3, "reference": {"flac": "AAAA"}},
        {"conditionals": None, "reference": {"flac": base64.b64encode(b"fLaC" * 9).decode()}},
    ):
        (tmp_path / "v.json").write_text(json.dumps({**content, **change}))
        file = InputFile("voice", tmp_path / "v.json", "application/json")
        with pytest.raises(InvalidInputError) as raised:
            voices.Voices(model_of(brazilian)).of(context(tmp_path / "a"), file, [])
        assert raised.value.field == "voice_id"


def test_voices_of_the_draft_engines(brazilian: Engine, tmp_path: Path) -> None:
    known = voices.Voices(model_of(brazilian))
    for content in ("{}", '{"version": 1, "voice": "pf_dora", "variant": "f2", "f0_median_hz": 205.6}'):
        (tmp_path / "v.json").write_text(content)
        file = InputFile("voice", tmp_path / "v.json", "application/json", {"name": "Clara"})
        warnings: list[Any] = []
        known.of(context(tmp_path / "a"), file, warnings)
        assert [warning.code for warning in warnings] == ["voice_not_cloned"]
        assert "Clara is a voice of another engine" in str(warnings[0].message)
    (tmp_path / "v.json").write_text('{"version": 1, "f0_median_hz": 205.6}')
    file = InputFile("voice", tmp_path / "v.json", "application/json", {"name": "Ana"})
    with pytest.raises(InvalidInputError, match="Ana was cloned in draft quality only"):
        known.of(context(tmp_path / "a"), file, [])
    # With its recording beside it, the voice is made from that.
    sample = InputFile("voice_sample", SAMPLE, "audio/wav")
    made = known.of(context(tmp_path / "a", inputs=[file, sample]), file, [])
    assert made.tokens.shape[1] > 50
    soundfile.write(tmp_path / "silence.wav", np.zeros(48000, np.float32), 24000)
    sample = InputFile("voice_sample", tmp_path / "silence.wav", "audio/wav")
    with pytest.raises(InvalidInputError, match="the voice's sample cannot be used: nobody is heard") as raised:
        known.of(context(tmp_path / "a", inputs=[file, sample]), file, [])
    assert raised.value.field == "voice_id"


def tone(seconds: float, rate: int = 24000) -> np.ndarray:
    return (0.3 * np.sin(2 * np.pi * 440 * np.arange(int(seconds * rate)) / rate)).astype(np.float32)


def test_recordings_that_are_refused(brazilian: Engine, speech: tuple[np.ndarray, int], tmp_path: Path) -> None:
    samples, rate = speech
    noise = np.random.default_rng(0).normal(0, 0.2, 10 * rate).astype(np.float32)
    crushed = np.sign(samples) * (np.abs(samples) > 0.01)
    quiet = np.zeros(20 * rate, np.float32)
    quiet[rate : rate + 2 * rate] = samples[: 2 * rate]
    for name, given, message in (
        ("short", samples[: 2 * rate], r"s of speech; the least is 3 s: record 15 s or more"),
        ("little", quiet, r"s of speech; the least is 3 s"),
        ("silent", np.zeros(10 * rate, np.float32), "nobody is heard"),
        ("faint", samples * 1e-4, "nobody is heard"),
        ("tone", tone(10, rate), "noise or a tone"),
        ("noise", noise, "noise or a tone"),
        ("crushed", crushed.astype(np.float32), "clipped from end to end"),
    ):
        with pytest.raises(InvalidInputError, match=message) as raised:
            clone(brazilian, tmp_path / name, given, rate)
        assert raised.value.field == "audio"
    (tmp_path / "text.wav").write_text("no audio")
    file = InputFile("sample", tmp_path / "text.wav", "audio/wav")
    with pytest.raises(InvalidInputError, match="no readable audio"):
        brazilian.run(context(tmp_path / "text", "audio.clone_voice", inputs=[file]))


def test_recordings_that_are_handled(brazilian: Engine, speech: tuple[np.ndarray, int], tmp_path: Path) -> None:
    samples, rate = speech
    telephone = resample_poly(samples, 8000, rate).astype(np.float32)
    studio = np.stack([resample_poly(samples, 96000, rate)] * 2, axis=1).astype(np.float32)
    clipped = np.clip(samples * 0.99 / np.quantile(np.abs(samples), 0.99), -0.99, 0.99)
    quiet = (samples * 10 ** ((-45.0 - levelling.loudness(samples, rate)) / 20)).astype(np.float32)
    for name, given, own, expected in (
        ("telephone", telephone, 8000, {"narrow_sample"}),
        ("studio", studio, 96000, set()),
        ("clipped", clipped, rate, {"clipped_sample"}),
        ("quiet", quiet, rate, {"quiet_sample"}),
    ):
        voice, result = clone(brazilian, tmp_path / name, given, own, recommended_seconds=1)
        assert expected <= codes(result), name
        assert ("narrow_sample" in codes(result)) == (name == "telephone")
        assert ("quiet_sample" in codes(result)) == (name == "quiet")
        assert voice["speech_seconds"] >= 3.0
        heard = voices._unflac(base64.b64decode(voice["reference"]["flac"]))
        assert levelling.loudness(np.asarray(heard, np.float32), 24000) > -36.0, "the model hears it as loud as others"


def test_the_best_ten_seconds_of_ten_minutes(brazilian: Engine, speech: tuple[np.ndarray, int], tmp_path: Path) -> None:
    samples, rate = speech
    part = samples[: min(samples.size, 10 * rate)]
    long = np.zeros(610 * rate, np.float32)
    long += np.random.default_rng(0).normal(0, 1e-4, long.size).astype(np.float32)
    long[2 * rate : 4 * rate] += part[: 2 * rate]
    long[300 * rate : 300 * rate + part.size] += part
    voice, result = clone(brazilian, tmp_path / "long", long, rate)
    assert {"long_sample", "part_used"} <= codes(result)
    assert voice["sample_seconds"] == pytest.approx(600, abs=0.1)
    clip = voices._unflac(base64.b64decode(voice["reference"]["flac"]))
    wanted = resample_poly(part, 24000, rate)
    # The same sound, after its leading silence: their correlation has one sharp peak.
    size = 1 << 20
    correlation = np.fft.irfft(np.conj(np.fft.rfft(clip, size)) * np.fft.rfft(wanted, size))
    best = np.abs(correlation).max() / np.sqrt((clip**2).sum() * (wanted**2).sum())
    assert best > 0.8
