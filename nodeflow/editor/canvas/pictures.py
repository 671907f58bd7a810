"""Nodes as pixels: each is painted once for a zoom and then copied.

While the camera zooms, nodes are shown as they were painted last, larger or smaller; when it rests, a few at a time are
painted again, so that no frame waits for all of them. Qt's own cache of items would paint every node at every step of
a zoom.
"""

from __future__ import annotations

from collections import OrderedDict
from math import ceil
from typing import TYPE_CHECKING, NamedTuple

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QPainter, QPixmap

from .painting import paint_near

if TYPE_CHECKING:
    from .node import FlowNode

LIMIT = 128 * 2**20
"""Bytes of pictures that are kept, at a device pixel ratio of 1."""
AT_ONCE = 8
"""Nodes that are painted again in a frame once the camera rests."""
HINTS = QPainter.RenderHint.Antialiasing | QPainter.RenderHint.SmoothPixmapTransform


class _Picture(NamedTuple):
    pixels: QPixmap
    zoom: float
    size: int


class Pictures:
    """The nodes of a canvas as they were painted."""

    def __init__(self) -> None:
        self.ratio = 1.0
        """Device pixels a pixel."""
        self.moving = False
        """Does the camera zoom, so that a node may be shown in the size it was painted for before?"""
        self._kept: OrderedDict[FlowNode, _Picture] = OrderedDict()
        self._bytes = 0
        self._behind: dict[FlowNode, None] = {}

    def draw(self, painter: QPainter, node: FlowNode) -> None:
        """Copy a node to where the painter is, on whole pixels."""
        place, ratio = painter.worldTransform(), self.ratio
        zoom, picture = place.m11(), self._kept.get(node)
        corner = node.boundingRect().topLeft()
        x, y = place.dx() + corner.x() * zoom, place.dy() + corner.y() * zoom
        if picture is None or (picture.zoom != zoom * ratio and not self.moving):
            picture = self._paint(node, zoom * ratio)
        self._kept.move_to_end(node)
        painter.resetTransform()
        painter.setOpacity(1.0)
        if picture.zoom == zoom * ratio:
            painter.drawPixmap(QPointF(round(x * ratio) / ratio, round(y * ratio) / ratio), picture.pixels)
            return
        self._behind[node] = None
        share, pixels = zoom / picture.zoom, QRectF(picture.pixels.rect())
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.drawPixmap(QRectF(x, y, pixels.width() * share, pixels.height() * share), picture.pixels, pixels)

    def forget(self, node: FlowNode) -> None:
        """A node looks otherwise now, or is gone."""
        if (picture := self._kept.pop(node, None)) is not None:
            self._bytes -= picture.size
        self._behind.pop(node, None)

    def catch_up(self) -> bool:
        """The camera rests: let some nodes be painted that were shown in another size; returns whether any are left."""
        for node in list(self._behind)[:AT_ONCE]:
            self.forget(node)
            node.update()
        self.moving = bool(self._behind)
        return self.moving

    def _paint(self, node: FlowNode, zoom: float) -> _Picture:
        bounds = node.boundingRect()
        pixels = QPixmap(ceil(bounds.width() * zoom), ceil(bounds.height() * zoom))
        pixels.fill(Qt.GlobalColor.transparent)
        painter = QPainter(pixels)
        painter.setRenderHints(HINTS)
        painter.scale(zoom, zoom)
        painter.translate(-bounds.topLeft())
        paint_near(painter, node)
        painter.end()
        pixels.setDevicePixelRatio(self.ratio)
        self.forget(node)
        made = self._kept[node] = _Picture(pixels, zoom, pixels.width() * pixels.height() * 4)
        self._bytes += made.size
        while self._bytes > LIMIT * self.ratio**2 and len(self._kept) > 1:
            self._bytes -= self._kept.popitem(last=False)[1].size
        return made
