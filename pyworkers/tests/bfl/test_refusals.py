"""What the service refuses, and where its answers may send the key."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from apibr_worker.engines.bfl.client import Patience, settings, takes_key
from apibr_worker.runtime.api import Context, InvalidInputError
from tests.bfl.calls import PENDING, failed, loaded, made
from tests.bfl.service import KEY, FakeBFL, Reply


@pytest.mark.parametrize(
    ("status", "code", "words", "tries"),
    [
        (401, "model_missing", "refused the API key", 1),
        (403, "model_missing", "refused the API key", 1),
        (402, "model_missing", "no credits", 1),
        (429, "internal", "try again in 17 s", 3),
        (500, "internal", "status 500", 3),
        (503, "internal", "status 503", 3),
        (404, "internal", r"status 404.*engines\.bfl\.url", 1),
        (307, "internal", "status 307", 1),
    ],
)
def test_refused_submissions(fake: FakeBFL, tmp_path: Path, status: int, code: str, words: str, tries: int) -> None:
    body = {"detail": f"no {KEY}"}
    fake.submits = [Reply(status, body, {"retry-after": "17", "location": f"{fake.url}/elsewhere"})]
    error = failed(tmp_path)
    assert error.code == code
    assert re.search(words, str(error))
    assert fake.kinds() == ["POST /v1/flux-kontext-pro"] * tries


@pytest.mark.parametrize("status", [429, 500, 502])
def test_a_temporary_failure_is_tried_again(fake: FakeBFL, tmp_path: Path, status: int) -> None:
    trouble = Reply(status, b"<html>busy</html>", {"retry-after": "1"})
    fake.submits = [trouble, trouble, *fake.submits]
    fake.polls = [trouble, PENDING, trouble, trouble, *fake.polls]
    fake.samples = [trouble, *fake.samples]
    assert made(tmp_path)[0][0].size == (64, 48)
    assert fake.kinds().count("POST /v1/flux-kontext-pro") == 3
    assert fake.kinds().count("GET /v1/get_result") == 5
    assert fake.kinds().count("GET /sample/a.png") == 2


def test_retry_after_sets_the_wait(fake: FakeBFL, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Retry-After, bounded; without it a gap that doubles."""
    waited: list[float] = []

    def wait(_: Context, seconds: float) -> None:
        waited.append(seconds)

    fake.submits = [
        Reply(429, {}, {"retry-after": "3"}), Reply(429, {}, {"retry-after": "999999"}),
        Reply(429, {}), Reply(429, {}, {"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}), *fake.submits,
    ]  # fmt: skip
    monkeypatch.setattr("apibr_worker.runtime.api.Context.wait", wait)
    made(tmp_path, engine=loaded(Patience(tries=5, gap=1)))
    assert waited[:4] == [3, 60, 4, 8]
    gaps = list(Patience().between_polls())
    assert gaps[0] == 0.5 and gaps[-1] == 5.0
    assert gaps == sorted(gaps)
    assert 600 < sum(gaps) < 1200


@pytest.mark.parametrize("status", [400, 422])
def test_a_rejected_request_says_why(fake: FakeBFL, tmp_path: Path, status: int) -> None:
    detail = [{"loc": ["body", "prompt"], "msg": "String too long", "input": "um gato azul", "type": "x"}, f"key {KEY}"]
    fake.submits = [Reply(status, {"detail": detail})]
    error = failed(tmp_path)
    assert isinstance(error, InvalidInputError)
    assert error.field == "prompt"
    assert "(String too long key)" in str(error)


@pytest.mark.parametrize("task", ["image.generate", "image.edit"])
@pytest.mark.parametrize(
    ("status", "words"), [("Request Moderated", "or the picture"), ("Content Moderated", "another seed")]
)
def test_a_moderated_request_is_refused_in_words(
    fake: FakeBFL, tmp_path: Path, task: str, status: str, words: str
) -> None:
    fake.polls = [PENDING, Reply(body={"status": status, "details": {"Moderation Reasons": ["Derivative Works"]}})]
    error = failed(tmp_path, task=task, image=Image.new("RGB", (9, 9)))
    assert isinstance(error, InvalidInputError)
    assert error.field == ("instruction" if task == "image.edit" else "prompt")
    assert words in str(error) and "(Derivative Works)" in str(error)
    assert not list(tmp_path.glob("image-*"))


@pytest.mark.parametrize(
    ("poll", "words"),
    [
        (Reply(body={"status": "Error", "details": {"reason": f"lost {KEY}"}}), r"could not make the picture \(lost\)"),
        (Reply(body={"status": "Task not found"}), "no longer knows the task"),
        (Reply(404, {"detail": "no"}), "no longer knows the task"),
        (Reply(body={"status": "Ready", "result": None}), "not its own"),
        (Reply(body={"status": "Ready", "result": {"sample": "https://evil.example/x.png"}}), "not its own"),
        (Reply(body={"status": "Ready", "result": {"sample": ["x"]}}), "not its own"),
        (Reply(body=b"[1, 2]"), "something that is not its API"),
        (Reply(body=b"<html>"), "something that is not its API"),
        (Reply(body=b"[" * 100_000), "something that is not its API"),
        (Reply(403, {}), "refused the API key"),
        (PENDING, "in time"),
        (Reply(body={"status": ["Ready"]}), "in time"),
    ],
)  # fmt: skip
def test_a_task_that_fails_says_why(fake: FakeBFL, tmp_path: Path, poll: Reply, words: str) -> None:
    fake.polls = [poll]
    error = failed(tmp_path)
    assert re.search(words, str(error))
    assert not any("sample" in kind for kind in fake.kinds())


@pytest.mark.parametrize(
    "url", ["https://api.bfl.ai.evil.example/x", "http://10.0.0.1/", "file:///etc/passwd", None, 7, ""]
)
def test_a_polling_url_elsewhere_gets_no_key(fake: FakeBFL, tmp_path: Path, url: Any) -> None:
    fake.submits = [Reply(body={"id": "t1", "polling_url": url})]
    assert "not its own" in str(failed(tmp_path))
    assert len(fake.requests) == 1


@pytest.mark.parametrize(
    ("setting", "url", "taken"),
    [
        ("https://api.bfl.ai", "https://api.bfl.ai/v1/get_result?id=1", True),
        ("https://api.bfl.ai", "https://api.bfl.ai:443/v1/get_result?id=1", True),
        ("https://api.bfl.ai", "https://api.eu1.bfl.ai/v1/get_result?id=1", True),
        ("https://api.bfl.ai", "https://api.bfl.ai:8443/v1/get_result?id=1", False),
        ("https://api.bfl.ai", "https://api.eu1.bfl.ai:8443/v1/get_result?id=1", False),
        ("https://api.bfl.ai", "http://api.bfl.ai/v1/get_result?id=1", False),
        ("https://api.bfl.ai", "http://api.bfl.ai:443/v1/get_result?id=1", False),
        ("https://api.bfl.ai", "https://api.bfl.ai.evil.example/", False),
        ("https://api.bfl.ai", "https://evilbfl.ai/", False),
        ("https://api.bfl.ai", "https://me@api.bfl.ai/", False),
        ("https://api.bfl.ai", "https://api.bfl.ai:0/", False),
        ("https://API.bfl.ai", "https://api.BFL.ai/x", True),
        ("https://api.bfl.ai:8443", "https://api.bfl.ai/x", False),
        ("https://api.bfl.ai:8443", "https://api.eu1.bfl.ai/x", False),
        ("https://proxy.example:9", "https://proxy.example:9/x", True),
        ("https://proxy.example:9", "https://proxy.example/x", False),
        ("https://proxy.example", "https://api.bfl.ai/x", False),
        ("http://127.0.0.1:8", "http://127.0.0.1:8/x", True),
        ("http://127.0.0.1:8", "http://127.0.0.1:9/x", False),
        ("http://127.0.0.1:8", "https://127.0.0.1:8/x", False),
        ("http://127.0.0.1:8", "http://localhost:8/x", False),
        ("http://127.0.0.1", "http://127.0.0.1:80/x", True),
    ],
)
def test_where_the_key_may_go(setting: str, url: str, taken: bool) -> None:
    assert takes_key(url, settings({"APIBR_BFL_KEY": "k", "APIBR_BFL_URL": setting})) is taken


def test_another_port_of_the_same_host_gets_no_key(fake: FakeBFL, tmp_path: Path) -> None:
    other = FakeBFL()
    try:
        fake.submits = [Reply(body={"id": "t1", "polling_url": f"{other.url}/v1/get_result?id=t1"})]
        error = str(failed(tmp_path))
        assert "scheme, host and port must be those of engines.bfl.url" in error
        assert other.requests == []
    finally:
        other.close()
