"""What a run through the sidecar costs over a script that calls the plain pipeline of diffusers on the same files."""

from __future__ import annotations

import importlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import yaml

from benchmarks.engines import child
from benchmarks.engines.report import Table, seconds

WRITERS = {"flux": "flux-dev", "sd35": "sd3.5-large"}
PROMPT = "a praia, céu azul"
STEPS, SIZE = 4, {"width": 128, "height": 128}


def measure(work: Path, repeats: int) -> Table:
    """Both models; plain and sidecar take turns, so that what else the machine does hits both."""
    table = Table(
        f"A run of {STEPS} steps, {SIZE['width']} x {SIZE['height']}, tiny models, float32 on the CPU",
        f"Median of {repeats}, taking turns, after one uncounted each. Plain: a script's pipe(...) and a PNG "
        "written, the pipeline "
        "loaded before. Engine: Engine.run of the sidecar's own code, called directly. Sidecar: a run frame to "
        "its answer "
        "over the pipe, in another process; the answer includes the file's checksum. A new prompt is encoded by "
        "encoders "
        "that are opened for it and freed after it; a known one comes from the cache on disk.",
        ("model", "prompt", "plain s", "engine s", "sidecar s", "engine over plain", "sidecar over plain"),
    )
    for name, model in WRITERS.items():
        folder = tiny(work, name)
        found = child.run("overhead:one", folder=str(folder), name=name, model=model, repeats=repeats)
        for prompt, times in found.items():
            plain, engine, sidecar = times["plain"], times["engine"], times["sidecar"]
            table.rows.append((name, prompt, plain, engine, sidecar, _more(engine, plain), _more(sidecar, plain)))
    table.notes = [
        "Previews (6 for a run, decoded on the CPU by the VAE) are in the engine's and the sidecar's times, not "
        "in plain's. "
        "The tiny transformer takes milliseconds a step: what is constant here vanishes beside the seconds of a "
        "real one."
    ]
    return table


def _more(time: float, plain: float) -> str:
    return f"{(time - plain) * 1e3:+.0f} ms, {time / plain - 1:+.0%}"


def tiny(work: Path, name: str) -> Path:
    """The folder of a tiny model, written if it is missing."""
    folder = work / name
    if not folder.exists():
        folder.mkdir(parents=True)
        importlib.import_module(f"tiny_checkpoints.{name}").write(folder)
    return folder


def files(folder: Path, model: str, variant: str) -> dict[str, str]:
    """A tiny model's files by part."""
    described = yaml.safe_load((folder / model / "model.yaml").read_text(encoding="utf-8"))
    return {part: str(folder / model / path) for part, path in described["variants"][variant].items()}


def one(folder: str, name: str, model: str, repeats: int) -> dict[str, dict[str, float]]:
    """Seconds by prompt (new, known) and way."""
    given = files(Path(folder), model, "bf16")
    plain = _plain(name, given)
    found: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["APIBR_CACHE_DIR"] = f"{scratch}/engine"
        engine = _engine(name, model, given, Path(scratch))
        with Sidecar(name, f"{scratch}/sidecar") as sidecar:
            sidecar.call(
                "load", {"engine": name, "model": model, "variant": "bf16", "files": given, "plan": {"device": "cpu"}}
            )
            ways: dict[str, Callable[[str], None]] = {
                "plain": lambda prompt: plain(prompt, Path(scratch) / "plain.png"),
                "engine": engine,
                "sidecar": lambda prompt: sidecar.run(prompt, Path(scratch)),
            }
            for kind in ("new", "known"):
                times: dict[str, list[float]] = {way: [] for way in ways}
                for turn in range(repeats + 1):
                    prompt = PROMPT if kind == "known" else f"{PROMPT} {turn}"
                    for way, work in ways.items():
                        times[way].append(seconds(lambda work=work, prompt=prompt: work(prompt)))
                found[kind] = {way: statistics.median(list_[1:]) for way, list_ in times.items()}
    return found


def _plain(name: str, given: dict[str, str]) -> Callable[[str, Path], None]:
    """What a script does: the pipeline with the transformer of the same folder, all of it in memory."""
    diffusers = importlib.import_module("diffusers")
    pipeline, transformer = {
        "flux": ("FluxPipeline", "FluxTransformer2DModel"),
        "sd35": ("StableDiffusion3Pipeline", "SD3Transformer2DModel"),
    }[name]
    weights = getattr(diffusers, transformer).from_pretrained(given["transformer"])
    pipe = getattr(diffusers, pipeline).from_pretrained(given["base"], transformer=weights, local_files_only=True)
    pipe.set_progress_bar_config(disable=True)

    def run(prompt: str, target: Path) -> None:
        generator = torch.Generator("cpu").manual_seed(7)
        made = pipe(prompt, **SIZE, num_inference_steps=STEPS, guidance_scale=3.5, generator=generator)
        made.images[0].save(target)

    return run


def _parameters(prompt: str) -> dict[str, Any]:
    return {"prompt": prompt, **SIZE, "num_inference_steps": STEPS, "guidance_scale": 3.5, "seed": 7}


def _engine(name: str, model: str, given: dict[str, str], scratch: Path) -> Callable[[str], None]:
    from apibr_worker.runtime.api import LoadRequest  # the plain script of another child needs none of it
    from benchmarks.engines.ram import context, engine_class

    engine = engine_class(name)()
    engine.load(LoadRequest(name, model, "bf16", given, {"device": "cpu"}))
    (scratch / "out").mkdir()
    return lambda prompt: engine.run(context(scratch / "out", **_parameters(prompt)))


class Sidecar:
    """A sidecar as its supervisor has it: a process at the other end of a frame stream."""

    def __init__(self, engine: str, cache: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "apibr_worker", "--engine", engine],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=child.ROOT,
            env={**os.environ, "APIBR_CACHE_DIR": cache},
        )
        self._next = 0

    def call(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        """Sends a request and waits for its answer. Raises SystemExit when it is an error or the process ends."""
        assert self._process.stdin and self._process.stdout  # pipes
        self._next += 1
        frame = {"jsonrpc": "2.0", "id": self._next, "method": method, "params": params}
        self._process.stdin.write(json.dumps(frame).encode() + b"\n")
        self._process.stdin.flush()
        for line in self._process.stdout:
            answer = json.loads(line)
            if answer.get("id") == self._next:
                if "error" in answer:
                    raise SystemExit(f"the sidecar refused {method}: {answer['error']['message']}")
                return answer["result"]
        raise SystemExit("the sidecar ended")

    def run(self, prompt: str, scratch: Path) -> None:
        """One run of a picture."""
        folder = scratch / f"run-{self._next}"
        folder.mkdir()
        self.call(
            "run",
            {"job": str(self._next), "task": "image.generate", "params": _parameters(prompt), "out_dir": str(folder)},
        )

    def __enter__(self) -> Sidecar:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin  # a pipe
        self._process.stdin.close()
        self._process.wait()
