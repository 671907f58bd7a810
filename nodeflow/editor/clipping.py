"""Nodes as text, and text as nodes: the clipboard holds a graph file, so that any graph can be pasted anywhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..errors import NodeflowError
from ..graph import Graph, dumps, loads
from ..graph.edits import AddNode, Edit, Place
from ..graph.graph import renamed, split
from ..graph.grouping import at_level, level_of
from ..graph.subgraphs import PREFIX, reached, subgraph_named
from .structure import defined

Spot = tuple[float, float]


def clipped(root: Graph, names: Iterable[str], *, outside: bool = False, level: str = "") -> str:
    """The text of a graph of these nodes, with the subgraphs that they stand for.

    Args:
        root: The whole graph.
        names: The nodes.
        outside: Keep the wires that come from other nodes.
        level: Where they are.
    """
    graph, names = level_of(root, level), list(names)
    kept = [name for name in names if name in graph.nodes]
    inside = set(kept)
    part = Graph(view={name: graph.view[name] for name in names if name in graph.view})
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
    part.graphs = {name: root.graphs[name].copy() for name in reached(root, part_with(root, part))}
    return dumps(part)


def part_with(root: Graph, part: Graph) -> Graph:
    """A level of a graph, to ask what it needs."""
    return Graph(part.nodes, graphs=root.graphs)


def pasted(
    root: Graph, text: str, at: Spot | None = None, *, by: Spot = (40, 40), level: str = ""
) -> tuple[list[Edit], list[str]]:
    """The edits that add the nodes, frames and notes of a text under free names, and the names of the nodes.

    Args:
        root: The whole graph; wires from nodes of the level are kept.
        text: A graph's text; its subgraphs come with it, those that are there already are used.
        at: Where the upper left corner of them goes; None moves them by `by`.
        level: Where they go.

    Raises:
        NodeflowError: NF1xx, the text is no graph; NF215, a subgraph would contain itself.
    """
    graph, part = level_of(root, level), loads(text)
    defining, kinds = defined(root, part.graphs)
    for node in part.nodes.values():
        kind = subgraph_named(node.type)
        node.type = PREFIX + kinds[kind] if kind in kinds else node.type
        if level and kind and level in (kinds.get(kind, kind), *kinds.values()):
            raise NodeflowError("NF215", f"{level} would contain itself", where=kind, fix="paste it outside")
    loose = [name for name in part.view if name.startswith(".") and name not in (".inputs", ".outputs")]
    places = {name: spot(part.view.get(name)) for name in (*part.nodes, *loose)}
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
    for name, new in _free_names(loose, set(graph.view)).items():
        x, y = places[name]
        edits.append(Place(new, {**part.view[name], "at": [round(x + by[0]), round(y + by[1])]}))
    return [*defining, at_level(level, edits)] if edits else defining, list(names.values())


def _free_names(names: Iterable[str], taken: set[str]) -> dict[str, str]:
    """A name for each frame or note that no other has: ".note 3"."""
    found: dict[str, str] = {}
    for name in names:
        base, count = name.partition(" ")[0], 1
        while (new := f"{base} {count}") in taken:
            count += 1
        taken.add(new)
        found[name] = new
    return found


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
