"""What a node shows of its result: a picture, or a curve."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QPainter, QPainterPath, QPen, QPolygonF

from .. import theme
from ..waves import length, paint_button, paint_wave

if TYPE_CHECKING:
    from .node import FlowNode

STALE = 0.5
"""How strongly a picture is painted that is of a graph as it was."""
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
    if node.mark.stale:
        painter.setOpacity(STALE * painter.opacity())
    painter.drawImage(place, image)
    painter.restore()
    if node.mark.picture is not None and node.mark.picture.note:
        painter.setFont(theme.font(10))
        words = node.mark.picture.note
        chip = QRectF(rect.left() + 6, rect.bottom() - 22, painter.fontMetrics().horizontalAdvance(words) + 14, 16)
        painter.setPen(NO_PEN)
        painter.setBrush(theme.color(theme.SHADOW, 0.6))
        painter.drawRoundedRect(chip, 8, 8)
        painter.setPen(theme.color(theme.ON_HEADER))
        painter.drawText(chip, CENTER, words)
    if len(node.mark.pictures) > 1:
        chip = QRectF(rect.right() - 44, rect.top() + 6, 38, 18)
        painter.setPen(NO_PEN)
        painter.setBrush(theme.color(theme.SHADOW, 0.6))
        painter.drawRoundedRect(chip, 9, 9)
        painter.setPen(theme.color(theme.ON_HEADER))
        painter.setFont(theme.font(11))
        painter.drawText(chip, CENTER, f"1/{len(node.mark.pictures)}")


def paint_sound(painter: QPainter, node: FlowNode) -> None:
    """A button, the waveform, and how long it is."""
    rect, sound = node.sound_rect, node.mark.sounds[0]
    painter.setPen(NO_PEN)
    painter.setBrush(theme.color(theme.FIELD))
    painter.drawRoundedRect(rect, 6, 6)
    paint_wave(painter, wave_rect(rect), sound.outline, node.played)
    paint_button(painter, button_spot(rect), BUTTON, node.played > 0, node.hot == "play")
    painter.setPen(theme.color(theme.DIM))
    painter.setFont(theme.font(10))
    many = f"1/{len(node.mark.sounds)}   " if len(node.mark.sounds) > 1 else ""
    where = f"{length(sound.seconds * node.played)} / " if node.played else ""
    foot = rect.adjusted(0, 0, -8, -2)
    words = f"{many}{where}{length(sound.seconds)}"
    painter.drawText(foot, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignBottom, words)


BUTTON = 11.0
"""Radius of the play button."""


def button_spot(rect: QRectF) -> QPointF:
    """The middle of the play button."""
    return QPointF(rect.left() + 20, rect.center().y())


def wave_rect(rect: QRectF) -> QRectF:
    """Where the waveform is."""
    return rect.adjusted(40, 6, -8, -15)


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
