"""One open graph with all that belongs to it: document, marks, runs, canvas, inspector, journal."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal

from ..graph import Graph
from .background import Background
from .canvas.canvas import Canvas
from .document import Document
from .inspector import Inspector
from .journal import Journal
from .marks import Marks
from .moving import Moving
from .ownership import Ownership
from .runs import Runs

if TYPE_CHECKING:
    from ..packs import Library
    from .runs import Hub

FileState = tuple[int, int]
"""When a file was written, and its size."""
KEEP_MS = 700
"""After an edit, until the journal has it."""


class Workspace(QObject):
    """A graph being edited in a tab.

    Args:
        graph: The graph.
        library: The node types.
        hub: Whose worker runs it.
    """

    title_changed = Signal()
    failed = Signal(str)

    def __init__(self, graph: Graph, library: Library, hub: Hub) -> None:
        super().__init__()
        self.document = Document(graph, library)
        self.marks = Marks()
        self.runs = Runs(self.document, self.marks, hub)
        self.runs.setParent(self)
        self.document.listeners.insert(0, Moving(self.document, self.marks))
        self.canvas = Canvas(self.document, self.marks)
        self.inspector = Inspector(self.document, self.marks)
        self.journal = Journal()
        self._writing = Background()
        self._writing.setParent(self)
        self.owner = Ownership(self.document.path)
        self._file = _state_of(self.document.path)
        self._keep = QTimer(self, singleShot=True, interval=KEEP_MS)
        self._keep.timeout.connect(self.keep)
        self.document.listeners.append(self._edited)
        self.runs.changed.connect(self.canvas.show_marks)
        self.runs.changed.connect(lambda _: self.inspector.show_marks())
        self.canvas.selection_changed.connect(lambda: self.inspector.show_nodes(self.canvas.selected()))

    def note_file(self) -> None:
        """The graph is as in its file now."""
        self._file = _state_of(self.document.path)

    @property
    def changed_outside(self) -> bool:
        """Has somebody else written its file since it was opened or saved?"""
        now = _state_of(self.document.path)
        return self._file is not None and now is not None and now != self._file

    @property
    def changed(self) -> bool:
        """Is there anything to save?"""
        return self.document.history.changed

    @property
    def title(self) -> str:
        read_only = " (read-only)" if self.owner.other else ""
        return f"{self.document.title}{read_only}{' •' if self.changed else ''}"

    def keep(self) -> None:
        """Bring the journal up to date, in a thread: a disk may take its time."""
        text, path = (self.document.text, self.document.path) if self.changed else ("", "")
        self._writing.do(lambda stopped: self._write(text, path), self._kept)

    def _write(self, text: str, path: str) -> Iterator[str]:
        if text:
            yield self.journal.write(text, path)
        else:
            self.journal.clear()

    def _kept(self, why: str) -> None:
        if why:
            self.failed.emit(f"Unsaved changes cannot be kept: {why}")

    def close(self) -> None:
        """The tab is closed on purpose."""
        self._keep.stop()
        self._writing.close()
        self.runs.close()
        self.journal.clear()
        self.owner.release()
        self.document.listeners.clear()
        self.canvas.deleteLater()
        self.inspector.deleteLater()
        self.deleteLater()

    def _edited(self) -> None:
        if not self._keep.isActive():
            self._keep.start()
        self.title_changed.emit()


def _state_of(path: str) -> FileState | None:
    """None for a file that is not there."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size
