"""Which weights are where. Networks are borrowed, stay where they were used, and give way by need.

    with residency.weights(handle, "cuda:0", "float16") as net:
        ...

A network is *pinned* while borrowed, *idle* after. Each device has a budget in bytes; when a borrowed network needs
room there, idle ones leave, the longest unused first: from a device to host memory ("cpu"), from there altogether
(weights are mapped from their files, so loading again costs no more than reading them). Pinned networks never move. A
network for which they leave too little room stays in host memory, and its blocks pass through the device one by one
(`streaming`). Handles of the same content, configuration, format and patches share a network. One with patches is made
of the one without, which it keeps: the two share every tensor that the patches leave alone, and another strength reads
no weights again. Where a budget has no room for both, it has its own.

Locks: `_lock` guards the books and is held while networks leave; each place has its own lock, held while its network
is loaded or moved in, so that a slow load keeps nobody waiting who wants another network. A place's lock is taken
without `_lock` held, and `_lock` inside it only for bookkeeping. A network whose blocks pass through serves one thread
at a time: its `turn` is held as long as it is borrowed.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Container, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import torch
from torch import nn

from nodeflow.errors import NodeflowError
from nodeflow.values import ControlNetwork, Denoiser, Weights

from .checkpoints.load import changed, load_weights, weight_bytes
from .compiling import compile_blocks
from .devices import HOST, default_budgets, pick_device, pick_dtype
from .models.attending import attention, choose_attention
from .streaming import Carrier, Moves, Streamed, carrier

Loader = Callable[[Weights, str, str], nn.Module]


class Held(NamedTuple):
    """A network in memory.

    Args:
        kind: Its class.
        folder: Where it came from.
        device: Where it is.
        dtype: Its number format.
        nbytes: The bytes it takes there at most.
        borrowers: How many use it now; 0 = idle.
    """

    kind: str
    folder: str
    device: str
    dtype: str
    nbytes: int
    borrowers: int


class _Identity(NamedTuple):
    """What makes two networks the same but for their place."""

    digest: str
    kind: str
    config: str
    dtype: str
    patches: str

    @classmethod
    def of(cls, handle: Weights, dtype: str) -> _Identity:
        patches = repr(handle.patches)
        return cls(handle.digest, handle.kind, json.dumps(handle.config, sort_keys=True), dtype, patches)


@dataclass(eq=False)
class _Place:
    """A network on a device, or on its way there."""

    identity: _Identity
    folder: str
    device: str
    net: nn.Module | None = None
    stream: Streamed | None = None
    nbytes: int = 0
    borrowers: int = 0
    base: _Place | None = None
    """Where the network without patches is, whose tensors it shares."""
    lock: threading.Lock = field(default_factory=threading.Lock)
    turn: threading.RLock = field(default_factory=threading.RLock)

    def take(self) -> nn.Module | None:
        """Its network, which it no longer has; one whose blocks passed through the device is back in host memory."""
        net, stream = self.net, self.stream
        self.net = self.stream = None
        if stream is not None:
            stream.close()
        return net


class Residency:
    """Lends networks and remembers where they are.

    Args:
        budgets: Bytes a device ("cuda:0", "cpu"); a device without one is not limited. None: `default_budgets()`.
        load: Makes a network from (handle, device, dtype).
        measure: The bytes it will take, from (handle, dtype).
        carry: What takes the blocks of networks without room to a device.
        change: Makes a network with patches from (the one without, handle).
        attention: A name of `models.attending`.
        compile: Compile the repeated blocks of denoisers and ControlNets.
    """

    def __init__(
        self,
        budgets: Mapping[str, int] | None = None,
        load: Loader = load_weights,
        measure: Callable[[Weights, str], int] = weight_bytes,
        carry: Callable[[str], Carrier] = carrier,
        change: Callable[[nn.Module, Weights], nn.Module] = changed,
        attention: str = "torch",
        compile: bool = False,
    ) -> None:
        self._budgets = dict(default_budgets() if budgets is None else budgets)
        self._load, self._measure, self._carry, self._change = load, measure, carry, change
        self._attention, self._compile = attention, compile
        self._lock = threading.Lock()
        self._places: dict[tuple[_Identity, str], _Place] = {}
        """By identity and device, the longest unused first."""
        self.moves: dict[tuple[str, str], Moves] = {}
        """What networks whose blocks passed through a device did, by their kind and the device."""

    @contextmanager
    def weights(self, handle: Weights, device: str = "auto", dtype: str = "auto") -> Iterator[nn.Module]:
        """Borrow a handle's network for the length of a `with`.

        Args:
            handle: From `open_model`. Its number format counts, unless it is "auto". An autoencoder whose
                configuration says `force_upcast`, as that of SDXL, overflows in float16 and is lent in float32.
            device: As for `pick_device`.
            dtype: As for `pick_dtype`, where the handle leaves it open.

        Raises:
            NodeflowError: As `load_weights`, `pick_device` and `pick_dtype`; NF505, not even a layer of it has room
                beside what is in use; NF416, as `attention`, or blocks that pass through should be compiled.
        """
        device = pick_device(device)
        dtype = pick_dtype(dtype if handle.dtype == "auto" else handle.dtype, device)
        if dtype == "float16" and handle.config.get("force_upcast"):
            dtype = "float32"
        place = self._pin(handle, device, dtype)
        try:
            with place.lock:
                if place.net is None:
                    self._bring(place, handle)
                elif place.stream is not None:
                    self._settle(place)
            assert place.net is not None
            with place.turn if place.stream is not None else nullcontext():
                yield place.net
        finally:
            self._unpin(place)

    def release(self, device: str = "") -> int:
        """Let idle networks go, as when memory runs out.

        Args:
            device: Only those there; empty = everywhere.

        Returns:
            Bytes given back.
        """
        freed = 0
        with self._lock:
            while idle := [place for place in self._idle() if device in ("", place.device)]:
                for place in idle:
                    self._drop(place)
                    freed += place.nbytes
        if freed and torch.cuda.is_available():
            torch.cuda.empty_cache()
        return freed

    def held(self) -> list[Held]:
        """The networks in memory, the longest unused first."""
        with self._lock:
            return [
                Held(place.identity.kind, place.folder, device, place.identity.dtype, place.nbytes, place.borrowers)
                for (_, device), place in self._places.items()
                if place.net is not None
            ]

    def _pin(self, handle: Weights, device: str, dtype: str) -> _Place:
        """The handle's place on a device, made if need be, moved to the end of the row, one borrower more."""
        identity = _Identity.of(handle, dtype)
        with self._lock:
            place = self._places.pop((identity, device), None) or _Place(identity, handle.folder, device)
            self._places[identity, device] = place
            place.borrowers += 1
            return place

    def _unpin(self, place: _Place) -> None:
        with self._lock:
            place.borrowers -= 1
            if place.net is None and not place.borrowers:
                self._forget(place)

    def _bring(self, place: _Place, handle: Weights) -> None:
        """Fill an empty place: by patches of a network, from host memory if it idles there, else from its files."""
        if handle.patches and self._has_room_twice(place, handle) and self._share(place, handle):
            return
        net = self._take_from_host(place)
        place.nbytes = self._measure(handle, place.identity.dtype) if net is None else _nbytes(net)
        with self._lock:
            self._make_room(place.device)
            room = self._room(place)
        if place.nbytes > room:
            self._refuse_compiling(place, handle)
            self._stream(place, net or self._loaded(place, handle, HOST), room)
            return
        try:
            net = self._moved(place, net, handle)
        except torch.OutOfMemoryError:
            self.release(place.device)
            net = self._moved(place, net, handle)
        with self._lock:
            place.net, place.nbytes = net, _nbytes(net)

    def _stream(self, place: _Place, net: nn.Module, room: int) -> None:
        moves = self.moves.setdefault((place.identity.kind, place.device), Moves())
        stream = Streamed(net, room, self._carry(place.device), place.device, moves)
        with self._lock:
            place.net, place.stream, place.nbytes = net, stream, stream.nbytes

    def _compiles(self, handle: Weights) -> bool:
        """Whether a network is compiled: one that is called at each step, not those that are called once."""
        return self._compile and isinstance(handle, Denoiser | ControlNetwork)

    def _refuse_compiling(self, place: _Place, handle: Weights) -> None:
        if self._compiles(handle):
            raise NodeflowError(
                "NF416",
                f"{place.identity.kind} does not fit on {place.device}, and blocks that pass through are not compiled",
                fix="leave out --compile, or give more with --vram",
            )

    def _settle(self, place: _Place) -> None:
        """Let a network whose blocks passed through stay whole, if there is room by now and nobody else uses it."""
        assert place.net is not None and place.stream is not None
        whole = _nbytes(place.net)
        with self._lock:
            others = (other for other in self._places.values() if other is not place and other.device == place.device)
            used = sum(other.nbytes for other in others if other.borrowers)
            if place.borrowers > 1 or used + whole > self._budgets.get(place.device, used + whole):
                return
            net = place.take()
            place.nbytes = whole
            self._make_room(place.device)
        assert net is not None
        net = net.to(place.device)
        with self._lock:
            place.net = net

    def _room(self, place: _Place) -> int:
        """What the others on a device leave of its budget; in host memory a network has all it needs."""
        budget = self._budgets.get(place.device)
        if budget is None or place.device == HOST:
            return place.nbytes
        others = (other for other in self._places.values() if other is not place and other.device == place.device)
        return max(0, budget - sum(other.nbytes for other in others))

    def _has_room_twice(self, place: _Place, handle: Weights) -> bool:
        """Whether a device may hold a network with and without patches, however much they change."""
        budget = self._budgets.get(place.device)
        return budget is None or 2 * self._measure(handle, place.identity.dtype) <= budget

    def _share(self, place: _Place, handle: Weights) -> bool:
        """Fill an empty place with the patched form of the plain network, which stays as long as that does.

        Returns:
            False, nothing done, where the blocks of the plain one pass through the device.
        """
        plain = replace(handle, patches=())
        base = self._pin(plain, place.device, place.identity.dtype)
        try:
            with base.lock:
                if base.net is None:
                    self._bring(base, plain)
            assert base.net is not None
            net = None if base.stream else self._change(base.net, handle)
        except BaseException:
            self._unpin(base)
            raise
        if net is None:
            self._unpin(base)
            return False
        kept = {id(tensor) for tensor in (*base.net.parameters(), *base.net.buffers())}
        with self._lock:
            place.net, place.base, place.nbytes = net, base, _nbytes(net, kept)
            self._make_room(place.device)
        return True

    def _moved(self, place: _Place, net: nn.Module | None, handle: Weights) -> nn.Module:
        if net is None:
            return self._loaded(place, handle, place.device)
        return net.to(place.device)

    def _loaded(self, place: _Place, handle: Weights, where: str) -> nn.Module:
        """A handle's network from its files, computing as it is to compute on its place's device."""
        net = self._load(handle, where, place.identity.dtype)
        if self._attention != "torch":
            choose_attention(net, attention(self._attention, place.device, place.identity.dtype))
        if self._compiles(handle):
            compile_blocks(net)
        return net

    def _take_from_host(self, place: _Place) -> nn.Module | None:
        with self._lock:
            source = self._places.get((place.identity, HOST))
            if place.device == HOST or source is None or source.borrowers:
                return None
            self._forget(source)
            return source.net

    def limit(self, budgets: Mapping[str, int]) -> None:
        """Other budgets from now on; what is over them and idle moves at once."""
        with self._lock:
            self._budgets = dict(budgets)
            for device in {place.device for place in self._places.values()}:
                self._make_room(device)

    def _make_room(self, device: str) -> None:
        """Move idle networks off a device, or out of the host, until its budget holds. The caller has `_lock`."""
        budget = self._budgets.get(device)
        if budget is None:
            return
        while sum(place.nbytes for place in self._places.values() if place.device == device) > budget:
            idle = next((place for place in self._idle() if place.device == device), None)
            if idle is None:
                break
            self._evict(idle)

    def _evict(self, place: _Place) -> None:
        """Off a device into host memory, if it may hold so much and is no other's; off the host altogether."""
        if place.base is not None:
            self._drop(place)
            return
        self._forget(place)
        net = place.take()
        assert net is not None
        nbytes = _nbytes(net)
        fits = nbytes <= self._budgets.get(HOST, nbytes)
        if place.device == HOST or not fits or (place.identity, HOST) in self._places:
            return
        moved = _Place(place.identity, place.folder, HOST, net.to(HOST), nbytes=nbytes)
        self._places[moved.identity, HOST] = moved
        self._make_room(HOST)

    def _drop(self, place: _Place) -> None:
        """Off every device; what it was made of may leave, too."""
        self._forget(place)
        place.take()
        base, place.base = place.base, None
        if base is not None:
            base.borrowers -= 1

    def _idle(self) -> list[_Place]:
        return [place for place in self._places.values() if place.net is not None and not place.borrowers]

    def _forget(self, place: _Place) -> None:
        if self._places.get((place.identity, place.device)) is place:
            del self._places[place.identity, place.device]


def _nbytes(net: nn.Module, but: Container[int] = ()) -> int:
    """Bytes of the weights; what is shared inside the network counts once, tensors of the ids in `but` not at all."""
    return sum(tensor.nbytes for tensor in (*net.parameters(), *net.buffers()) if id(tensor) not in but)
