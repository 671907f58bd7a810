"""A node on the canvas: one item for all of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from NodeGraphQt.qgraphics.node_abstract import AbstractNodeItem
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QImage, QPainter, QPainterPath
from PySide6.QtWidgets import QGraphicsItem

from ..faces import EDGE, PLOT, WIDTH, Face, Field, PortSpot
from ..guard import guarded
from ..marks import Mark
from .insets import BUTTON, button_spot, wave_rect
from .painting import paint_far

if TYPE_CHECKING:
    from ..clipping import Spot
    from .items import Items
    from .wire import FlowWire

MARGIN = 14.0
"""Around the body, for the shadow, the ports and the glow."""
SNAP = 10.0
REACH = 13.0
"""How near a port counts as on it."""
DOT_REACH = 6.0
"""As near as that at a reroute: its middle moves it."""
DETAIL = 0.35
"""Zoom below which a node is a coloured rectangle."""
PICTURE_MOST = 300.0
SOUND = 66.0
"""Room for a waveform."""


FLAGS = (
    QGraphicsItem.GraphicsItemFlag.ItemIsSelectable
    | QGraphicsItem.GraphicsItemFlag.ItemIsMovable
    | QGraphicsItem.GraphicsItemFlag.ItemSendsGeometryChanges
)
MOVES = QGraphicsItem.GraphicsItemChange.ItemPositionChange
MOVED = QGraphicsItem.GraphicsItemChange.ItemPositionHasChanged
CHOSEN = QGraphicsItem.GraphicsItemChange.ItemSelectedHasChanged
NOWHERE = QRectF()


class FlowNode(AbstractNodeItem):
    """A node.

    NodeGraphQt's own state of a node is left out: a dict for each, of which the document knows all.

    Args:
        face: What it shows.
        mark: What is known of its run.
        where: What it is called in runs.
        home: Where it is; told when it is somewhere else or has another size.
        at: Its place there.
    """

    snap = False
    """Do nodes stay on the grid? While they are dragged."""
    lit: frozenset[tuple[str, str]] | None = None
    """While a wire is dragged: the ports that may take it, as (side, name); None = no drag."""
    hot = ""
    """The field, or the port as "in name", under the mouse."""
    played = 0.0
    """How much of its sound has been played, 0..1; 0 = it is silent."""
    image: QImage | None = None
    sides = (0.0, 0.0, 0.0, 0.0)
    """Left, top, right and bottom of the body in the scene."""
    _picture: Any = None
    setSelected = QGraphicsItem.setSelected  # noqa: N815
    selected = property(QGraphicsItem.isSelected, QGraphicsItem.setSelected)

    def __init__(self, face: Face, mark: Mark, where: str, home: Items, at: Spot) -> None:
        QGraphicsItem.__init__(self)
        self.face, self.mark, self.where, self.home = face, mark, where, home
        self.wires: list[FlowWire] = []
        self.setPos(*at)  # before the flags, which have each move told
        self.setFlags(FLAGS)
        self._measure()
        if mark.picture is not None:
            self.show_mark()

    @property
    def id(self) -> str:
        """What NodeGraphQt calls a name."""
        return self.face.name

    @property
    def name_(self) -> str:
        """The node's name in the document."""
        return self.face.name

    # Geometry

    def _measure(self) -> None:
        """The rectangles, made once for many paints."""
        self.prepareGeometryChange()
        self.home.pictures.forget(self)
        height = self.face.height
        self.picture_rect = self.plot_rect = self.sound_rect = NOWHERE
        if self.face.plots:
            self.plot_rect = QRectF(EDGE, height - PLOT - EDGE, WIDTH - 2 * EDGE, PLOT)
        if self.image is not None and not self.face.collapsed:
            wide = WIDTH - 2 * EDGE
            tall = min(PICTURE_MOST, wide * self.image.height() / max(1, self.image.width()))
            self.picture_rect = QRectF(EDGE, height, wide, tall)
            height += tall + EDGE
        if self.mark.sounds and not self.face.collapsed:
            self.sound_rect = QRectF(EDGE, height, WIDTH - 2 * EDGE, SOUND)
            height += SOUND + EDGE
        self.body = QRectF(0, 0, self.face.width, height)
        self._bounds = self.body.adjusted(-MARGIN, -MARGIN, MARGIN, MARGIN + 4)
        self._settle(self.pos())

    def _settle(self, at: QPointF) -> None:
        """It is there now, or has another size."""
        x, y = at.x(), at.y()
        self.sides = (x, y, x + self.body.width(), y + self.body.height())
        self.home.spread()

    def boundingRect(self) -> QRectF:
        return self._bounds

    def shape(self) -> QPainterPath:
        path = QPainterPath()
        path.addRect(self.body.adjusted(-7, 0, 7, 0))
        return path

    def port_place(self, side: str, name: str) -> QPointF | None:
        """Where a port is in the scene."""
        spot = self.face.port(side, name)
        return None if spot is None else self.pos() + QPointF(spot.x, spot.y)

    def port_at(self, place: QPointF) -> PortSpot | None:
        """The port near a point of the item."""
        near = [(abs(spot.x - place.x()) + abs(spot.y - place.y()), spot) for spot in self.face.ports]
        near = [each for each in near if each[0] < (DOT_REACH if self.face.dot else REACH)]
        return min(near, key=lambda each: each[0])[1] if near else None

    def row_port(self, place: QPointF, side: str) -> PortSpot | None:
        """The port of a side on the row of a point: a wire may be dropped anywhere on the row."""
        if not -MARGIN <= place.x() <= self.face.width + MARGIN:
            return None
        rows = [spot for spot in self.face.ports if spot.side == side and abs(spot.y - place.y()) <= 12]
        return min(rows, key=lambda spot: abs(spot.y - place.y()), default=None)

    def listens_at(self, place: QPointF) -> float | None:
        """Where in its sound a point is; -1 on the button, None elsewhere."""
        if not self.sound_rect.contains(place):
            return None
        away = place - button_spot(self.sound_rect)
        if away.manhattanLength() < 2 * BUTTON:
            return -1.0
        wave = wave_rect(self.sound_rect)
        return min(1.0, max(0.0, (place.x() - wave.left()) / wave.width()))

    def set_played(self, share: float) -> None:
        """Move the head of its sound."""
        if share != self.played:
            self.played = share
            self.update()

    def field_at(self, place: QPointF) -> Field | None:
        """The field under a point of the item."""
        return self.face.field_at(place.x(), place.y())

    # Content

    def show_face(self, face: Face) -> None:
        """Show another state of the node."""
        grown = face.height != self.face.height or face.collapsed != self.face.collapsed
        moved = face.ports != self.face.ports
        self.face = face
        if grown:
            self._measure()
        if grown or moved:
            self.attach()
        self.update()

    def show_mark(self) -> None:
        """Show what has become of the mark; a picture is decoded once."""
        had = self.body.height()
        if self.mark.picture is not self._picture:
            self._picture = self.mark.picture
            if self._picture is not None:
                self.image = QImage.fromData(self._picture.data)
            self._measure()
        elif bool(self.mark.sounds) == self.sound_rect.isEmpty():
            self._measure()
        if self.body.height() != had:
            self.attach()
        self.update()

    def attach(self) -> None:
        """Bring the wires to where the ports are now."""
        for wire in self.wires:
            wire.attach()

    def itemChange(self, change: Any, value: Any) -> Any:
        if change is MOVES and self.snap:
            return QPointF(round(value.x() / SNAP) * SNAP, round(value.y() / SNAP) * SNAP)
        if change is MOVED:
            self._settle(value)
            self.home.bring(self.wires)
        elif change is CHOSEN:
            self.home.pictures.forget(self)
            for wire in self.wires:
                wire.dress()
        return value

    @guarded
    def mousePressEvent(self, event: Any) -> None:
        """Selecting and dragging are Qt's own."""
        QGraphicsItem.mousePressEvent(self, event)

    @guarded
    def paint(self, painter: QPainter, option: Any, widget: Any = None) -> None:
        if painter.worldTransform().m11() < DETAIL:
            paint_far(painter, self)
        else:
            self.home.pictures.draw(painter, self)

    def update(self) -> None:
        """It looks otherwise now."""
        self.home.pictures.forget(self)
        super().update()

    def set_lit(self, lit: frozenset[tuple[str, str]] | None) -> None:
        """Light up the ports that may take the dragged wire."""
        if lit != self.lit:
            self.lit = lit
            self.update()

    def set_hot(self, hot: str) -> None:
        """Mark what is under the mouse."""
        if hot != self.hot:
            self.hot = hot
            self.update()


CURSORS = {
    "number": Qt.CursorShape.SizeHorCursor,
    "text": Qt.CursorShape.IBeamCursor,
    "lines": Qt.CursorShape.IBeamCursor,
}
