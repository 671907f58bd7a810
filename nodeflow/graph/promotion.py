"""The ports of a subgraph: brought out, renamed, ordered, taken back. Each keeps all that uses the subgraph in line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..errors import NodeflowError
from .binding import free_name
from .edits import Batch, ClearValue, Define, Edit, Expose, Place, ReplaceNode, Rewire
from .graph import Graph, Node, split
from .grouping import at_level, level_of
from .subgraphs import PREFIX, Side, instances, levels, order_of, subgraph_named


def promoted(graph: Graph, level: str, side: Side, end: str) -> tuple[Edit, str]:
    """The edit that makes a port of a level public, last in order, and its public name.

    Args:
        graph: The graph.
        level: Where the node is, "" for the graph itself.
        side: "inputs" or "outputs".
        end: "node.port".
    """
    home = level_of(graph, level)
    node, port = split(end)
    exposed = home.inputs if side == "inputs" else home.outputs
    base, count = port.replace(".", "_"), 2
    name = base
    while name in exposed:
        name, count = f"{node}_{base}" if count == 2 else f"{base}_{count}", count + 1
    edits: list[Edit] = [Expose(side, name, end)]
    if side == "inputs" and port in home.nodes[node].wires:
        edits.insert(0, Rewire(node, port, None))
    return at_level(level, [*edits, _ordering(home, side, [*order_of(home, side), name])]), name


def taken_back(graph: Graph, level: str, side: Side, name: str) -> Edit:
    """The edit that takes a public port away, with all that is wired to it or set by it."""
    edits: list[Edit] = []
    waiting, seen = [(level, name)], set[tuple[str, str]]()
    while waiting:
        where, public = waiting.pop()
        if (where, public) in seen:
            continue
        seen.add((where, public))
        home = level_of(graph, where)
        left = [each for each in order_of(home, side) if (where, each) not in seen]
        edits.append(at_level(where, [Expose(side, public, None), _ordering(home, side, left)]))
        for outer, node in instances(graph, where) if where else ():
            cut, gone = _cut(level_of(graph, outer), node, side, public)
            edits.append(at_level(outer, cut))
            waiting += [(outer, each) for each in gone]
    return Batch(tuple(edits))


def _cut(home: Graph, name: str, side: Side, public: str) -> tuple[list[Edit], list[str]]:
    """The edits that part a node from a port, and the public names of its level that lead only there."""
    end, edits, gone = f"{name}.{public}", list[Edit](), list[str]()
    if side == "outputs":
        for target, node in home.nodes.items():
            for input, wires in node.wires.items():
                several = [wires] if isinstance(wires, str) else wires
                if end in several:
                    left = tuple(each for each in several if each != end)
                    edits.append(Rewire(target, input, left or None))
        return edits, [each for each, source in home.outputs.items() if source == end]
    if public in home.nodes[name].wires:
        edits.append(Rewire(name, public, None))
    if public in home.nodes[name].values:
        edits.append(ClearValue(name, public))
    for each in home.inputs:
        targets = home.targets(each)
        if end in targets:
            left = tuple(target for target in targets if target != end)
            edits += [Expose("inputs", each, left)] if left else []
            gone += [] if left else [each]
    return edits, gone


def port_renamed(graph: Graph, level: str, side: Side, old: str, new: str) -> Edit:
    """The edit that gives a public port another name; whatever uses the subgraph follows.

    Raises:
        NodeflowError: NF214 where the name is taken.
    """
    home = level_of(graph, level)
    exposed = home.inputs if side == "inputs" else home.outputs
    if new in exposed:
        raise NodeflowError("NF214", f"there is a port {new!r} already", where=f"{side}.{old}", fix="choose another")
    ends = exposed[old]
    order = [new if each == old else each for each in order_of(home, side)]
    moved = tuple(ends) if isinstance(ends, list) else ends
    edits = [at_level(level, [Expose(side, old, None), Expose(side, new, moved), _ordering(home, side, order)])]
    for outer, node in instances(graph, level) if level else ():
        edits.append(at_level(outer, list(_followed(level_of(graph, outer), node, side, old, new))))
    return Batch(tuple(edits))


def _followed(home: Graph, name: str, side: Side, old: str, new: str) -> Iterator[Edit]:
    was, now = f"{name}.{old}", f"{name}.{new}"

    def swapped(ends: str | list[str]) -> str | tuple[str, ...]:
        if isinstance(ends, str):
            return now if ends == was else ends
        return tuple(now if end == was else end for end in ends)

    if side == "outputs":
        for target, node in home.nodes.items():
            for input, wires in node.wires.items():
                if was in ([wires] if isinstance(wires, str) else wires):
                    yield Rewire(target, input, swapped(wires))
        for public, source in home.outputs.items():
            if source == was:
                yield Expose("outputs", public, now)
        return
    node = home.nodes[name].copy()
    for entries in (node.wires, node.values):
        if old in entries:
            entries[new] = entries.pop(old)
    yield ReplaceNode(name, node)
    for public in home.inputs:
        if was in home.targets(public):
            yield Expose("inputs", public, swapped(home.inputs[public]))


def reordered(graph: Graph, level: str, side: Side, names: Sequence[str]) -> Edit:
    """The edit that shows the public ports of a side in this order."""
    return at_level(level, [_ordering(level_of(graph, level), side, names)])


def _ordering(home: Graph, side: Side, names: Sequence[str]) -> Edit:
    view = home.view.get(f".{side}")
    return Place(f".{side}", {**(view if isinstance(view, dict) else {}), "order": list(names)})


def subgraph_renamed(graph: Graph, old: str, new: str) -> Edit:
    """The edit that gives a subgraph another name; the nodes that stand for it follow.

    Raises:
        NodeflowError: NF214 where the name is taken.
    """
    if new in graph.graphs:
        raise NodeflowError("NF214", f"there is a subgraph {new!r} already", where=old, fix="choose another")
    edits: list[Edit] = [Define(new, graph.graphs[old])]
    for level, inner in levels(graph):
        where = new if level == old else level
        names = [name for name, node in inner.nodes.items() if node.type == PREFIX + old]
        if names:
            edits.append(at_level(where, [ReplaceNode(name, _of_type(inner.nodes[name], new)) for name in names]))
    return Batch((*edits, Define(old, None)))


def made_own(graph: Graph, level: str, name: str) -> Edit:
    """The edit that gives a node a subgraph that nothing else stands for."""
    node = level_of(graph, level).nodes[name]
    kind = subgraph_named(node.type)
    new = free_name(graph, kind)
    return Batch((Define(new, graph.graphs[kind]), at_level(level, [ReplaceNode(name, _of_type(node, new))])))


def _of_type(node: Node, subgraph: str) -> Node:
    made = node.copy()
    made.type = PREFIX + subgraph
    return made
