"""Wires: curves in the colour of what they carry."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainterPath, QPainterPathStroker, QPen, QTransform
from PySide6.QtWidgets import QGraphicsPathItem

from .. import theme

if TYPE_CHECKING:
    from ..following import Key
    from .node import FlowNode

Z_WIRE, Z_LIVE = -1.0, 10.0
IN_DOT = 6.0
"""How far a wire runs into a reroute."""
PAD = 4.0
"""Around the middle line of a wire, for its thickness."""
LONG = 800.0
"""A wire wider than this is painted as straight lines."""
FINE = 4.0
"""How much finer these are than those that Qt cuts a curve into."""


def reach(x: float, right: float) -> float:
    """How far the handles of a curve reach out: further where it runs back."""
    return max(36.0, min((right - x) * 0.5, 160.0)) if right >= x else min(220.0, 60.0 + (x - right) * 0.35)


def curve(x: float, y: float, right: float, bottom: float) -> QPainterPath:
    """From an output to an input: leaves to the right, arrives from the left."""
    out = reach(x, right)
    path = QPainterPath()
    path.moveTo(x, y)
    path.cubicTo(x + out, y, right - out, bottom, right, bottom)
    return path


def straightened(path: QPainterPath) -> QPainterPath:
    """A curve as lines that begin and end by themselves: what Qt paints fastest, by ten times where a wire is long."""
    (points,) = path.toSubpathPolygons(QTransform.fromScale(FINE, FINE))
    made = QPainterPath()
    for start, end in pairwise(points.toList()):
        made.moveTo(start / FINE)
        made.lineTo(end / FINE)
    return made


@theme.remembered
def _pen(carries: str, bright: bool, dim: bool) -> QPen:
    """How a wire is painted; its ends are square, so that lines overlap where they meet."""
    pen = QPen(theme.on_canvas(carries, 0.15 if dim else 1.0 if bright else 0.75), 3.0 if bright else 2.2)
    pen.setCapStyle(Qt.PenCapStyle.SquareCap)
    return pen


class FlowWire(QGraphicsPathItem):
    """A wire between two nodes; Qt paints it, nothing of it is asked for here while it stays as it is.

    Args:
        source: The node it comes from, and its output.
        target: The node it arrives at, and its input.
        key: What its canvas knows it by.
    """

    carries = ""
    dim = hot = False

    def __init__(self, source: FlowNode, output: str, target: FlowNode, input: str, key: Key) -> None:
        super().__init__()
        self.source, self.output, self.target, self.input, self.key = source, output, target, input, key
        self._start = self._end = (0.0, 0.0)
        self._bounds = QRectF()
        self.setZValue(Z_WIRE)
        source.wires.append(self)
        target.wires.append(self)
        self.attach()

    @property
    def ends(self) -> tuple[str, str]:
        """("node.output", "node.input")."""
        return f"{self.source.name_}.{self.output}", f"{self.target.name_}.{self.input}"

    def attach(self) -> None:
        """Run between the ports, wherever they are on their nodes now; hidden while there is none."""
        start, end = self.source.face.port("out", self.output), self.target.face.port("in", self.input)
        if (there := start is not None and end is not None) != self.isVisible():
            self.setVisible(there)
        if start is None or end is None:
            return
        self._start = (start.x - IN_DOT * self.source.face.dot, start.y)
        self._end = (end.x + IN_DOT * self.target.face.dot, end.y)
        self.carries = start.type
        self.dress()
        self.follow()

    def follow(self) -> None:
        """Run between the nodes, wherever they are now."""
        (left, top, *_), (dx, dy) = self.source.sides, self._start
        x, y = left + dx, top + dy
        (left, top, *_), (dx, dy) = self.target.sides, self._end
        right, bottom = left + dx, top + dy
        path, low = curve(x, y, right, bottom), min(x, right - reach(x, right)) - PAD
        wide = max(x + reach(x, right), right) + PAD - low
        self.setPath(path if wide <= LONG else straightened(path))
        # after the path: the scene looks the item up by its old bounds
        self._bounds = QRectF(low, min(y, bottom) - PAD, wide, abs(bottom - y) + 2 * PAD)

    def dress(self) -> None:
        """Take the look that its state asks for."""
        bright = self.hot or self.source.isSelected() or self.target.isSelected()
        self.setPen(_pen(self.carries, bright, self.dim))

    def detach(self) -> None:
        """Leave both nodes."""
        for node in (self.source, self.target):
            if self in node.wires:
                node.wires.remove(self)

    def set_hot(self, hot: bool) -> None:
        """Stand out, or not, while the mouse is on it."""
        if hot != self.hot:
            self.hot = hot
            self.dress()

    def set_dim(self, dim: bool) -> None:
        """Fade, or not, while its end is pulled off."""
        self.dim = dim
        self.dress()

    def shape(self) -> QPainterPath:
        """Easier to hit than it is thick."""
        stroker = QPainterPathStroker()
        stroker.setWidth(10)
        return stroker.createStroke(self.path())

    def boundingRect(self) -> QRectF:
        return self._bounds


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
        self.setPath(curve(start.x(), start.y(), end.x(), end.y()))
        self.setVisible(True)
