"""Downloading a picture: redirects, links that expire, bytes that are not a picture."""

from __future__ import annotations

from pathlib import Path

import pytest

from apibr_worker.engines.bfl import client
from tests.bfl.calls import failed, made
from tests.bfl.service import FakeBFL, Reply, png


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirected_picture_is_fetched_without_the_key(fake: FakeBFL, tmp_path: Path, status: int) -> None:
    fake.samples = [Reply(status, b"", {"location": "/elsewhere.png?sig=y"}), Reply(body=png())]
    assert made(tmp_path)[0][0].size == (64, 48)
    assert fake.kinds()[-1] == "GET /elsewhere.png"
    assert "x-key" not in fake.requests[-1][2]


@pytest.mark.parametrize(
    ("location", "words"),
    [
        ("https://evil.example/x.png", "not its own; nothing was sent there"),
        ("file:///etc/passwd", "not its own; nothing was sent there"),
        ("/again", "redirects too many times"),
    ],
)
def test_a_link_to_another_host_is_not_followed(fake: FakeBFL, tmp_path: Path, location: str, words: str) -> None:
    fake.samples = [Reply(302, b"", {"location": location})]
    error = str(failed(tmp_path))
    assert words in error and "engines.bfl.url" not in error
    assert 1 <= len([kind for kind in fake.kinds() if "get_result" not in kind]) - 1 <= 4


def test_a_redirected_poll_gets_no_key(fake: FakeBFL, tmp_path: Path) -> None:
    fake.polls = [Reply(302, b"", {"location": f"{fake.url}/elsewhere"})]
    assert "the key is not sent there" in str(failed(tmp_path))
    assert fake.kinds() == ["POST /v1/flux-kontext-pro", "GET /v1/get_result"]


@pytest.mark.parametrize("status", [403, 404, 410])
def test_an_expired_link_is_asked_for_once_more(fake: FakeBFL, tmp_path: Path, status: int) -> None:
    fake.polls = [fake.ready("old"), fake.ready("new")]
    fake.samples = [Reply(status, b"expired"), Reply(body=png())]
    assert made(tmp_path)[0][0].size == (64, 48)
    assert fake.kinds()[1:] == [
        "GET /v1/get_result", "GET /sample/old.png", "GET /v1/get_result", "GET /sample/new.png",
    ]  # fmt: skip


def test_a_link_that_expires_twice_is_a_clear_error(fake: FakeBFL, tmp_path: Path) -> None:
    fake.samples = [Reply(403, b"expired")]
    assert "the link to the picture expired" in str(failed(tmp_path))
    assert fake.kinds().count("GET /sample/a.png") == 2


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "a usable picture"),
        (b"<html>gone</html>", "a usable picture"),
        (png()[:-30], "a usable picture"),
        (b"GIF89a" + bytes(50), "a usable picture"),
        (png(10_000, 5_001), "a usable picture"),
    ],
    ids=["empty", "html", "truncated", "gif", "too many pixels"],
)
def test_a_download_that_is_not_a_picture_is_refused(fake: FakeBFL, tmp_path: Path, body: bytes, words: str) -> None:
    fake.samples = [Reply(body=body)]
    assert words in str(failed(tmp_path))
    assert not list(tmp_path.glob("image-*"))


def test_too_many_bytes_are_not_read(fake: FakeBFL, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "PICTURE_LIMIT", 1 << 20)
    fake.samples = [Reply(body=bytes(2 << 20))]
    assert "the answer is too large" in str(failed(tmp_path))
    assert fake.kinds().count("GET /sample/a.png") == 1
    fake.polls = [Reply(body=bytes(2 << 20))]
    assert "the answer is too large" in str(failed(tmp_path))
