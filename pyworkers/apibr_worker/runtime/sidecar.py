"""The sidecar's main loop: turns frames into calls of the engine and the engine's reports into frames.

Three threads: the main thread computes, one reads frames (so that cancel is seen while the model computes) and one
beats each second (so that a busy process and a dead one differ).
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import logging
import os
import platform
import queue
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import yaml

from apibr_worker import __version__
from apibr_worker.runtime import machine
from apibr_worker.runtime.api import Context, Engine, EngineError, InputFile, LoadRequest, Output, Resume
from apibr_worker.runtime.child import interrupted
from apibr_worker.runtime.frames import FrameError, FrameWriter, Streams, read_frame
from apibr_worker.runtime.sentences import Sentence, say

PROTOCOL = 1
_HEARTBEAT_SECONDS = 1.0
_METHOD_NOT_FOUND, _INVALID_REQUEST, _PARSE_ERROR, _ENGINE_ERROR = -32601, -32600, -32700, -32000
_HASH_CHUNK = 1 << 20
_Parsed = TypeVar("_Parsed")


def main(streams: Streams) -> None:
    """Runs until the supervisor closes the stream or asks for shutdown."""
    parser = argparse.ArgumentParser(prog="apibr_worker")
    parser.add_argument("--engine", required=True)
    engine_id: str = parser.parse_args().engine
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    manifest = find_manifest(engine_id)
    Sidecar(manifest, make_engine(manifest), streams).serve()


def find_manifest(engine_id: str) -> dict[str, Any]:
    """Reads the manifest with that id from the engines' folders. Ends the process when there is none."""
    for path in sorted((Path(__file__).parents[1] / "engines").glob("*/manifest.yaml")):
        manifest = yaml.safe_load(path.read_text(encoding="utf-8"))
        if manifest["id"] == engine_id:
            return manifest
    raise SystemExit(f"no engine has the id {engine_id}")


def make_engine(manifest: dict[str, Any]) -> Engine:
    """Imports a manifest's engine. Heavy imports happen here, before hello: a spare process waits with them done."""
    return importlib.import_module(manifest["module"]).Engine()


class Sidecar:
    """One process, one engine, one load or run at a time."""

    def __init__(self, manifest: dict[str, Any], engine: Engine, streams: Streams) -> None:
        self._id: str = manifest["id"]
        self._tasks: set[str] = set(manifest["tasks"])
        self._engine = engine
        self._incoming = streams.incoming
        self._writer = FrameWriter(streams.outgoing)
        self._work: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._busy = threading.Event()
        self._loaded = False
        self._flag_lock = threading.Lock()
        self._flags: dict[str, threading.Event] = {}
        """The cancel flag of the run in flight, by job. Set by the reader's thread, read by the engine."""
        self._context: Context | None = None
        self._steps = 0

    def serve(self) -> None:
        """Says hello and works off requests; the process ends from the reader's thread."""
        torch = sys.modules.get("torch")
        self._notify(
            "hello",
            protocol=PROTOCOL,
            worker=__version__,
            engines=[self._id],
            python=platform.python_version(),
            torch=getattr(torch, "__version__", None),
            device=machine.kind(),
            pid=os.getpid(),
        )
        threading.Thread(target=self._beat, name="heartbeat", daemon=True).start()
        threading.Thread(target=self._read, name="frames", daemon=True).start()
        while True:
            self._handle(self._work.get())

    # ---- the reader's thread

    def _read(self) -> None:
        while True:
            try:
                frame = read_frame(self._incoming)
            except FrameError as error:
                self._answer_error(None, _PARSE_ERROR, str(error))
                continue
            if frame is None:
                os._exit(0)  # the supervisor is gone: nobody reads the results
            self._take(frame)

    def _take(self, frame: dict[str, Any]) -> None:
        """Answers simple requests at once and queues the others. No content of a frame may end this thread."""
        method, request_id = frame.get("method"), frame.get("id")
        params = frame.get("params")
        if params is None:
            params = {}
        if not isinstance(params, dict):
            self._answer_error(request_id, _INVALID_REQUEST, "params must be an object")
        elif method == "cancel":
            self._cancel(str(params.get("job")))
        elif request_id is None:
            logging.getLogger("apibr_worker").info("unknown notification %r", method)
        elif method == "ping":
            self._writer.send({"id": request_id, "result": {}})
        elif method == "shutdown":
            self._writer.send({"id": request_id, "result": {}})
            os._exit(0)
        elif method in ("load", "run", "unload"):
            self._accept(str(method), request_id, params)
        else:
            self._answer_error(request_id, _METHOD_NOT_FOUND, f"unknown method {str(method)[:80]!r}")

    def _accept(self, method: str, request_id: Any, params: dict[str, Any]) -> None:
        if self._busy.is_set():
            self._answer_error(request_id, _INVALID_REQUEST, f"{method} while another request is in flight")
            return
        if method == "run":
            # Made here and not by the main thread: a cancel may be the very next frame. A cancel after the end of its
            # run finds no flag, so that it does not cancel a later run of the same job.
            with self._flag_lock:
                self._flags = {str(params.get("job")): threading.Event()}
        self._busy.set()
        self._work.put({"id": request_id, "method": method, "params": params})

    def _cancel(self, job: str) -> None:
        with self._flag_lock:
            flag = self._flags.get(job)
        if flag is not None:
            flag.set()

    # ---- the heartbeat's thread

    def _beat(self) -> None:
        while True:
            context = self._context
            self._notify(
                "heartbeat",
                vram_bytes=machine.vram_bytes(),
                ram_bytes=machine.private_bytes(),
                phase=context.phase_name if context else None,
                steps=self._steps,
            )
            time.sleep(_HEARTBEAT_SECONDS)

    # ---- the main thread

    def _handle(self, frame: dict[str, Any]) -> None:
        try:
            answer: dict[str, Any] = {"result": self._call(frame["method"], frame["params"])}
        except EngineError as error:
            answer = self._engine_error(error)
        except Exception as error:
            traceback.print_exc()
            answer = self._engine_error(machine.fault(error) or self._unforeseen(error))
        unsendable = self._engine_error(
            EngineError("internal", say("the engine's answer is too large for the studio: send a smaller request"))
        )
        with self._flag_lock:
            self._flags = {}
        self._context = None
        self._busy.clear()  # before the answer: the next request may follow it at once
        try:
            self._writer.send({"id": frame["id"], **answer})
        except FrameError as error:
            logging.getLogger("apibr_worker").error("%s", error)
            self._writer.send({"id": frame["id"], **unsendable})

    def _call(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        if method == "load":
            return self._load(params)
        if method == "run":
            return self._run(params)
        self._engine.unload()
        self._loaded = False
        return {}

    def _load(self, params: dict[str, Any]) -> dict[str, Any]:
        begin = time.monotonic()
        request = _parsed(_load_request, params)
        if request.engine != self._id:
            raise EngineError(
                "protocol_error",
                say("this process holds the engine %s, not %s: restart the studio", self._id, request.engine),
            )
        self._engine.load(request)
        self._loaded = True
        return {
            "vram_bytes": machine.vram_bytes(),
            "ram_bytes": machine.private_bytes(),
            "seconds": time.monotonic() - begin,
        }

    def _run(self, params: dict[str, Any]) -> dict[str, Any]:
        if not self._loaded:
            raise EngineError("protocol_error", say("no model is loaded: try again"))
        self._steps = 0
        context = self._context = _parsed(self._make_context, params)
        if context.task not in self._tasks:
            raise EngineError("invalid_input", say("the engine %s does not do %s", self._id, context.task))
        context.check_cancel()
        result = self._engine.run(context)
        metadata = dict(result.metadata)
        if result.warnings:
            metadata["warnings"] = [
                {"code": item.code, "message": str(item.message), "say": item.message.frame()}
                for item in result.warnings
            ]
        return {
            "outputs": [_described(context.out_dir, output) for output in result.outputs],
            "seed": context.seed,
            "timings": context.timings,
            "metadata": metadata,
        }

    def _make_context(self, params: dict[str, Any]) -> Context:
        job, out_dir = str(params["job"]), Path(params["out_dir"])
        with self._flag_lock:
            canceled = self._flags[job]
        return Context(
            task=str(params["task"]),
            params=dict(params.get("params") or {}),
            inputs=[
                InputFile(item["name"], Path(item["path"]), item["mime"], item.get("metadata") or {})
                for item in params.get("inputs") or []
            ],
            out_dir=out_dir,
            resume=_resume(params.get("resume_from")),
            reporter=_FrameReporter(self, job, out_dir),
            canceled=canceled,
            plan=params.get("plan"),
        )

    def _phase(self) -> str | None:
        return self._context.phase_name if self._context else None

    def _unforeseen(self, error: Exception) -> EngineError:
        if interrupted(error):
            return EngineError(
                "interrupted",
                say(
                    "a program that the engine needs was ended from outside or could not be started: "
                    "close other programs and try again"
                ),
            )
        kind, phase = type(error).__name__, self._phase()
        if phase is None:
            return EngineError(
                "internal", say("the engine failed (%s): try again; the studio's log holds the reason", kind)
            )
        return EngineError(
            "internal",
            say("the engine failed in phase %s (%s): try again; the studio's log holds the reason", phase, kind),
        )

    def _engine_error(self, error: EngineError) -> dict[str, Any]:
        data = {"code": error.code, "phase": self._phase(), "field": error.field, "say": error.message.frame()}
        return {"error": {"code": _ENGINE_ERROR, "message": str(error.message), "data": data}}

    def _answer_error(self, request_id: Any, code: int, message: str) -> None:
        self._writer.send({"id": request_id, "error": {"code": code, "message": message}})

    def _notify(self, method: str, **params: Any) -> None:
        self._writer.send({"method": method, "params": params})

    def count_step(self) -> None:
        """Counts a step for the heartbeat: a phase is seen to advance even if a progress frame is dropped."""
        self._steps += 1


class _FrameReporter:
    """Sends a context's reports as frames."""

    def __init__(self, sidecar: Sidecar, job: str, out_dir: Path) -> None:
        self._sidecar = sidecar
        self._job = job
        self._out_dir = out_dir

    def progress(self, phase: str, step: int, total: int | None, message: Sentence | None, preview: str | None) -> None:
        self._sidecar.count_step()
        said = {"message": str(message), "say": message.frame()} if message else {"message": None}
        self._sidecar._notify("progress", job=self._job, phase=phase, step=step, total=total, preview=preview, **said)

    def segment(self, index: int, path: Path, mime: str) -> None:
        file = _file(self._out_dir, path.relative_to(self._out_dir).as_posix(), mime)
        self._sidecar._notify("segment", job=self._job, index=index, file=file)


def _load_request(params: dict[str, Any]) -> LoadRequest:
    return LoadRequest(
        engine=str(params["engine"]),
        model=str(params["model"]),
        variant=str(params.get("variant") or "default"),
        files=dict(params.get("files") or {}),
        plan=dict(params.get("plan") or {}),
    )


def _parsed(parse: Callable[[dict[str, Any]], _Parsed], params: dict[str, Any]) -> _Parsed:
    """Turns params into what the engine takes. A wrong shape is the supervisor's fault, not the engine's."""
    try:
        return parse(params)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        logging.getLogger("apibr_worker").error("the frame's params have the wrong shape: %r", error)
        raise EngineError(
            "protocol_error", say("the engine does not understand the studio's request: restart the studio")
        ) from None


def _resume(params: dict[str, Any] | None) -> Resume | None:
    if params is None:
        return None
    segments = sorted(params["segments"], key=lambda item: item["index"])
    return Resume(int(params["index"]), [Path(item["path"]) for item in segments])


def _described(out_dir: Path, output: Output) -> dict[str, Any]:
    described = {"name": output.name, **_file(out_dir, output.path, output.mime)}
    if output.metadata:
        described["metadata"] = output.metadata
    return described


def _file(out_dir: Path, relative: str, mime: str) -> dict[str, Any]:
    path = out_dir / relative
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as stream:
        while chunk := stream.read(_HASH_CHUNK):
            digest.update(chunk)
            size += len(chunk)
    return {"path": relative, "mime": mime, "size": size, "sha256": digest.hexdigest()}
