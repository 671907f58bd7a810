"""Frames: titled, coloured boxes behind nodes; what stands in one moves with it.

A frame is an entry of the graph's view whose name begins with a full stop, so no node can have it:
`{"at": [x, y], "size": [w, h], "title": "Prompts", "color": "#3f8f55"}`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QPainter, QPen
from PySide6.QtWidgets import QGraphicsItem

from .. import theme
from ..clipping import spot as place_of
from ..guard import guarded

if TYPE_CHECKING:
    from ...graph import Graph
    from .canvas import Canvas

MARK = ".frame"
TITLE = 30.0
PAD = 24.0
COLOR = theme.FRAME
Z_FRAME = -5.0


def frames_of(graph: Graph) -> dict[str, dict[str, Any]]:
    """The frames of a graph by name."""
    return {name: view for name, view in graph.view.items() if name.startswith(MARK) and isinstance(view, dict)}


def free_name(graph: Graph) -> str:
    """A name for a new frame."""
    count = 1
    while f"{MARK} {count}" in graph.view:
        count += 1
    return f"{MARK} {count}"


def around(rects: list[QRectF], title: str) -> dict[str, Any]:
    """The view of a frame around these rectangles."""
    whole = QRectF()
    for rect in rects:
        whole = whole.united(rect)
    whole.adjust(-PAD, -PAD - TITLE, PAD, PAD)
    at, size = [round(whole.x()), round(whole.y())], [round(whole.width()), round(whole.height())]
    return {"at": at, "size": size, "title": title, "color": COLOR}


class FlowFrame(QGraphicsItem):
    """A frame; its title bar selects and drags it, its lower right corner changes its size.

    Args:
        key: Its name in the view.
        canvas: Where it is.
    """

    moves_nodes = True
    """Does what stands in it move with it?"""

    def __init__(self, key: str, canvas: Canvas) -> None:
        super().__init__()
        self.key, self.canvas = key, canvas
        self.title, self.color, self.size = "", COLOR, (200.0, 150.0)
        self.setZValue(Z_FRAME)
        self._frames: dict[str, QPointF] = {}
        self.setFlag(QGraphicsItem.GraphicsItemFlag.ItemIsSelectable)
        self._grip: QPointF | None = None
        self._inside: dict[str, QPointF] = {}
        self._sizing = False
        self._start = QPointF()

    def show_view(self, view: dict[str, Any]) -> None:
        """Show another state of the frame."""
        size = view.get("size")
        good = isinstance(size, list) and len(size) == 2 and all(isinstance(each, int | float) for each in size)
        wanted = (float(size[0]), float(size[1])) if good and size else (200.0, 150.0)
        if wanted != self.size:
            self.prepareGeometryChange()
            self.size = (max(80.0, wanted[0]), max(60.0, wanted[1]))
            self.resized()
        self.setZValue(Z_FRAME - min(self.size[0] * self.size[1], 1e9) / 1e9)  # a frame in another lies on it
        self.title, self.color = str(view.get("title", "")), str(view.get("color", COLOR))
        if (self.x(), self.y()) != (at := place_of(view)):
            self.setPos(*at)
        self.update()

    def holds_within(self, whole: QRectF) -> bool:
        """Does it stand around nodes that all lie in a rectangle, or inside of it itself?"""
        rect = self.mapRectToScene(self.rect())
        bodies = [item.mapRectToScene(item.body) for item in self.canvas.nodes.values()]
        inside = [body for body in bodies if rect.contains(body)]
        return whole.contains(rect) or bool(inside and all(whole.contains(body) for body in inside))

    def resized(self) -> None:
        """It has another size."""

    def sizes(self, place: QPointF) -> bool:
        """Does a press there change the size?"""
        return place.y() > TITLE

    def rect(self) -> QRectF:
        return QRectF(0, 0, *self.size)

    def boundingRect(self) -> QRectF:
        return self.rect().adjusted(-3, -3, 3, 3)

    def shape(self) -> Any:
        """Only the title bar and the corner are taken hold of; the rest is canvas."""
        from PySide6.QtGui import QPainterPath

        path = QPainterPath()
        path.addRect(QRectF(0, 0, self.size[0], TITLE))
        path.addRect(QRectF(self.size[0] - 16, self.size[1] - 16, 16, 16))
        return path

    @guarded
    def paint(self, painter: QPainter, option: Any, widget: Any = None) -> None:
        rect = self.rect()
        painter.setPen(QPen(theme.color(theme.ACCENT if self.isSelected() else self.color, 0.9), 1.4))
        painter.setBrush(theme.color(self.color, 0.13))
        painter.drawRoundedRect(rect, 10, 10)
        painter.setPen(theme.color(theme.TEXT, 0.85))
        painter.setFont(theme.font(15, strong=True))
        painter.drawText(rect.adjusted(14, 7, -14, 0), Qt.AlignmentFlag.AlignTop, self.title)
        self.paint_corner(painter)

    def paint_corner(self, painter: QPainter) -> None:
        """The grip that changes the size."""
        painter.setPen(QPen(theme.color(self.color, 0.9), 1.4))
        corner = self.rect().bottomRight()
        for reach in (5, 9):
            painter.drawLine(corner + QPointF(-reach - 3, -4), corner + QPointF(-4, -reach - 3))

    @guarded
    def mousePressEvent(self, event: Any) -> None:
        super().mousePressEvent(event)
        place = event.pos()
        self._sizing = self.sizes(place)
        self._grip, self._start = event.scenePos(), self.pos()
        rect = self.mapRectToScene(self.rect())
        nodes = self.canvas.nodes.items() if self.moves_nodes else ()
        frames = self.canvas.frames.items() if self.moves_nodes else ()
        self._inside = {name: item.pos() for name, item in nodes if rect.contains(item.mapRectToScene(item.body))}
        within = ((key, each) for key, each in frames if each is not self)
        self._frames = {key: each.pos() for key, each in within if rect.contains(each.mapRectToScene(each.rect()))}
        event.accept()

    @guarded
    def mouseMoveEvent(self, event: Any) -> None:
        if self._grip is None:
            return
        way = event.scenePos() - self._grip
        if self._sizing:
            self.prepareGeometryChange()
            self.size = (max(80.0, event.pos().x()), max(60.0, event.pos().y()))
            self.resized()
            self.update()
            return
        way = QPointF(round(way.x() / 10) * 10, round(way.y() / 10) * 10)
        self.setPos(self._start + way)
        for name, was in self._inside.items():
            self.canvas.nodes[name].setPos(was + way)
        for key, was in self._frames.items():
            self.canvas.frames[key].setPos(was + way)

    @guarded
    def mouseReleaseEvent(self, event: Any) -> None:
        super().mouseReleaseEvent(event)
        if self._sizing:
            self.canvas.document.show(self.key, "Resize frame", size=[round(self.size[0]), round(self.size[1])])
        elif self._grip is not None and self.pos() != self._start:
            places = {name: (item.x(), item.y()) for name in self._inside if (item := self.canvas.nodes.get(name))}
            places |= {key: (each.x(), each.y()) for key in self._frames if (each := self.canvas.frames.get(key))}
            label = "Move frame" if self.moves_nodes else "Move note"
            self.canvas.document.place({self.key: (self.x(), self.y()), **places}, label=label)
        self._grip = None
