"""A run that is started again submits and pays once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from apibr_worker.runtime.api import Resume
from tests.bfl.calls import PENDING, failed, made
from tests.bfl.service import KEY, FakeBFL, Reply, png
from tests.harness import Recorder, SidecarProcess


def run_frame(out: Path, resume: dict[str, Any] | None, **params: Any) -> dict[str, Any]:
    out.mkdir()
    return {
        "job": "j", "fence": 1, "task": "image.generate", "inputs": [], "out_dir": str(out),
        "params": {"prompt": "x", "seed": 1, **params}, "resume_from": resume,
    }  # fmt: skip


LOAD = {"engine": "bfl", "model": "flux-kontext", "variant": "default", "files": {}, "plan": {"device": "cpu"}}


def interrupted(fake: FakeBFL, out: Path, segments: int, **params: Any) -> dict[str, Any]:
    """Kills a sidecar when it has handed over so many segments; returns what the next run resumes from."""
    kept: list[dict[str, Any]] = []
    with SidecarProcess("bfl") as sidecar:
        sidecar.call("load", LOAD)
        sidecar.send("run", run_frame(out, None, **params))
        for index in range(segments):
            file = sidecar.await_frame("segment")["params"]
            assert file["index"] == index
            kept.append({"index": index, "path": str(out / file["file"]["path"])})
        sidecar.process.kill()
    return {"index": segments, "segments": kept}


def resumed(out: Path, resume: dict[str, Any], **params: Any) -> dict[str, Any]:
    with SidecarProcess("bfl") as sidecar:
        sidecar.call("load", LOAD)
        return sidecar.call("run", run_frame(out, resume, **params))


def test_a_killed_run_submits_and_pays_once(fake: FakeBFL, tmp_path: Path) -> None:
    fake.polls = [Reply(before=fake.hang), fake.ready()]
    resume = interrupted(fake, tmp_path / "a", 1)
    assert KEY not in Path(resume["segments"][0]["path"]).read_text()
    result = resumed(tmp_path / "b", resume)["result"]
    assert fake.kinds().count("POST /v1/flux-kontext-pro") == 1
    assert result["metadata"]["cost"] == 4.0
    assert not result["metadata"].get("warnings")


def test_pictures_that_are_there_are_not_asked_for_again(fake: FakeBFL, tmp_path: Path) -> None:
    fake.samples = [Reply(body=png(colour="red")), Reply(body=png(colour="lime"))]
    fake.polls = [fake.ready(), Reply(before=fake.hang), fake.ready()]
    resume = interrupted(fake, tmp_path / "a", 3, num_images=2)
    result = resumed(tmp_path / "b", resume, num_images=2)["result"]
    assert fake.kinds().count("POST /v1/flux-kontext-pro") == 2
    assert fake.kinds().count("GET /sample/a.png") == 2
    pictures = [Image.open(tmp_path / "b" / output["path"]).convert("RGB") for output in result["outputs"]]
    assert [picture.getpixel((0, 0)) for picture in pictures] == [(255, 0, 0), (0, 255, 0)]
    assert result["metadata"]["cost"] == 8.0


def test_a_task_that_is_gone_is_submitted_again_with_a_warning(fake: FakeBFL, tmp_path: Path) -> None:
    fake.polls = [Reply(before=fake.hang), Reply(404, {"detail": "no"}), fake.ready()]
    resume = interrupted(fake, tmp_path / "a", 1)
    result = resumed(tmp_path / "b", resume)["result"]
    assert fake.kinds().count("POST /v1/flux-kontext-pro") == 2
    assert [warning["code"] for warning in result["metadata"]["warnings"]] == ["submitted_again"]


def kept(recorder: Recorder) -> Resume:
    return Resume(len(recorder.segments), list(recorder.segments))


@pytest.mark.parametrize(
    "ending",
    [
        {"polls": [Reply(body={"status": "Error"})]},
        {"polls": [Reply(body={"status": "Content Moderated"})]},
        {"samples": [Reply(body=b"<html>")]},
        {"samples": [Reply(403, b"expired")]},
    ],
)
def test_a_retry_after_a_final_answer_submits_anew(fake: FakeBFL, tmp_path: Path, ending: dict[str, Any]) -> None:
    good = {"polls": [fake.ready()], "samples": [Reply(body=png())]}
    vars(fake).update(ending)
    recorder = Recorder()
    failed(tmp_path / "a", recorder=recorder)
    vars(fake).update(good)
    _, result = made(tmp_path / "b", recorder=recorder, resume=kept(recorder))
    assert fake.kinds().count("POST /v1/flux-kontext-pro") == 2
    assert result.warnings == []


@pytest.mark.parametrize("poll", [PENDING, Reply(503, {}), Reply(403, {})])
def test_a_retry_after_trouble_on_the_way_asks_again(fake: FakeBFL, tmp_path: Path, poll: Reply) -> None:
    fake.polls = [poll]
    recorder = Recorder()
    failed(tmp_path / "a", recorder=recorder)
    fake.polls = [fake.ready()]
    assert made(tmp_path / "b", recorder=recorder, resume=kept(recorder))[0][0].size == (64, 48)
    assert fake.kinds().count("POST /v1/flux-kontext-pro") == 1


@pytest.mark.parametrize(
    "entry", [b"{}", b'{"picture": 0, "polling_url": "https://evil.example/"}', b'{"picture": "0"}']
)
def test_a_strange_segment_costs_one_more_submission_at_most(fake: FakeBFL, tmp_path: Path, entry: bytes) -> None:
    (tmp_path / "0000.json").write_bytes(entry)
    recorder = Recorder()
    recorder.segments.append(tmp_path / "0000.json")
    made(tmp_path / "b", recorder=recorder, resume=kept(recorder))
    assert fake.kinds().count("POST /v1/flux-kontext-pro") == 1
