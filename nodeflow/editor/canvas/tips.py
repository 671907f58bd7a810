"""Tooltips: what a port carries, what a field means, what a node does and will do."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from PySide6.QtWidgets import QToolTip

from ..faces import HEADER

if TYPE_CHECKING:
    from .canvas import Canvas
    from .node import FlowNode


NOT_COLOURS = (
    "The three directions in which the channels of the latent vary most, as red, green and blue. What colours its"
    " channels stand for is not known for this latent space; the decoder shows them."
)


def tip_at(canvas: Canvas, event: Any) -> None:
    """Show the tooltip of what is under the mouse, or none."""
    at = canvas.mapToScene(event.pos())
    node = canvas.node_at(at)
    text = _tip(canvas, node, node.mapFromScene(at)) if node is not None else ""
    if text:
        QToolTip.showText(event.globalPos(), f"<div style='max-width: 320px'>{text}</div>", canvas)
    else:
        QToolTip.hideText()


def _tip(canvas: Canvas, node: FlowNode, place: Any) -> str:
    ports, name = canvas.document.ports(node.name_), node.name_
    faults = {fault.where: fault.line for fault in node.mark.problems}
    if spot := node.port_at(place):
        known = (ports.inputs if spot.side == "in" else ports.outputs).get(spot.name) if ports else None
        doc = known.doc if known else ""
        fault = faults.get(f"{node.where}.{spot.name}", "") if spot.side == "in" else ""
        return _lines(f"{spot.name}: {'list of ' if spot.many else ''}{spot.type.lstrip('~')}", doc, fault)
    if field := node.field_at(place):
        doc = ports.inputs[field.name].doc if ports and field.name in ports.inputs else ""
        return _lines(field.name, doc, faults.get(f"{node.where}.{field.name}", ""))
    spec, picture = canvas.document.spec(name), node.mark.picture
    if picture is not None and picture.note and node.picture_rect.contains(place):
        return _lines(picture.note[:1].upper() + picture.note[1:], NOT_COLOURS)
    if place.y() > HEADER and not node.mark.problems:
        return ""
    about = spec.doc if spec else f"No pack has a node type {node.face.title!r}; it is kept as it is."
    return _lines(name, about, node.mark.tip)


def _lines(head: str, *lines: str) -> str:
    body = "<br>".join(escape(line).replace("\n", "<br>") for line in lines if line)
    return f"<b>{escape(head)}</b>" + (f"<br>{body}" if body else "")
