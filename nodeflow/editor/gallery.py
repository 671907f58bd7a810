"""The pictures of this session, newest first: each opens in the viewer, and opens the graph that made it."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QAction, QContextMenuEvent, QIcon, QPixmap
from PySide6.QtWidgets import QLineEdit, QListView, QListWidget, QListWidgetItem, QMenu, QVBoxLayout, QWidget

from ..worker.messages import Picture
from .guard import guarded

THUMB = QSize(84, 84)
KEPT = 500
"""Pictures that are remembered."""
MADE = Qt.ItemDataRole.UserRole


@dataclass(frozen=True)
class Made:
    """A picture, where it came from, and the text of the graph that made it."""

    title: str
    picture: Picture
    graph: str


class Gallery(QWidget):
    """The pictures; `picture_wanted` and `graph_wanted` carry a `Made`."""

    picture_wanted = Signal(object)
    graph_wanted = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.line = QLineEdit()
        self.line.setPlaceholderText("Search prompts and values")
        self.line.setClearButtonEnabled(True)
        self.line.setAccessibleName("Search pictures")
        self.list = _List()
        self.list.setViewMode(QListView.ViewMode.IconMode)
        self.list.setResizeMode(QListView.ResizeMode.Adjust)
        self.list.setMovement(QListView.Movement.Static)
        self.list.setIconSize(THUMB)
        self.list.setSpacing(6)
        self.list.setMinimumHeight(THUMB.height() + 24)
        self.list.setAccessibleName("Pictures")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(10, 6, 6, 4)
        layout.addWidget(self.line)
        layout.addWidget(self.list)
        self.line.textChanged.connect(self._search)
        self.list.itemActivated.connect(lambda item: self.picture_wanted.emit(item.data(MADE)))
        self.list.view_wanted.connect(self.picture_wanted)
        self.list.graph_wanted.connect(self.graph_wanted)

    def add(self, made: object) -> None:
        """Put a `Made` in front."""
        assert isinstance(made, Made)
        pixels = QPixmap()
        pixels.loadFromData(made.picture.data)
        icon = pixels.scaled(THUMB, Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation)
        item = QListWidgetItem(QIcon(icon), "")
        item.setData(MADE, made)
        item.setToolTip(f"{made.title}, {made.picture.width} × {made.picture.height}")
        self.list.insertItem(0, item)
        item.setHidden(not self._answers(made))
        while self.list.count() > KEPT:
            self.list.takeItem(self.list.count() - 1)

    def _answers(self, made: Made) -> bool:
        text = f"{made.title} {made.graph}".casefold()
        return all(word in text for word in self.line.text().casefold().split())

    def _search(self) -> None:
        for row in range(self.list.count()):
            item = self.list.item(row)
            item.setHidden(not self._answers(item.data(MADE)))


class _List(QListWidget):
    view_wanted = Signal(object)
    graph_wanted = Signal(object)

    @guarded
    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        item = self.itemAt(event.pos())
        if item is None:
            return
        menu, made = QMenu(self), item.data(MADE)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        view, graph = QAction("Look at it", menu), QAction("Open the graph that made it", menu)
        view.triggered.connect(lambda: self.view_wanted.emit(made))
        graph.triggered.connect(lambda: self.graph_wanted.emit(made))
        menu.addActions([view, graph])
        menu.popup(event.globalPos())
