"""A node dropped on a wire goes into it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QRectF

from ...graph.edits import Batch, Connect, Disconnect, Edit, Place
from ...graph.ports import fits
from ..levels import SIDES

if TYPE_CHECKING:
    from .canvas import Canvas
    from .node import FlowNode
    from .wire import FlowWire


def insertion(canvas: Canvas, node: FlowNode) -> Batch | None:
    """The edit that puts a node that was just dropped into the wire under it; None where nothing fits.

    Only a node without wires is inserted, by its first input and output that fit the wire.
    """
    ports = canvas.document.ports(node.name_)
    if node.wires or ports is None or node.name_ in SIDES:
        return None
    wire = _under(canvas, node.mapRectToScene(QRectF(node.body)))
    if wire is None:
        return None
    source, target = wire.ends
    if wire.source.name_ in SIDES or wire.target.name_ in SIDES:
        return None
    taken, spot = canvas.input_of(wire.target.name_, wire.input), wire.source.face.port("out", wire.output)
    given = canvas.document.ports(wire.source.name_)
    if taken is None or spot is None or given is None:
        return None
    lineage = given.outputs[wire.output].lineage or (spot.type,)
    into = next((each for each in ports.inputs.values() if fits(lineage, each.type) or each.type[0] == "~"), None)
    out = next((each for each in ports.outputs.values() if _gives(each.type, each.lineage, taken.type)), None)
    if into is None or out is None or (into.many and taken.many):
        return None
    view = canvas.document.graph.view.get(node.name_)
    place = {**(view if isinstance(view, dict) else {}), "at": [round(node.x()), round(node.y())]}
    there = canvas.document.graph.nodes[wire.target.name_].wires[wire.input]
    at = there.index(source) if isinstance(there, list) else None
    rewired: list[Edit] = [] if at is None else [Disconnect(target, source)]
    return Batch((
        Place(node.name_, place),
        *rewired,
        Connect(source, f"{node.name_}.{into.name}", at=-1 if into.many else None),
        Connect(f"{node.name_}.{out.name}", target, at=at),
    ))  # fmt: skip


def _under(canvas: Canvas, body: QRectF) -> FlowWire | None:
    """The wire that passes nearest to the middle of a rectangle, if it does so inside."""
    wide, high = min(60, body.width() / 4), min(8, body.height() / 4)
    middle, near = body.center(), body.adjusted(wide, high, -wide, -high)
    found: tuple[float, FlowWire] | None = None
    for wire in canvas.wires.values():
        if wire.isVisible() and wire.boundingRect().intersects(near) and wire.shape().intersects(near):
            path = wire.path()
            away = min((path.pointAtPercent(place / 40) - middle).manhattanLength() for place in range(41))
            if found is None or away < found[0]:
                found = (away, wire)
    return found[1] if found else None


def _gives(type: str, lineage: tuple[str, ...], taken: str) -> bool:
    return type[0] == "~" or taken[0] == "~" or fits(lineage or (type,), taken)
