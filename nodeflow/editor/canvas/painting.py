"""How a node is painted: header, ports, fields, progress, picture."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QLinearGradient, QPainter, QPainterPath, QPen, QPolygonF

from .. import theme
from ..faces import EDGE, FIELD, HEADER, WIDTH, Field, PortSpot
from .insets import paint_picture, paint_plot, paint_sound

if TYPE_CHECKING:
    from .node import FlowNode

ROUND = 9.0
DOT = 4.6
TITLE, LABEL = 12.5, 12.0
NO_PEN, NO_BRUSH = Qt.PenStyle.NoPen, Qt.BrushStyle.NoBrush
LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
CENTER = Qt.AlignmentFlag.AlignCenter


def paint_far(painter: QPainter, node: FlowNode) -> None:
    """A rectangle in the colour of its category."""
    face = node.face
    if face.dot:
        painter.fillRect(node.body.adjusted(5, 5, -5, -5), theme.type_color(face.ports[0].type))
        return
    painter.fillRect(node.body, theme.color(theme.BODY))
    painter.fillRect(QRectF(0, 0, WIDTH, min(HEADER, node.body.height())), _header_color(node))
    if node.image is not None and not node.picture_rect.isEmpty():
        painter.drawImage(node.picture_rect, node.image)
    if node.isSelected() or node.mark.state in ("running", "failed") or node.mark.problems:
        pen = QPen(_edge(node), 2)
        pen.setCosmetic(True)
        painter.setPen(pen)
        painter.setBrush(NO_BRUSH)
        painter.drawRect(node.body)
    if face.bypass or face.mute:
        painter.fillRect(node.body, theme.color(theme.CANVAS, 0.5))


def paint_near(painter: QPainter, node: FlowNode) -> None:
    """All of it."""
    face = node.face
    painter.setOpacity(_strength(node))
    if face.dot:
        _dot(painter, node)
        return
    _shadow(painter, node.body)
    if face.subgraph:
        _sheets(painter, node.body)
    painter.setPen(NO_PEN)
    painter.setBrush(theme.color(theme.BODY))
    painter.drawRoundedRect(node.body, ROUND, ROUND)
    _header(painter, node)
    for field in face.fields:
        _field(painter, node, field)
    if not node.plot_rect.isEmpty():
        paint_plot(painter, node.plot_rect, node.mark.curve)
    if not node.picture_rect.isEmpty():
        paint_picture(painter, node)
    if not node.sound_rect.isEmpty():
        paint_sound(painter, node)
    _outline(painter, node)
    for spot in reversed(face.ports) if face.collapsed else face.ports:
        _port(painter, node, spot)


def _dot(painter: QPainter, node: FlowNode) -> None:
    """A reroute: a dot that the wire runs through; its sides take hold of wires."""
    spot = node.face.ports[0]
    lit = node.lit is None or any((each.side, each.name) in node.lit for each in node.face.ports)
    color, middle = theme.type_color(spot.type), node.body.center()
    strong = node.isSelected() or bool(node.hot) or bool(node.lit and lit)
    painter.setOpacity(_strength(node) * (1.0 if lit else 0.25))
    if strong:
        painter.setPen(NO_PEN)
        painter.setBrush(theme.faded(theme.color(theme.ACCENT) if node.isSelected() else color, 0.3))
        painter.drawEllipse(middle, 11, 11)
    painter.setPen(QPen(theme.color(theme.ACCENT) if node.isSelected() else theme.color(theme.CANVAS), 2))
    painter.setBrush(color)
    painter.drawEllipse(middle, 7, 7)
    if node.mark.problems or node.mark.state == "failed":
        painter.setPen(QPen(theme.color(theme.BAD), 2))
        painter.setBrush(NO_BRUSH)
        painter.drawEllipse(middle, 9.5, 9.5)


def _strength(node: FlowNode) -> float:
    """How strongly a node is painted: those that do not run are pale."""
    return 0.5 if node.face.bypass or node.face.mute else 0.72 if node.mark.plan == "muted" else 1.0


def _sheets(painter: QPainter, body: QRectF) -> None:
    """A node that stands for several lies on other sheets."""
    painter.setPen(QPen(theme.color(theme.BODY_EDGE), 1))
    painter.setBrush(theme.color(theme.BODY))
    for down, in_ in ((8.0, 12.0), (4.0, 6.0)):
        painter.drawRoundedRect(body.adjusted(in_, down, -in_, down), ROUND, ROUND)


SHADOW = ((6.0, 0.055), (4.0, 0.08), (2.5, 0.1), (1.0, 0.133))
"""Pixels around the body, and how dark: together a soft edge."""


def _shadow(painter: QPainter, body: QRectF) -> None:
    painter.setPen(NO_PEN)
    for spread, dark in SHADOW:
        painter.setBrush(theme.color(theme.SHADOW, dark))
        rect = body.adjusted(-spread, -spread + 3, spread, spread + 3)
        painter.drawRoundedRect(rect, ROUND + spread, ROUND + spread)


def _header_color(node: FlowNode) -> QColor:
    if node.face.mute:
        return theme.category_color("logic")
    if node.face.tint:
        return theme.color(node.face.tint)
    return theme.category_color(node.face.category) if node.face.known else theme.color(theme.BAD_DARK)


@cache
def _header_path(height: float, whole: bool) -> QPainterPath:
    path = QPainterPath()
    path.addRoundedRect(QRectF(0, 0, WIDTH, height if whole else height + ROUND), ROUND, ROUND)
    if not whole:
        cut = QPainterPath()
        cut.addRect(QRectF(0, height, WIDTH, ROUND + 1))
        path = path.subtracted(cut)
    return path


def _header(painter: QPainter, node: FlowNode) -> None:
    face, mark = node.face, node.mark
    color = _header_color(node)
    shade = QLinearGradient(0, 0, 0, HEADER)
    shade.setColorAt(0, color.lighter(108))
    shade.setColorAt(1, color.darker(118))
    painter.setBrush(shade)
    painter.drawPath(_header_path(HEADER, face.collapsed))
    words = mark.words
    painter.setFont(theme.font(LABEL - 1))
    room = WIDTH - 2 * 12 - _state(painter, node)
    if words:
        wide = QFontMetricsF(painter.font()).horizontalAdvance(words)
        painter.setPen(theme.color(theme.ON_HEADER, 0.8))
        painter.drawText(QRectF(12, 0, room, HEADER), RIGHT, words)
        room -= wide + 8
    painter.setPen(theme.color(theme.ON_HEADER, 0.96))
    painter.setFont(theme.font(TITLE, strong=True))
    name = elided(face.given or face.title, room, True)
    painter.drawText(QRectF(12, 0, room, HEADER), LEFT, name)
    if face.given:
        used = QFontMetricsF(painter.font()).horizontalAdvance(name) + 7
        painter.setFont(theme.font(LABEL - 1))
        painter.setPen(theme.color(theme.ON_HEADER, 0.65))
        painter.drawText(QRectF(12 + used, 0, room - used, HEADER), LEFT, elided(face.title, room - used))
    done, of = mark.step
    if mark.state == "running" and of:
        painter.fillRect(QRectF(1, HEADER - 3, (WIDTH - 2) * min(1.0, done / of), 3), theme.color(theme.ON_HEADER, 0.9))


def _state(painter: QPainter, node: FlowNode) -> float:
    """A sign at the right of the header: failed, running, cached, will run, stale; returns the room it took."""
    mark = node.mark
    middle = QPointF(WIDTH - 15, HEADER / 2)
    painter.setPen(NO_PEN)
    if mark.state == "failed" or mark.problems:
        painter.setBrush(theme.color(theme.BAD))
        painter.drawEllipse(middle, 7, 7)
        painter.setPen(theme.color(theme.ON_BAD))
        painter.setFont(theme.font(11, strong=True))
        painter.drawText(QRectF(middle.x() - 7, middle.y() - 7, 14, 14), CENTER, "!")
        painter.setFont(theme.font(LABEL - 1))
        painter.setPen(NO_PEN)
    elif node.face.mute or mark.plan == "muted":
        pen = QPen(theme.color(theme.ON_HEADER, 0.85), 1.6)
        painter.setPen(pen)
        painter.setBrush(NO_BRUSH)
        painter.drawEllipse(middle, 5.5, 5.5)
        painter.drawLine(middle + QPointF(-3.8, 3.8), middle + QPointF(3.8, -3.8))
        painter.setPen(NO_PEN)
    elif mark.state == "running":
        painter.setBrush(theme.color(theme.ON_HEADER))
        painter.drawPolygon(QPolygonF([middle + QPointF(-4, -5), middle + QPointF(5, 0), middle + QPointF(-4, 5)]))
    elif mark.plan in ("run", "unknown"):
        pen = QPen(theme.color(theme.PENDING), 1.8)
        painter.setPen(pen if mark.stale else NO_PEN)
        painter.setBrush(NO_BRUSH if mark.stale else theme.color(theme.PENDING))
        painter.drawEllipse(middle, 4, 4)
        painter.setPen(NO_PEN)
    elif mark.plan == "cached":
        pen = QPen(theme.color(theme.ON_HEADER, 0.85), 1.8)
        pen.setCapStyle(Qt.PenCapStyle.RoundCap)
        painter.setPen(pen)
        painter.setBrush(NO_BRUSH)
        painter.drawPolyline([middle + QPointF(-4.5, 0.5), middle + QPointF(-1.5, 3.5), middle + QPointF(4.5, -3.5)])
        painter.setPen(NO_PEN)
    else:
        return 0.0
    return 16.0


def _port(painter: QPainter, node: FlowNode, spot: PortSpot) -> None:
    lit = node.lit is None or (spot.side, spot.name) in node.lit
    place = QPointF(spot.x, spot.y)
    color = theme.type_color(spot.type)
    bad = spot.side == "in" and any(fault.where == f"{node.where}.{spot.name}" for fault in node.mark.problems)
    if spot.label and not node.face.collapsed:
        painter.setFont(theme.font(LABEL))
        name = theme.BAD if bad else theme.TEXT if spot.wired else theme.DIM
        painter.setPen(theme.color(name, 1.0 if lit else 0.35))
        rect = QRectF(12, spot.y - 11, WIDTH - 24, 22)
        painter.drawText(rect, LEFT if spot.side == "in" else RIGHT, spot.label)
    hot = node.hot == f"{spot.side} {spot.name}"
    size = DOT + (2.0 if hot else 0.0) + (1.2 if node.lit and lit else 0.0)
    painter.setOpacity((1.0 if lit else 0.25) * _strength(node))
    if node.lit and lit:
        painter.setPen(NO_PEN)
        painter.setBrush(theme.faded(color, 0.27))
        painter.drawEllipse(place, size + 5, size + 5)
    field = any(field.name == spot.name for field in node.face.fields) and spot.side == "in"
    painter.setPen(QPen(color if not field or spot.wired else color.darker(150), 1.6))
    painter.setBrush(color if spot.wired or hot else theme.color(theme.CANVAS))
    if spot.many:
        painter.drawRoundedRect(QRectF(spot.x - size, spot.y - size, 2 * size, 2 * size), 2, 2)
    else:
        small = size - 1.2 if field and not spot.wired and not hot else size
        painter.drawEllipse(place, small, small)
    if bad:
        painter.setPen(QPen(theme.color(theme.BAD), 1.6))
        painter.setBrush(NO_BRUSH)
        painter.drawEllipse(place, size + 3, size + 3)
    painter.setOpacity(_strength(node))


def field_rect(field: Field) -> QRectF:
    """The sunk part of a field."""
    return QRectF(EDGE, field.y + 2, WIDTH - 2 * EDGE, field.height - 4)


def _field(painter: QPainter, node: FlowNode, field: Field) -> None:
    rect = field_rect(field)
    hot = node.hot == field.name
    painter.setPen(NO_PEN)
    painter.setBrush(theme.color(theme.FIELD_HOT if hot else theme.FIELD))
    painter.drawRoundedRect(rect, 5, 5)
    if field.fill is not None and field.fill > 0:
        painter.save()
        painter.setClipRect(QRectF(rect.left(), rect.top(), rect.width() * field.fill, rect.height()))
        painter.setBrush(theme.color(theme.FILL))
        painter.drawRoundedRect(rect, 5, 5)
        painter.restore()
    bad = any(fault.where == f"{node.where}.{field.name}" for fault in node.mark.problems)
    if bad:
        painter.setPen(QPen(theme.color(theme.BAD), 1.2))
        painter.setBrush(NO_BRUSH)
        painter.drawRoundedRect(rect.adjusted(0.5, 0.5, -0.5, -0.5), 5, 5)
    painter.setFont(theme.font(LABEL))
    inner = rect.adjusted(9, 0, -9, 0)
    if field.kind == "lines":
        _lines(painter, field, rect)
        return
    label = field.name.replace("_", " ")
    painter.setPen(theme.color(theme.DIM))
    painter.drawText(inner, LEFT, label)
    inner.setLeft(inner.left() + QFontMetricsF(painter.font()).horizontalAdvance(label) + 12)
    painter.setPen(theme.color(theme.DIM if field.usual else theme.TEXT))
    inner.setRight(inner.right() - _ornament(painter, field, rect))
    painter.setPen(theme.color(theme.DIM if field.usual else theme.TEXT))
    painter.drawText(inner, RIGHT, elided(field.text or "–", inner.width()))


def _lines(painter: QPainter, field: Field, rect: QRectF) -> None:
    """A text of several lines; its name where it is empty."""
    inner = rect.adjusted(9, 5, -9, -5)
    if not field.text:
        painter.setPen(theme.color(theme.FAINT))
        painter.drawText(inner, Qt.AlignmentFlag.AlignTop | Qt.TextFlag.TextWordWrap, field.name.replace("_", " "))
        return
    painter.setPen(theme.color(theme.TEXT))
    painter.save()
    painter.setClipRect(inner)
    painter.drawText(inner, Qt.AlignmentFlag.AlignTop | Qt.TextFlag.TextWordWrap, field.text[:600])
    painter.restore()


def _ornament(painter: QPainter, field: Field, rect: QRectF) -> float:
    """What stands at the right of a value: a chevron, dice, a switch, a colour; returns the room it took."""
    x, y = rect.right() - 13, rect.center().y()
    pen = QPen(theme.color(theme.DIM), 1.5)
    pen.setCapStyle(Qt.PenCapStyle.RoundCap)
    painter.setPen(pen)
    painter.setBrush(NO_BRUSH)
    match field.kind:
        case "menu":
            painter.drawPolyline([QPointF(x - 4, y - 2), QPointF(x, y + 2), QPointF(x + 4, y - 2)])
            return 14
        case "seed":
            die = QRectF(x - 6, y - 6, 12, 12)
            painter.drawRoundedRect(die, 3, 3)
            painter.setBrush(theme.color(theme.DIM))
            painter.setPen(NO_PEN)
            for dx, dy in ((-3, -3), (3, 3), (0, 0), (-3, 3), (3, -3)):
                painter.drawEllipse(QPointF(x + dx, y + dy), 1.1, 1.1)
            return 16
        case "switch":
            track = QRectF(x - 17, y - 7, 26, 14)
            painter.setPen(NO_PEN)
            painter.setBrush(theme.color(theme.ACCENT if field.value else theme.BODY_EDGE))
            painter.drawRoundedRect(track, 7, 7)
            painter.setBrush(theme.color(theme.TEXT))
            painter.drawEllipse(QPointF(x + (2 if field.value else -10), y), 5, 5)
            return 32
        case "color":
            painter.setPen(QPen(theme.color(theme.BODY_EDGE), 1))
            painter.setBrush(QColor(str(field.value)))
            painter.drawRoundedRect(QRectF(x - 14, y - 7, 22, 14), 3, 3)
            return 26
        case "path":
            painter.drawPolyline([QPointF(x - 4, y - 2), QPointF(x, y + 2), QPointF(x + 4, y - 2)])
            return 14
    return 0


def _edge(node: FlowNode) -> QColor:
    if node.mark.state == "failed" or node.mark.problems:
        return theme.color(theme.BAD)
    if node.isSelected():
        return theme.color(theme.ACCENT)
    if node.mark.state == "running":
        return theme.color(theme.GOOD)
    return theme.color(theme.BODY_EDGE)


def _outline(painter: QPainter, node: FlowNode) -> None:
    strong = node.isSelected() or node.mark.state in ("running", "failed") or bool(node.mark.problems)
    color = _edge(node)
    painter.setBrush(NO_BRUSH)
    if strong:
        painter.setPen(QPen(theme.faded(color, 0.24), 5))
        painter.drawRoundedRect(node.body.adjusted(-1.5, -1.5, 1.5, 1.5), ROUND + 1.5, ROUND + 1.5)
    pen = QPen(color, 1.6 if strong else 1.0)
    if node.face.bypass:
        pen.setStyle(Qt.PenStyle.DashLine)
    painter.setPen(pen)
    painter.drawRoundedRect(node.body, ROUND, ROUND)
    if node.isSelected() and node.mark.problems:
        painter.setPen(QPen(theme.color(theme.ACCENT), 1.2))
        painter.drawRoundedRect(node.body.adjusted(2, 2, -2, -2), ROUND - 2, ROUND - 2)


@theme.remembered
def _metrics(strong: bool) -> QFontMetricsF:
    return QFontMetricsF(theme.font(TITLE if strong else LABEL, strong))


def elided(text: str, width: float, strong: bool = False) -> str:
    """A text cut to a width, remembered."""
    return _elided(text[:300], int(width), strong)


@theme.remembered
def _elided(text: str, width: int, strong: bool) -> str:
    return _metrics(strong).elidedText(text.replace("\n", " "), Qt.TextElideMode.ElideRight, width)


__all__ = ["FIELD", "elided", "field_rect", "paint_far", "paint_near"]
