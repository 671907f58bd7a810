"""Work that would hold up the window, done one after the other in a thread; what it yields comes back as calls."""

from __future__ import annotations

import queue
import threading
import traceback
from collections.abc import Callable, Iterable
from typing import Any

from PySide6.QtCore import QObject, Qt, Signal

Work = Callable[[Callable[[], bool]], Iterable[Any]]
"""Yields results; the function it is given says whether it is to stop."""


class Background(QObject):
    """A thread that lives while there is something to do."""

    _came = Signal(object, object)

    def __init__(self) -> None:
        super().__init__()
        self._tasks: queue.SimpleQueue[tuple[Work, Callable[[Any], object]]] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._came.connect(self._hand_on, Qt.ConnectionType.QueuedConnection)

    def do(self, work: Work, then: Callable[[Any], object]) -> None:
        """Do this after what is waiting; `then` gets each result, in the thread of the window."""
        with self._lock:
            self._tasks.put((work, then))
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(target=self._work, name="editor-background", daemon=True)
                self._thread.start()

    def close(self, patience: float = 2.0) -> None:
        """Stop, and wait for what is being done."""
        self._closed = True
        if (thread := self._thread) is not None:
            thread.join(patience)

    @property
    def idle(self) -> bool:
        return self._thread is None

    def _work(self) -> None:
        while True:
            with self._lock:
                if self._closed or self._tasks.empty():
                    self._thread = None
                    return
                work, then = self._tasks.get()
            try:
                for result in work(lambda: self._closed):
                    if self._closed:
                        break
                    self._came.emit(then, result)
            except Exception:
                traceback.print_exc()

    def _hand_on(self, then: object, result: object) -> None:
        if not self._closed and callable(then):
            then(result)
