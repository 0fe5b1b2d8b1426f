"""Our own two inner loops: dequantisation against memcpy, chunked attention against torch's."""

from __future__ import annotations

from collections.abc import Callable

import torch
from gguf import GGML_QUANT_SIZES
from gguf import GGMLQuantizationType as Kind
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from apibr_worker.torchkit.attention import chunked_attention
from apibr_worker.torchkit.dequantise import dequantise
from benchmarks.engines.full_size import quantised
from benchmarks.engines.memory import phase
from benchmarks.engines.report import GB, MB, Table, fastest

KINDS = [Kind.Q8_0, Kind.Q4_0, Kind.Q4_1, Kind.Q5_0, Kind.Q5_1, Kind.Q4_K, Kind.Q5_K, Kind.Q6_K, Kind.BF16]
ROWS, COLUMNS = 12288, 3072
HEADS, HEAD_DIM = 24, 128


def dequantisation(repeats: int) -> Table:
    """GB/s of decoded numbers, to float32 and bfloat16, compared with a copy of as many bytes."""
    table = Table(
        f"Dequantisation, {ROWS} x {COLUMNS} weights on the CPU",
        f"Best of {repeats} after one uncounted: other programs only ever add. GB/s counts the decoded bytes "
        "written; memcpy is torch's copy_ "
        "of as "
        "many bytes to memory of as many. Read is what the blocks themselves take: the limit that a disk or a "
        "bus sets. "
        "Scratch is the peak of anonymous memory less the result.",
        (
            "kind",
            "bits a weight",
            "float32 GB/s",
            "of memcpy",
            "bfloat16 GB/s",
            "of memcpy",
            "blocks read GB/s",
            "Mweights/s",
            "scratch MB",
        ),
    )
    weights = ROWS * COLUMNS
    copies = {dtype: _copy_rate(dtype, repeats) for dtype in (torch.float32, torch.bfloat16)}
    for kind in KINDS:
        raw = quantised(kind, ROWS, COLUMNS)
        rates: dict[torch.dtype, float] = {}
        for dtype in copies:
            out = torch.empty(ROWS, COLUMNS, dtype=dtype)
            rates[dtype] = out.nbytes / fastest(
                lambda out=out, raw=raw, kind=kind, dtype=dtype: dequantise(raw, kind, dtype, out=out), repeats
            )
        out = torch.zeros(ROWS, COLUMNS, dtype=torch.bfloat16)
        with phase("scratch") as found:
            dequantise(raw, kind, torch.bfloat16, out=out)
        block, size = GGML_QUANT_SIZES[kind]
        decoded = rates[torch.bfloat16] / 2
        table.rows.append(
            (
                kind.name,
                size * 8 / block,
                rates[torch.float32] / GB,
                f"{rates[torch.float32] / copies[torch.float32]:.1%}",
                rates[torch.bfloat16] / GB,
                f"{rates[torch.bfloat16] / copies[torch.bfloat16]:.1%}",
                raw.nbytes * decoded / weights / GB,
                decoded / 1e6,
                (found.peak - found.before) / MB,
            )
        )
    table.rows.append(
        ("memcpy", None, copies[torch.float32] / GB, "", copies[torch.bfloat16] / GB, "", None, None, None)
    )
    return table


def _copy_rate(dtype: torch.dtype, repeats: int) -> float:
    source = torch.ones(ROWS, COLUMNS, dtype=dtype)
    target = torch.empty_like(source)
    return source.nbytes / fastest(lambda: target.copy_(source), repeats)


def attention(repeats: int, lengths: tuple[int, ...] = (1024, 2304, 4608)) -> Table:
    """Time and peak of one attention of FLUX's shape."""
    table = Table(
        f"Attention, {HEADS} heads of {HEAD_DIM}, float32 on the CPU",
        f"Best of {max(1, repeats // 2)} after one uncounted; peak is anonymous memory (RssAnon each 10 ms) "
        "over that before "
        "the call, the result included. The plain kernel (MATH) is what torch has on RDNA2; flash is what it has "
        "on this "
        "CPU. Limit: scores of all queries in float32 are heads x length^2 x 4 bytes.",
        ("length", "how", "seconds", "peak MB", "all scores MB", "largest difference from MATH"),
    )
    for length in lengths:
        q, k, v = (torch.randn(1, HEADS, length, HEAD_DIM) for _ in range(3))
        scores = HEADS * length * length * 4 / MB
        ways: dict[str, Callable[[], torch.Tensor]] = {
            "MATH": lambda q=q, k=k, v=v: _math(q, k, v),
            "flash": lambda q=q, k=k, v=v: F.scaled_dot_product_attention(q, k, v),
        }
        for budget in (64, 256, 512):
            ways[f"chunked, {budget} MiB"] = lambda q=q, k=k, v=v, budget=budget: chunked_attention(
                q, k, v, budget=budget << 20
            )
        expected = _math(q, k, v)
        for how, work in ways.items():
            made = work()
            difference = float((made - expected).abs().max())
            del made
            with phase(how) as found:
                time = fastest(work, max(1, repeats // 2))
            table.rows.append(
                (length, how, time, round((found.peak - found.before) / MB), round(scores), f"{difference:.1e}")
            )
    return table


def _math(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    with sdpa_kernel(SDPBackend.MATH):
        return F.scaled_dot_product_attention(q, k, v)
