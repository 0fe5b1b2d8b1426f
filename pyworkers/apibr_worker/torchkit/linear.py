"""A linear layer whose weight stays as it is stored, quantised or in another dtype: rows are decoded as they are
used.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from apibr_worker.torchkit.dequantise import dequantise
from apibr_worker.torchkit.gguf_file import Kind

WEIGHT_SLICE = 64 << 20
"""Bytes of decoded weight that a layer holds at a time."""


class LowRank(nn.Module):
    """A LoRA's part of one layer: the layer's output grows by strength * (x @ down.T) @ up.T.

    down: (rank, in_features); up: (out_features, rank). Never merged into the weight, which is quantised and read-only.
    A module, so that what moves a block to the card moves it as well.
    """

    def __init__(self, down: torch.Tensor, up: torch.Tensor, strength: float) -> None:
        super().__init__()
        self.down: torch.Tensor
        self.up: torch.Tensor
        self.register_buffer("down", down, persistent=False)
        self.register_buffer("up", up, persistent=False)
        self.strength = strength

    def add_to(self, out: torch.Tensor, x: torch.Tensor) -> None:
        """Adds the part to out (..., out_features), the layer's fresh output for x (..., in_features), in place: a copy
        of it would be the largest tensor of the layer.
        """
        thin = F.linear(x, self.down.to(x.device, x.dtype)).mul_(self.strength)
        flat = out.view(-1, out.shape[-1])
        flat.addmm_(thin.reshape(-1, thin.shape[-1]), self.up.to(x.device, x.dtype).T)


class StoredLinear(nn.Module):
    """y = x W.T + b with W as bytes of the file: blocks of a GGUF quantisation, or numbers of any float dtype.

    raw: uint8 (out_features, row bytes), usually a view of the file; bias: (out_features) of any float dtype or None.
    The product is computed in x's dtype. Moving the module moves the blocks as they are.
    """

    def __init__(self, raw: torch.Tensor, kind: Kind, in_features: int, bias: torch.Tensor | None) -> None:
        super().__init__()
        self.in_features = in_features
        self.out_features = raw.shape[0]
        self.kind = kind
        self.raw: torch.Tensor
        self.register_buffer("raw", raw, persistent=False)
        self.bias = None if bias is None else nn.Parameter(bias, requires_grad=False)
        self.low_rank = nn.ModuleList()

    @property
    def weight(self) -> torch.Tensor:
        """The whole decoded weight in float32, for callers that need all of it; forward never does."""
        return dequantise(self.raw, self.kind)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x: (..., in_features) -> (..., out_features), dtype and device of x."""
        step = max(1, WEIGHT_SLICE // (self.in_features * x.element_size()))
        if step >= self.out_features:
            out = F.linear(x, dequantise(self.raw, self.kind, x.dtype), self._bias(x, 0, self.out_features))
        else:
            out = torch.empty(*x.shape[:-1], self.out_features, dtype=x.dtype, device=x.device)
            for start in range(0, self.out_features, step):
                end = min(start + step, self.out_features)
                weight = dequantise(self.raw[start:end], self.kind, x.dtype)
                out[..., start:end] = F.linear(x, weight, self._bias(x, start, end))
        for part in self.low_rank:
            assert isinstance(part, LowRank)  # noqa: S101 (nothing else is put there)
            part.add_to(out, x)
        return out

    def _bias(self, x: torch.Tensor, start: int, end: int) -> torch.Tensor | None:
        return None if self.bias is None else self.bias[start:end].to(x.dtype)

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}, kind={self.kind.name}"
