"""One open graph with all that belongs to it: document, marks, runs, canvas, inspector, journal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal

from ..graph import Graph
from .canvas.canvas import Canvas
from .document import Document
from .inspector import Inspector
from .journal import Journal
from .marks import Marks
from .runs import Runs

if TYPE_CHECKING:
    from ..packs import Library
    from .runs import Hub

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
        self.canvas = Canvas(self.document, self.marks)
        self.inspector = Inspector(self.document, self.marks)
        self.journal = Journal()
        self.log: list[str] = []
        self._keep = QTimer(self, singleShot=True, interval=KEEP_MS)
        self._keep.timeout.connect(self.keep)
        self.document.listeners.append(self._edited)
        self.runs.changed.connect(self.canvas.show_marks)
        self.canvas.selection_changed.connect(lambda: self.inspector.show_nodes(self.canvas.selected()))

    @property
    def changed(self) -> bool:
        """Is there anything to save?"""
        return self.document.history.changed

    @property
    def title(self) -> str:
        return f"{self.document.title}{' •' if self.changed else ''}"

    def keep(self) -> None:
        """Bring the journal up to date."""
        if not self.changed:
            self.journal.clear()
        elif why := self.journal.write(self.document.text, self.document.path):
            self.failed.emit(f"Unsaved changes cannot be kept: {why}")

    def close(self) -> None:
        """The tab is closed on purpose."""
        self._keep.stop()
        self.runs.close()
        self.journal.clear()
        self.document.listeners.clear()
        self.canvas.deleteLater()
        self.inspector.deleteLater()
        self.deleteLater()

    def _edited(self) -> None:
        if not self._keep.isActive():
            self._keep.start()
        self.title_changed.emit()
