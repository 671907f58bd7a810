"""What a node shows of its result: a picture, or a curve."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QPainter, QPainterPath, QPen, QPolygonF

from .. import theme

if TYPE_CHECKING:
    from .node import FlowNode

NO_PEN, CENTER = Qt.PenStyle.NoPen, Qt.AlignmentFlag.AlignCenter


def paint_picture(painter: QPainter, node: FlowNode) -> None:
    rect, image = node.picture_rect, node.image
    assert image is not None
    painter.save()
    path = QPainterPath()
    path.addRoundedRect(rect, 6, 6)
    painter.setClipPath(path)
    painter.fillRect(rect, theme.color(theme.SUNK))
    size = image.size().scaled(rect.size().toSize(), Qt.AspectRatioMode.KeepAspectRatio)
    place = QRectF(0, 0, size.width(), size.height())
    place.moveCenter(rect.center())
    painter.drawImage(place, image)
    painter.restore()
    if len(node.mark.pictures) > 1:
        chip = QRectF(rect.right() - 44, rect.top() + 6, 38, 18)
        painter.setPen(NO_PEN)
        painter.setBrush(theme.color(theme.SHADOW, 0.6))
        painter.drawRoundedRect(chip, 9, 9)
        painter.setPen(theme.color(theme.ON_HEADER))
        painter.setFont(theme.font(11))
        painter.drawText(chip, CENTER, f"1/{len(node.mark.pictures)}")


def paint_plot(painter: QPainter, rect: QRectF, curve: tuple[float, ...]) -> None:
    """The noise levels of a schedule, from the first step to the last, a dot each."""
    painter.setPen(NO_PEN)
    painter.setBrush(theme.color(theme.FIELD))
    painter.drawRoundedRect(rect, 6, 6)
    painter.setFont(theme.font(10.5))
    if not curve:
        painter.setPen(theme.color(theme.FAINT))
        painter.drawText(rect, CENTER, "noise levels, after a run")
        return
    inner, top = rect.adjusted(10, 9, -10, -9), max(curve) or 1.0
    points = [
        QPointF(
            inner.left() + inner.width() * place / max(1, len(curve) - 1), inner.bottom() - inner.height() * sigma / top
        )
        for place, sigma in enumerate(curve)
    ]
    under = QPolygonF([QPointF(inner.left(), inner.bottom()), *points, QPointF(inner.right(), inner.bottom())])
    color = theme.type_color("Schedule")
    painter.setBrush(theme.faded(color, 0.14))
    painter.drawPolygon(under)
    painter.setPen(QPen(color, 1.5))
    painter.drawPolyline(points)
    if len(points) <= 60:
        painter.setPen(NO_PEN)
        painter.setBrush(color)
        for point in points:
            painter.drawEllipse(point, 1.7, 1.7)
    painter.setPen(theme.color(theme.DIM))
    painter.drawText(inner, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignTop, f"σ ≤ {top:.3g}")
