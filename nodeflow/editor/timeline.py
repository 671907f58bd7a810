"""When each node of the last run computed, how long its weights took to come, and what its result holds. No Qt."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from ..worker import messages as say


@dataclass
class Span:
    """What a node did; times in seconds since the run began.

    Args:
        node: Its name.
        begin: When it began; a node that is called several times, the first of them.
        end: When it ended, the last time; None while it runs.
        loading: Seconds it waited for weights.
        cached: The tier its result came from; empty when it computed.
        bytes: What its result holds.
        failed: Did it fail?
        calls: How often it was called.
    """

    node: str
    begin: float
    end: float | None = None
    loading: float = 0.0
    cached: str = ""
    bytes: int = 0
    failed: bool = False
    calls: int = 0

    @property
    def words(self) -> str:
        """ "1.80 s, 0.92 s of it weights, 48 KiB"."""
        if self.cached:
            return f"cached ({self.cached}), {size(self.bytes)}" if self.bytes else f"cached ({self.cached})"
        if self.end is None:
            return "running"
        parts = [spent(self.end - self.begin)]
        if self.loading >= 0.001:
            parts.append(f"{spent(self.loading)} of it weights")
        if self.calls > 1:
            parts.append(f"{self.calls} calls")
        if self.bytes:
            parts.append(size(self.bytes))
        return ", ".join([*parts, *(["failed"] if self.failed else [])])


class Timeline:
    """The spans of a run, in the order in which they began.

    Args:
        now: The clock.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self.spans: dict[str, Span] = {}
        self.seconds: float | None = None
        """How long the run took; None while it goes on."""
        self._began = now()

    @property
    def length(self) -> float:
        """From its beginning to its end, or to now."""
        return self.seconds if self.seconds is not None else self._now() - self._began

    def told(self, message: object) -> None:
        """A message of the run."""
        at = self._now() - self._began
        match message:
            case say.JobStarted():
                self._began, self.spans, self.seconds = self._now(), {}, None
            case say.NodeStarted(node=node):
                self.spans.setdefault(node, Span(node, at)).end = None
            case say.Loaded(node=node, seconds=seconds) if node in self.spans:
                self.spans[node].loading += seconds
            case say.NodeFinished(node=node, seconds=seconds, cached=tier, bytes=bytes):
                span = self.spans.setdefault(node, Span(node, at))
                span.end, span.bytes, span.calls = at, span.bytes + bytes, span.calls + 1
                if tier and span.calls == 1:
                    span.cached = tier
                elif not tier:
                    span.cached, span.begin = "", min(span.begin, max(0.0, at - seconds))
            case say.NodeFailed(node=node) if node in self.spans:
                self.spans[node].end, self.spans[node].failed = at, True
            case say.JobFinished():
                self.seconds = at
                for span in self.spans.values():
                    span.end = at if span.end is None else span.end


def spent(seconds: float) -> str:
    """A length of time, in words."""
    if seconds < 0.0995:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.2f} s" if seconds < 60 else f"{seconds // 60:.0f} min {seconds % 60:.0f} s"


def size(count: float) -> str:
    """A number of bytes, in words."""
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.0f} {unit}"
        count /= 1024
    return f"{count:.2f} GiB"
