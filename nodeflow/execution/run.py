"""What belongs to one run: where it computes, how it is cancelled, what a node may ask of it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import Cancelled, NodeflowError
from ..values import Audio, Image, Weights
from .events import NodeLoaded, NodeLog, NodeProgress

if TYPE_CHECKING:
    from .events import Emitter
    from .standing import Standing


@dataclass(frozen=True)
class Environment:
    """Where a run computes and what it may borrow.

    Args:
        device: "cpu", "cuda", "cuda:1", "mps".
        dtype: Number format for weights: "auto", "float32", "float16", "bfloat16".
        folder: The output folder.
        weights: (handle, device, dtype) -> context manager that lends the network.
        release: Frees weights that nobody borrows; returns how many bytes.
        save: (pictures or sounds, name, suffix, embed) -> files written into the output folder.
        graph: Gives the graph that is run, as JSON.
        save_every: Nodes keep their state on disk each so manieth step; 0 = only when the run is stopped.
        resume: Nodes go on from the state they kept.
        kernels: What computes otherwise than usual, and so rounds otherwise: "compiled", an attention back-end.
    """

    device: str = "cpu"
    dtype: str = "auto"
    folder: str = "."
    weights: Callable[[Weights, str, str], AbstractContextManager[Any]] | None = None
    release: Callable[[], int] | None = None
    save: Callable[[Image | Audio, str, str, bool], list[str]] | None = None
    graph: Callable[[], str] | None = None
    save_every: int = 0
    resume: bool = False
    kernels: tuple[str, ...] = ()

    def identity(self, *, sink: bool) -> list[str]:
        """What of it changes the result of a node that asks for the run; a sink also writes into the folder."""
        return [self.device, self.dtype, *self.kernels, *([self.folder] if sink else [])]


class Token:
    """Cancels one run. `cancel()` may be called from any thread or signal handler."""

    __slots__ = ("cancelled",)

    def __init__(self) -> None:
        self.cancelled = False

    def cancel(self) -> None:
        """Ask the run to stop before its next step."""
        self.cancelled = True

    def check(self) -> None:
        """Raise `Cancelled` when the run should stop."""
        if self.cancelled:
            raise Cancelled()


class NodeRun:
    """The run as one node sees it; fulfils `nodeflow.node.Run`."""

    __slots__ = ("_cancel", "_emitter", "_environment", "_node", "_standing", "device", "dtype", "folder")

    def __init__(
        self, node: str, environment: Environment, cancel: Token, emitter: Emitter, standing: Standing
    ) -> None:
        self._node = node
        self._environment = environment
        self._cancel = cancel
        self._emitter = emitter
        self._standing = standing
        self.device = environment.device
        self.dtype = environment.dtype
        self.folder = environment.folder

    def progress(self, step: int, total: int, preview: object = None, note: str = "") -> None:
        """Report a step done, with a value to show and a few words, such as the loss.

        Raises:
            Cancelled: When the user asked to stop.
        """
        if self._emitter.active:
            self._emitter.emit(NodeProgress(self._emitter.run, self._node, step, total, preview, note))
        self._cancel.check()

    def check(self) -> None:
        """Raise `Cancelled` when the user asked to stop."""
        self._cancel.check()

    def log(self, text: str) -> None:
        """A line for the user."""
        if self._emitter.active:
            self._emitter.emit(NodeLog(self._emitter.run, self._node, text))

    def keep(self, step: int, total: int, state: Callable[[], object]) -> None:
        """Offer what the node could go on from after a step, before `progress` reports it; made only when it is due."""
        self._standing.keep(step, total, state)

    def kept(self) -> Any:
        """What an interrupted run of this very step kept, its arrays on the CPU; None = begin anew."""
        found = self._standing.kept()
        if found is None:
            return None
        state, place = found
        self.log(f"goes on from step {place.step} of {place.total}")
        return state

    def weights(self, handle: Weights) -> AbstractContextManager[Any]:
        """Borrow the network behind a handle, on the run's device, for the length of a `with`.

        Raises:
            NodeflowError: NF401, when this run has no models to lend.
        """
        if self._environment.weights is None:
            raise NodeflowError("NF401", "this run lends no models", fix="give its Environment a weights service")
        return self._lent(self._environment.weights(handle, self.device, self.dtype))

    def release(self) -> int:
        """Free weights and results that nobody uses now, as when memory runs out; returns the bytes."""
        return self._environment.release() if self._environment.release is not None else 0

    @contextlib.contextmanager
    def _lent(self, lending: AbstractContextManager[Any]) -> Iterator[Any]:
        """Say how long it took until the weights were there."""
        began = time.perf_counter()
        with lending as network:
            waited = time.perf_counter() - began
            if waited >= 0.001 and self._emitter.active:
                self._emitter.emit(NodeLoaded(self._emitter.run, self._node, waited))
            yield network

    def save(self, value: Image | Audio, name: str, suffix: str, *, embed: bool = True) -> list[str]:
        """Write pictures or sounds into the output folder; returns the files.

        Raises:
            NodeflowError: NF603 for a name that leaves the folder; NF108 if a file cannot be written.
        """
        if self._environment.save is None:
            raise NodeflowError("NF108", "this run saves no files", fix="give its Environment a save service")
        return self._environment.save(value, name, suffix, embed)

    def graph(self) -> str:
        """The graph that is run, as JSON, for files that carry what made them; empty = not known."""
        return self._environment.graph() if self._environment.graph is not None else ""
