"""Loads and swaps by phase: what it takes until a model can run, and until another one can."""

from __future__ import annotations

import ctypes
import gc
import mmap
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from benchmarks.engines import child, full_size, overhead, ram
from benchmarks.engines.memory import rollup
from benchmarks.engines.report import GB, MB, Table, seconds

ORDER = ("flux", "sd35")


def measure(work: Path, repeats: int, *, full: bool) -> list[Table]:
    """Start of the process, swaps of tiny and full-size models, and how fast weights come from the disk."""
    tables = [
        _start(repeats),
        _swaps("tiny models", child.run("loads:swap", work=str(work), full=False, repeats=repeats)),
    ]
    if full:
        for name in ORDER:
            full_size.write(work, name, encoders=False)
        tables.append(_swaps("full-size files", child.run("loads:swap", work=str(work), full=True, repeats=repeats)))
        tables.append(_passes(child.run("loads:passes", work=str(work))))
    return tables


def _start(repeats: int) -> Table:
    table = Table(
        "Start of a sidecar",
        f"Seconds from exec to the hello frame, median of {repeats}: the interpreter, torch, diffusers and the "
        "engine's "
        "module. A spare process has done this before it is needed.",
        ("engine", "seconds"),
    )
    for name in ORDER:
        table.rows.append((name, statistics.median(_hello(name) for _ in range(repeats))))
    return table


def _hello(engine: str) -> float:
    begin = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "apibr_worker", "--engine", engine],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=child.ROOT,
    )
    assert process.stdin and process.stdout  # pipes
    process.stdout.readline()
    took = time.perf_counter() - begin
    process.stdin.close()
    process.wait()
    return took


def _swaps(title: str, found: list[dict[str, Any]]) -> Table:
    table = Table(
        f"Load, first work and swap of {title}, in one process",
        "Medians over the rounds: FLUX loaded, one block computed, unloaded, then SD 3.5 the same, and again. "
        "Load opens the "
        "files, checks them and makes the VAE float32; the transformer's weights stay where they are until they "
        "are used. "
        "Anonymous memory by smaps_rollup.",
        (
            "model",
            "load s",
            "first block s",
            "unload s",
            "swap (unload + load of the other) s",
            "anonymous loaded MB",
            "after unload MB",
            "after the first and the last round MB",
        ),
    )
    by_name = {name: [row for row in found if row["model"] == name] for name in ORDER}
    for name, rows in by_name.items():
        other = by_name[ORDER[1 - ORDER.index(name)]]
        middle = {
            key: statistics.median(row[key] for row in rows) for key in ("load", "first", "unload", "loaded", "left")
        }
        swap = middle["unload"] + statistics.median(row["load"] for row in other)
        table.rows.append(
            (
                name,
                middle["load"],
                middle["first"],
                middle["unload"],
                swap,
                round(middle["loaded"] / MB),
                round(middle["left"] / MB),
                f"{rows[0]['left'] / MB:.0f}, {rows[-1]['left'] / MB:.0f}",
            )
        )
    return table


def swap(work: str, full: bool, repeats: int) -> list[dict[str, Any]]:
    """Two models in turns."""
    from apibr_worker.runtime.api import LoadRequest  # heavy, and the parent needs it not

    found: list[dict[str, Any]] = []
    engines = {name: ram.engine_class(name)() for name in ORDER}
    for _ in range(repeats):
        for name, engine in engines.items():
            model = full_size.MODELS[name]
            files = full_size.write(Path(work), name, encoders=False) if full else _tiny(Path(work), name)
            request = LoadRequest(name, model.model, model.variant, files, {"device": "cpu"})
            row: dict[str, Any] = {
                "model": name,
                "load": seconds(lambda engine=engine, request=request: engine.load(request)),
            }
            row["first"] = seconds(lambda engine=engine, name=name: _first_block(name, engine))
            row["loaded"] = rollup()[0]
            row["unload"] = seconds(engine.unload)
            gc.collect()
            row["left"] = rollup()[0]
            found.append(row)
    return found


def _tiny(work: Path, name: str) -> dict[str, str]:
    model = full_size.MODELS[name]
    return overhead.files(overhead.tiny(work / "tiny", name), model.model, model.variant)


def _first_block(name: str, engine: Any) -> None:
    """The first block with 64 tokens: its weights are read and decoded."""
    config = engine.transformer.config
    width = config.num_attention_heads * config.attention_head_dim
    given: dict[str, Any] = {
        "hidden_states": torch.randn(1, 48, width),
        "encoder_hidden_states": torch.randn(1, 16, width),
        "temb": torch.randn(1, width),
    }
    if name == "flux":
        angles = torch.rand(64, config.attention_head_dim)
        given["image_rotary_emb"] = (angles.cos(), angles.sin())
    with torch.no_grad():
        engine.transformer.transformer_blocks[0](**given)


def _passes(found: list[dict[str, Any]]) -> Table:
    table = Table(
        "All blocks through the streamer's buffers, nothing computed",
        "What a pass over streamed blocks costs at the least: file pages to staging memory (pinned, on a card) "
        "and on to the "
        "buffer, here both in RAM and in one thread. Cold: the file's pages were given back to the kernel "
        "(fadvise) first, so "
        "that they come from the disk; the kernel may decline. Limit: bytes over the disk's, or the memory's, "
        "bandwidth.",
        ("model", "GB", "cold s", "cold GB/s", "warm s", "warm GB/s", "memcpy GB/s"),
    )
    for row in found:
        size = row["bytes"] / GB
        table.rows.append(
            (row["model"], size, row["cold"], size / row["cold"], row["warm"], size / row["warm"], row["memcpy"] / GB)
        )
    return table


def passes(work: str) -> list[dict[str, Any]]:
    """Each model's blocks streamed once from the disk and once from the page cache."""
    from apibr_worker.torchkit.stream import BlockStreamer, places

    source = torch.ones(64 << 20)
    memcpy = source.nbytes / min(seconds(source.clone) for _ in range(3))
    found: list[dict[str, Any]] = []
    for name in ORDER:
        files = full_size.write(Path(work), name, encoders=False)
        engine = ram.loaded(name, files, {})
        blocks = engine.blocks(engine.transformer)
        size = sum(place.host.nbytes for block in blocks for place in places(block)[0])
        for block in blocks:
            block.forward = _nothing  # the hooks around it are what is measured
        with BlockStreamer(engine.transformer, blocks, torch.device("cpu"), resident=0).entered():
            run = _all(blocks)
            run()  # the first pass pays for the buffers themselves
            _unmap_pages(Path(files["transformer"]))
            _forget(Path(files["transformer"]))
            row = {"model": name, "bytes": size, "cold": seconds(run), "warm": seconds(run), "memcpy": memcpy}
        found.append(row)
        engine.unload()
    return found


def _nothing(*_: Any, **__: Any) -> None:
    return None


def _all(blocks: list[Any]) -> Callable[[], None]:
    def run() -> None:
        for block in blocks:
            block()

    return run


def _unmap_pages(path: Path) -> None:
    """Takes a mapped file's pages out of this process, as memory pressure would: one in use cannot leave the cache."""
    libc = ctypes.CDLL(None, use_errno=True)
    for line in Path("/proc/self/maps").read_text().splitlines():
        if line.endswith(f" {path}"):
            begin, _, end = line.split()[0].partition("-")
            start, stop = int(begin, 16), int(end, 16)
            libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(stop - start), mmap.MADV_DONTNEED)


def _forget(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
