"""Attention whose score matrix is bounded.

On RDNA2 torch has only the plain kernel, which writes all scores at once: 4.4 GB for one FLUX layer at 1024 x 1024.
Here they are made for some queries at a time.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch.nn import functional as F


def chunked_attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attn_mask: torch.Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
    *,
    budget: int,
) -> torch.Tensor:
    """torch.nn.functional.scaled_dot_product_attention over slices of the queries.

    query: (..., heads, length, head_dim); key, value: (..., heads, keys, head_dim); attn_mask: bool (True = look) or
    float, that broadcasts to (..., heads, length, keys). Returns the shape of query with value's head_dim. The
    softmax is in float32. Peak memory is about twice the budget (bytes) plus the output. One row of queries is the
    smallest slice, even when it exceeds the budget. Raises ValueError for dropout, which is for training.
    """
    if dropout_p:
        raise ValueError("dropout is for training")
    if enable_gqa and query.shape[-3] != key.shape[-3]:
        groups = query.shape[-3] // key.shape[-3]
        key, value = key.repeat_interleave(groups, -3), value.repeat_interleave(groups, -3)
    length, keys = query.shape[-2], key.shape[-2]
    factor = query.shape[-1] ** -0.5 if scale is None else scale
    rows = max(1, budget // max(1, query[..., 0, 0].numel() * keys * 4))
    turned = key.transpose(-1, -2)
    out = query.new_empty(*query.shape[:-1], value.shape[-1])
    for start in range(0, length, rows):
        end = min(start + rows, length)
        scores = torch.matmul(query[..., start:end, :] * factor, turned)
        if is_causal:
            seen = torch.ones(end - start, keys, dtype=torch.bool, device=query.device).tril(start)
            scores = scores.masked_fill(~seen, float("-inf"))
        if attn_mask is not None:
            part = attn_mask[..., start:end, :] if attn_mask.shape[-2] > 1 else attn_mask
            scores = scores.masked_fill(~part, float("-inf")) if part.dtype == torch.bool else scores + part
        out[..., start:end, :] = torch.matmul(torch.softmax(scores, -1, dtype=torch.float32).to(value.dtype), value)
    return out


@dataclass(slots=True)
class Installed:
    """A hook in place. calls counts what went through it; budget (bytes) may be lowered while it is there."""

    budget: int
    calls: int = 0


@contextmanager
def bounded_attention(budget: int | None) -> Generator[Installed]:
    """Makes every attention of torch within the block chunked_attention with this budget; None leaves torch's own.

    The function of torch itself is replaced, for this process: diffusers' dispatcher ends there for FLUX, and Stable
    Diffusion 3 and the VAEs call it without asking the dispatcher, which has no public way to add a back end of one's
    own.
    """
    installed = Installed(budget or 0)
    if budget is None:
        yield installed
        return
    original = F.scaled_dot_product_attention

    def attention(*args: torch.Tensor, **named: object) -> torch.Tensor:
        installed.calls += 1
        return chunked_attention(*args, **named, budget=installed.budget)  # pyright: ignore[reportArgumentType]

    F.scaled_dot_product_attention = attention  # pyright: ignore[reportAttributeAccessIssue]
    try:
        yield installed
    finally:
        F.scaled_dot_product_attention = original
