"""Wires: curves in the colour of what they carry."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPainterPath, QPainterPathStroker, QPen
from PySide6.QtWidgets import QGraphicsItem, QGraphicsPathItem

from .. import theme
from ..guard import guarded

if TYPE_CHECKING:
    from .node import FlowNode

Z_WIRE, Z_LIVE = -1.0, 10.0
IN_DOT = 6.0
"""How far a wire runs into a reroute."""
LONG = 2400.0
"""A wire wider than this is painted in pieces, those that are in view."""
PIECES = 24


def curve(start: QPointF, end: QPointF) -> QPainterPath:
    """From an output to an input: leaves to the right, arrives from the left."""
    reach = max(36.0, min(abs(end.x() - start.x()) * 0.5, 160.0))
    if end.x() < start.x():
        reach = min(220.0, 60.0 + (start.x() - end.x()) * 0.35)
    path = QPainterPath(start)
    path.cubicTo(start.x() + reach, start.y(), end.x() - reach, end.y(), end.x(), end.y())
    return path


def pieces(path: QPainterPath) -> list[tuple[QRectF, QPainterPath]]:
    """The one curve of a path, cut at even times by de Casteljau's construction, each piece with its bounds."""
    start, *rest = (QPointF(path.elementAt(place).x, path.elementAt(place).y) for place in range(4))
    made = []
    for left in range(PIECES, 0, -1):
        t = 1 / left
        ab, bc, cd = (a + (b - a) * t for a, b in pairwise((start, *rest)))
        abc, bcd = ab + (bc - ab) * t, bc + (cd - bc) * t
        there = abc + (bcd - abc) * t
        piece = QPainterPath(start)
        piece.cubicTo(ab, abc, there)
        made.append((piece.controlPointRect().adjusted(-4, -4, 4, 4), piece))
        start, rest = there, [bcd, cd, rest[-1]]
    return made


class FlowWire(QGraphicsPathItem):
    """A wire between two nodes.

    Args:
        source: The node it comes from, and its output.
        target: The node it arrives at, and its input.
    """

    def __init__(self, source: FlowNode, output: str, target: FlowNode, input: str) -> None:
        super().__init__()
        self.source, self.output, self.target, self.input = source, output, target, input
        self.setZValue(Z_WIRE)
        self.setFlag(QGraphicsItem.GraphicsItemFlag.ItemIsSelectable, False)
        self.setAcceptedMouseButtons(Qt.MouseButton.NoButton)
        self.carries = ""
        self.key: tuple[str, str, int] = ("", "", 0)
        """What its canvas knows it by."""
        self.dim = False
        self.hot = False
        self.broken = False
        self._bounds = QRectF()
        self._pieces: list[tuple[QRectF, QPainterPath]] = []
        source.wires.append(self)
        target.wires.append(self)
        self.follow()

    @property
    def ends(self) -> tuple[str, str]:
        """("node.output", "node.input")."""
        return f"{self.source.name_}.{self.output}", f"{self.target.name_}.{self.input}"

    def follow(self) -> None:
        """Run between the ports, wherever they are now."""
        start, end = self.source.port_place("out", self.output), self.target.port_place("in", self.input)
        if start is None or end is None:
            self.setVisible(False)
            return
        self.setVisible(True)
        spot = self.source.face.port("out", self.output)
        self.carries = spot.type if spot else ""
        start = start - QPointF(IN_DOT, 0) if self.source.face.dot else start
        end = end + QPointF(IN_DOT, 0) if self.target.face.dot else end
        path = curve(start, end)
        self.prepareGeometryChange()  # the scene looks the item up by its old bounds
        self._bounds = path.controlPointRect().adjusted(-4, -4, 4, 4)
        self.setPath(path)
        self._pieces = []
        self.setFlag(QGraphicsItem.GraphicsItemFlag.ItemUsesExtendedStyleOption, self._bounds.width() > LONG)

    def detach(self) -> None:
        """Leave both nodes."""
        for node in (self.source, self.target):
            if self in node.wires:
                node.wires.remove(self)

    def set_hot(self, hot: bool) -> None:
        if hot != self.hot:
            self.hot = hot
            self.update()

    def shape(self) -> QPainterPath:
        """Easier to hit than it is thick."""
        stroker = QPainterPathStroker()
        stroker.setWidth(10)
        return stroker.createStroke(self.path())

    def boundingRect(self) -> QRectF:
        return self._bounds

    @guarded
    def paint(self, painter: QPainter, option: Any, widget: Any = None) -> None:
        bright = self.hot or self.source.isSelected() or self.target.isSelected()
        color = theme.on_canvas(self.carries, 0.15 if self.dim else 1.0 if bright else 0.75)
        pen = QPen(color, 3.0 if bright else 2.2)
        pen.setCapStyle(Qt.PenCapStyle.RoundCap)
        if self.broken:
            pen.setStyle(Qt.PenStyle.DashLine)
            pen.setColor(theme.color(theme.BAD))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(pen)
        if self._bounds.width() <= LONG:
            painter.drawPath(self.path())
            return
        self._pieces = self._pieces or pieces(self.path())
        for bounds, piece in self._pieces:
            if bounds.intersects(option.exposedRect):
                painter.drawPath(piece)


class LiveWire(QGraphicsPathItem):
    """The wire that follows the mouse; red while it may not be dropped where it is."""

    def __init__(self) -> None:
        super().__init__()
        self.setZValue(Z_LIVE)
        self.setAcceptedMouseButtons(Qt.MouseButton.NoButton)

    def show_between(self, start: QPointF, end: QPointF, color: QColor, refused: bool) -> None:
        """From an output to an input; either end may be the mouse."""
        pen = QPen(theme.color(theme.BAD) if refused else color, 2.6)
        pen.setCapStyle(Qt.PenCapStyle.RoundCap)
        if refused:
            pen.setStyle(Qt.PenStyle.DashLine)
        self.setPen(pen)
        self.setPath(curve(start, end))
        self.setVisible(True)
