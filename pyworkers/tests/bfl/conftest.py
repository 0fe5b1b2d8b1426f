"""The service that the engine of the Black Forest Labs API talks to in tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.bfl.service import KEY, FakeBFL


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeBFL]:
    server = FakeBFL()
    monkeypatch.setenv("APIBR_BFL_KEY", KEY)
    monkeypatch.setenv("APIBR_BFL_URL", server.url)
    # A proxy of the environment must not see what is for this machine.
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    yield server
    server.close()
