"""A network that breaks or hangs, and cancelling while it does."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from apibr_worker.engines.bfl.client import Patience
from apibr_worker.runtime.api import Canceled
from tests.bfl.calls import failed, loaded, made
from tests.bfl.service import FakeBFL, Reply, png


def test_a_broken_download_is_tried_again(fake: FakeBFL, tmp_path: Path) -> None:
    fake.samples = [Reply(body=png(), cut=40), Reply(body=png())]
    assert made(tmp_path)[0][0].size == (64, 48)
    fake.samples = [Reply(body=png(), cut=40)]
    assert "broke off" in str(failed(tmp_path / "b"))


def test_a_submission_that_may_have_arrived_is_not_sent_twice(fake: FakeBFL, tmp_path: Path) -> None:
    fake.submits = [Reply(before=fake.hang)]
    error = failed(tmp_path, engine=loaded(Patience(answer=0.2, gap=0)))
    assert "did not answer in time" in str(error)
    assert fake.kinds() == ["POST /v1/flux-kontext-pro"]


def test_polls_that_hang_are_tried_again(fake: FakeBFL, tmp_path: Path) -> None:
    fake.polls = [Reply(before=fake.hang), fake.ready()]
    assert made(tmp_path, engine=loaded(Patience(first=0, answer=0.2, gap=0)))[0][0].size == (64, 48)


def test_a_service_that_cannot_be_reached_is_a_clear_error(fake: FakeBFL, tmp_path: Path) -> None:
    engine = loaded()
    fake.close()
    error = failed(tmp_path, engine=engine)
    assert error.code == "internal" and "could not be reached" in str(error)


def test_cancel_ends_a_wait(fake: FakeBFL, tmp_path: Path) -> None:
    canceled = threading.Event()
    fake.submits = [Reply(body=fake.submits[0].body, before=canceled.set)]
    with pytest.raises(Canceled):
        made(tmp_path, engine=loaded(Patience(first=3600)), canceled=canceled)
    assert fake.kinds() == ["POST /v1/flux-kontext-pro"]


@pytest.mark.parametrize("where", ["submits", "polls", "samples"])
def test_cancel_ends_an_exchange_that_hangs(fake: FakeBFL, tmp_path: Path, where: str) -> None:
    canceled = threading.Event()

    def stop() -> None:
        canceled.set()
        fake.hang()

    setattr(fake, where, [Reply(before=stop)])
    with pytest.raises(Canceled):
        made(tmp_path, engine=loaded(Patience(first=0, answer=3600)), canceled=canceled)
