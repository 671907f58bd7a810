"""The palette: every node type by category, with search; dragged onto the canvas, or added with Enter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QMimeData, QSize, Qt, Signal
from PySide6.QtGui import QContextMenuEvent, QIcon, QKeyEvent, QPainter, QPixmap
from PySide6.QtWidgets import QLineEdit, QMenu, QTreeWidget, QTreeWidgetItem, QVBoxLayout, QWidget

from ..specs import NodeSpec
from . import theme
from .guard import guarded
from .matching import ranked
from .popup import Choice
from .structure import SAVED, saved_names

if TYPE_CHECKING:
    from ..packs import Library

MIME = "application/x-nodeflow-type"
ID = Qt.ItemDataRole.UserRole
ROW = QSize(0, 27)


def choices(library: Library) -> list[Choice]:
    """All node types, for a search."""
    specs = [spec for id in library.ids() if (spec := library.spec(id))]
    return [
        Choice(
            spec.title,
            spec.id.partition("/")[0],
            spec.id,
            theme.category_color(spec.id.partition("/")[0]).name(),
            spec.doc,
        )
        for spec in specs
    ]


def saved_choices() -> list[Choice]:
    """The subgraphs that are kept in the user's folder, for a search."""
    color = theme.category_color("saved").name()
    return [Choice(name, "saved", SAVED + name, color, "A subgraph you kept.") for name in saved_names()]


class Palette(QWidget):
    """The node types; `chosen` carries the id of one to add."""

    chosen = Signal(str)
    favoured = Signal()
    """The favourites are others."""

    def __init__(self, library: Library, favourites: list[str]) -> None:
        super().__init__()
        self.library, self.favourites = library, favourites
        self.setObjectName("palette")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.line = QLineEdit()
        self.line.setPlaceholderText("Search nodes")
        self.line.setClearButtonEnabled(True)
        self.line.setAccessibleName("Search nodes")
        self.tree = _Tree(self)
        self.tree.setHeaderHidden(True)
        self.tree.setUniformRowHeights(True)
        self.tree.setIndentation(14)
        self.tree.setIconSize(QSize(12, 12))
        self.tree.setDragEnabled(True)
        self.tree.setAccessibleName("Node types")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(10, 8, 4, 4)
        layout.setSpacing(8)
        layout.addWidget(self.line)
        layout.addWidget(self.tree)
        self.line.textChanged.connect(self._search)
        self.line.returnPressed.connect(lambda: self._choose(self.tree.currentItem()))
        self.tree.itemActivated.connect(self._choose)
        self._fill()

    def show_saved(self) -> None:
        """The subgraphs that are kept have changed."""
        self._search(self.line.text())

    @property
    def _specs(self) -> list[NodeSpec]:
        return [*(spec for id in self.library.ids() if (spec := self.library.spec(id))), *_saved()]

    def favour(self, id: str) -> None:
        """Put a node type among the favourites, or take it out."""
        if id in self.favourites:
            self.favourites.remove(id)
        else:
            self.favourites.append(id)
        self.favoured.emit()
        self.retint()

    def _group(self, title: str) -> QTreeWidgetItem:
        group = QTreeWidgetItem([title])
        group.setSizeHint(0, ROW)
        group.setFlags(Qt.ItemFlag.ItemIsEnabled)
        group.setForeground(0, theme.color(theme.DIM))
        group.setFont(0, theme.text_font(0.92, strong=True))
        self.tree.addTopLevelItem(group)
        return group

    def _fill(self) -> None:
        self.tree.clear()
        known = {spec.id: spec for spec in self._specs}
        liked = [known[id] for id in self.favourites if id in known]
        if liked:
            group = self._group("★ Favourites")
            for spec in liked:
                group.addChild(self._item(spec))
        groups: dict[str, QTreeWidgetItem] = {}
        for spec in sorted(self._specs, key=lambda spec: (spec.id.partition("/")[0], spec.title)):
            category = spec.id.partition("/")[0]
            if category not in groups:
                groups[category] = self._group(category.capitalize())
            groups[category].addChild(self._item(spec))
        self.tree.expandAll()

    def _item(self, spec: NodeSpec) -> QTreeWidgetItem:
        item = QTreeWidgetItem([spec.title])
        item.setSizeHint(0, ROW)
        item.setData(0, ID, spec.id)
        item.setToolTip(
            0, f"<b>{spec.title}</b><br>{spec.doc}<br><span style='color:{theme.code(theme.FAINT)}'>{spec.id}</span>"
        )
        item.setIcon(0, _swatch(spec.id.partition("/")[0]))
        return item

    def _search(self, query: str) -> None:
        if not query.strip():
            self._fill()
            return
        self.tree.clear()
        for spec in ranked(query, self._specs, lambda spec: (spec.title, spec.id, spec.doc)):
            self.tree.addTopLevelItem(self._item(spec))
        if first := self.tree.topLevelItem(0):
            self.tree.setCurrentItem(first)

    def retint(self) -> None:
        self._search(self.line.text())

    def _choose(self, item: QTreeWidgetItem | None) -> None:
        if item is not None and item.data(0, ID):
            self.chosen.emit(item.data(0, ID))


class _Tree(QTreeWidget):
    def __init__(self, owner: Palette) -> None:
        super().__init__()
        self.owner = owner

    @guarded
    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        item = self.itemAt(event.pos())
        id = str(item.data(0, ID) or "") if item is not None else ""
        if id:
            menu = QMenu(self)
            menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
            liked = id in self.owner.favourites
            menu.addAction("Add to the graph\tReturn", lambda: self.owner.chosen.emit(id))
            words = "Take out of the favourites" if liked else "Put among the favourites"
            menu.addAction(f"{words}\tInsert", lambda: self.owner.favour(id))
            menu.popup(event.globalPos())

    @guarded
    def keyPressEvent(self, event: QKeyEvent) -> None:
        item = self.currentItem()
        if event.key() == Qt.Key.Key_Insert and item is not None and item.data(0, ID):
            self.owner.favour(str(item.data(0, ID)))
        else:
            super().keyPressEvent(event)

    def mimeData(self, items: Any) -> QMimeData:
        data = QMimeData()
        data.setData(MIME, str(items[0].data(0, ID) or "").encode())
        return data


def _saved() -> list[NodeSpec]:
    return [NodeSpec(id=SAVED + name, title=name, doc="A subgraph you kept.") for name in saved_names()]


def _swatch(category: str) -> QIcon:
    pixels = QPixmap(24, 24)
    pixels.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixels)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(theme.category_color(category))
    painter.drawRoundedRect(2, 2, 20, 20, 6, 6)
    painter.end()
    return QIcon(pixels)
