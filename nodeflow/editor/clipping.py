"""Nodes as text, and text as nodes: the clipboard holds a graph file, so that any graph can be pasted anywhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..graph import Graph, dumps, loads
from ..graph.edits import AddNode, Edit, Place
from ..graph.graph import renamed, split

Spot = tuple[float, float]


def clipped(graph: Graph, names: Iterable[str], *, outside: bool = False) -> str:
    """The text of a graph of these nodes.

    Args:
        graph: Where they are.
        names: The nodes.
        outside: Keep the wires that come from other nodes.
    """
    kept = [name for name in names if name in graph.nodes]
    inside = set(kept)
    part = Graph(view={name: graph.view[name] for name in kept if name in graph.view})
    for name in kept:
        node = graph.nodes[name].copy()
        for port, wired in list(node.wires.items()):
            several = [wired] if isinstance(wired, str) else wired
            left = [source for source in several if outside or split(source)[0] in inside]
            if not left:
                del node.wires[port]
            elif isinstance(wired, list):
                node.wires[port] = left
        part.nodes[name] = node
    return dumps(part)


def pasted(graph: Graph, text: str, at: Spot | None = None, *, by: Spot = (40, 40)) -> tuple[list[Edit], list[str]]:
    """The edits that add the nodes of a text under free names, and those names.

    Args:
        graph: Where they go; wires from nodes it has are kept.
        text: A graph's text.
        at: Where the upper left corner of them goes; None moves them by `by`.

    Raises:
        NodeflowError: NF1xx, the text is no graph.
    """
    part = loads(text)
    places = {name: spot(part.view.get(name)) for name in part.nodes}
    if at is not None and places:
        by = (at[0] - min(x for x, _ in places.values()), at[1] - min(y for _, y in places.values()))
    names = _free(graph, part)
    edits: list[Edit] = []
    for name, node in part.nodes.items():
        node.wires = {
            port: renamed(wired, names) if isinstance(wired, str) else [renamed(each, names) for each in wired]
            for port, wired in node.wires.items()
        }
        x, y = places[name]
        view = part.view.get(name)
        seen = {**(view if isinstance(view, dict) else {}), "at": [round(x + by[0]), round(y + by[1])]}
        edits += [AddNode(names[name], node), Place(names[name], seen)]
    return edits, list(names.values())


def _free(graph: Graph, part: Graph) -> Mapping[str, str]:
    """A name that is free in the graph for each node of the part: its own, or with a number."""
    taken, names = set(graph.nodes), {}
    for name in part.nodes:
        base, _, number = name.rpartition("_")
        base = base if base and number.isdigit() else name
        new, count = name, 2
        while new in taken:
            new, count = f"{base}_{count}", count + 1
        taken.add(new)
        names[name] = new
    return names


def spot(view: object) -> Spot:
    """Where a view places something; (0, 0) where it does not say."""
    at = view.get("at") if isinstance(view, dict) else None
    if isinstance(at, list) and len(at) == 2 and all(isinstance(each, int | float) for each in at):
        return float(at[0]), float(at[1])
    return 0.0, 0.0
