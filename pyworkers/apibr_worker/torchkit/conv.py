"""A convolution whose weight stays as it is stored and is cast as it is used."""

from __future__ import annotations

import torch
from torch import nn


class StoredConv2d(nn.Conv2d):
    """Computes in its input's dtype whatever its weight's: float32 from a bfloat16 view of a file, without a copy of
    all weights.
    """

    @classmethod
    def of(cls, layer: nn.Conv2d) -> StoredConv2d:
        """The same layer on the same tensors."""
        new = cls(
            layer.in_channels,
            layer.out_channels,
            layer.kernel_size,  # pyright: ignore[reportArgumentType] (annotated as longer tuples)
            layer.stride,  # pyright: ignore[reportArgumentType]
            layer.padding,  # pyright: ignore[reportArgumentType]
            layer.dilation,  # pyright: ignore[reportArgumentType]
            layer.groups,
            layer.bias is not None,
            layer.padding_mode,
            device="meta",
        )
        new.weight, new.bias = layer.weight, layer.bias
        return new

    def _conv_forward(self, input: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        """input: (n, channels, h, w), any float dtype, which the result has too. torch's own forward ends here."""
        cast = None if bias is None else bias.to(input.dtype)
        return super()._conv_forward(input, weight.to(input.dtype), cast)


def keep_convolutions(module: nn.Module) -> None:
    """Makes every convolution below the module a StoredConv2d and all else float32."""
    for name, child in list(module.named_modules()):
        if isinstance(child, nn.Conv2d):
            owner, _, last = name.rpartition(".")
            setattr(module.get_submodule(owner), last, StoredConv2d.of(child))
        else:
            for key, parameter in child._parameters.items():
                if parameter is not None:
                    child._parameters[key] = nn.Parameter(parameter.float(), requires_grad=False)
