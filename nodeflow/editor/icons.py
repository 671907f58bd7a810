"""Icons as strokes on a grid of 20, painted in the colour and size they are needed in."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QIcon, QPainter, QPainterPath, QPen, QPixmap

from . import theme

Line = tuple[tuple[float, float], ...]
STROKES: dict[str, tuple[Line, ...]] = {
    "new": (((6, 3), (12, 3), (15, 6), (15, 17), (5, 17), (5, 3), (6, 3)), ((12, 3), (12, 6), (15, 6))),
    "open": (((3, 16), (3, 5), (8, 5), (10, 7), (16, 7), (16, 9)), ((3, 16), (6, 9), (18, 9), (15, 16), (3, 16))),
    "save": (((4, 4), (13, 4), (16, 7), (16, 16), (4, 16), (4, 4)), ((7, 4), (7, 8), (12, 8), (12, 4)),
             ((7, 16), (7, 12), (13, 12), (13, 16))),
    "undo": (((7, 4), (3, 8), (7, 12)), ((3, 8), (12, 8), (15, 9), (16.5, 12), (15, 15), (12, 16), (8, 16))),
    "redo": (((13, 4), (17, 8), (13, 12)), ((17, 8), (8, 8), (5, 9), (3.5, 12), (5, 15), (8, 16), (12, 16))),
    "fit": (((3, 7), (3, 3), (7, 3)), ((13, 3), (17, 3), (17, 7)), ((17, 13), (17, 17), (13, 17)),
            ((7, 17), (3, 17), (3, 13))),
    "layout": (((3, 4), (8, 4), (8, 8), (3, 8), (3, 4)), ((12, 4), (17, 4), (17, 8), (12, 8), (12, 4)),
               ((12, 12), (17, 12), (17, 16), (12, 16), (12, 12)), ((8, 6), (12, 6)), ((10, 6), (10, 14), (12, 14))),
    "add": (((10, 4), (10, 16)), ((4, 10), (16, 10))),
    "left": (((12, 4), (6, 10), (12, 16)),),
    "right": (((8, 4), (14, 10), (8, 16)),),
    "play": (((6, 4), (16, 10), (6, 16), (6, 4)),),
    "stop": (((5, 5), (15, 5), (15, 15), (5, 15), (5, 5)),),
    "one": (((3, 6), (5, 4), (5, 16)), ((10, 8), (10, 8.5)), ((10, 13), (10, 13.5)), ((14, 6), (16, 4), (16, 16))),
    "compare": (((3, 4), (17, 4), (17, 16), (3, 16), (3, 4)), ((10, 2), (10, 18)), ((6, 8), (6, 12)),
                ((14, 8), (14, 12))),
    "pin": (((7, 3), (13, 3), (12, 9), (15, 12), (5, 12), (8, 9), (7, 3)), ((10, 12), (10, 18))),
    "copy": (((7, 7), (16, 7), (16, 17), (7, 17), (7, 7)), ((13, 7), (13, 3), (4, 3), (4, 13), (7, 13))),
    "star": (((10, 3), (12.2, 7.6), (17, 8.2), (13.4, 11.6), (14.4, 16.6), (10, 14), (5.6, 16.6), (6.6, 11.6), (3, 8.2),
              (7.8, 7.6), (10, 3)),),
    "search": (((13, 13), (17, 17)),),
    "picture": (((3, 4), (17, 4), (17, 16), (3, 16), (3, 4)), ((3, 14), (8, 9), (11, 12), (13.5, 9.5), (17, 13)),
                ((13, 6.8), (13.4, 6.8))),
    "sound": (((4, 8), (4, 12)), ((7, 5), (7, 15)), ((10, 7), (10, 13)), ((13, 3), (13, 17)), ((16, 8), (16, 12))),
    "enlarge": (((3, 11), (3, 17), (9, 17), (9, 11), (3, 11)), ((7, 3), (17, 3), (17, 13)), ((10.5, 9.5), (14, 6)),
                ((11, 6), (14, 6), (14, 9))),
    "pencil": (((4, 16), (5, 12), (13, 4), (16, 7), (8, 15), (4, 16)), ((11, 6), (14, 9))),
    "label": (((3, 3), (10, 3), (17, 10), (10, 17), (3, 10), (3, 3)), ((6.6, 6.8), (7, 6.8))),
    "curve": (((3, 3), (3, 17), (17, 17)), ((5, 5), (6.5, 9), (9, 12), (12, 13.5), (16, 14.2))),
    "live": (((11, 3), (5, 11), (10, 11), (9, 17), (15, 9), (10, 9), (11, 3)),),
}  # fmt: skip


def icon(name: str, color: str = theme.DIM) -> QIcon:
    """An icon, at one, two and three pixels a point; paler where it is disabled."""
    made = QIcon()
    for mode, paint in ((QIcon.Mode.Normal, color), (QIcon.Mode.Disabled, theme.LINE), (QIcon.Mode.Active, theme.TEXT)):
        for scale in (1, 2, 3):
            made.addPixmap(_pixels(name, paint, scale), mode)
    return made


def _pixels(name: str, color: str, scale: int) -> QPixmap:
    pixels = QPixmap(20 * scale, 20 * scale)
    pixels.setDevicePixelRatio(scale)
    pixels.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixels)
    paint(painter, name, QRectF(0, 0, 20, 20), color)
    painter.end()
    return pixels


def paint(painter: QPainter, name: str, place: QRectF, color: str, thick: float = 1.6) -> None:
    """Paint an icon into a square; `thick` in the icon's own units."""
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.translate(place.topLeft())
    painter.scale(place.width() / 20, place.height() / 20)
    pen = QPen(theme.color(color), thick)
    pen.setCapStyle(Qt.PenCapStyle.RoundCap)
    pen.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
    painter.setPen(pen)
    for line in STROKES[name]:
        painter.drawPolyline([QPointF(x, y) for x, y in line])
    if name == "search":
        painter.drawEllipse(QPointF(9, 9), 5, 5)
    painter.restore()


def app_icon() -> QIcon:
    """Two nodes and a wire."""
    pixels = QPixmap(128, 128)
    pixels.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixels)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(theme.color(theme.PANEL))
    painter.drawRoundedRect(QRectF(4, 4, 120, 120), 28, 28)
    wire = QPainterPath(QPointF(40, 44))
    wire.cubicTo(80, 44, 48, 84, 88, 84)
    painter.strokePath(wire, QPen(theme.color(theme.ACCENT), 9, c=Qt.PenCapStyle.RoundCap))
    for at, color in (((22, 30), "Denoiser"), ((78, 70), "Image")):
        painter.setBrush(theme.type_color(color))
        painter.drawRoundedRect(QRectF(*at, 28, 28), 9, 9)
    painter.end()
    return QIcon(pixels)
