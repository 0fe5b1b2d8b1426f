"""The protocol, spoken with real processes."""

from __future__ import annotations

import hashlib
import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from apibr_worker.audio.measure import VoiceMeasures
from tests.harness import PATIENCE, ROOT, SAMPLES, SidecarProcess


def load(sidecar: SidecarProcess, engine: str) -> dict[str, Any]:
    sidecar.await_frame("hello")
    return sidecar.call("load", {"engine": engine, "model": engine, "variant": "default", "files": {}, "plan": {}})


def speech_run(out: Path, text: str) -> dict[str, Any]:
    out.mkdir(exist_ok=True)
    params = {"text": text, "seed": 7}
    return {"job": "j1", "fence": 1, "task": "audio.speech", "params": params, "inputs": [], "out_dir": str(out)}


def test_hello_load_run_shutdown(tmp_path: Path) -> None:
    with SidecarProcess("draft-speech") as sidecar:
        hello = sidecar.await_frame("hello")["params"]
        assert hello["protocol"] == 1
        assert hello["engines"] == ["draft-speech"]
        assert hello["pid"] == sidecar.process.pid
        loaded = sidecar.call("load", {"engine": "draft-speech", "model": "draft-speech"})["result"]
        assert loaded["ram_bytes"] > 10 << 20
        result = sidecar.call("run", speech_run(tmp_path / "run", "Olá!"))["result"]
        assert result["seed"] == 7
        assert {"synthesize", "encode"} <= set(result["timings"])
        for output in result["outputs"]:
            assert (tmp_path / "run" / output["path"]).stat().st_size == output["size"]
        assert sidecar.call("shutdown")["result"] == {}
        assert sidecar.process.wait(timeout=PATIENCE) == 0


def test_a_printing_library_breaks_no_frame(tmp_path: Path) -> None:
    program = (
        "import os, sys, runpy\n"
        "from apibr_worker.runtime.frames import take_over_standard_streams\n"
        "streams = take_over_standard_streams()\n"
        "print('noise from a library', flush=True); os.system('echo noise from a subprocess')\n"
        "sys.argv = ['apibr_worker', '--engine', 'draft-speech']\n"
        "from apibr_worker.runtime.sidecar import main\nmain(streams)\n"
    )
    with SidecarProcess(argv=[sys.executable, "-c", program]) as sidecar:
        assert sidecar.frames.get(timeout=PATIENCE)["method"] == "hello"  # type: ignore[index]
        assert sidecar.call("load", {"engine": "draft-speech", "model": "draft-speech"})["result"]
        assert sidecar.call("run", speech_run(tmp_path / "run", "Olá!"))["result"]
        assert b"noise from a library" in sidecar.stderr
        assert b"noise from a subprocess" in sidecar.stderr


def test_unknown_method_bad_line_and_ping() -> None:
    with SidecarProcess("draft-speech") as sidecar:
        sidecar.await_frame("hello")
        assert sidecar.call("dance")["error"]["code"] == -32601
        sidecar.raw(b"{half a frame\n")
        assert sidecar.await_frame("answer")["error"]["code"] == -32700
        sidecar.raw(b'{"x":"' + b"y" * (2 << 20) + b'"}\n')
        assert sidecar.await_frame("answer")["error"]["code"] == -32700
        sidecar.send("mystery", notify=True)
        assert sidecar.call("ping")["result"] == {}


@pytest.mark.parametrize(
    "line",
    [
        b"null\n",
        b"[1]\n",
        b'"text"\n',
        b"\xff\xfe\n",
        b"{}\n",
        b"[" * 200_000 + b"\n",
        b'{"id":1}\n',
        b'{"id":1,"method":7}\n',
        b'{"id":1,"method":["run"]}\n',
        b'{"method":"cancel","params":[1,2]}\n',
        b'{"method":"cancel","params":null}\n',
        b'{"method":"cancel","params":{"job":{"a":1}}}\n',
        b'{"id":{"a":1},"method":"ping","params":"x"}\n',
        b'{"id":1,"method":"load","params":{}}\n',
        b'{"id":1,"method":"load","params":{"engine":"flux","model":"flux-dev"}}\n',
        b'{"id":1,"method":"run","params":{"job":1,"out_dir":7,"task":[]}}\n',
        b'{"id":1,"method":"run","params":{"job":"j","out_dir":"/tmp","task":"audio.speech","inputs":[{}]}}\n',
    ],
)
def test_a_bad_frame_does_not_stop_the_sidecar(line: bytes) -> None:
    with SidecarProcess("draft-speech") as sidecar:
        sidecar.await_frame("hello")
        sidecar.raw(line)
        sidecar.send("ping")
        while sidecar.await_frame("answer").get("result") != {}:
            pass


def test_out_of_turn_and_of_wrong_shape_is_a_protocol_error(tmp_path: Path) -> None:
    with SidecarProcess("draft-speech") as sidecar:
        sidecar.await_frame("hello")
        assert sidecar.call("run", speech_run(tmp_path / "a", "Olá!"))["error"]["data"]["code"] == "protocol_error"
        assert sidecar.call("load", {"model": "m"})["error"]["data"]["code"] == "protocol_error"
        sidecar.call("load", {"engine": "draft-speech", "model": "draft-speech"})
        broken = {**speech_run(tmp_path / "b", "Olá!"), "inputs": [{"name": "voice"}]}
        assert sidecar.call("run", broken)["error"]["data"]["code"] == "protocol_error"
        other = {**speech_run(tmp_path / "c", "Olá!"), "task": "image.generate"}
        assert sidecar.call("run", other)["error"]["data"]["code"] == "invalid_input"
        assert sidecar.call("run", speech_run(tmp_path / "d", "Olá!"))["result"]
        assert sidecar.call("unload")["result"] == {}
        assert sidecar.call("run", speech_run(tmp_path / "e", "Olá!"))["error"]["data"]["code"] == "protocol_error"


def with_engine(body: str) -> SidecarProcess:
    """A sidecar whose engine's run is the given lines; `context` is at hand."""
    lines = "\n".join(f"        {line}" for line in body.splitlines())
    program = (
        "from apibr_worker.runtime.frames import take_over_standard_streams\n"
        "streams = take_over_standard_streams()\n"
        "import os, time\n"
        "from apibr_worker.runtime.api import *\n"
        "from apibr_worker.runtime.sidecar import Sidecar\n"
        "class Engine:\n"
        "    def load(self, request): pass\n"
        "    def unload(self): pass\n"
        f"    def run(self, context):\n{lines}\n"
        "Sidecar({'id': 'e', 'tasks': {'t': {}}}, Engine(), streams).serve()\n"
    )
    sidecar = SidecarProcess(argv=[sys.executable, "-c", program])
    sidecar.await_frame("hello")
    sidecar.call("load", {"engine": "e", "model": "e"})
    return sidecar


def a_run(out: Path) -> dict[str, Any]:
    return {"job": "j", "fence": 1, "task": "t", "params": {"seed": 3}, "inputs": [], "out_dir": str(out)}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("raise RuntimeError('/secret/path')", "internal"),
        ("raise MemoryError", "out_of_memory"),
        ("raise OSError(24, 'Too many open files')", "interrupted"),
        ("raise OSError(2, 'No such file')", "internal"),
        ("context.child(['sh', '-c', 'kill -9 $$']).wait()", "interrupted"),
        ("context.child(['sh', '-c', 'exit 3']).wait()", "internal"),
        ("raise EngineError('device_lost', say('the device %s is gone', 'gpu'), field='x')", "device_lost"),
        ("return RunResult([], {'snr': float('nan')})", "internal"),
        ("return RunResult([], {'device': object()})", "internal"),
        ("return RunResult([], {'text': 'x' * (1 << 20)})", "internal"),
        ("return RunResult([Output('o', 'missing.wav', 'audio/wav')])", "internal"),
    ],
)
def test_an_engines_failure_is_one_answer(tmp_path: Path, body: str, code: str) -> None:
    with with_engine(f"with context.phase('p'):\n    {body}") as sidecar:
        error = sidecar.call("run", a_run(tmp_path))["error"]
        assert error["code"] == -32000
        assert error["data"]["code"] == code
        assert error["data"]["phase"] == "p"
        assert "/secret" not in error["message"]
        said = error["data"]["say"]
        assert said["key"] % tuple(said["args"]) == error["message"]
        assert sidecar.call("ping")["result"] == {}


def test_half_a_surrogate_pair_becomes_a_question_mark(tmp_path: Path) -> None:
    with with_engine("return RunResult([], {'name': 'a\\ud800b'})") as sidecar:
        assert sidecar.call("run", a_run(tmp_path))["result"]["metadata"] == {"name": "a?b"}


def test_reports_become_frames(tmp_path: Path) -> None:
    body = (
        "with context.phase('render'):\n"
        "    piece = context.out_dir / 'segments' / '0003.mp4'\n"
        "    piece.parent.mkdir()\n"
        "    piece.write_bytes(b'abc')\n"
        "    context.progress(4, 9, message=say('%d of %.1f', 4, 9.5), preview=piece)\n"
        "    context.segment(3, piece, 'video/mp4')\n"
        "resume = context.resume\n"
        "have = [p.name for p in resume.segments]\n"
        "return RunResult([], {'from': resume.index, 'have': have}, [Warning('c', say('m'))])"
    )
    with with_engine(body) as sidecar:
        pieces = [{"index": i, "path": f"/in/000{i}.mp4", "mime": "video/mp4"} for i in (1, 0, 2)]
        sidecar.send("run", {**a_run(tmp_path), "resume_from": {"index": 3, "segments": pieces}})
        assert sidecar.await_frame("progress")["params"]["step"] == 0
        step = sidecar.await_frame("progress")["params"]
        assert (step["step"], step["total"], step["message"]) == (4, 9, "4 of 9.5")
        assert step["say"] == {"key": "%d of %.1f", "args": [4, 9.5]}
        assert step["preview"] == "segments/0003.mp4"
        segment = sidecar.await_frame("segment")["params"]
        assert segment["index"] == 3
        assert segment["file"] == {
            "path": "segments/0003.mp4",
            "mime": "video/mp4",
            "size": 3,
            "sha256": hashlib.sha256(b"abc").hexdigest(),
        }
        result = sidecar.await_frame("answer")["result"]
        assert result["seed"] == 3
        assert set(result["timings"]) == {"render"}
        assert result["metadata"] == {
            "from": 3,
            "have": ["0000.mp4", "0001.mp4", "0002.mp4"],
            "warnings": [{"code": "c", "message": "m", "say": {"key": "m", "args": []}}],
        }


def test_heartbeats_tell_phase_steps_and_memory_of_a_busy_engine(tmp_path: Path) -> None:
    body = (
        "with context.phase('compute'):\n"
        "    for step in range(10**9):\n"
        "        context.progress(step)\n"
        "        time.sleep(0.01)\n"
    )
    with with_engine(body) as sidecar:
        sidecar.send("run", a_run(tmp_path))
        beats = [sidecar.await_frame("heartbeat")["params"] for _ in range(4)]
        busy = [beat for beat in beats if beat["phase"] == "compute"]
        assert len(busy) >= 2
        assert busy[-1]["steps"] > busy[0]["steps"]
        assert all(beat["ram_bytes"] > 1 << 20 for beat in beats)


def test_a_cancel_before_the_first_look_cancels_and_a_late_one_does_not(tmp_path: Path) -> None:
    with with_engine("context.check_cancel()\nreturn RunResult([])") as sidecar:
        sidecar.send("cancel", {"job": "j"}, notify=True)
        assert sidecar.call("run", a_run(tmp_path))["result"], "a cancel of a run that is not in flight means nothing"
        sidecar.send("cancel", {"job": "j"}, notify=True)
        assert sidecar.call("run", a_run(tmp_path))["result"], "a cancel that came late is not the next run's"


def test_cancel_kills_a_program_that_the_engine_waits_for(tmp_path: Path) -> None:
    body = (
        "with context.phase('encode'), context.child(['sleep', '30']) as child:\n"
        "    context.progress(1)\n"
        "    child.wait()\n"
    )
    with with_engine(body) as sidecar:
        sidecar.send("run", a_run(tmp_path))
        while sidecar.await_frame("progress")["params"]["step"] < 1:
            pass
        sidecar.send("cancel", {"job": "j"}, notify=True)
        error = sidecar.await_frame("answer")["error"]
        assert error["data"]["code"] == "canceled"
        assert error["data"]["phase"] == "encode"
        assert not children_of(sidecar.process.pid)


def children_of(pid: int) -> list[int]:
    """Processes that a process has started, by whichever of its threads."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += [int(child) for child in (task / "children").read_text().split()]
    return found


def await_end(handle: int) -> bool:
    readable, _, _ = select.select([handle], [], [], PATIENCE)
    os.close(handle)
    return bool(readable)


@pytest.mark.parametrize("end", ["SIGKILL", "SIGTERM", "stdin"])
def test_the_speech_helper_ends_with_its_sidecar(tmp_path: Path, end: str) -> None:
    with SidecarProcess("draft-speech") as sidecar:
        load(sidecar, "draft-speech")
        sidecar.send("run", speech_run(tmp_path / "run", "Uma frase. " * 1500))
        while sidecar.await_frame("progress")["params"]["step"] < 1:
            pass
        helpers = [os.pidfd_open(child) for child in children_of(sidecar.process.pid)]
        assert len(helpers) == 1
        if end == "stdin":
            assert sidecar.close() == 0
        else:
            sidecar.process.send_signal(signal.Signals[end])
            assert sidecar.process.wait(timeout=PATIENCE) == -signal.Signals[end]
        assert all(await_end(helper) for helper in helpers), "the helper outlived its sidecar"


def test_a_helper_that_dies_is_an_error_and_not_a_wrong_language(tmp_path: Path) -> None:
    with SidecarProcess("draft-speech") as sidecar:
        load(sidecar, "draft-speech")
        sidecar.send("run", speech_run(tmp_path / "run", "Uma frase. " * 1500))
        while sidecar.await_frame("progress")["params"]["step"] < 1:
            pass
        for child in children_of(sidecar.process.pid):
            os.kill(child, signal.SIGKILL)
        assert sidecar.await_frame("answer")["error"]["data"]["code"] == "interrupted"
        assert sidecar.call("run", speech_run(tmp_path / "run2", "Olá!"))["result"]


def test_two_processes_make_the_same_samples(tmp_path: Path) -> None:
    voice = tmp_path / "voice.json"
    voice.write_text(json.dumps(VoiceMeasures(120.0, 3.0, 5.0, -20.0, 2650.0).to_json()))
    made: list[list[str]] = []
    for name in ("a", "b"):
        with SidecarProcess("draft-speech") as sidecar:
            load(sidecar, "draft-speech")
            request = speech_run(tmp_path / name, "Olá! Isto é um teste, com duas frases.")
            request["inputs"] = [{"name": "voice", "path": str(voice), "mime": "application/json"}]
            result = sidecar.call("run", request)["result"]
            made.append([output["sha256"] for output in result["outputs"]])
    assert made[0] == made[1]


def test_cancel_is_seen_while_the_engine_works(tmp_path: Path) -> None:
    with SidecarProcess("draft-speech") as sidecar:
        load(sidecar, "draft-speech")
        sidecar.send("run", speech_run(tmp_path / "run", "Uma frase. " * 1500))
        frame = sidecar.await_frame("progress")
        while frame["params"]["step"] < 2:
            frame = sidecar.await_frame("progress")
        sidecar.send("cancel", {"job": "j1"}, notify=True)
        error = sidecar.await_frame("answer")["error"]
        assert error["code"] == -32000
        assert error["data"]["code"] == "canceled"
        assert error["data"]["phase"] == "synthesize"
        assert sidecar.call("run", speech_run(tmp_path / "run2", "Olá!"))["result"], "the sidecar lives on"


def test_a_second_request_is_refused_while_one_is_in_flight(tmp_path: Path) -> None:
    with SidecarProcess("draft-speech") as sidecar:
        load(sidecar, "draft-speech")
        sidecar.send("run", speech_run(tmp_path / "run", "Uma frase. " * 1500))
        sidecar.await_frame("progress")
        assert sidecar.call("run", speech_run(tmp_path / "other", "Olá!"))["error"]["code"] == -32600


def test_it_ends_when_its_supervisor_is_gone() -> None:
    with SidecarProcess("draft-speech") as sidecar:
        sidecar.await_frame("hello")
        assert sidecar.close() == 0


def test_bad_language_is_an_invalid_input(tmp_path: Path) -> None:
    with SidecarProcess("draft-speech") as sidecar:
        load(sidecar, "draft-speech")
        request = speech_run(tmp_path / "run", "Olá!")
        request["params"]["language"] = "xx-klingon"
        data = sidecar.call("run", request)["error"]["data"]
        assert data["code"] == "invalid_input"
        assert data["field"] == "language"


def test_programs_of_a_killed_sidecar_die_with_it(tmp_path: Path) -> None:
    """kill -9 of the sidecar, as the memory guard does it: what it started must not live on."""
    program = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from tests.harness import context\n"
        "child = context(Path(sys.argv[1]), 't', {}).child(['sleep', '1000'])\n"
        "print(child.process.pid, flush=True)\n"
        "time.sleep(1000)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, cwd=ROOT / "pyworkers"
    )
    assert parent.stdout
    child = os.pidfd_open(int(parent.stdout.readline()))
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    assert await_end(child), "the program outlived its sidecar"


@pytest.mark.parametrize("engine", ["draft-voice"])
def test_clone_through_the_process(tmp_path: Path, engine: str) -> None:
    with SidecarProcess(engine) as sidecar:
        load(sidecar, engine)
        sample = {"name": "sample", "path": str(SAMPLES / "voice.wav"), "mime": "audio/wav", "size": 1, "sha256": "x"}
        request = {"job": "j", "fence": 1, "task": "audio.clone_voice", "params": {"seed": 1}, "inputs": [sample]}
        result = sidecar.call("run", {**request, "out_dir": str(tmp_path)})["result"]
        assert result["metadata"]["sample_seconds"] == pytest.approx(19.5, abs=0.1)
        assert "warnings" not in result["metadata"]
