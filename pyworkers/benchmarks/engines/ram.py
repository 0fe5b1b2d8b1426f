"""Memory of each phase of a picture at full size, each in a process of its own."""

from __future__ import annotations

import threading
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from apibr_worker.runtime.sentences import Sentence
from benchmarks.engines import child, full_size
from benchmarks.engines.memory import Phase, phase
from benchmarks.engines.report import MB, Table

ATTENTION = 256 << 20
"""The budget of a score matrix in the catalogue's plans for cards. A plan for the CPU has none: torch's own attention
needs no score matrix there.
"""
SHORT = {"flux": (8, 8, 192), "sd35": (16, 16, 192)}
"""Rows and columns of the transformer's input, and tokens of text: 256 tokens in all, the picture of 128 pixels."""
_PLAN = {
    "text": "11 GB (FLUX) / 10 GB (SD 3.5)",
    "transformer": "10 GB",
    "streamed": "10 GB",
    "long": "10 GB",
    "long-chunked": "-",
    "decode": "-",
    "stock": "-",
}
_WHAT = {
    "text": "CLIP and T5-XXL bf16 encode one prompt with the engine's own code, 512 (FLUX) or 256 (SD 3.5) tokens",
    "transformer": "one pass over every block, 256 tokens, weights read from the map as in the engine on the CPU",
    "streamed": "the same with every block passing through two staging and two card buffers; on the CPU the card's are "
    "RAM too",
    "long": "one block of each kind with the tokens of 1024 x 1024: 4,096 of the picture and 512 of text; bfloat16, as "
    "large as what a card computes with; torch's attention, as planned for the CPU",
    "long-chunked": "the same with the attention of a card, 256 MiB of scores: these are in the card's memory there",
    "decode": "latents of 1024 x 1024 to a picture, float32, tiles of 512",
    "stock": "diffusers' from_single_file of the same GGUF, no pass",
}


def measure(work: Path, models: list[str], phases: list[str]) -> Table:
    """Writes what is needed and runs each phase in a process."""
    table = Table(
        "RAM of each phase at full size",
        "Random weights in the released shapes. Peak of anonymous memory by RssAnon every 10 ms and smaps_rollup "
        "at the "
        "end, and before the phase by smaps_rollup; file-backed pages are those of the model's files and libraries, "
        "which the kernel may drop; VmHWM is the kernel's peak of both together. The process has Python, torch and "
        "diffusers imported and the model loaded by the engine. Goal: transformer under 1,500 MB anonymous.",
        (
            "model",
            "phase",
            "anonymous before MB",
            "anonymous peak MB",
            "anonymous after MB",
            "file-backed peak MB",
            "VmHWM MB",
            "seconds",
            "planned",
        ),
    )
    for model in models:
        for name in phases:
            full_size.write(work, model, encoders=name == "text")
            found = Phase(**child.run("ram:one", work=str(work), model=model, name=name))
            table.rows.append(
                (
                    model,
                    name,
                    *(
                        round(value / MB)
                        for value in (found.before, found.peak, found.after, found.file_peak, found.high_water)
                    ),
                    found.seconds,
                    _PLAN[name],
                )
            )
    table.notes = [f"- {name}: {_WHAT[name]}." for name in phases]
    return table


def one(work: str, model: str, name: str) -> dict[str, Any]:
    """Runs a phase in this process."""
    files = full_size.write(Path(work), model, encoders=name == "text")
    if name == "stock":
        return asdict(_stock(model, files))
    engine = loaded(model, files, {"resident_blocks": 0} if name == "streamed" else {})
    if name == "long-chunked":
        return asdict(_long(model, engine, name))
    return asdict({"text": _text, "long": _long, "decode": _decode}.get(name, _short)(model, engine))


def loaded(model: str, files: dict[str, str], plan: dict[str, Any]) -> Any:
    """The engine with its files opened, as the sidecar does it."""
    from apibr_worker.runtime.api import LoadRequest  # imports are part of what a child measures

    full = full_size.MODELS[model]
    engine = engine_class(model)()
    engine.load(LoadRequest(full.engine, full.model, full.variant, files, {"device": "cpu", **plan}))
    return engine


def engine_class(model: str) -> Any:
    """The engine's class."""
    import importlib

    return importlib.import_module(f"apibr_worker.engines.{full_size.MODELS[model].engine}.engine").Engine


def context(folder: Path, **params: Any) -> Any:
    """A run whose reports go nowhere."""
    from apibr_worker.runtime.api import Context

    class Silent:
        def progress(
            self, phase: str, step: int, total: int | None, message: Sentence | None, preview: str | None
        ) -> None: ...

        def segment(self, index: int, path: Path, mime: str) -> None: ...

    return Context(
        task="image.generate",
        params=params,
        inputs=[],
        out_dir=folder,
        resume=None,
        reporter=Silent(),
        canceled=threading.Event(),
    )


def _text(model: str, engine: Any) -> Phase:
    del model
    request = engine.request(context(Path(), prompt="uma praia ao amanhecer, céu azul", width=1024, height=1024))
    with phase("text") as found:
        made = engine._embeddings(request)
    assert all(bool(torch.isfinite(tensor).all()) for tensor in made.values())
    return found


def inputs(model: str, config: Any, rows: int, columns: int, text: int, dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """Random arguments of a transformer for a picture of so many rows and columns (FLUX: of tokens)."""
    given = {
        "encoder_hidden_states": torch.randn(1, text, config.joint_attention_dim, dtype=dtype),
        "pooled_projections": torch.randn(1, config.pooled_projection_dim, dtype=dtype),
        "timestep": torch.tensor([0.5], dtype=dtype),
    }
    if model == "sd35":
        return given | {"hidden_states": torch.randn(1, 16, rows, columns, dtype=dtype)}
    return given | {
        "hidden_states": torch.randn(1, rows * columns, config.in_channels, dtype=dtype),
        "guidance": torch.tensor([3.5], dtype=dtype),
        "img_ids": torch.rand(rows * columns, 3).mul(columns).round(),
        "txt_ids": torch.zeros(text, 3),
    }


def _short(model: str, engine: Any) -> Phase:
    from apibr_worker.diffusion.sampling import sample

    given = inputs(model, engine.transformer.config, *SHORT[model], torch.float32)
    blocks = engine.blocks(engine.transformer)
    visited: list[int] = []
    for index, block in enumerate(blocks):
        block.register_forward_hook(lambda *_, index=index: visited.append(index))
    with phase("transformer") as found:
        made, _ = sample(
            context(Path()),
            engine.transformer,
            blocks,
            engine.place,
            lambda _: engine.transformer(**given, return_dict=False)[0],
        )
    assert visited == list(range(len(blocks)))
    assert torch.isfinite(made).all()
    return found


def _long(model: str, engine: Any, name: str = "long") -> Phase:
    """One block of each kind with the tokens of 1024 x 1024: 4,096 of the picture and 512 of text."""
    from apibr_worker.diffusion import components
    from apibr_worker.torchkit.attention import bounded_attention

    own, half = type(engine), torch.bfloat16
    transformer: Any
    source = engine.base.parent / f"{model}-{full_size.MODELS[model].variant}.gguf"
    engine.transformer = transformer = components.transformer(
        own.transformer_class, engine.base / "transformer", source, own.names, own.marker, half
    )
    config = transformer.config
    width = config.num_attention_heads * config.attention_head_dim
    shape: dict[str, Any] = {
        "hidden_states": torch.randn(1, 4096, width, dtype=half),
        "encoder_hidden_states": torch.randn(1, 512, width, dtype=half),
        "temb": torch.randn(1, width, dtype=half),
    }
    kinds = [transformer.transformer_blocks[0]]
    if model == "flux":
        kinds.append(transformer.single_transformer_blocks[0])
        angles = torch.rand(4608, config.attention_head_dim)
        shape["image_rotary_emb"] = (angles.cos(), angles.sin())
    with phase(name) as found, bounded_attention(None if name == "long" else ATTENTION), torch.no_grad():
        for block in kinds:
            made = block(**shape)
            assert all(bool(torch.isfinite(tensor).all()) for tensor in made if tensor is not None)
            del made
    return found


def _decode(model: str, engine: Any) -> Phase:
    del model
    with phase("decode") as found:
        made = engine.vae.decode(torch.randn(1, 16, 128, 128))
    assert made.shape == (1, 3, 1024, 1024)
    assert torch.isfinite(made).all()
    return found


def _stock(model: str, files: dict[str, str]) -> Phase:
    from diffusers import GGUFQuantizationConfig

    cls = engine_class(model).transformer_class
    with phase("stock") as found:
        cls.from_single_file(
            files["transformer"],
            quantization_config=GGUFQuantizationConfig(compute_dtype=torch.bfloat16),
            config=str(Path(files["base"]) / "transformer"),
            torch_dtype=torch.bfloat16,
            local_files_only=True,
        )
    return found
