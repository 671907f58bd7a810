"""Drags: a wire from port to port, a number along its range. A gesture lives as long as the button is held."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtWidgets import QToolTip

from ...errors import NodeflowError
from .. import theme
from ..dragging import dragged
from ..faces import Field, PortSpot

if TYPE_CHECKING:
    from .canvas import Canvas
    from .node import FlowNode

Modifiers = Qt.KeyboardModifier
START = 4
"""Pixels the mouse moves until a press is a drag."""


class Gesture:
    """Something that goes on while a button is held."""

    def move(self, at: QPointF, screen: QPoint, held: Modifiers) -> None:
        """The mouse is there now, in the scene and on the screen."""

    def release(self, at: QPointF, screen: QPoint, held: Modifiers) -> None:
        """The button is up."""

    def cancel(self) -> None:
        """Esc: leave everything as it was."""


class WireDrag(Gesture):
    """Pull a wire out of a port, or the end of a wire off the input it is in.

    While it goes on, ports that may take the wire are lit and all others dimmed; a port that may not says why.
    """

    def __init__(self, canvas: Canvas, node: FlowNode, spot: PortSpot) -> None:
        self.canvas = canvas
        self.taken: tuple[str, str] | None = None
        wire = canvas.wire_into(node, spot) if spot.side == "in" and not spot.many else None
        if wire is not None:
            self.taken = wire.ends
            self.node, self.spot = wire.source, wire.source.face.port("out", wire.output) or spot
            wire.set_dim(True)
            self.wire = wire
        else:
            self.node, self.spot = node, spot
        self.color = theme.type_color(self.spot.type)
        self.reasons = self._reasons()
        self._light()

    @property
    def anchor(self) -> str:
        return f"{self.node.name_}.{self.spot.name}"

    def _reasons(self) -> dict[tuple[str, str], str]:
        """Why each port of the other side may not take the wire; empty where it may."""
        pairs: dict[tuple[str, str], tuple[str, str]] = {}
        for name, item in self.canvas.nodes.items():
            for spot in item.face.ports:
                if spot.side != self.spot.side:
                    end = f"{name}.{spot.name}"
                    pairs[name, spot.name] = (self.anchor, end) if spot.side == "in" else (end, self.anchor)
        return dict(zip(pairs, self.canvas.document.refusals(pairs.values()), strict=True))

    def _light(self) -> None:
        other = "in" if self.spot.side == "out" else "out"
        for name, item in self.canvas.nodes.items():
            fitting = {(other, spot.name) for spot in item.face.ports if self.reasons.get((name, spot.name)) == ""}
            own = {(self.spot.side, self.spot.name)} if item is self.node else set()
            item.set_lit(frozenset(fitting | own))

    def _under(self, at: QPointF) -> tuple[FlowNode, PortSpot] | None:
        node = self.canvas.node_at(at)
        if node is None:
            return None
        place = node.mapFromScene(at)
        spot = node.port_at(place)
        if spot is None or spot.side == self.spot.side:
            spot = node.row_port(place, "in" if self.spot.side == "out" else "out")
        return (node, spot) if spot is not None else None

    def move(self, at: QPointF, screen: QPoint, held: Modifiers) -> None:
        start = self.node.port_place(self.spot.side, self.spot.name) or at
        found, end, reason = self._under(at), at, ""
        if found is not None:
            node, spot = found
            reason = self.reasons.get((node.name_, spot.name), "")
            if not reason:
                end = node.port_place(spot.side, spot.name) or at
        QToolTip.showText(screen + QPoint(14, 8), reason, self.canvas) if reason else QToolTip.hideText()
        ends = (start, end) if self.spot.side == "out" else (end, start)
        self.canvas.live.show_between(*ends, self.color, bool(reason))

    def release(self, at: QPointF, screen: QPoint, held: Modifiers) -> None:
        found = self._under(at)
        self.cancel()
        if found is None:
            if self.taken is not None:
                self.canvas.document.disconnect(self.taken[1], self.taken[0])
            elif self.canvas.node_at(at) is None:
                ends = {"source": self.anchor} if self.spot.side == "out" else {"target": self.anchor}
                self.canvas.search_wanted.emit(at, screen, ends)
            return
        node, spot = found
        end = f"{node.name_}.{spot.name}"
        source, target = (self.anchor, end) if self.spot.side == "out" else (end, self.anchor)
        if self.taken == (source, target):
            return
        try:
            self.canvas.document.connect(source, target, instead_of=self.taken)
        except NodeflowError as error:
            self.canvas.said.emit(error.faults[0].what)

    def cancel(self) -> None:
        self.canvas.live.setVisible(False)
        QToolTip.hideText()
        if self.taken is not None:
            self.wire.set_dim(False)
        for item in self.canvas.nodes.values():
            item.set_lit(None)


class FieldDrag(Gesture):
    """Press on a field: a number follows the mouse; a press without a drag opens the field's editor."""

    def __init__(self, canvas: Canvas, node: FlowNode, field: Field, screen: QPoint) -> None:
        self.canvas, self.node, self.field, self.origin = canvas, node, field, screen
        self.moved = False
        self.first = True
        self.port = canvas.input_of(node.name_, field.name)

    @property
    def number(self) -> bool:
        return self.field.kind == "number" and isinstance(self.field.value, int | float)

    def move(self, at: QPointF, screen: QPoint, held: Modifiers) -> None:
        pixels = screen.x() - self.origin.x()
        if not self.number or self.port is None or (not self.moved and abs(pixels) < START):
            return
        self.moved = True
        value = dragged(
            self.port,
            self.field.value,
            pixels,
            fine=bool(held & Modifiers.ShiftModifier),
            snap=bool(held & Modifiers.ControlModifier),
        )
        if value != self.canvas.document.value(self.node.name_, self.field.name):
            self.canvas.document.set_value(self.node.name_, self.field.name, value, merge=not self.first)
            self.first = False

    def release(self, at: QPointF, screen: QPoint, held: Modifiers) -> None:
        if not self.moved:
            self.canvas.fields.edit(self.node, self.field, self.node.mapFromScene(at))

    def cancel(self) -> None:
        if self.moved and not self.first:
            self.canvas.document.undo()
