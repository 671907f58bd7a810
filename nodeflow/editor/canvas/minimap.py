"""A small picture of the whole graph in the corner; a press in it goes there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QMouseEvent, QPainter, QPen, QPixmap
from PySide6.QtWidgets import QWidget

from .. import theme
from ..faces import HEADER
from ..guard import guarded

if TYPE_CHECKING:
    from .projection import Projection

SIZE = QSize(190, 120)
EDGE = 12


class Minimap(QWidget):
    """The map of a canvas, over its lower right corner."""

    def __init__(self, canvas: Projection) -> None:
        super().__init__(canvas)
        self.canvas = canvas
        self._nodes: tuple[object, QPixmap] | None = None
        self.setFixedSize(SIZE)
        self.setAccessibleName("Map of the graph")
        self.hide()

    def stay(self) -> None:
        """Keep to the corner."""
        size = self.canvas.viewport().size()
        self.move(size.width() - self.width() - EDGE, size.height() - self.height() - EDGE)

    def follow(self) -> None:
        """Show itself while part of the graph is out of view."""
        whole = self.canvas.whole()
        seen = self.canvas.visible()
        wanted = not whole.isEmpty() and not seen.contains(whole)
        if wanted != self.isVisible():
            self.setVisible(wanted)
        if wanted:
            self.update()

    def _scale(self) -> tuple[float, QRectF]:
        whole = self.canvas.whole().united(self.canvas.visible())
        scale = min((self.width() - 12) / max(1.0, whole.width()), (self.height() - 12) / max(1.0, whole.height()))
        return scale, whole

    @guarded
    def paintEvent(self, event: Any) -> None:
        painter = QPainter(self)
        scale, whole = self._scale()
        painter.drawPixmap(0, 0, self._painted(scale, whole.center()))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self._onto(painter, scale, whole.center())
        pen = QPen(theme.color(theme.ACCENT), 1.4)
        pen.setCosmetic(True)
        painter.setPen(pen)
        painter.setBrush(theme.color(theme.ACCENT, 0.12))
        painter.drawRect(self.canvas.visible())

    def _onto(self, painter: QPainter, scale: float, center: QPointF) -> None:
        """From now on, paint in the scene's coordinates."""
        painter.translate(self.width() / 2, self.height() / 2)
        painter.scale(scale, scale)
        painter.translate(-center)

    def _painted(self, scale: float, center: QPointF) -> QPixmap:
        """The ground and the nodes, painted when they have moved and not when the camera has."""
        key = (self.canvas.moves, scale, center.x(), center.y(), theme.applied(), self.devicePixelRatioF())
        if self._nodes is None or self._nodes[0] != key:
            self._nodes = (key, self._paint_nodes(scale, center))
        return self._nodes[1]

    def _paint_nodes(self, scale: float, center: QPointF) -> QPixmap:
        made = QPixmap(self.size() * self.devicePixelRatioF())
        made.setDevicePixelRatio(self.devicePixelRatioF())
        made.fill(Qt.GlobalColor.transparent)
        painter = QPainter(made)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(theme.color(theme.BODY_EDGE), 1))
        painter.setBrush(theme.color(theme.PANEL, 0.92))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 8, 8)
        self._onto(painter, scale, center)
        bodies: dict[str, list[QRectF]] = {}
        for item in self.canvas.nodes.values():
            left, top, right, bottom = item.sides
            bodies.setdefault(item.face.category, []).append(QRectF(left, top, right - left, bottom - top))
        painter.setPen(Qt.PenStyle.NoPen)
        for category, rects in bodies.items():
            painter.setBrush(theme.color(theme.BODY_EDGE))
            painter.drawRects(rects)
            for rect in rects:
                rect.setHeight(max(HEADER * 2, 3 / scale))
            painter.setBrush(theme.category_color(category))
            painter.drawRects(rects)
        painter.end()
        return made

    @guarded
    def mousePressEvent(self, event: QMouseEvent) -> None:
        self._go(event.position())

    @guarded
    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if event.buttons():
            self._go(event.position())

    def _go(self, at: QPointF) -> None:
        scale, whole = self._scale()
        there = whole.center() + (at - QPointF(self.width() / 2, self.height() / 2)) / scale
        way = there - self.canvas.center()
        self.canvas.pan(way)
