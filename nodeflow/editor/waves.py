"""Sounds as they are painted: on nodes, in the viewer, in the gallery."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QPainter, QPixmap, QPolygonF

from . import theme

if TYPE_CHECKING:
    from ..worker.messages import Sound


def paint_wave(painter: QPainter, rect: QRectF, outline: bytes, share: float = 0.0) -> None:
    """The outline of a sound; what has been played is bright, and a line stands where the head is."""
    columns = memoryview(outline).cast("b")
    count = len(columns) // 2
    if not count or rect.width() <= 0:
        return
    middle, half = rect.center().y(), rect.height() / 2
    step = rect.width() / count
    above = [QPointF(rect.left() + (i + 0.5) * step, middle - columns[2 * i + 1] / 127 * half - 0.4)
             for i in range(count)]  # fmt: skip
    below = [QPointF(rect.left() + (i + 0.5) * step, middle - columns[2 * i] / 127 * half + 0.4) for i in range(count)]
    shape = QPolygonF([*above, *reversed(below)])
    color = theme.type_color("Audio")
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(theme.faded(color, 0.55 if share else 0.9))
    painter.drawPolygon(shape)
    if share:
        head = rect.left() + rect.width() * min(1.0, share)
        painter.save()
        painter.setClipRect(QRectF(rect.left(), rect.top() - 2, head - rect.left(), rect.height() + 4))
        painter.setBrush(color)
        painter.drawPolygon(shape)
        painter.restore()
        painter.fillRect(QRectF(head - 0.75, rect.top(), 1.5, rect.height()), theme.color(theme.TEXT))


def paint_button(painter: QPainter, middle: QPointF, radius: float, playing: bool, hot: bool = False) -> None:
    """A round button: a triangle plays, a square stops."""
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(theme.color(theme.ACCENT_HOT if hot else theme.ACCENT))
    painter.drawEllipse(middle, radius, radius)
    painter.setBrush(theme.color(theme.ON_ACCENT))
    size = radius * 0.42
    if playing:
        painter.drawRect(QRectF(middle.x() - size, middle.y() - size, 2 * size, 2 * size))
    else:
        places = ((-0.75, -1.1), (1.15, 0.0), (-0.75, 1.1))
        painter.drawPolygon(QPolygonF([middle + QPointF(x * size, y * size) for x, y in places]))


def length(seconds: float) -> str:
    """ "0.74 s", "1:05"."""
    return f"{seconds:.2f} s" if seconds < 60 else f"{seconds // 60:.0f}:{seconds % 60:02.0f}"


def thumb(sound: Sound, size: QSize, ratio: float = 1.0) -> QPixmap:
    """A small picture of a sound."""
    pixels = QPixmap(size * ratio)
    pixels.setDevicePixelRatio(ratio)
    pixels.fill(theme.color(theme.FIELD))
    painter = QPainter(pixels)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    paint_wave(painter, QRectF(4, 14, size.width() - 8, size.height() - 32), sound.outline)
    painter.setPen(theme.color(theme.DIM))
    painter.setFont(theme.font(10))
    foot = QRectF(0, size.height() - 18, size.width() - 5, 16)
    painter.drawText(foot, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, length(sound.seconds))
    painter.end()
    return pixels
