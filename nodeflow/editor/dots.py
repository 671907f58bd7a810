"""Reroute dots: a node that passes one wire on, shown as a dot in it. No Qt."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..errors import NodeflowError
from ..graph import Node
from ..graph.edits import AddNode, Connect, Edit, Expose, Place, Rewire
from ..graph.graph import split
from ..graph.subgraphs import PREFIX, passes_on
from .levels import INPUTS, OUTPUTS

if TYPE_CHECKING:
    from ..packs import Library
    from ..specs import NodeSpec
    from .levels import Levels

REROUTE = "logic/reroute"


def dot_type(library: Library) -> NodeSpec | None:
    """The node type of new dots; None where no pack has one."""
    known = (library.spec(id) for id in (REROUTE, *library.ids()) if not id.startswith(PREFIX))
    return next((spec for spec in known if passes_on(spec)), None)


def carried(levels: Levels, name: str) -> str:
    """The type of what a dot passes on: that of the output at the other end of its wire; "any" without one."""
    seen = set()
    while name not in seen:
        seen.add(name)
        source = _source(levels, name)
        if not source:
            return "any"
        start, port = split(source)
        ports = levels.ports(start) if start in levels.graph.nodes or start == INPUTS else None
        out = ports.outputs.get(port) if ports else None
        if out is None:
            return "any"
        if start == INPUTS or not passes_on(ports.spec if ports else None):
            return out.type
        name = start
    return "any"


def _source(levels: Levels, name: str) -> str:
    for wires in levels.graph.nodes[name].wires.values():
        return wires if isinstance(wires, str) else wires[0]
    public = next((each for each, end in _inputs(levels) if split(end)[0] == name), "")
    return f"{INPUTS}.{public}" if public else ""


def _inputs(levels: Levels) -> Iterable[tuple[str, str]]:
    return ((name, end) for name in levels.graph.inputs for end in levels.graph.targets(name)) if levels.inside else ()


def put_in(levels: Levels, source: str, target: str, at: tuple[float, float]) -> tuple[list[Edit], str]:
    """The edits of a level that put a dot into a wire, and its name; none where no pack has dots.

    Raises:
        NodeflowError: NF214 for the wire of a parameter that a subgraph makes public: its value is no wire.
    """
    spec, graph = dot_type(levels.library), levels.graph
    if spec is None:
        return [], ""
    name = graph.free_name(spec.id)
    into, out = f"{name}.{spec.inputs[0].name}", f"{name}.{spec.outputs[0].name}"
    edits: list[Edit] = [
        AddNode(name, Node(spec.id, spec.version)),
        Place(name, {"at": [round(at[0]), round(at[1])]}),
    ]
    node, port = split(target)
    if split(source)[0] == INPUTS:
        target_spec = levels.spec_at(node) if node in graph.nodes else None
        known = target_spec.input(port) if target_spec else None
        if known and not known.wired:
            what = "a value that is written down cannot run through a reroute"
            raise NodeflowError("NF214", what, where=target, fix="move the node instead")
        public = split(source)[1]
        ends = tuple(into if end == target else end for end in graph.targets(public))
        edits += [Expose("inputs", public, ends if len(ends) > 1 else ends[0]), Connect(out, target)]
    elif node == OUTPUTS:
        edits += [Connect(source, into), Expose("outputs", port, out)]
    else:
        wires = graph.nodes[node].wires[port]
        edits.append(Connect(source, into))
        if isinstance(wires, str):
            edits.append(Rewire(node, port, out))
        else:
            place = wires.index(source)
            edits.append(Rewire(node, port, (*wires[:place], out, *wires[place + 1 :])))
    return edits, name


def taken_out(levels: Levels, names: Iterable[str]) -> list[Edit]:
    """The edits that join the wires again through dots that are about to be removed."""
    gone, graph = set(names), levels.graph
    dots = {name for name in gone if name in graph.nodes and passes_on(levels.spec_at(name))}
    through = {name: wire for name in dots for wire in graph.nodes[name].wires.values() if isinstance(wire, str)}

    def origin(source: str) -> str:
        seen = set()
        while (name := split(source)[0]) in through and name not in seen:
            seen.add(name)
            source = through[name]
        return source

    edits: list[Edit] = []
    for target, node in graph.nodes.items():
        for port, wires in node.wires.items() if target not in gone else ():
            several = [wires] if isinstance(wires, str) else wires
            if any(split(source)[0] in through for source in several):
                new = [origin(source) for source in several]
                edits.append(Rewire(target, port, new[0] if isinstance(wires, str) else tuple(new)))
    for public in graph.inputs:
        ends = graph.targets(public)
        if any(split(end)[0] in dots for end in ends):
            fed = [each for end in ends for each in _beyond(levels, end, dots)]
            edits += [Rewire(*split(end), None) for end in fed if split(end)[1] in graph.nodes[split(end)[0]].wires]
            left = tuple(end for end in dict.fromkeys(fed) if split(end)[0] not in gone)
            edits += [Expose("inputs", public, left if len(left) > 1 else left[0])] if left else []
    for public, source in graph.outputs.items():
        if split(source)[0] in through:
            edits.append(Expose("outputs", public, origin(source)))
    return edits


def _beyond(levels: Levels, end: str, dots: set[str]) -> list[str]:
    """The ports that a port of a dot feeds, through other dots of these; a port of another node is itself."""
    found, waiting, seen = list[str](), [end], set[str]()
    while waiting:
        end = waiting.pop(0)
        name = split(end)[0]
        if name not in dots:
            found.append(end)
        elif name not in seen:
            seen.add(name)
            for target, node in levels.graph.nodes.items():
                waiting += [f"{target}.{port}" for port, source in node.wires.items() if _comes_from(source, name)]
    return found


def _comes_from(wires: str | list[str], name: str) -> bool:
    return isinstance(wires, str) and split(wires)[0] == name
