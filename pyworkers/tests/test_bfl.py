"""The engine of the Black Forest Labs API against a server that does everything that a service can do wrong."""

from __future__ import annotations

import base64
import io
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from apibr_worker.engines.bfl import client
from apibr_worker.engines.bfl.client import Patience, settings, takes_key, trusted
from apibr_worker.engines.bfl.engine import Engine
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
from tests.fake_bfl import KEY, FakeBFL, Reply, png
from tests.harness import Recorder, SidecarProcess, context

AT_ONCE = Patience(first=0, polls=6, tries=3, gap=0, longest_retry_after=0)
PENDING = Reply(body={"id": "t1", "status": "Pending", "progress": 0.4})


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeBFL]:
    server = FakeBFL()
    monkeypatch.setenv("APIBR_BFL_KEY", KEY)
    monkeypatch.setenv("APIBR_BFL_URL", server.url)
    # A proxy of the environment must not see what is for this machine.
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    yield server
    server.close()


def loaded(patience: Patience = AT_ONCE) -> Engine:
    engine = Engine(patience)
    engine.load(LoadRequest("bfl", "flux-kontext", "default", {}, {}))
    return engine


def made(
    out: Path,
    task: str = "image.generate",
    *,
    image: Image.Image | None = None,
    engine: Engine | None = None,
    recorder: Recorder | None = None,
    canceled: threading.Event | None = None,
    resume: Resume | None = None,
    **params: Any,
) -> tuple[list[Image.Image], RunResult]:
    out.mkdir(parents=True, exist_ok=True)
    inputs: list[InputFile] = []
    if image is not None:
        image.save(out / "in.png")
        inputs.append(InputFile("image", out / "in.png", "image/png"))
    words = {"instruction" if task == "image.edit" else "prompt": "um gato azul", "seed": 7}
    running = context(out, task, {**words, **params}, inputs, reporter=recorder, canceled=canceled, resume=resume)
    result = (engine or loaded()).run(running)
    return [Image.open(out / output.path) for output in result.outputs], result


def failed(out: Path, **options: Any) -> EngineError:
    """The error of a run; neither it nor what led to it holds the key."""
    with pytest.raises(EngineError) as raised:
        made(out, **options)
    error: BaseException | None = raised.value
    while error is not None:
        assert KEY not in f"{error} {error!r} {vars(error)}"
        error = error.__cause__ or error.__context__
    return raised.value


def test_text_to_picture(fake: FakeBFL, tmp_path: Path) -> None:
    fake.polls = [PENDING, PENDING, fake.ready()]
    recorder = Recorder()
    pictures, result = made(tmp_path, recorder=recorder)
    assert pictures[0].size == (64, 48)
    assert pictures[0].convert("RGB").getpixel((5, 5)) == (0x22, 0x66, 0xAA)
    assert result.outputs[0].metadata == {"seed": 7}
    assert result.metadata == {"model": "flux-kontext-pro", "remote": True, "cost": 4.0}
    method, path, headers, body = fake.requests[0]
    assert (method, path) == ("POST", "/v1/flux-kontext-pro")
    assert headers["x-key"] == KEY
    assert body == {"prompt": "um gato azul", "output_format": "png", "safety_tolerance": 2, "seed": 7}
    assert fake.kinds()[1:] == ["GET /v1/get_result"] * 3 + ["GET /sample/a.png"]
    assert all(request[2]["x-key"] == KEY for request in fake.requests[1:4])
    assert "x-key" not in fake.requests[4][2], "the key is not for the storage"
    assert [step for phase, step, _ in recorder.steps if phase == "sample"] == [0, 40, 40, 40, 100]
    assert recorder.previews == ["preview-0.jpg"]


def test_a_picture_goes_along(fake: FakeBFL, tmp_path: Path) -> None:
    picture = Image.fromarray(np.random.default_rng(1).integers(0, 255, (40, 60, 3), dtype=np.uint8))
    made(tmp_path, "image.edit", image=picture)
    body = fake.requests[0][3]
    assert body["prompt"] == "um gato azul"
    assert "aspect_ratio" not in body
    sent = Image.open(io.BytesIO(base64.b64decode(body["input_image"])))
    assert np.array_equal(np.asarray(sent), np.asarray(picture))


def test_a_large_or_transparent_picture_is_brought_to_what_the_model_uses(fake: FakeBFL, tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (1900, 2375, 3), dtype=np.uint8)
    made(tmp_path / "a", image=Image.fromarray(noise))
    data = base64.b64decode(fake.requests[0][3]["input_image"])
    sent = Image.open(io.BytesIO(data))
    assert sent.format == "JPEG" and len(data) < 12 << 20, "noise is the worst there is"
    assert sent.width * sent.height <= 4 << 20
    assert sent.width / sent.height == pytest.approx(1.25, abs=0.01)
    made(tmp_path / "b", image=Image.new("RGBA", (8, 8), (0, 0, 0, 0)))
    clear = Image.open(io.BytesIO(base64.b64decode(fake.requests[-3][3]["input_image"])))
    assert clear.mode == "RGB" and clear.getpixel((3, 3)) == (255, 255, 255)


@pytest.mark.parametrize(
    ("params", "ratio", "size"),
    [
        ({"width": 1024, "height": 576}, "16:9", (1024, 576)),
        ({"width": 1000, "height": 563}, "16:9", (1000, 563)),
        ({"width": 512}, "1:1", (512, 512)),
        ({"height": 900, "width": 386}, "3:7", (386, 900)),
    ],
)
def test_the_size_asked_for_is_the_size_that_comes(
    fake: FakeBFL, tmp_path: Path, params: dict[str, Any], ratio: str, size: tuple[int, int]
) -> None:
    pictures, _ = made(tmp_path, **params)
    assert fake.requests[0][3]["aspect_ratio"] == ratio
    assert pictures[0].size == size


def test_one_edge_keeps_the_shape_of_the_picture(fake: FakeBFL, tmp_path: Path) -> None:
    assert made(tmp_path, image=Image.new("RGB", (80, 40)), width=600)[0][0].size == (600, 300)


def test_a_shape_that_is_too_long_is_refused_before_anything_is_sent(fake: FakeBFL, tmp_path: Path) -> None:
    error = failed(tmp_path, width=2048, height=512)
    assert isinstance(error, InvalidInputError) and error.field == "width" and "21/9" in str(error)
    assert fake.requests == []


def test_several_pictures_are_several_tasks_with_the_next_seeds(fake: FakeBFL, tmp_path: Path) -> None:
    fake.samples = [Reply(body=png(colour=colour)) for colour in ("red", "lime", "blue")]
    recorder = Recorder()
    pictures, result = made(tmp_path, num_images=3, seed=(1 << 31) - 2, recorder=recorder)
    assert [picture.convert("RGB").getpixel((0, 0)) for picture in pictures] == [(255, 0, 0), (0, 255, 0), (0, 0, 255)]
    assert [request[3]["seed"] for request in fake.requests if request[0] == "POST"] == [
        (1 << 31) - 2,
        (1 << 31) - 1,
        0,
    ]
    assert [output.metadata["seed"] for output in result.outputs] == [(1 << 31) - 2, (1 << 31) - 1, 1 << 31]
    assert result.metadata["cost"] == 12.0
    assert ("sample", 300, 300) in recorder.steps


def test_the_model_is_a_setting(fake: FakeBFL, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APIBR_BFL_MODEL", "flux-kontext-max")
    assert made(tmp_path)[1].metadata["model"] == "flux-kontext-max"
    assert fake.requests[0][1] == "/v1/flux-kontext-max"


# ---- refusals


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
def test_what_passes_is_tried_again(fake: FakeBFL, tmp_path: Path, status: int) -> None:
    trouble = Reply(status, b"<html>busy</html>", {"retry-after": "1"})
    fake.submits = [trouble, trouble, *fake.submits]
    fake.polls = [trouble, PENDING, trouble, trouble, *fake.polls]
    fake.samples = [trouble, *fake.samples]
    assert made(tmp_path)[0][0].size == (64, 48)
    assert fake.kinds().count("POST /v1/flux-kontext-pro") == 3
    assert fake.kinds().count("GET /v1/get_result") == 5
    assert fake.kinds().count("GET /sample/a.png") == 2


def test_the_time_to_wait_is_the_service_s_own(fake: FakeBFL, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
def test_a_request_that_is_not_taken(fake: FakeBFL, tmp_path: Path, status: int) -> None:
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
def test_moderation(fake: FakeBFL, tmp_path: Path, task: str, status: str, words: str) -> None:
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
def test_polls_that_end_badly(fake: FakeBFL, tmp_path: Path, poll: Reply, words: str) -> None:
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


# ---- a job that is started again


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


# ---- downloads


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
def test_a_picture_that_leads_astray(fake: FakeBFL, tmp_path: Path, location: str, words: str) -> None:
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
def test_what_comes_must_be_a_picture(fake: FakeBFL, tmp_path: Path, body: bytes, words: str) -> None:
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


# ---- the network


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


def test_nobody_there(fake: FakeBFL, tmp_path: Path) -> None:
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


# ---- settings


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
def test_settings_that_cannot_be(environment: dict[str, str], words: str) -> None:
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


def test_a_run_before_the_load(fake: FakeBFL, tmp_path: Path) -> None:
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
