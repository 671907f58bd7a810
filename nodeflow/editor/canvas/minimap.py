"""A small picture of the whole graph in the corner; a press in it goes there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QMouseEvent, QPainter, QPen
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
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(theme.color(theme.BODY_EDGE), 1))
        painter.setBrush(theme.color(theme.PANEL, 0.92))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 8, 8)
        scale, whole = self._scale()
        painter.translate(self.width() / 2, self.height() / 2)
        painter.scale(scale, scale)
        painter.translate(-whole.center())
        painter.setPen(Qt.PenStyle.NoPen)
        for item in self.canvas.nodes.values():
            body = item.body.translated(item.pos())
            painter.fillRect(body, theme.color(theme.BODY_EDGE))
            head = QRectF(body.left(), body.top(), body.width(), max(HEADER * 2, 3 / scale))
            painter.fillRect(head, theme.category_color(item.face.category))
        pen = QPen(theme.color(theme.ACCENT), 1.4)
        pen.setCosmetic(True)
        painter.setPen(pen)
        painter.setBrush(theme.color(theme.ACCENT, 0.12))
        painter.drawRect(self.canvas.visible())

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
