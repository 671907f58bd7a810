"""Threads for nodes that wait (downloads, decoding, saving), so that they overlap with computing.

The threads are daemons: a cancelled run does not wait for a download that cannot be interrupted.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any

THREADS = 8


class Pool:
    """Runs work on a few threads, made when needed; results are fetched by the thread that runs the graph."""

    def __init__(self) -> None:
        self.busy = 0
        self._threads = 0
        self._work: queue.SimpleQueue[tuple[Any, Callable[[], Any]] | None] = queue.SimpleQueue()
        self._results: queue.SimpleQueue[tuple[Any, Any]] = queue.SimpleQueue()

    def submit(self, tag: Any, work: Callable[[], Any]) -> None:
        """Run `work()` on a thread; (tag, its result) comes from `collect`. `work` must not raise."""
        self.busy += 1
        if self._threads < min(self.busy, THREADS):
            self._threads += 1
            threading.Thread(target=self._serve, name="nodeflow-waiting", daemon=True).start()
        self._work.put((tag, work))

    def collect(self, timeout: float) -> tuple[Any, Any] | None:
        """One finished (tag, result), waiting for at most `timeout` seconds."""
        try:
            found = self._results.get(timeout=timeout) if timeout else self._results.get_nowait()
        except queue.Empty:
            return None
        self.busy -= 1
        return found

    def close(self) -> None:
        """Let the threads end when they are done."""
        for _ in range(self._threads):
            self._work.put(None)

    def _serve(self) -> None:
        while (job := self._work.get()) is not None:
            tag, work = job
            self._results.put((tag, work()))
