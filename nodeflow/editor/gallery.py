"""The outputs of this session and of the output folders, newest first; each opens in the viewer, or opens its graph.

The folders are looked into when the gallery is seen first, in the background.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from PySide6.QtCore import QModelIndex, QPoint, Qt, QTimer, QUrl, Signal
from PySide6.QtGui import QAction, QContextMenuEvent, QDesktopServices, QPainter, QPaintEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QLineEdit, QListView, QMenu, QVBoxLayout, QWidget

from . import theme
from .background import Background
from .guard import guarded
from .indexing import Index
from .made import Made
from .shelf import MADE, THUMB, Shelf

REST_MS = 1200
"""From when it is seen until the folders are looked into: a window that opens has other things to do."""


class Gallery(QWidget):
    """The outputs; `view_wanted` carries a `Made` and all that are shown, `graph_wanted` a `Made`.

    Args:
        background: Where folders are looked into.
        folders: Says which.
    """

    view_wanted = Signal(object, object)
    graph_wanted = Signal(object)

    def __init__(self, background: Background, folders: Callable[[], list[Path]]) -> None:
        super().__init__()
        self._background, self._folders = background, folders
        self._looked: list[Path] = []
        self._soon = QTimer(self, singleShot=True, interval=REST_MS)
        self._soon.timeout.connect(self.look)
        self.shelf = Shelf()
        self.line = QLineEdit()
        self.line.setPlaceholderText("Search prompts and parameters")
        self.line.setClearButtonEnabled(True)
        self.line.setAccessibleName("Search outputs")
        self.count = QLabel()
        self.count.setObjectName("faint")
        self.list = _List()
        self.list.setModel(self.shelf)
        head = QHBoxLayout()
        head.setSpacing(10)
        head.addWidget(self.line)
        head.addWidget(self.count)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(10, 6, 10, 4)
        layout.addLayout(head)
        layout.addWidget(self.list)
        self.line.textChanged.connect(self.shelf.search)
        self.shelf.modelReset.connect(self._say)
        self.list.activated.connect(lambda index: self._view(index.data(MADE)))
        self.list.wanted.connect(self._menu)
        self._say()

    def add(self, made: Made) -> None:
        """Something was made."""
        self.shelf.add([made])

    def look(self) -> None:
        """Look into the folders, in the background; what was found before is not read again."""
        folders = self._folders()
        if folders != self._looked:
            self._looked = folders
            self._background.do(lambda stopped: Index().scan(folders, stopped), self.shelf.add)

    @guarded
    def showEvent(self, event: Any) -> None:
        self.shelf.ratio = self.devicePixelRatioF()
        self._soon.start()

    def retint(self) -> None:
        self.shelf.forget_small()

    def _say(self) -> None:
        shown, all_ = len(self.shelf.shown), len(self.shelf.items)
        self.count.setText("nothing yet" if not all_ else f"{shown}" if shown == all_ else f"{shown} of {all_}")

    def _view(self, made: Made) -> None:
        self.view_wanted.emit(made, self.shelf.shown)

    def _menu(self, made: object, at: object) -> None:
        assert isinstance(made, Made) and isinstance(at, QPoint)
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        view, graph = QAction("Look at it", menu), QAction("Open the graph that made it", menu)
        reveal = QAction("Show its file in the folder", menu)
        view.triggered.connect(lambda: self._view(made))
        graph.triggered.connect(lambda: self.graph_wanted.emit(made))
        reveal.triggered.connect(lambda: QDesktopServices.openUrl(QUrl.fromLocalFile(str(Path(made.file).parent))))
        reveal.setEnabled(bool(made.file))
        menu.addActions([view, graph, reveal])
        menu.popup(at)


class _List(QListView):
    wanted = Signal(object, object)

    def __init__(self) -> None:
        super().__init__()
        self.setViewMode(QListView.ViewMode.IconMode)
        self.setResizeMode(QListView.ResizeMode.Adjust)
        self.setMovement(QListView.Movement.Static)
        self.setUniformItemSizes(True)
        self.setLayoutMode(QListView.LayoutMode.Batched)
        self.setIconSize(THUMB)
        self.setSpacing(4)
        self.setMinimumHeight(THUMB.height() + 24)
        self.setAccessibleName("Outputs")
        self.setObjectName("outputs")

    @guarded
    def paintEvent(self, event: QPaintEvent) -> None:
        """An empty list says what will be in it."""
        super().paintEvent(event)
        model = self.model()
        if isinstance(model, Shelf) and not model.shown:
            painter = QPainter(self.viewport())
            painter.setPen(theme.color(theme.FAINT))
            words = (
                "No output says that" if model.items else "What runs make will be here, with the graphs that made it"
            )
            painter.drawText(self.viewport().rect(), Qt.AlignmentFlag.AlignCenter, words)
            painter.end()

    @guarded
    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        index: QModelIndex = self.indexAt(event.pos())
        if index.isValid():
            self.wanted.emit(index.data(MADE), event.globalPos())
