"""Loading: the released classes with upstream's own loader as the yardstick, and files that are refused."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from chatterbox.models.t3.modules.t3_config import T3Config
from chatterbox.mtl_tts import ChatterboxMultilingualTTS
from safetensors.torch import load_file, save_file
from scipy.signal import resample_poly

from apibr_worker.engines.chatterbox import conditionals, dims, files, loader, sampling
from apibr_worker.engines.chatterbox.engine import Engine
from apibr_worker.runtime.api import EngineError, LoadRequest
from tests_models.chatterbox.calls import PT, SHORT, model_of, parts


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
