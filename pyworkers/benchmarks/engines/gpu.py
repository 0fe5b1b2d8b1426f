"""On a card capped at 12 GB of memory: peak, step time compared with the bf16 pipeline, and what streaming costs."""

from __future__ import annotations

import gc
import statistics
import time
from pathlib import Path
from typing import Any

import torch

from benchmarks.engines import child, full_size, ram
from benchmarks.engines.report import GB, MB, Table

CAP = 12e9
STEPS = 4
LATENTS = {"flux": (64, 64, 512), "sd35": (128, 128, 333)}
"""The transformer's input for a picture of 1024 x 1024: FLUX packs its latents two by two."""
_COLUMNS = ("model", "way", "step s", "over all resident", "peak MB", "staged GB a step", "GB/s of the bus")
_HOW = (
    f"Random weights at full size, {STEPS} steps of 1024 x 1024 after one uncounted, the median step; peak by "
    f"torch.cuda.max_memory_allocated, memory capped at {CAP / GB:.0f} GB by set_per_process_memory_fraction. "
    "bf16 pipeline: "
    "diffusers' own transformer with all weights on the card and torch's attention, without the cap, where the "
    "card holds it. "
    "SD 3.5 computes both halves of the guidance as a batch of two. Text is encoded on the CPU and is in no row."
)


def measure(work: Path, models: list[str]) -> list[Table]:
    """The tables; one line that says so where there is no GPU."""
    if not torch.cuda.is_available():
        print("no GPU: not run (peak, step time and streaming cost on a card)\n", flush=True)
        return []
    table = Table(f"On {torch.cuda.get_device_name()}, capped at {CAP / GB:.0f} GB", _HOW, _COLUMNS)
    for model in models:
        full_size.write(work, model, encoders=False)
        rows = [child.run("gpu:one", work=str(work), model=model, resident=resident) for resident in (None, 0.5, 0.0)]
        for way, row in zip(("all resident", "half streamed", "all streamed"), rows, strict=True):
            ratio = row["step"] / rows[0]["step"]
            rate = row["staged"] / GB / row["step"] if row["staged"] else None
            table.rows.append(
                (model, way, row["step"], f"{ratio:.2f}", round(row["peak"] / MB), row["staged"] / GB, rate)
            )
        plain = child.run("gpu:bf16", model=model)
        table.rows.append(
            (
                model,
                "bf16 pipeline",
                plain["step"],
                None,
                round(plain["peak"] / MB) if plain["peak"] else None,
                None,
                None,
            )
        )
        decode = child.run("gpu:decode", work=str(work), model=model)
        table.rows.append(
            (model, "VAE decode, tiles of 512", decode["step"], None, round(decode["peak"] / MB), None, None)
        )
    return [table]


def one(work: str, model: str, resident: float | None, device: str = "cuda") -> dict[str, float]:
    """Steps with a share of the blocks resident (None: all). device: cpu runs the same code, for trying it."""
    from apibr_worker.torchkit.stream import places  # heavy, and the parent needs it not

    engine = _engine(work, model, device)
    blocks = engine.blocks(engine.transformer)
    kept = len(blocks) if resident is None else int(len(blocks) * resident)
    staged = sum(place.host.nbytes for block in blocks[kept:] for place in places(block)[0])
    engine.place = _with(engine.place, kept)
    return {**_steps(model, engine, blocks), "staged": float(staged)}


def _engine(work: str, model: str, device: str) -> Any:
    files = full_size.write(Path(work), model, encoders=False)
    if device == "cuda":
        total = torch.cuda.get_device_properties(0).total_memory
        torch.cuda.set_per_process_memory_fraction(min(1.0, CAP / total))
    kind = {"cuda": "hip:0" if torch.version.hip else "cuda:0"}.get(device, device)
    return ram.loaded(model, files, {"device": kind})


def _with(place: Any, resident: int) -> Any:
    import dataclasses

    return dataclasses.replace(place, resident_blocks=resident)


def _given(model: str, config: Any, device: torch.device, dtype: torch.dtype) -> dict[str, torch.Tensor]:
    given = ram.inputs(model, config, *LATENTS[model], dtype)
    if model == "sd35":
        given = {name: value.repeat_interleave(2, 0) for name, value in given.items()}
    return {name: value.to(device) for name, value in given.items()}


def _steps(model: str, engine: Any, blocks: list[Any]) -> dict[str, float]:
    from apibr_worker.diffusion.sampling import sample

    given = _given(model, engine.transformer.config, engine.place.device, engine.place.dtype)
    times: list[float] = []

    def run(_: Any) -> torch.Tensor:
        made = torch.empty(0)
        for _step in range(STEPS + 1):
            begin = _now(engine.place.device)
            made = engine.transformer(**given, return_dict=False)[0]
            times.append(_now(engine.place.device) - begin)
        return made

    _reset(engine.place.device)
    made, _ = sample(ram.context(Path()), engine.transformer, blocks, engine.place, run)
    assert torch.isfinite(made).all()
    return {"step": statistics.median(times[1:]), "peak": _peak(engine.place.device)}


def bf16(model: str, device: str = "cuda") -> dict[str, float | None]:
    """diffusers' own transformer, random in bfloat16; None where the card does not hold it."""
    target, times = torch.device(device), list[float]()
    try:
        torch.set_default_dtype(torch.bfloat16)
        with torch.device("meta"):
            transformer: Any = full_size.MODELS[model].build()
        transformer.to_empty(device=target)
        for tensor in [*transformer.parameters(), *transformer.buffers()]:
            tensor.data.normal_(0, 0.02)
        torch.set_default_dtype(torch.float32)
        given = _given(model, transformer.config, target, torch.bfloat16)
        _reset(target)
        with torch.no_grad():
            for _ in range(STEPS + 1):
                begin = _now(target)
                transformer(**given, return_dict=False)
                times.append(_now(target) - begin)
    except torch.OutOfMemoryError:
        return {"step": None, "peak": None}
    return {"step": statistics.median(times[1:]), "peak": _peak(target)}


def decode(work: str, model: str, device: str = "cuda") -> dict[str, float]:
    """One picture of 1024 x 1024 from latents, the second time."""
    engine = _engine(work, model, device)
    latents, times = torch.randn(1, 16, 128, 128), list[float]()
    for _ in range(2):
        _reset(engine.place.device)
        begin = _now(engine.place.device)
        engine.vae.decode(latents)
        times.append(_now(engine.place.device) - begin)
    return {"step": times[1], "peak": _peak(engine.place.device)}


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def _reset(device: torch.device) -> None:
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)


def _peak(device: torch.device) -> float:
    return float(torch.cuda.max_memory_allocated(device)) if device.type == "cuda" else 0.0
