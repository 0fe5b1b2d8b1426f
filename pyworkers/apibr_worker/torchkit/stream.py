"""Runs a model on a card that does not hold all of it: some blocks stay there, the others pass through two buffers.

While block n computes, block n + 1 is copied: from the file's pages into pinned memory by a thread, and from there to
the card on a stream of its own. Copies of a weight are dropped with the buffer, never written back: the file is the
truth.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn
from torch.utils.hooks import RemovableHandle

ALIGNMENT = 256  # bytes; more than any kernel asks for
SLOTS = 2


@dataclass(frozen=True, slots=True)
class _Place:
    """One tensor of a block: who owns it, where it lies in the buffer, and the tensor of the file."""

    owner: nn.Module
    name: str
    offset: int
    host: torch.Tensor

    def put(self, tensor: torch.Tensor) -> None:
        if self.name in self.owner._parameters:
            self.owner._parameters[self.name] = nn.Parameter(tensor, requires_grad=False)
        else:
            self.owner._buffers[self.name] = tensor


def tensors_of(module: nn.Module) -> Iterator[tuple[nn.Module, str, torch.Tensor]]:
    """(owner, name, tensor) of every parameter and buffer below a module."""
    for owner in module.modules():
        for table in (owner._parameters, owner._buffers):
            for name, tensor in table.items():
                if tensor is not None:
                    yield owner, name, tensor


def places(module: nn.Module) -> tuple[list[_Place], int]:
    """The tensors of a block and the bytes of a buffer that holds them all."""
    found: list[_Place] = []
    at = 0
    for owner, name, tensor in tensors_of(module):
        found.append(_Place(owner, name, at, tensor))
        at += -(-tensor.nbytes // ALIGNMENT) * ALIGNMENT
    return found, at


class _Slot:
    """A buffer on the card with the pinned memory that feeds it."""

    def __init__(self, size: int, device: torch.device, *, pinned: bool) -> None:
        self.staging = torch.empty(size, dtype=torch.uint8, pin_memory=pinned)
        self.buffer = torch.empty(size, dtype=torch.uint8, device=device)
        self.copied: torch.cuda.Event | None = None
        self.used: torch.cuda.Event | None = None


class BlockStreamer:
    """Places a model on a device. While it is entered, the model computes there; after it, nothing of it is left
    there.

    model: a module whose tensors lie in host memory or are views of a file; blocks: its blocks in the order in which
    forward calls them. The first `resident` of them, and all that is in no block, stay on the device; None keeps all.
    on_block is called before each block, so that a cancel is seen within a step; what it raises passes. Without
    threads the copies are made when they are needed (the fallback for a driver whose asynchronous copies hang).
    """

    def __init__(
        self,
        model: nn.Module,
        blocks: Sequence[nn.Module],
        device: torch.device,
        *,
        resident: int | None = None,
        threaded: bool = True,
        on_block: Callable[[], None] | None = None,
    ) -> None:
        self.device = device
        self.resident = len(blocks) if resident is None else min(resident, len(blocks))
        self.on_block = on_block
        self._model = model
        self._blocks = list(blocks)
        self._threaded = threaded
        self._home: list[_Place] = []
        self._streamed: list[list[_Place]] = []
        self._slots: list[_Slot] = []
        self._hooks: list[RemovableHandle] = []
        self._pending: dict[int, Future[None]] = {}
        self._worker: ThreadPoolExecutor | None = None
        self._stream: torch.cuda.Stream | None = None

    @contextmanager
    def entered(self) -> Generator[None]:
        """The model on the device. Raises torch.OutOfMemoryError when it does not fit; nothing is left there then
        either.
        """
        try:
            self._enter()
            yield
        finally:
            self._leave()

    def _enter(self) -> None:
        streamed = self._blocks[self.resident :]
        inside = {id(module) for block in streamed for module in block.modules()}
        for owner, name, tensor in list(tensors_of(self._model)):
            if id(owner) not in inside and tensor.device != self.device:
                place = _Place(owner, name, 0, tensor)
                self._home.append(place)
                place.put(tensor.to(self.device))
        for block in self._blocks[: self.resident]:
            self._hooks.append(block.register_forward_pre_hook(self._report))
        if streamed:
            self._open(streamed)

    def _open(self, streamed: list[nn.Module]) -> None:
        cuda = self.device.type == "cuda"
        size = 0
        for block in streamed:
            found, total = places(block)
            self._streamed.append(found)
            size = max(size, total)
        self._slots = [_Slot(size, self.device, pinned=cuda) for _ in range(SLOTS)]
        if cuda:
            self._stream = torch.cuda.Stream(self.device)
        if self._threaded:
            self._worker = ThreadPoolExecutor(1, thread_name_prefix="weights")
        for index, block in enumerate(streamed):
            self._hooks.append(block.register_forward_pre_hook(self._before(index)))
            self._hooks.append(block.register_forward_hook(self._after(index)))
        self._prefetch(0)

    def _leave(self) -> None:
        for hook in self._hooks:
            hook.remove()
        for future in self._pending.values():
            if not future.cancel():
                future.exception()  # let it end; its failure no longer matters
        if self._worker:
            self._worker.shutdown()
        for place in [*self._home, *(place for block in self._streamed for place in block)]:
            place.put(place.host)
        self._hooks, self._pending, self._worker, self._stream = [], {}, None, None
        self._home, self._streamed, self._slots = [], [], []
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def _report(self, *_: object) -> None:
        if self.on_block:
            self.on_block()

    def _prefetch(self, index: int) -> None:
        if self._worker and index not in self._pending:
            self._pending[index] = self._worker.submit(self._fetch, index)

    def _fetch(self, index: int) -> None:
        """Copies block `index` into its slot. The slot's last block has done its work before it is written over."""
        slot = self._slots[index % SLOTS]
        if slot.copied:
            slot.copied.synchronize()  # the pinned memory is still being read
        for place in self._streamed[index]:
            flat = place.host.reshape(-1).view(torch.uint8)
            slot.staging[place.offset : place.offset + flat.numel()].copy_(flat)
        if self._stream is None:
            slot.buffer.copy_(slot.staging)
            return
        with torch.cuda.stream(self._stream):
            if slot.used:
                self._stream.wait_event(slot.used)
            slot.buffer.copy_(slot.staging, non_blocking=True)
            slot.copied = torch.cuda.Event()
            slot.copied.record(self._stream)

    def _before(self, index: int) -> Callable[..., None]:
        def hook(*_: object) -> None:
            self._report()
            pending = self._pending.pop(index, None)
            if pending is None:
                self._fetch(index)
            else:
                pending.result()
            slot = self._slots[index % SLOTS]
            if slot.copied:
                torch.cuda.current_stream(self.device).wait_event(slot.copied)
            for place in self._streamed[index]:
                size = place.host.nbytes
                view = slot.buffer[place.offset : place.offset + size].view(place.host.dtype).view(place.host.shape)
                place.put(view)
            following = (index + 1) % len(self._streamed)
            if following % SLOTS != index % SLOTS:  # else it would be written over what computes now
                self._prefetch(following)

        return hook

    def _after(self, index: int) -> Callable[..., None]:
        def hook(*_: object) -> None:
            slot = self._slots[index % SLOTS]
            if self._stream is not None:
                slot.used = torch.cuda.Event()
                slot.used.record(torch.cuda.current_stream(self.device))
            for place in self._streamed[index]:
                place.put(place.host)
            following = (index + 1) % len(self._streamed)
            if following % SLOTS == index % SLOTS:
                self._prefetch(following)

        return hook
