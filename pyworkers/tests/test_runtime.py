"""The protocol, spoken with real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

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
        "from apibr_worker.frames import take_over_standard_streams\n"
        "streams = take_over_standard_streams()\n"
        "print('noise from a library', flush=True); os.system('echo noise from a subprocess')\n"
        "sys.argv = ['apibr_worker', '--engine', 'draft-speech']\n"
        "from apibr_worker.runtime import main\nmain(streams)\n"
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
    import select

    readable, _, _ = select.select([child], [], [], PATIENCE)
    os.close(child)
    assert readable, "the program outlived its sidecar"


@pytest.mark.parametrize("engine", ["draft-voice"])
def test_clone_through_the_process(tmp_path: Path, engine: str) -> None:
    with SidecarProcess(engine) as sidecar:
        load(sidecar, engine)
        sample = {"name": "sample", "path": str(SAMPLES / "voice.wav"), "mime": "audio/wav", "size": 1, "sha256": "x"}
        request = {"job": "j", "fence": 1, "task": "audio.clone_voice", "params": {"seed": 1}, "inputs": [sample]}
        result = sidecar.call("run", {**request, "out_dir": str(tmp_path)})["result"]
        assert result["metadata"]["sample_seconds"] == pytest.approx(19.5, abs=0.1)
        assert "warnings" not in result["metadata"]
