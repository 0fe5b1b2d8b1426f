"""Chatterbox on tiny checkpoints: the released classes, their loader as the yardstick, and what the studio adds."""

from __future__ import annotations

import base64
import json
import pickle
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
import yaml
from chatterbox.models.t3.modules.t3_config import T3Config
from chatterbox.mtl_tts import ChatterboxMultilingualTTS
from safetensors.torch import load_file, save_file
from scipy.signal import resample_poly

from apibr_worker.engines.chatterbox import (
    conditionals,
    dims,
    files,
    loader,
    loudness,
    sampling,
    script,
    subtitles,
    takes,
    voices,
)
from apibr_worker.engines.chatterbox.engine import Engine
from apibr_worker.engines.chatterbox.join import Piece, joined
from apibr_worker.runtime.api import (
    Canceled,
    Context,
    EngineError,
    InputFile,
    InvalidInputError,
    LoadRequest,
    Resume,
    RunResult,
)
from apibr_worker.runtime.sentences import Sentence
from apibr_worker.runtime.sidecar import find_manifest

Tiny = Callable[..., Path]
SAMPLE = Path(__file__).parents[2] / "samples/voice.wav"
SHORT = "Olá, tudo bem com você?"
LONG = "Esta frase é bem mais comprida do que dois segundos de fala podem dizer, e por isso será dita de novo."
THREE = (
    "Hoje o dia amanheceu claro e muito tranquilo. A cidade inteira ainda dormia naquela hora. "
    "Ninguém sabia o que estava por acontecer."
)
"""Sentences that are long enough to be said one by one, and short enough for the tiny model's two seconds."""
PT = "chatterbox-pt-br"


class Recorder:
    def __init__(self) -> None:
        self.steps: list[tuple[str, int, int | None]] = []
        self.segments: list[Path] = []
        self.when: Callable[[str, int], None] = lambda phase, step: None

    def progress(self, phase: str, step: int, total: int | None, message: Sentence | None, preview: str | None) -> None:
        self.steps.append((phase, step, total))
        self.when(phase, step)

    def segment(self, index: int, path: Path, mime: str) -> None:
        assert (index, mime) == (len(self.segments), "audio/wav")
        self.segments.append(path)


def parts(folder: Path, model: str) -> dict[str, str]:
    described = yaml.safe_load((folder / model / "model.yaml").read_text())
    assert described["engine"] == "chatterbox"
    [variant] = described["variants"].values()
    return {part: str(folder / model / path) for part, path in variant.items()}


def engine_of(folder: Path, model: str) -> Engine:
    engine = Engine()
    engine.load(LoadRequest("chatterbox", model, "fp32", parts(folder, model), {"device": "cpu"}))
    return engine


@pytest.fixture(scope="session")
def folder(tiny: Tiny) -> Path:
    torch.set_num_threads(1)
    return tiny("chatterbox")


@pytest.fixture(scope="session")
def brazilian(folder: Path) -> Engine:
    return engine_of(folder, PT)


@pytest.fixture(scope="session")
def general(folder: Path) -> Engine:
    return engine_of(folder, "chatterbox")


@pytest.fixture(scope="session")
def speech() -> tuple[np.ndarray, int]:
    samples, rate = soundfile.read(SAMPLE, dtype="float32")
    return samples if samples.ndim == 1 else samples.mean(axis=1), rate


def context(
    out: Path,
    task: str = "audio.speech",
    *,
    inputs: list[InputFile] | None = None,
    resume: Resume | None = None,
    recorder: Recorder | None = None,
    canceled: threading.Event | None = None,
    **params: Any,
) -> Context:
    out.mkdir(exist_ok=True)
    return Context(
        task=task,
        params={"seed": 7, **params},
        inputs=inputs or [],
        out_dir=out,
        resume=resume,
        reporter=recorder or Recorder(),
        canceled=canceled,
    )


def say(engine: Engine, out: Path, **arguments: Any) -> tuple[np.ndarray, RunResult]:
    result = engine.run(context(out, **arguments))
    return soundfile.read(out / "speech.wav", dtype="float32")[0], result


def clone(engine: Engine, out: Path, samples: np.ndarray, rate: int, **params: Any) -> tuple[dict[str, Any], RunResult]:
    out.mkdir(exist_ok=True)
    soundfile.write(out / "sample.wav", samples, rate)
    file = InputFile("sample", out / "sample.wav", "audio/wav")
    result = engine.run(context(out, "audio.clone_voice", inputs=[file], **params))
    return json.loads((out / "voice.json").read_text()), result


def codes(result: RunResult) -> set[str]:
    return {warning.code for warning in result.warnings}


@pytest.fixture(scope="session")
def cloned(brazilian: Engine, speech: tuple[np.ndarray, int], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cloned voice's file."""
    out = tmp_path_factory.mktemp("cloned")
    clone(brazilian, out, *speech)
    return out / "voice.json"


# ---- loading


class Quiet(T3Config):
    """Upstream's configuration for the tiny backbone, with the analyser off: it hooks layer 13."""

    is_multilingual = property(lambda self: False)  # type: ignore[assignment]


@pytest.fixture(scope="session")
def upstream(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> ChatterboxMultilingualTTS:
    """The general model by upstream's own from_local, which only knows v2's name."""
    flat = tmp_path_factory.mktemp("upstream")
    for part in parts(folder, "chatterbox").values():
        for path in Path(part).iterdir():
            name = "t3_mtl23ls_v2.safetensors" if path.name.startswith("t3_") else path.name
            if not (flat / name).exists():
                (flat / name).symlink_to(path)
    own = dims.read(flat)
    quiet = Quiet(dims.MULTILINGUAL_TEXT_TOKENS)
    quiet.llama_config_name = dims.backbone(own)
    with pytest.MonkeyPatch.context() as patch, dims.applied(own):
        patch.setenv("HF_HUB_OFFLINE", "1")
        patch.setattr(T3Config, "multilingual", classmethod(lambda cls: quiet))
        return ChatterboxMultilingualTTS.from_local(flat, "cpu")


def model_of(engine: Engine) -> loader.Model:
    assert engine._model is not None
    return engine._model


def test_the_loader_gives_what_upstream_loads(general: Engine, upstream: ChatterboxMultilingualTTS) -> None:
    own = model_of(general)
    for theirs, ours in ((upstream.t3, own.t3), (upstream.s3gen, own.s3gen), (upstream.ve, own.ve)):
        expected, have = theirs.state_dict(), ours.state_dict()
        assert expected.keys() == have.keys()
        assert all(torch.equal(expected[name], have[name]) for name in expected)
    inverse = [t3.tfmr.rotary_emb.inv_freq for t3 in (upstream.t3, own.t3)]
    assert torch.equal(*inverse)
    text = "Você já viu São José?"
    assert torch.equal(upstream.tokenizer.text_to_tokens(text, language_id="pt"), own.text.ids(text, "pt"))


def test_tokens_and_sound_are_upstreams(
    general: Engine, upstream: ChatterboxMultilingualTTS, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = model_of(general)
    unmarked: list[np.ndarray] = []
    plain = upstream.watermarker.apply_watermark

    def overheard(wav: np.ndarray, sample_rate: int) -> np.ndarray:
        unmarked.append(wav)
        return plain(wav, sample_rate=sample_rate)

    monkeypatch.setattr(upstream.watermarker, "apply_watermark", overheard)
    torch.manual_seed(3)
    expected = upstream.generate(SHORT, "pt", exaggeration=0.7, cfg_weight=0.4, temperature=0.9, repetition_penalty=1.2)
    manner = sampling.Manner(cfg_weight=0.4, temperature=0.9, exaggeration=0.7)
    assert own.conds is not None
    voice = conditionals.builtin(own.conds)
    torch.manual_seed(3)
    tokens, stopped = sampling.speech_tokens(
        own, voice.for_t3(0.7, own.device), own.text.ids(SHORT, "pt"), manner, 1000, lambda _: None
    )
    assert stopped
    assert 20 < tokens.numel() <= 60
    made = sampling.sound(own, tokens, voice, lambda _: None)
    # Ours leaves the last token out, as upstream does since 0.1.7.
    assert np.allclose(unmarked[0][: made.size], made, atol=1e-5)
    assert unmarked[0].size - made.size == sampling.SAMPLES_PER_TOKEN
    marked = sampling.marked(own, unmarked[0])
    assert np.allclose(expected.numpy()[0], marked[: expected.shape[1]], atol=1e-5)


def test_a_voice_is_what_upstream_prepares(
    general: Engine, upstream: ChatterboxMultilingualTTS, speech: tuple[np.ndarray, int], tmp_path: Path
) -> None:
    samples, rate = speech
    clip = resample_poly(samples, 24000, rate).astype(np.float32)[: 5 * 24000]
    soundfile.write(tmp_path / "clip.wav", clip, 24000, subtype="FLOAT")
    before = upstream.conds
    upstream.prepare_conditionals(tmp_path / "clip.wav", exaggeration=0.5)
    theirs, upstream.conds = upstream.conds, before
    ours = conditionals.compute(model_of(general), clip)
    assert torch.allclose(theirs.t3.speaker_emb, ours.speaker, atol=1e-5)
    assert torch.equal(theirs.t3.cond_prompt_speech_tokens, ours.prompt)
    assert torch.equal(theirs.gen["prompt_token"], ours.tokens)
    assert torch.allclose(theirs.gen["prompt_feat"], ours.mel, atol=1e-5)
    assert torch.allclose(theirs.gen["embedding"], ours.timbre, atol=1e-5)
    back = conditionals.Conditionals.from_bytes(ours.to_bytes())
    assert all(torch.equal(tensor, back.tensors()[name]) for name, tensor in ours.tensors().items())


def test_the_released_dimensions_are_asserted(folder: Path, tmp_path: Path) -> None:
    source = Path(parts(folder, PT)["t3"])
    shutil.copy(next(source.glob("*.safetensors")), tmp_path / "t3.safetensors")
    with pytest.raises(EngineError, match="2 layers where 30 are expected"):
        loader.load_t3(tmp_path / "t3.safetensors", english=False)
    state = load_file(tmp_path / "t3.safetensors")
    shutil.copy(source / dims.CONFIG, tmp_path / dims.CONFIG)
    save_file({**state, "speech_emb.weight": state["speech_emb.weight"][:8000].clone()}, tmp_path / "few.safetensors")
    with pytest.raises(EngineError, match="8000 speech symbols where 8194 are expected"):
        loader.load_t3(tmp_path / "few.safetensors", english=False)
    save_file({name: state[name] for name in state if "layers.1.mlp" not in name}, tmp_path / "less.safetensors")
    with pytest.raises(EngineError, match="lacks 3 weights"):
        loader.load_t3(tmp_path / "less.safetensors", english=False)
    for content in ('{"t3": {"num_hidden_layers": 31}}', '{"t3": {"width": 3}}', "[]", '{"s3gen": 3}', "{"):
        (tmp_path / dims.CONFIG).write_text(content)
        with pytest.raises(EngineError, match=r"chatterbox\.json"):
            dims.read(tmp_path)


def test_building_leaves_the_released_classes_as_they_were() -> None:
    assert dims.backbone(dims.Dims(dims.RELEASED_T3, dims.RELEASED_S3GEN, stated=False)) == "Llama_520M"
    from chatterbox.models.s3gen import s3gen as module
    from chatterbox.models.t3.llama_configs import LLAMA_CONFIGS
    from s3tokenizer.model_v2 import S3TokenizerV2

    assert LLAMA_CONFIGS["Llama_520M"]["num_hidden_layers"] == 30
    assert isinstance(module.ConditionalDecoder, type)
    assert S3TokenizerV2.__init__.__defaults__[0].n_audio_layer == 6


def damaged_base(folder: Path, to: Path, **replaced: bytes | None) -> dict[str, str]:
    """The general model with files of its base replaced (None: left out); names with dots as underscores."""
    given = parts(folder, "chatterbox")
    to.mkdir()
    for path in Path(given["base"]).iterdir():
        content = replaced.get(path.name.replace(".", "_"), b"as it is")
        if content == b"as it is":
            (to / path.name).symlink_to(path)
        elif content is not None:
            (to / path.name).write_bytes(content)
    return {**given, "base": str(to)}


class Evil:
    """Runs a program when it is unpickled by a careless reader."""

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("executed"),)


@pytest.mark.parametrize(
    ("replaced", "message"),
    [
        ({"ve_pt": None}, "voice encoder is missing"),
        ({"grapheme_mtl_merged_expanded_v1_json": None}, "tokenizer is missing"),
        ({"ve_pt": pickle.dumps({"lstm": Evil()})}, "more than weights"),
        ({"ve_pt": b"PK\x03\x04 cut off"}, r"ve\.pt is damaged"),
        ({"s3gen_pt": b""}, r"s3gen\.pt is damaged"),
    ],
)
def test_a_damaged_checkpoint_is_refused(
    folder: Path, tmp_path: Path, replaced: dict[str, bytes | None], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    given = damaged_base(folder, tmp_path / "base", **replaced)
    with pytest.raises(EngineError, match=message) as raised:
        Engine().load(LoadRequest("chatterbox", "chatterbox", "v3", given, {"device": "cpu"}))
    assert raised.value.code == "model_missing"
    assert str(tmp_path) not in str(raised.value)
    assert not (tmp_path / "executed").exists()


def test_a_packs_own_files_win_and_v3_comes_before_v2(folder: Path, tmp_path: Path) -> None:
    given = parts(folder, "chatterbox")
    pack = tmp_path / "pack"
    pack.mkdir()
    for name in ("t3_mtl23ls_v2.safetensors", "t3_mtl23ls_v3.safetensors"):
        (pack / name).symlink_to(next(Path(given["t3"]).glob("*.safetensors")))
    (pack / "voz.pt").symlink_to(Path(given["base"]) / "conds.pt")
    # English weights of the same repository are none of the multilingual model's.
    english = parts(folder, "chatterbox-en")
    (pack / "zz_t3_cfg.safetensors").symlink_to(Path(english["t3"]) / "t3_cfg.safetensors")
    (pack / "zz_tokenizer.json").symlink_to(Path(english["base"]) / "tokenizer.json")
    found = files.find([pack, Path(given["base"])], english=False)
    assert found.t3.name == "t3_mtl23ls_v3.safetensors"
    assert found.conds == pack / "voz.pt"
    assert found.tokenizer.name == "grapheme_mtl_merged_expanded_v1.json"


# ---- speaking


def test_a_seed_repeats_and_another_differs(brazilian: Engine, tmp_path: Path) -> None:
    first, result = say(brazilian, tmp_path / "a", text=SHORT)
    again, _ = say(brazilian, tmp_path / "b", text=SHORT)
    other, _ = say(brazilian, tmp_path / "c", text=SHORT, seed=8)
    assert np.array_equal(first, again)
    assert first.size != other.size or not np.array_equal(first, other)
    assert result.warnings == []
    assert result.metadata["duration_seconds"] == pytest.approx(first.size / 24000, abs=1e-3)
    declared = {port["name"]: port["mime"] for port in find_manifest("chatterbox")["tasks"]["audio.speech"]["outputs"]}
    assert {output.name: output.mime for output in result.outputs} == declared
    assert all((tmp_path / "a" / output.path).stat().st_size > 0 for output in result.outputs)


def test_random_numbers_of_others_stay_as_they_were(brazilian: Engine, tmp_path: Path) -> None:
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    say(brazilian, tmp_path / "a", text="Sim.")
    assert torch.equal(torch.rand(3), expected)


def test_loudness_and_watermark(brazilian: Engine, tmp_path: Path) -> None:
    import pyloudnorm

    samples, _ = say(brazilian, tmp_path / "a", text=THREE)
    assert pyloudnorm.Meter(24000).integrated_loudness(samples.astype(np.float64)) == pytest.approx(-16.0, abs=0.5)
    assert 20 * np.log10(np.abs(resample_poly(samples, 8, 1)).max()) <= -0.95
    watermarker = model_of(brazilian).watermarker
    assert np.mean(watermarker.get_watermark(samples, sample_rate=24000)) > 0.9
    noise = np.random.default_rng(0).normal(0, 0.1, 48000).astype(np.float32)
    assert np.mean(watermarker.get_watermark(noise, sample_rate=24000)) < 0.5


def test_cancel_is_seen_at_the_next_token(brazilian: Engine, tmp_path: Path) -> None:
    canceled, recorder, seen = threading.Event(), Recorder(), []

    def press(phase: str, step: int) -> None:
        if phase == "sample" and step == 9:
            canceled.set()
        if canceled.is_set():
            seen.append(step)

    recorder.when = press
    with pytest.raises(Canceled):
        say(brazilian, tmp_path / "a", text=SHORT, recorder=recorder, canceled=canceled)
    assert len(seen) == 1


def test_cancel_is_seen_in_the_sound_and_leaves_the_network_whole(brazilian: Engine, tmp_path: Path) -> None:
    model = model_of(brazilian)
    assert model.conds is not None
    voice = conditionals.builtin(model.conds)
    seen: list[int] = []

    def step(index: int) -> None:
        seen.append(index)
        if index == 2:
            raise Canceled

    with pytest.raises(Canceled):
        sampling.sound(model, torch.arange(20), voice, step)
    assert seen == [0, 1, 2]
    assert "forward" not in vars(model.s3gen.flow.decoder.estimator)


def test_progress_counts_tokens_and_a_resumed_run_gives_the_same_samples(brazilian: Engine, tmp_path: Path) -> None:
    recorder = Recorder()
    whole, _ = say(brazilian, tmp_path / "a", text=THREE, recorder=recorder, speed=1.3)
    steps = [(step, total) for phase, step, total in recorder.steps if phase == "sample" and total]
    assert [step for step, _ in steps] == sorted(step for step, _ in steps)
    assert steps[-1][0] == steps[-1][1]
    assert len({step for step, _ in steps}) > 60
    assert len(recorder.segments) == 3
    (tmp_path / "b").mkdir()
    finished = []
    for path in recorder.segments[:2]:
        finished.append(tmp_path / "b" / f"in-{path.name}")
        shutil.copy(path, finished[-1])
    later = Recorder()
    later.segment = lambda index, path, mime: later.segments.append((index, path))  # type: ignore[method-assign]
    resumed, _ = say(
        brazilian, tmp_path / "b", text=THREE, recorder=later, speed=1.3, resume=Resume(len(finished), finished)
    )
    assert [index for index, _ in later.segments] == [2]
    assert np.array_equal(whole, resumed)


def test_an_implausible_take_is_said_again(brazilian: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    plain = takes.speech_tokens

    def counted(*arguments: Any) -> Any:
        tokens, stopped = plain(*arguments)
        made.append(tokens.numel())
        return tokens, stopped

    monkeypatch.setattr(takes, "speech_tokens", counted)
    _, result = say(brazilian, tmp_path / "a", text=LONG)
    assert len(made) == takes.TAKES
    assert codes(result) == {"implausible_length"}
    assert "Esta frase" in str(result.warnings[0].message)
    # The longest of takes that are all too short is the best.
    spoken = soundfile.info(tmp_path / "a" / "segments" / "0000.wav").frames
    assert spoken == (max(made) - 1) * sampling.SAMPLES_PER_TOKEN
    made.clear()
    say(brazilian, tmp_path / "b", text=SHORT)
    assert len(made) == 1


def test_what_never_stops_is_given_up(brazilian: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    head: Any = model_of(brazilian).t3.speech_head
    before = head.weight.data.clone()
    try:
        head.weight.data[6562] = 0.0
        recorder = Recorder()
        _, result = say(brazilian, tmp_path / "a", text="Sim.", recorder=recorder)
    finally:
        head.weight.data.copy_(before)
    assert codes(result) == {"implausible_length"}
    sentence = script.Sentence("Sim.", "Sim.", "pt", 0, 0.0, None)
    assert soundfile.info(tmp_path / "a" / "segments" / "0000.wav").frames <= sentence.most_tokens * 960


def test_speed_keeps_the_pitch_and_changes_the_length(brazilian: Engine, tmp_path: Path) -> None:
    tone = np.sin(2 * np.pi * 220 * np.arange(48000) / 24000).astype(np.float32)
    for speed in (0.5, 1.5, 2.0):
        made = takes.stretched(context(tmp_path / "a"), tone, speed)
        assert made.size == pytest.approx(48000 / speed, rel=0.05)
        spectrum = np.abs(np.fft.rfft(made * np.hanning(made.size)))
        assert np.argmax(spectrum) * 24000 / made.size == pytest.approx(220, abs=5)
    usual, _ = say(brazilian, tmp_path / "b", text=SHORT)
    fast, _ = say(brazilian, tmp_path / "c", text=SHORT, speed=2.0)
    assert fast.size < 0.75 * usual.size


def test_lines_with_voices_and_pauses(brazilian: Engine, cloned: Path, tmp_path: Path) -> None:
    lines = [{"text": SHORT, "pause_ms": 1500}, {"text": "Tudo, e você?", "voice_id": "x"}, {"text": "Que bom!"}]
    voice = InputFile("voice_1", cloned, "application/json", {"name": "Ana", "language": "pt-BR"})
    samples, result = say(brazilian, tmp_path / "a", lines=lines, inputs=[voice])
    assert result.warnings == []
    timed = json.loads((tmp_path / "a" / "timings.json").read_text())["sentences"]
    assert [entry["line"] for entry in timed] == [0, 1, 2]
    assert timed[1]["start"] - timed[0]["end"] == pytest.approx(1.5, abs=0.01)
    assert timed[2]["end"] == pytest.approx(samples.size / 24000, abs=0.01)
    pause = samples[int((timed[0]["end"] + 0.05) * 24000) : int((timed[1]["start"] - 0.05) * 24000)]
    assert np.abs(pause).max() == 0.0
    say(brazilian, tmp_path / "b", lines=lines[:2])
    ana, own = (takes.kept(tmp_path / run / "segments" / "0001.wav") for run in "ab")
    assert not np.array_equal(ana, own), "said by another voice"


def test_subtitles_hold_the_text_as_it_was_written(brazilian: Engine, tmp_path: Path) -> None:
    text = "Custa R$ 10 <agora> & sempre. " + LONG
    say(brazilian, tmp_path / "a", text=text)
    srt = (tmp_path / "a" / "speech.srt").read_text()
    cues = [cue.split("\n") for cue in srt.strip().split("\n\n")]
    assert [int(cue[0]) for cue in cues] == list(range(1, len(cues) + 1))
    assert all(len(cue) <= 4 and max(map(len, cue[2:])) <= 42 for cue in cues)
    assert " ".join(" ".join(cue[2:]) for cue in cues) == text
    times = [moment for cue in cues for moment in cue[1].split(" --> ")]
    assert times == sorted(times)
    assert times[0].startswith("00:00:00,")
    vtt = (tmp_path / "a" / "speech.vtt").read_text()
    assert vtt.startswith("WEBVTT\n\n00:00:00.")
    assert "&lt;agora&gt; &amp; sempre" in vtt


@pytest.mark.parametrize(
    ("params", "field", "message"),
    [
        ({"text": "😀🎉 ..."}, "text", "nothing in the text that can be spoken: write words"),
        ({"lines": [{"text": "Oi."}, {"text": "—"}]}, "lines/1/text", "nothing in the text"),
        ({"text": "Oi.", "language": "xx"}, "language", "xx is not spoken by this model; it speaks pt-BR"),
        ({"text": "Hello.", "language": "en"}, "language", "it speaks pt-BR"),
        ({"text": "a" * 20_001}, "text", "20001 characters"),
        ({"lines": [{"text": "a", "pause_ms": 60_000}] * 11}, "lines", "660 s"),
    ],
)
def test_what_cannot_be_said_is_refused(
    brazilian: Engine, tmp_path: Path, params: dict[str, Any], field: str, message: str
) -> None:
    with pytest.raises(InvalidInputError, match=message) as raised:
        say(brazilian, tmp_path / "a", **params)
    assert raised.value.field == field


def test_one_letter_is_spoken(brazilian: Engine, tmp_path: Path) -> None:
    samples, _ = say(brazilian, tmp_path / "a", text="é")
    assert 0.1 < samples.size / 24000 < 4.0


def test_letters_that_the_model_does_not_know_are_named(brazilian: Engine, tmp_path: Path) -> None:
    mixed = script.read(context(tmp_path / "a", text="Oi, 你好 你. \U0001f600 Tchau, ação!"), model_of(brazilian))
    assert [warning.code for warning in mixed.warnings] == ["unknown_letters"]
    assert "does not know 你 好: " in str(mixed.warnings[0].message)
    plain = script.read(context(tmp_path / "b", text="Oi. Tchau, ação! Hello."), model_of(brazilian))
    assert plain.warnings == []


def test_twenty_thousand_characters_are_divided(brazilian: Engine, tmp_path: Path) -> None:
    text = (LONG + " ") * (20_000 // (len(LONG) + 1))
    text += "b" * (20_000 - len(text))
    made = script.read(context(tmp_path / "a", text=text), model_of(brazilian)).sentences
    assert all(0 < len(sentence.text) <= 280 for sentence in made)
    spoken, written = (
        "".join("".join(getattr(sentence, name).split()) for sentence in made) for name in ("text", "source")
    )
    assert written == "".join(text.split())
    assert len(spoken) == len(written)


def test_the_general_model_speaks_portuguese_with_a_warning(general: Engine, tmp_path: Path) -> None:
    model = model_of(general)
    for language, expected in (("pt", {"language_variant"}), ("pt-BR", {"language_variant"}), ("pt-PT", set())):
        read = script.read(context(tmp_path / "a", text="Oi.", language=language), model)
        assert {warning.code for warning in read.warnings} == expected
        assert read.sentences[0].language == "pt"
    for language, code in (("en-GB", "en"), ("es-419", "es"), ("nb", "no")):
        read = script.read(context(tmp_path / "a", text="Oi.", language=language), model)
        assert (read.sentences[0].language, read.warnings) == (code, [])
    with pytest.raises(InvalidInputError, match="kana") as raised:
        script.read(context(tmp_path / "a", text="日本語です。", language="ja"), model)
    assert raised.value.field == "text"
    with pytest.raises(InvalidInputError, match=r"la is not spoken by this model; it speaks ar, .*pt.*zh"):
        script.read(context(tmp_path / "a", text="Salve.", language="la"), model)


def test_the_english_model_speaks(folder: Path, tmp_path: Path) -> None:
    english = engine_of(folder, "chatterbox-en")
    samples, result = say(english, tmp_path / "a", text="Hello, how are you?", cfg_weight=0.0)
    assert samples.size > 24000
    assert result.warnings == []
    with pytest.raises(InvalidInputError, match="it speaks en"):
        say(english, tmp_path / "b", text="Oi.", language="pt-BR")
    english.unload()
    with pytest.raises(EngineError, match="no model is loaded"):
        say(english, tmp_path / "c", text="Hello.")


def test_a_letter_that_is_many_symbols(brazilian: Engine, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="more than 2000 symbols") as raised:
        say(brazilian, tmp_path / "a", text="\ufdfa" * 250)
    assert raised.value.field == "text"


# ---- joining


def test_loudness_is_pyloudnorms_also_across_blocks() -> None:
    import pyloudnorm

    random = np.random.default_rng(5)
    for seconds in (0.45, 3.0, 100.0):
        size = int(seconds * 24000)
        swell = 0.05 + 0.2 * np.abs(np.sin(np.arange(size) / 24000 * 0.7))
        samples = (random.normal(0, 1, size) * swell).astype(np.float32)
        samples[size // 2 : size // 2 + size // 5] = 0.0
        expected = pyloudnorm.Meter(24000).integrated_loudness(samples.astype(np.float64))
        assert loudness.loudness(samples, 24000) == pytest.approx(expected, abs=0.05)
    assert loudness.loudness(np.zeros(48000, np.float32), 24000) == -70.0


def test_peaks_are_held_without_losing_loudness() -> None:
    random = np.random.default_rng(6)
    samples = resample_poly(random.normal(0, 0.02, 600_000), 2, 1).astype(np.float32)
    # Speech has peaks 20 dB above its loudness; the last lies where two blocks meet.
    for place in (*random.integers(0, samples.size, 100), (1 << 20) - 1):
        samples[place : place + 120] *= (1 + 10 * np.hanning(120))[: samples.size - place]
    made = loudness.levelled(samples, 24000)
    assert loudness.loudness(made, 24000) == pytest.approx(-16.0, abs=0.2)
    peak = np.abs(resample_poly(made.astype(np.float64), 8, 1)).max()
    assert 20 * np.log10(peak) <= -0.99
    needed = loudness.TARGET_LUFS - loudness.loudness(samples, 24000)
    assert 20 * np.log10(np.abs(samples).max()) + needed > 0, "there is something to hold"
    silent = np.zeros(1000, np.float32)
    assert np.array_equal(loudness.levelled(silent, 24000), silent)


def test_divided_sentences_flow_into_one_another_and_voices_are_equally_loud() -> None:
    random = np.random.default_rng(7)
    loud, quiet = (random.normal(0, size, 48000).astype(np.float32) for size in (0.2, 0.01))
    pieces = [Piece(loud, 0.0, "a"), Piece(loud, 0.5, "a"), Piece(quiet, 0.0, "b")]
    samples, times = joined(pieces, lambda: None)
    lengths = [end - start for start, end in times]
    assert lengths == pytest.approx([2.0] * 3, abs=1e-3)
    assert times[0][1] - times[1][0] == pytest.approx(0.03)
    assert times[2][0] - times[1][1] == pytest.approx(0.5)
    assert samples.size == round(times[2][1] * 24000)
    first, crossed, last = (
        np.std(samples[int(a * 24000) : int(b * 24000)]) for a, b in ((0.5, 1.5), (1.97, 2.0), (5.0, 6.0))
    )
    assert crossed == pytest.approx(first, rel=0.15), "equal power"
    assert last == pytest.approx(first, rel=0.05)


def test_subtitles_break_what_is_longer_than_a_line() -> None:
    timed = [subtitles.Timed("x" * 100 + " " + "palavra " * 20, 3599.9996, 3700.0)]
    cues = subtitles.srt(timed).split("\n\n")
    assert cues[0].startswith("1\n01:00:00,000 --> ")
    assert all(len(row) <= 42 for cue in cues for row in cue.split("\n")[2:])
    assert cues[-1].split("\n")[1].endswith("01:01:40,000")


# ---- voices


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
    for content in ("{}", '{"version": 1, "variant": "f2", "f0_median_hz": 205.6}'):
        (tmp_path / "v.json").write_text(content)
        file = InputFile("voice", tmp_path / "v.json", "application/json", {"name": "Clara"})
        warnings: list[Any] = []
        known.of(context(tmp_path / "a"), file, warnings)
        assert [warning.code for warning in warnings] == ["voice_not_cloned"]
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


# ---- recordings


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
    quiet = (samples * 10 ** ((-45.0 - loudness.loudness(samples, rate)) / 20)).astype(np.float32)
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
        assert loudness.loudness(np.asarray(heard, np.float32), 24000) > -36.0, "the model hears it as loud as others"


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
