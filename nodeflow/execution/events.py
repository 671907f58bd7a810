"""What a run says while it goes on: frozen events through one callable.

Each event carries the run's id and is about one node, so its cost does not grow with the graph. A thread of its own
hands events to the consumer: a slow one never slows the run. When the consumer lags `BACKLOG` events behind, progress
events (with their previews) are dropped; starts, ends, logs and faults are kept. A consumer that raises is not called
again. At the end the run waits for the consumer for at most `PATIENCE` seconds; what is left arrives later.

Rejected: calling the consumer in line (a stalled terminal or a dead pipe would stall the GPU).
"""

from __future__ import annotations

import dataclasses
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..errors import Fault
from ..values import describe

BACKLOG = 1000
PATIENCE = 1.0


@dataclass(frozen=True, slots=True)
class Event:
    """Base of all events; `run` is the id of the run."""

    run: str


@dataclass(frozen=True, slots=True)
class RunStarted(Event):
    """A run begins; `steps` counts the calls that may be needed, cached ones included."""

    steps: int


@dataclass(frozen=True, slots=True)
class NodeStarted(Event):
    """A node is called; `at` is its place in the sweeps and lists it is part of."""

    node: str
    at: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class NodeProgress(Event):
    """A node has done `step` of `total`; `preview` is a value to show, or None, `note` a few words, such as a loss."""

    node: str
    step: int
    total: int
    preview: object = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class NodeLog(Event):
    """A line for the user."""

    node: str
    text: str


@dataclass(frozen=True, slots=True)
class NodeLoaded(Event):
    """A node waited so long for the weights it borrowed; told where that took a millisecond or more."""

    node: str
    seconds: float


@dataclass(frozen=True, slots=True)
class NodeFinished(Event):
    """A node's result is there; `cached` names the tier it came from, "" when the node ran."""

    node: str
    seconds: float
    cached: str = ""
    bytes: int = 0
    at: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class NodeFailed(Event):
    """A node failed, or was skipped because its source failed (NF508)."""

    node: str
    fault: Fault
    at: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class CacheWarning(Event):
    """A stored result was unreadable and is computed again."""

    text: str


@dataclass(frozen=True, slots=True)
class RunFinished(Event):
    """A run is over."""

    seconds: float
    failed: int = 0
    cancelled: bool = False


def to_json(event: Event) -> dict[str, Any]:
    """An event as plain data; a preview is described, not carried."""
    data: dict[str, Any] = {"event": type(event).__name__}
    for field in dataclasses.fields(event):
        value = getattr(event, field.name)
        if isinstance(value, Fault):
            value = {**dataclasses.asdict(value), "line": value.line}
        elif field.name == "preview" and value is not None:
            value = describe(value)
        data[field.name] = list(value) if isinstance(value, tuple) else value
    return data


class Emitter:
    """Hands events to a consumer from a thread of its own.

    Args:
        run: The run's id.
        consumer: Called with each event; None = nobody listens, and no events are made.
    """

    def __init__(self, run: str, consumer: Callable[[Event], object] | None) -> None:
        self.run = run
        self.active = consumer is not None
        self._consumer = consumer
        self._events: deque[Event | None] = deque()
        self._wake = threading.Semaphore(0)
        self._done = threading.Event()
        if self.active:
            threading.Thread(target=self._deliver, name="nodeflow-events", daemon=True).start()

    def emit(self, event: Event) -> None:
        """Queue an event; never blocks, never raises."""
        if not self.active or (type(event) is NodeProgress and len(self._events) > BACKLOG):
            return
        self._events.append(event)
        self._wake.release()

    def close(self) -> None:
        """No more events; wait a little for those on the way."""
        if self._consumer is not None:
            self._events.append(None)
            self._wake.release()
            self._done.wait(PATIENCE)

    def _deliver(self) -> None:
        assert self._consumer is not None
        while self._wake.acquire():
            event = self._events.popleft()
            if event is None:
                break
            try:
                self._consumer(event)
            except Exception:
                self.active = False
                break
        self._events.clear()
        self._done.set()
