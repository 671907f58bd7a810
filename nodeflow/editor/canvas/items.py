"""The items on the canvas by name: looked up, selected, brought into view."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from PySide6.QtCore import QPoint, QPointF, QRectF, Qt, QTimer, Signal
from PySide6.QtGui import QCursor, QPainter, QResizeEvent

from .. import theme
from ..faces import PortSpot
from ..guard import guarded
from ..levels import SIDES
from .frame import FlowFrame
from .node import FlowNode
from .notes import FlowNote
from .pictures import Pictures
from .viewer import FlowViewer
from .wire import FlowWire, LiveWire

if TYPE_CHECKING:
    from ...specs import Input
    from ..document import Document
    from ..following import Key


class Items(FlowViewer):
    """Nodes, wires, frames and notes.

    Args:
        document: What they show.
    """

    selection_changed = Signal()

    def __init__(self, document: Document) -> None:
        super().__init__()
        self.document = document
        self.nodes: dict[str, FlowNode] = {}
        self.frames: dict[str, FlowFrame] = {}
        self.wires: dict[Key, FlowWire] = {}
        self.pictures = Pictures()
        self.live = LiveWire()
        self.live.setVisible(False)
        self.scene().addItem(self.live)
        self.untouched = True
        """Has nobody moved the camera yet?"""
        self._settle = QTimer(self, singleShot=True, interval=0)
        self._settle.timeout.connect(self._catch_up)
        self.moves = 0
        """Counts whatever changes where nodes are, or how large."""
        self._late: dict[FlowWire, None] | None = None
        self._bodies: tuple[int, QRectF] = (-1, QRectF())
        self.scene().selectionChanged.connect(self.selection_changed)

    # Looking things up

    def node_at(self, at: QPointF) -> FlowNode | None:
        """The node under a point of the scene."""
        return next((item for item in self.scene().items(at) if isinstance(item, FlowNode)), None)

    def frame_at(self, at: QPointF) -> FlowFrame | None:
        """The frame whose title bar, or the note, is under a point of the scene."""
        return next((item for item in self.scene().items(at) if isinstance(item, FlowFrame)), None)

    def wire_at(self, at: QPointF) -> FlowWire | None:
        """The wire near a point of the scene."""
        near = QRectF(at.x() - 4, at.y() - 4, 8, 8)
        return next((item for item in self.scene().items(near) if isinstance(item, FlowWire)), None)

    def wire_into(self, node: FlowNode, spot: PortSpot) -> FlowWire | None:
        """The wire that arrives at an input."""
        return next((wire for wire in node.wires if wire.target is node and wire.input == spot.name), None)

    def input_of(self, name: str, port: str) -> Input | None:
        """The declaration of a node's input."""
        ports = self.document.ports(name)
        return ports.inputs.get(port) if ports else None

    def selected(self) -> list[str]:
        """The names of the selected nodes, in reading order, then frames."""
        items = self.scene().selectedItems()
        nodes = sorted((item for item in items if isinstance(item, FlowNode)), key=lambda item: (item.x(), item.y()))
        return [item.name_ for item in nodes] + [item.key for item in items if isinstance(item, FlowFrame)]

    def select(self, names: Iterable[str]) -> None:
        """Select these nodes and frames and no others; who listens is told once."""
        scene, before = self.scene(), self.scene().selectedItems()
        wanted = {item for name in names if (item := self.nodes.get(name) or self.frames.get(name))}
        blocked = scene.blockSignals(True)
        for item in before:
            item.setSelected(item in wanted)
        for item in wanted:
            item.setSelected(True)
        scene.blockSignals(blocked)
        if scene.selectedItems() != before:
            scene.selectionChanged.emit()

    @contextmanager
    def together(self) -> Iterator[None]:
        """While many nodes move; a wire follows once, when all are where they belong."""
        if self._late is not None:
            yield
            return
        late = self._late = dict[FlowWire, None]()
        try:
            yield
        finally:
            self._late = None
            self.bring(late)

    def bring(self, wires: Iterable[FlowWire]) -> None:
        """Bring wires to where their nodes are now."""
        if self._late is not None:
            self._late.update(dict.fromkeys(wires))
            return
        for wire in wires:
            wire.follow()

    def spread(self) -> None:
        """A node is somewhere else, or has another size."""
        self.moves += 1

    def bodies(self) -> QRectF:
        """The part of the scene that holds nodes, without the panels of a subgraph."""
        if self._bodies[0] != self.moves:
            self._bodies = (self.moves, _around(each.sides for name, each in self.nodes.items() if name not in SIDES))
        return self._bodies[1]

    def whole(self) -> QRectF:
        """The part of the scene that holds nodes, frames and notes."""
        rect = QRectF(self.bodies())
        for frame in self.frames.values():
            rect = rect.united(frame.mapRectToScene(frame.rect()))
        for panel in SIDES.keys() & self.nodes.keys():
            rect = rect.united(self.nodes[panel].body.translated(self.nodes[panel].pos()))
        return rect

    def pan(self, way: QPointF) -> None:
        """Move the view."""
        self._set_viewer_pan(way.x(), way.y())

    @guarded
    def drawBackground(self, painter: QPainter, rect: QRectF) -> None:
        """The first thing of a frame."""
        self.pictures.ratio = self.devicePixelRatioF()
        super().drawBackground(painter, rect)

    def _soften(self) -> None:
        super()._soften()
        self.pictures.moving = True

    def _sharpen(self) -> None:
        """The camera rests: a few nodes a frame are painted for the zoom it has now."""
        super()._sharpen()
        self._catch_up()

    def _catch_up(self) -> None:
        if not self._sharp.isActive() and self.pictures.catch_up():
            self._settle.start()

    @guarded
    def drawForeground(self, painter: QPainter, rect: QRectF) -> None:
        """An empty canvas says how to begin."""
        if len(self.nodes) > len(SIDES) or self.nodes.keys() - SIDES.keys():
            return
        painter.save()
        painter.resetTransform()
        painter.setPen(theme.color(theme.FAINT))
        painter.setFont(theme.font(15))
        hint = "Double-click or press Tab to add a node"
        painter.drawText(QRectF(self.viewport().rect()), Qt.AlignmentFlag.AlignCenter, hint)
        painter.restore()

    def retint(self) -> None:
        """Another look: everything is painted again."""
        self._row = None
        for item in self.scene().items():
            if isinstance(item, FlowNote):
                item.retint()
            elif isinstance(item, FlowWire):
                item.dress()
            item.update()
        self.viewport().update()

    def heights(self) -> dict[str, float]:
        return {name: item.body.height() for name, item in self.nodes.items()}

    def show_node(self, name: str, select: bool = False) -> None:
        """Bring a node into view, moving no more than needed."""
        item = self.nodes.get(name)
        if item is None:
            return
        if select:
            self.select([name])
        rect, seen = item.mapRectToScene(item.body), self.visible()
        if not seen.contains(rect):
            self._set_viewer_pan(rect.center().x() - seen.center().x(), rect.center().y() - seen.center().y())

    def fit(self, names: Iterable[str] = ()) -> None:
        """Bring all nodes, or these, into view."""
        names = list(names)
        rect = QRectF()
        for name in names:
            if item := self.nodes.get(name):
                rect = rect.united(item.body.translated(item.pos()))
            elif frame := self.frames.get(name):
                rect = rect.united(frame.mapRectToScene(frame.rect()))
        self.show_rect(self.whole() if rect.isEmpty() else rect)

    @guarded
    def resizeEvent(self, event: QResizeEvent) -> None:
        """Until it is taken hold of, the view shows all of the graph."""
        super().resizeEvent(event)
        if self.untouched:
            self.fit()

    def center(self) -> QPointF:
        return self.visible().center()

    def cursor_spot(self) -> tuple[QPointF, QPoint]:
        """Where the mouse is in the scene and on the screen; the middle, when it is elsewhere."""
        screen = QCursor.pos()
        local = self.viewport().mapFromGlobal(screen)
        if not self.viewport().rect().contains(local):
            local = self.viewport().rect().center()
            screen = self.viewport().mapToGlobal(local)
        return self.mapToScene(local), screen


def _around(sides: Iterable[tuple[float, float, float, float]]) -> QRectF:
    """The smallest rectangle around others."""
    lefts, tops, rights, bottoms = tuple(zip(*sides, strict=True)) or ((0.0,),) * 4
    left, top = min(lefts), min(tops)
    return QRectF(left, top, max(rights) - left, max(bottoms) - top)
