"""Settings, where the service is trusted to be, and that the key is in no frame and no log."""

from __future__ import annotations

from pathlib import Path

import pytest

from apibr_worker.engines.bfl.client import settings, trusted
from apibr_worker.runtime.api import EngineError
from tests.bfl.calls import failed, loaded
from tests.bfl.service import KEY, FakeBFL, Reply
from tests.harness import SidecarProcess


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({}, "is not set"),
        ({"APIBR_BFL_KEY": "  "}, "is not set"),
        ({"APIBR_BFL_KEY": "secret\r\nx: y"}, "characters that a key cannot have"),
        ({"APIBR_BFL_KEY": "sécret"}, "characters that a key cannot have"),
        ({"APIBR_BFL_KEY": "secret", "APIBR_BFL_URL": "http://api.bfl.ai"}, "https address"),
        ({"APIBR_BFL_KEY": "secret", "APIBR_BFL_URL": "http://127.0.0.1.evil.example"}, "https address"),
        ({"APIBR_BFL_KEY": "secret", "APIBR_BFL_URL": "https://me:pw@api.bfl.ai"}, "https address"),
        ({"APIBR_BFL_KEY": "secret", "APIBR_BFL_URL": "ftp://api.bfl.ai"}, "https address"),
        ({"APIBR_BFL_KEY": "secret", "APIBR_BFL_MODEL": "../admin"}, "one of flux-kontext-pro, flux-kontext-max"),
    ],
)
def test_unusable_settings_are_refused(environment: dict[str, str], words: str) -> None:
    with pytest.raises(EngineError, match=words) as raised:
        settings(environment)
    assert raised.value.code == "model_missing"
    assert "secret" not in str(raised.value) and "cret" not in str(raised.value)


def test_the_key_is_not_in_the_settings_text() -> None:
    known = settings({"APIBR_BFL_KEY": KEY})
    assert KEY not in repr(known)
    assert (known.url, known.local) == ("https://api.bfl.ai", False)


@pytest.mark.parametrize(
    ("url", "remote", "local"),
    [
        ("https://api.bfl.ai/v1/get_result?id=1", True, False),
        ("https://api.eu2.bfl.ai/v1/get_result?id=1", True, False),
        ("https://delivery-us1.bfl.ai/x.png?sig=%2B", True, False),
        ("https://api.bfl.ml/v1", True, False),
        ("http://api.bfl.ai/v1", False, False),
        ("https://bfl.ai.evil.example/", False, False),
        ("https://evilbfl.ai/", False, False),
        ("https://api.bfl.ai@evil.example/", False, False),
        ("https://evil.example/?https://api.bfl.ai", False, False),
        ("https://api.bfl.ai\\@evil.example/", False, False),
        ("https://api.bfl.ai:99999/", False, False),
        ("https://[::1", False, False),
        ("file:///etc/passwd", False, False),
        ("//api.bfl.ai/", False, False),
        ("https://api.bfl.ai/\r\nx", False, False),
        ("http://127.0.0.1:9/x", False, True),
        ("http://[::1]:9/x", False, True),
        ("http://localhost/x", False, True),
        ("http://10.0.0.1/x", False, False),
        ("", False, False),
    ],
)
def test_where_the_service_may_send_us(url: str, remote: bool, local: bool) -> None:
    assert trusted(url, settings({"APIBR_BFL_KEY": "k"})) is remote
    assert trusted(url, settings({"APIBR_BFL_KEY": "k", "APIBR_BFL_URL": "http://127.0.0.1:8"})) is local


def test_a_run_without_a_load_is_an_error(fake: FakeBFL, tmp_path: Path) -> None:
    engine = loaded()
    engine.unload()
    assert "no model is loaded" in str(failed(tmp_path, engine=engine))


def test_in_a_sidecar_the_key_is_in_no_frame_and_no_log(fake: FakeBFL, tmp_path: Path) -> None:
    fake.polls = [fake.ready()]
    load = {"engine": "bfl", "model": "flux-kontext", "variant": "default", "files": {}, "plan": {"device": "cpu"}}
    with SidecarProcess("bfl") as sidecar:
        frames = [sidecar.await_frame("hello"), sidecar.call("load", load)]
        for index, replies in enumerate([fake.submits, [Reply(403, {"detail": KEY})], [Reply(body=KEY.encode())]]):
            fake.submits = replies
            out = tmp_path / str(index)
            out.mkdir()
            run = {"job": str(index), "fence": 1, "task": "image.generate", "inputs": [], "out_dir": str(out)}
            frames.append(sidecar.call("run", {**run, "params": {"prompt": "x", "seed": 1}}))
        sidecar.close()
        frames += [frame for frame in iter(sidecar.frames.get, None) if frame]
        log = sidecar.stderr.decode()
    assert frames[2]["result"]["outputs"][0]["mime"] == "image/png"
    assert frames[3]["error"]["data"]["code"] == "model_missing"
    assert frames[4]["error"]["data"]["code"] == "internal"
    assert KEY not in repr(frames) + log
    assert "Traceback" not in log
