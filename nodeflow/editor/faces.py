"""What a node shows and where, as plain data: header, ports, fields. No Qt; the canvas paints it and hits it by maths.

A row takes an input port on the left and an output port on the right. Parameters stand below, each a field over the
whole width with a port of its own on the left; a field that is wired is a row like others.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec

from ..graph.plain import is_sweep
from ..graph.plain import text as plain_text
from ..graph.subgraphs import passes_on
from .dots import carried
from .levels import INPUTS, NEW, SIDES

if TYPE_CHECKING:
    from ..graph import Graph
    from ..specs import Input, Output
    from .document import Document

WIDTH = 240.0
HEADER = 30.0
PATHS = ("file", "folder", "model", "output")
ROW = 23.0
FIELD = 26.0
LINE = 16.0
PLOT = 64.0
"""Room for a curve on nodes that make one."""
EDGE = 8.0
DOT = 20.0
"""Across a reroute."""


class PortSpot(msgspec.Struct, frozen=True):
    """A port: its side ("in" or "out"), what it carries, and the middle of its dot."""

    side: str
    name: str
    type: str
    y: float
    many: bool = False
    wired: bool = False
    label: str = ""
    width: float = WIDTH

    @property
    def x(self) -> float:
        return 0.0 if self.side == "in" else self.width


class Field(msgspec.Struct, frozen=True):
    """A parameter: `kind` is "number", "seed", "switch", "menu", "text", "lines", "color", "path" or "data".

    Args:
        fill: The share of a slider that is filled; None without a range.
        usual: Is it the default?
    """

    name: str
    kind: str
    y: float
    height: float
    text: str
    value: Any
    fill: float | None = None
    usual: bool = False


class Face(msgspec.Struct, frozen=True):
    """A node as it is shown; `given` is the name that a person gave it, empty for one named after its type."""

    name: str
    title: str
    given: str
    category: str
    known: bool
    bypass: bool
    mute: bool
    collapsed: bool
    ports: tuple[PortSpot, ...]
    fields: tuple[Field, ...]
    height: float
    plots: bool = False
    subgraph: bool = False
    width: float = WIDTH
    dot: bool = False
    tint: str = ""

    def port(self, side: str, name: str) -> PortSpot | None:
        return next((spot for spot in self.ports if spot.side == side and spot.name == name), None)

    def field(self, name: str) -> Field | None:
        return next((field for field in self.fields if field.name == name), None)

    def field_at(self, x: float, y: float) -> Field | None:
        """The field under a point."""
        if not EDGE <= x <= WIDTH - EDGE:
            return None
        return next((field for field in self.fields if field.y <= y < field.y + field.height), None)


def face(document: Document, name: str, used: frozenset[str] = frozenset()) -> Face:
    """The face of a node.

    Args:
        document: The document it is in.
        name: The node.
        used: Its outputs that are wired, and as "in port" its inputs that a panel of a subgraph is wired to.
    """
    if name in SIDES:
        return _panel(document, name, used)
    node, ports, spec = document.graph.nodes[name], document.ports(name), document.spec(name)
    view = document.graph.view.get(name)
    view = view if isinstance(view, dict) else {}
    if passes_on(spec):
        return _dot(document, name, used)
    title = spec.title if spec else node.type
    category = node.type.partition("/")[0]
    if ports is None:
        rows, fields, height = _unknown(node, used)
    else:
        rows, fields, height = _known(document, name, used)
    collapsed = view.get("collapsed") is True
    if collapsed:
        first = sorted(rows, key=lambda row: not row.wired)
        rows = tuple(PortSpot(r.side, r.name, r.type, HEADER / 2, r.many, r.wired) for r in first)
        fields, height = (), HEADER
    base, words = node.type.rpartition("/")[2].replace(".", "_"), name.replace("_", " ")
    numbered = name.startswith(base) and (name == base or re.fullmatch(r"_\d+", name[len(base) :]) is not None)
    given = "" if numbered or words.casefold() == title.casefold() else words
    plots = not collapsed and ports is not None and any(out.type == "Schedule" for out in ports.outputs.values())
    within = document.is_subgraph(name)
    said = view.get("color")
    tint = said if isinstance(said, str) and re.fullmatch("#[0-9a-fA-F]{6}", said) else ""
    return Face(
        name, title, given, category, spec is not None, node.bypass, node.mute, collapsed, rows, fields, height, plots,
        within, tint=tint,
    )  # fmt: skip


def _dot(document: Document, name: str, used: frozenset[str]) -> Face:
    """A reroute: a dot in the colour of what it carries."""
    node, ports = document.graph.nodes[name], document.ports(name)
    assert ports is not None
    type, middle = carried(document, name), DOT / 2
    into, out = next(iter(ports.inputs)), next(iter(ports.outputs))
    wired = into in node.wires or f"in {into}" in used
    rows = (
        PortSpot("in", into, type, middle, wired=wired, width=DOT),
        PortSpot("out", out, type, middle, wired=out in used, width=DOT),
    )
    return Face(
        name, "Reroute", "", "logic", True, node.bypass, node.mute, False, rows, (), DOT, width=DOT, dot=True
    )  # fmt: skip


def _panel(document: Document, name: str, used: frozenset[str]) -> Face:
    """What stands for the outside in a subgraph: a row a port, and one that makes another."""
    ports = document.ports(name)
    assert ports is not None
    side = "out" if name == INPUTS else "in"
    each: list[Input | Output] = [*ports.outputs.values(), *ports.inputs.values()]
    rows = tuple(
        PortSpot(
            side, port.name, port.type, HEADER + 6 + (place + 0.5) * ROW, port.many, port.name in used,
            _label(port.name) if port.name != NEW else "new",
        )
        for place, port in enumerate(each)
    )  # fmt: skip
    height = HEADER + 12 + ROW * len(rows)
    return Face(name, ports.spec.title, "", "logic", True, False, False, False, rows, (), height)


THEN = {"random": "random", "next": "+1"}
"""What a seed field says of what becomes of the seed after each run."""


def policy_of(level: Graph, name: str) -> str:
    """What becomes of a node's seeds after each run: "" they stay, "random" or "next"."""
    view = level.view.get(name)
    said = view.get("seeds") if isinstance(view, dict) else None
    return said if said in THEN else ""


Shown = tuple[tuple[PortSpot, ...], tuple[Field, ...], float]


def _known(document: Document, name: str, used: frozenset[str]) -> Shown:
    node, ports = document.graph.nodes[name], document.ports(name)
    assert ports is not None
    rows: list[PortSpot] = []
    left = [port for port in ports.inputs.values() if port.wired or port.name in node.wires]
    y = HEADER + 6
    for place, port in enumerate(left):
        label = _label(port.name)
        middle = y + place * ROW + ROW / 2
        wired = port.name in node.wires or f"in {port.name}" in used
        rows.append(PortSpot("in", port.name, port.type, middle, port.many, wired, label))
    for place, out in enumerate(ports.outputs.values()):
        middle = y + place * ROW + ROW / 2
        rows.append(PortSpot("out", out.name, out.type, middle, out.many, out.name in used, _label(out.name)))
    y += max(len(left), len(ports.outputs)) * ROW + 2
    fields = []
    for port in ports.inputs.values():
        if not port.wired and port.name not in node.wires:
            made = _field(port, node.values.get(port.name, port.default), port.name not in node.values, y)
            if made.kind == "seed" and (then := policy_of(document.graph, name)):
                made = msgspec.structs.replace(made, text=f"{THEN[then]}  {made.text}")
            fields.append(made)
            wired = f"in {port.name}" in used
            rows.append(PortSpot("in", port.name, port.type, y + min(made.height, FIELD) / 2, port.many, wired))
            y += made.height
    plot = PLOT + EDGE if any(out.type == "Schedule" for out in ports.outputs.values()) else 0
    return tuple(rows), tuple(fields), y + plot + 6


def _unknown(node: Any, used: frozenset[str]) -> Shown:
    """A node without a type keeps its wires."""
    y = HEADER + 6
    rows = [
        PortSpot("in", port, "any", y + place * ROW + ROW / 2, isinstance(wired, list), True, _label(port))
        for place, (port, wired) in enumerate(node.wires.items())
    ]
    rows += [
        PortSpot("out", port, "any", y + place * ROW + ROW / 2, False, True, _label(port))
        for place, port in enumerate(sorted(used))
    ]
    return tuple(rows), (), y + max(len(node.wires), len(used), 1) * ROW + 6


def _field(port: Input, value: Any, usual: bool, y: float) -> Field:
    kind = field_kind(port) if not is_sweep(value) else "data"
    height = FIELD
    if kind == "lines":
        height = 12 + LINE * max(3, min(port.widget.lines, 5))
    return Field(
        port.name, kind, y, height, shown(port, value), value, _fill(port, value) if kind == "number" else None, usual
    )


def field_kind(port: Input) -> str:
    """How a parameter is edited."""
    widget = port.widget
    if port.many:
        return "data"
    if widget.options and not widget.free:
        return "menu"
    if widget.kind in ("seed", "color"):
        return widget.kind
    if widget.kind in PATHS:
        return "path"
    if port.type == "bool":
        return "switch"
    if port.type in ("int", "float"):
        return "number"
    if port.type == "str":
        if widget.options:
            return "menu"
        return "lines" if widget.lines > 1 else "text"
    return "data"


def shown(port: Input, value: Any) -> str:
    """A value in the field, in words and figures."""
    if is_sweep(value):
        items = value["sweep"]
        return f"sweep of {len(items)}" if isinstance(items, list) else "sweep"
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "on" if value else "off"
    unit = f" {port.widget.unit}" if port.widget.unit else ""
    if isinstance(value, float):
        return f"{value:.4g}{unit}" if abs(value) < 1e4 else f"{value:.0f}{unit}"
    if isinstance(value, int):
        return f"{value}{unit}"
    if isinstance(value, dict):
        return f"{len(value)} set" if value else "none"
    if isinstance(value, str):
        return value or ("default" if port.widget.options else "")
    return plain_text(value)


def _fill(port: Input, value: Any) -> float | None:
    low, high = port.widget.low, port.widget.high
    if low is None or high is None or isinstance(value, bool) or not isinstance(value, int | float) or high <= low:
        return None
    if port.widget.log and low > 0 and value > 0:
        from math import log

        return min(1.0, max(0.0, log(value / low) / log(high / low)))
    return min(1.0, max(0.0, (value - low) / (high - low)))


def _label(name: str) -> str:
    return name.replace("_", " ")
