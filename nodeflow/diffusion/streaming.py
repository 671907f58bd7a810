"""A network larger than its room on a device: its blocks come one by one, the next while the current one computes.

    stream = Streamed(net, room, carrier(device))     # net is in host memory
    net(x)                                            # x on the device
    stream.close()                                    # everything is back in host memory

A block is a part of the network that is called as a whole: an element of its lists of layers, or what that consists of
where it is too large. As many blocks as the room allows stay on the device; the others pass through what is left,
never more than two of them at once. Which block follows which is learnt from the calls, and first taken from the order
in which they were made. Weights are never written back: what leaves the device is dropped, its original lies in host
memory. The layers that hold tensors say when they are called, so that no network knows of this.

One thread at a time may call the network.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor, nn

from nodeflow.errors import NodeflowError

_SMALL = 64
"""Blocks of less than this share of the largest one stay: moving them costs more than their memory."""

Pending = Callable[[], list[Tensor]]
"""Waits for tensors under way, and gives them."""


class Carrier(Protocol):
    """Takes tensors from host memory to a device."""

    def keep(self, tensor: Tensor) -> Tensor:
        """The form in which a tensor waits in host memory."""

    def start(self, tensors: Sequence[Tensor]) -> Pending:
        """Begin to copy; whoever calls the result may compute with the copies."""


class ThreadCarrier:
    """Copies in a thread of its own.

    Args:
        copy: Makes the copy of a tensor on the device.
    """

    def __init__(self, copy: Callable[[Tensor], Tensor]) -> None:
        self._copy = copy
        self._thread = ThreadPoolExecutor(1, "weights")

    def keep(self, tensor: Tensor) -> Tensor:
        """As it is."""
        return tensor

    def start(self, tensors: Sequence[Tensor]) -> Pending:
        """Copy in the thread."""
        return self._thread.submit(lambda: [self._copy(tensor) for tensor in tensors]).result


class CudaCarrier:
    """Copies from pinned memory on a stream of its own.

    The copies are allocated on the stream that computes, and written only when what is under way there has ended: so
    memory is given to them that the block before has just left, and the bound holds for the allocator too.
    """

    def __init__(self, device: str) -> None:
        self._device = torch.device(device)
        self._stream = torch.cuda.Stream(self._device)

    def keep(self, tensor: Tensor) -> Tensor:
        """In pinned memory."""
        return tensor.pin_memory()

    def start(self, tensors: Sequence[Tensor]) -> Pending:
        """Copy on the stream; the stream that computes waits for it, the thread does not."""
        computes = torch.cuda.current_stream(self._device)
        copies = [torch.empty_like(tensor, device=self._device) for tensor in tensors]
        self._stream.wait_stream(computes)
        with torch.cuda.stream(self._stream):
            for copy, tensor in zip(copies, tensors, strict=True):
                copy.copy_(tensor, non_blocking=True)
            arrived = self._stream.record_event()

        def ready() -> list[Tensor]:
            torch.cuda.current_stream(self._device).wait_event(arrived)
            return copies

        return ready


def carrier(device: str) -> Carrier:
    """What takes weights to a device."""
    return CudaCarrier(device) if device.startswith("cuda") else ThreadCarrier(lambda tensor: tensor.to(device))


@dataclass
class Moves:
    """What a streamed network did.

    Args:
        count: Blocks brought to the device, those that stay not counted.
        nbytes: Their bytes.
        waited: Seconds that computing stood still for them, as far as the host sees it.
    """

    count: int = 0
    nbytes: int = 0
    waited: float = 0.0


@dataclass(eq=False)
class _Slot:
    """A place where a module keeps a tensor; while it is neither here nor there, one of its shape without numbers."""

    module: nn.Module
    name: str
    host: Tensor
    absent: Tensor = field(init=False)

    def __post_init__(self) -> None:
        self.absent = torch.empty_like(self.host, device="meta")

    def put(self, tensor: Tensor) -> None:
        held = self.module._parameters if self.name in self.module._parameters else self.module._buffers
        is_parameter = held is self.module._parameters
        wrapped = is_parameter and not isinstance(tensor, nn.Parameter)
        held[self.name] = nn.Parameter(tensor, requires_grad=False) if wrapped else tensor  # type: ignore[assignment]


@dataclass(eq=False)
class _Block:
    """What is moved at once; a tensor with two places moves once."""

    slots: list[_Slot]
    tensors: list[Tensor] = field(init=False)

    def __post_init__(self) -> None:
        self.tensors = list({id(slot.host): slot.host for slot in self.slots}.values())

    @property
    def nbytes(self) -> int:
        return sum(tensor.nbytes for tensor in self.tensors)

    def keep(self, form: Callable[[Tensor], Tensor]) -> None:
        """Wait in host memory in another form."""
        formed = {id(tensor): form(tensor) for tensor in self.tensors}
        for slot in self.slots:
            slot.host = formed[id(slot.host)]
        self.__post_init__()
        self.drop()

    def put(self, copies: list[Tensor]) -> None:
        by_host = {id(tensor): copy for tensor, copy in zip(self.tensors, copies, strict=True)}
        for slot in self.slots:
            slot.put(by_host[id(slot.host)])

    def drop(self) -> None:
        for slot in self.slots:
            slot.put(slot.absent)

    def restore(self) -> None:
        for slot in self.slots:
            slot.put(slot.host)


class Streamed:
    """Lets a network compute on a device that it does not fit into.

    Args:
        net: In host memory, frozen.
        room: Bytes of weights that may be on the device at once.
        carrier: Takes them there.
        where: The device's name, for errors.
        moves: Where it counts, beside what other networks did.

    Raises:
        NodeflowError: NF505, two blocks at a time and what must stay are too much even in the smallest parts.
    """

    def __init__(
        self, net: nn.Module, room: int, carrier: Carrier, where: str = "", moves: Moves | None = None
    ) -> None:
        self.moves = Moves() if moves is None else moves
        self._carrier = carrier
        self._stay, self._pass = _divided(net, room, where)
        self._next = dict(zip(self._pass, self._pass[1:] + self._pass[:1], strict=True))
        self._current: _Block | None = None
        self._coming: tuple[_Block, Pending] | None = None
        for block in self._stay:
            block.put(carrier.start(block.tensors)())
        for block in self._pass:
            block.keep(carrier.keep)
        self._hooks = [
            module.register_forward_pre_hook(lambda _module, _given, block=block: self._touch(block))
            for block in self._pass
            for module in dict.fromkeys(slot.module for slot in block.slots)
        ]

    @property
    def blocks(self) -> tuple[int, int]:
        """How many stay on the device, and how many pass through."""
        return len(self._stay), len(self._pass)

    @property
    def nbytes(self) -> int:
        """The most bytes of weights on the device at once."""
        return _need(self._stay, self._pass)

    def close(self) -> None:
        """Bring everything back to host memory and let the network be an ordinary one."""
        for hook in self._hooks:
            hook.remove()
        if self._coming is not None:
            self._coming[1]()
        self._coming = self._current = None
        for block in (*self._stay, *self._pass):
            block.restore()

    def _touch(self, block: _Block) -> None:
        """A layer of a block is about to compute."""
        if block is self._current:
            return
        if self._current is not None:
            self._current.drop()
            self._next[self._current] = block
        self._current = None
        block.put(self._brought(block))
        self._current = block
        after = self._next[block]
        if after is not block:
            self._coming = after, self._begun(after)

    def _brought(self, block: _Block) -> list[Tensor]:
        coming, self._coming = self._coming, None
        began = time.perf_counter()
        if coming is None or coming[0] is not block:
            if coming is not None:
                coming[1]()
            del coming
            copies = self._begun(block)()
        else:
            copies = coming[1]()
        self.moves.waited += time.perf_counter() - began
        return copies

    def _begun(self, block: _Block) -> Pending:
        self.moves.count += 1
        self.moves.nbytes += block.nbytes
        return self._carrier.start(block.tensors)


def _divided(net: nn.Module, room: int, where: str) -> tuple[list[_Block], list[_Block]]:
    """The blocks that stay and those that pass through, in their order; natural ones if they fit, else the smallest."""
    for most in (room // 4, 0):
        blocks = _blocks(net, most)
        largest = max(block.nbytes for block in blocks)
        must = {blocks[0], *(block for block in blocks if block.nbytes * _SMALL < largest)}
        passing = [block for block in blocks if block not in must]
        need = _need(list(must), passing)
        if need <= room:
            must |= _spread(passing, room - need)
            return [block for block in blocks if block in must], [block for block in blocks if block not in must]
    raise NodeflowError(
        "NF505",
        f"{type(net).__name__} needs {_said(need)} of weights at once{f' on {where}' if where else ''}, its largest "
        f"layer and the next one, but may have {_said(room)}",
        fix=f"give {_said(need - room)} more with --vram, or use fewer models at once",
    )


def _need(stay: Sequence[_Block], passing: Sequence[_Block]) -> int:
    """The bytes of what stays and of the two largest of the others."""
    return sum(block.nbytes for block in stay) + sum(sorted((block.nbytes for block in passing), reverse=True)[:2])


def _spread(blocks: Sequence[_Block], room: int) -> set[_Block]:
    """Blocks that fit into the room, evenly among the others: each hides the coming of the next one that passes."""
    share, due, chosen = room / max(1, sum(block.nbytes for block in blocks)), 0.0, set()
    for block in blocks:
        due += share * block.nbytes
        if block.nbytes <= due and block.nbytes <= room:
            chosen.add(block)
            due -= block.nbytes
            room -= block.nbytes
    return chosen


def _blocks(net: nn.Module, most: int) -> list[_Block]:
    """The parts of a network in the order they were made, none larger than `most` but single layers.

    Parts that share a tensor are one block. A module that is `whole`, because it reads weights of layers without
    calling them, is not taken apart.
    """
    parts = list(_parts(net, most))
    owner: dict[int, int] = {}
    merged: list[list[_Slot]] = []
    for slots in parts:
        shared = next((owner[id(slot.host)] for slot in slots if id(slot.host) in owner), None)
        if shared is None:
            shared = len(merged)
            merged.append([])
        merged[shared] += slots
        owner |= {id(slot.host): shared for slot in slots}
    return [_Block(slots) for slots in merged if slots]


def _parts(module: nn.Module, most: int, root: bool = True) -> Iterator[list[_Slot]]:
    whole = [slot for inner in module.modules() for slot in _slots(inner)]
    nbytes = sum({id(slot.host): slot.host.nbytes for slot in whole}.values())
    children = list(module.children())
    fits = nbytes <= most or getattr(module, "whole", False)
    if not children or (fits and not root and not isinstance(module, nn.ModuleList | nn.ModuleDict)):
        yield whole
        return
    if own := list(_slots(module)):
        yield own
    for child in children:
        yield from _parts(child, most, root=False)


def _slots(module: nn.Module) -> Iterator[_Slot]:
    for held in (module._parameters, module._buffers):
        for name, tensor in held.items():
            if tensor is not None:
                yield _Slot(module, name, tensor)


def _said(nbytes: int) -> str:
    return f"{nbytes / 1e9:.2f} GB" if nbytes >= 1e8 else f"{nbytes / 1e6:.2f} MB"
