"""Runs a pipeline of diffusers with a transformer that comes to the device at its first use, and one step lower when
memory runs out.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import nn

from apibr_worker.runtime.api import Context, EngineError
from apibr_worker.runtime.sentences import say
from apibr_worker.torchkit.attention import bounded_attention
from apibr_worker.torchkit.placement import Placement, free
from apibr_worker.torchkit.stream import BlockStreamer


def at_device(cls: Any, device: torch.device) -> Any:
    """The pipeline class, computing on the device although the transformer's weights are on the host."""
    return type(cls.__name__, (cls,), {"_execution_device": property(lambda _: device)})


@contextmanager
def when_used(model: nn.Module, streamer: BlockStreamer) -> Generator[None]:
    """Enters the streamer at the model's first call in the block, so that earlier work has the device for itself."""
    with ExitStack() as stack:

        def enter(*_: object) -> None:
            handle.remove()
            stack.enter_context(streamer.entered())

        handle = model.register_forward_pre_hook(enter)
        stack.callback(handle.remove)
        yield


def sample(
    context: Context,
    model: nn.Module,
    blocks: list[nn.Module],
    place: Placement,
    run: Callable[[Placement], torch.Tensor],
) -> tuple[torch.Tensor, Placement]:
    """Calls run with the model at hand, and once more a step lower after running out of memory.

    Returns run's latents and the placement with which it came through. Raises EngineError(out_of_memory) after the
    second time.
    """
    try:
        return _once(context, model, blocks, place, run), place
    except torch.OutOfMemoryError:
        lower = place.lower(len(blocks))
    free(place.device)
    try:
        return _once(context, model, blocks, lower, run), lower
    except torch.OutOfMemoryError:
        raise EngineError(
            "out_of_memory",
            say(
                "the graphics card does not have enough memory: choose a smaller size, fewer "
                "pictures or a smaller variant of the model, or close other programs that use "
                "the card"
            ),
        ) from None


def _once(
    context: Context,
    model: nn.Module,
    blocks: list[nn.Module],
    place: Placement,
    run: Callable[[Placement], torch.Tensor],
) -> torch.Tensor:
    streamer = BlockStreamer(
        model,
        blocks,
        place.device,
        resident=place.resident_blocks,
        threaded=place.threaded,
        on_block=context.check_cancel,
    )
    with when_used(model, streamer), bounded_attention(place.attention_bytes), torch.no_grad():
        return run(place)


def generators(seed: int, count: int) -> list[torch.Generator]:
    """One for each picture, so that a picture depends on its own seed alone and not on the others of its batch."""
    return [torch.Generator("cpu").manual_seed(seed + index) for index in range(count)]


def batches(total: int, size: int) -> list[range]:
    """Which pictures are made together."""
    return [range(start, min(start + size, total)) for start in range(0, total, size)]
