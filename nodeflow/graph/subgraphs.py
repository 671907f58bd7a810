"""Subgraphs: graphs that stand as nodes in others.

A graph keeps its subgraphs by name, each once, however often it is used; a node of type "graph/name" stands for one.
The public inputs and outputs of a subgraph are its ports, as they are the arguments and results of a graph: an input
that the node gives a value or a wire takes the place of what the inner port has.

`view[".inputs"]` and `view[".outputs"]` of a subgraph say in which order its ports stand: `{"order": ["model", …]}`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal

from ..specs import Input, NodeSpec, Output, Widget
from .graph import Graph, Node, split
from .order import ordered

if TYPE_CHECKING:
    from ..packs import Library

PREFIX = "graph/"
"""How the type of a node begins that stands for a subgraph."""

SEPARATOR = " / "
"""Between the names of a node and of the nodes it is inside of."""

Side = Literal["inputs", "outputs"]


def subgraph_named(type: str) -> str:
    """The name of the subgraph in a node's type; empty for another type."""
    return type[len(PREFIX) :] if type.startswith(PREFIX) else ""


def subgraph_of(graph: Graph, node: Node) -> Graph | None:
    """The subgraph of a graph that a node stands for."""
    return graph.graphs.get(node.type[len(PREFIX) :]) if node.type.startswith(PREFIX) else None


def uses(graph: Graph) -> dict[str, list[str]]:
    """The subgraphs that each subgraph uses."""
    return {name: used_by(level, graph.graphs) for name, level in graph.graphs.items()}


def used_by(level: Graph, known: Iterable[str]) -> list[str]:
    """The subgraphs that the nodes of a level stand for, each once."""
    known = known if isinstance(known, dict) else set(known)
    names = (subgraph_named(node.type) for node in level.nodes.values())
    return [name for name in dict.fromkeys(names) if name in known]


def reached(graph: Graph, level: Graph) -> list[str]:
    """The subgraphs that a level needs, directly or through others."""
    found: dict[str, None] = {}
    waiting = used_by(level, graph.graphs)
    while waiting:
        name = waiting.pop(0)
        if name not in found:
            found[name] = None
            waiting += used_by(graph.graphs[name], graph.graphs)
    return list(found)


def levels(graph: Graph) -> Iterator[tuple[str, Graph]]:
    """The graph itself, under the name "", and its subgraphs."""
    yield "", graph
    yield from graph.graphs.items()


def walked(graph: Graph) -> Iterator[tuple[str, Node]]:
    """All nodes as runs name them, each before those inside of it: "a", "a / b", …; no subgraph inside of itself."""

    def inside(level: Graph, path: str, above: tuple[str, ...]) -> Iterator[tuple[str, Node]]:
        for name, node in level.nodes.items():
            yield path + name, node
            inner = subgraph_of(graph, node)
            if inner is not None and node.type not in above:
                yield from inside(inner, f"{path}{name}{SEPARATOR}", (*above, node.type))

    return inside(graph, "", ())


def instances(graph: Graph, name: str) -> list[tuple[str, str]]:
    """(level, node) for each node that stands for a subgraph."""
    kind = PREFIX + name
    return [(where, each) for where, level in levels(graph) for each, node in level.nodes.items() if node.type == kind]


def order_of(level: Graph, side: Side) -> list[str]:
    """The public names of a side in the order in which they are shown."""
    exposed: Mapping[str, Any] = level.inputs if side == "inputs" else level.outputs
    view = level.view.get(f".{side}")
    said = view.get("order") if isinstance(view, dict) else None
    first = [name for name in said if isinstance(name, str) and name in exposed] if isinstance(said, list) else []
    return [*dict.fromkeys(first), *(name for name in exposed if name not in first)]


def specs(graph: Graph, library: Library) -> dict[str, NodeSpec]:
    """The subgraphs of a graph as node types, by id."""
    feeding, made = uses(graph), dict[str, NodeSpec]()
    order = ordered(feeding)
    for name in [*order, *(name for name in feeding if name not in set(order))]:
        made[PREFIX + name] = spec_of(name, graph.graphs[name], library, made)
    return made


def spec_of(name: str, level: Graph, library: Library, made: Mapping[str, NodeSpec] | None = None) -> NodeSpec:
    """A graph as a node type.

    Args:
        name: What it is called.
        level: The graph.
        library: The types of its nodes.
        made: Types of subgraphs that it may use, by id.
    """
    made = made or {}

    def kind(node: str) -> NodeSpec | None:
        type = level.nodes[node].type if node in level.nodes else ""
        return made.get(type) or library.spec(type)

    said = level.extra.get("doc")
    doc = said if isinstance(said, str) else ""
    sink = any(spec.sink for node in level.nodes if (spec := kind(node)))
    return NodeSpec(
        id=PREFIX + name,
        title=name.replace("_", " "),
        doc=doc.partition("\n")[0] or f"A subgraph of {len(level.nodes)} nodes.",
        about=doc,
        inputs=tuple(filter(None, (_input(level, each, kind) for each in order_of(level, "inputs")))),
        outputs=tuple(filter(None, (_output(level, each, kind) for each in order_of(level, "outputs")))),
        sink=sink,
    )


def _input(level: Graph, public: str, kind: Any) -> Input | None:
    """A public input as the port of a node; None where it leads nowhere."""
    found: list[tuple[str, Input]] = []
    for target in level.targets(public):
        node, port = split(target)
        spec = kind(node)
        if spec is None and node in level.nodes:
            found.append((node, Input(port, "any")))
        elif spec and (inner := spec.input(port)):
            found.append((node, inner))
    if not found:
        return None
    found += _fed(level, found, kind) if all(port.type.startswith("~") for _, port in found) else []
    node, inner = min(found, key=lambda each: each[1].type == "any" or each[1].type.startswith("~"))
    values = level.nodes[node].values
    return Input(
        public,
        _type(node, inner.type),
        many=inner.many,
        required=inner.required and inner.name not in values,
        default=values.get(inner.name, inner.default),
        optional=inner.optional,
        lazy=inner.lazy,
        cosmetic=inner.cosmetic,
        wired=inner.wired,
        widget=_widget(level, node, inner, kind(node)),
        doc=inner.doc,
    )


def _fed(level: Graph, through: list[tuple[str, Input]], kind: Any) -> list[tuple[str, Input]]:
    """The ports that are fed by nodes which only pass a wire on."""
    found: list[tuple[str, Input]] = []
    waiting, seen = [node for node, _ in through], set[str]()
    while waiting:
        name = waiting.pop()
        spec = kind(name)
        if name in seen or not passes_on(spec):
            continue
        seen.add(name)
        for target, node in level.nodes.items():
            for input, source in node.sources():
                if split(source)[0] == name and (inner := kind(target)) and (port := inner.input(input)):
                    found.append((target, port))
                    waiting.append(target)
    return found


def passes_on(spec: NodeSpec | None) -> bool:
    """Does a node of this type pass its one input on as its one output?"""
    return spec is not None and spec.passes not in ("", "?") and len(spec.inputs) == len(spec.outputs) == 1


def _output(level: Graph, public: str, kind: Any) -> Output | None:
    node, port = split(level.outputs[public])
    seen = set()
    while passes_on(spec := kind(node)) and node not in seen:
        seen.add(node)
        wires = next(iter(level.nodes[node].wires.values()), "")
        if not isinstance(wires, str) or split(wires)[0] not in level.nodes:
            break
        node, port = split(wires)
    spec = kind(node)
    if spec is None:
        return Output(public, "any") if node in level.nodes else None
    inner = spec.output(port)
    if inner is None:
        return None
    return Output(public, _type(node, inner.type), inner.many, inner.optional, inner.lineage, inner.doc)


def _type(node: str, type: str) -> str:
    """Type variables of different inner nodes are different ones."""
    return f"{type}@{node}" if type.startswith("~") else type


def _widget(level: Graph, node: str, port: Input, spec: NodeSpec | None) -> Widget:
    """Options follow a choice: under its public name, or fixed by what it is inside."""
    import msgspec

    widget = port.widget
    if widget.kind != "options" or spec is None:
        return widget
    end = f"{node}.{widget.by}"
    by = next((name for name in level.inputs if end in level.targets(name)), "")
    if by or widget.by in level.nodes[node].wires:
        return msgspec.structs.replace(widget, by=by)
    chooser = spec.input(widget.by)
    choice = level.nodes[node].values.get(widget.by, chooser.default if chooser else None)
    fixed = {choice: widget.variants[choice]} if choice in widget.variants else widget.variants
    return msgspec.structs.replace(widget, by="", variants=fixed)
