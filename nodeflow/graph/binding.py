"""A value at a port, wherever in subgraphs it is."""

from __future__ import annotations

from typing import Any

from .graph import Graph, Node, split
from .subgraphs import PREFIX, SEPARATOR, instances, subgraph_named, subgraph_of


def set_port(graph: Graph, end: str, value: Any) -> None:
    """Give "node.port" or "group / node.port" a value in the place of what is there; nothing where it leads nowhere.

    It is set at the outermost port that sets this one. Where it must be set inside a subgraph that is used elsewhere,
    the node gets a subgraph of its own.
    """
    name, port = split(end)
    path = path_of(graph, name)
    if path is None:
        return
    levels = _levels(graph, path)
    while len(path) > 1:
        public = next((each for each in levels[-1].inputs if f"{path[-1]}.{port}" in levels[-1].targets(each)), None)
        if public is None:
            break
        port = public
        path.pop()
        levels.pop()
    for name in path[:-1]:
        _own(graph, path, name)
    node = _levels(graph, path)[-1].nodes[path[-1]]
    node.values[port] = value
    node.wires.pop(port, None)


def path_of(graph: Graph, name: str) -> list[str] | None:
    """The names of the nodes from the outermost to the one that "group / node" means; None when there is none."""
    level, path = graph, list[str]()
    while name not in level.nodes:
        inside = (
            each for each in level.nodes if name.startswith(each + SEPARATOR) and subgraph_of(graph, level.nodes[each])
        )
        outer = max(inside, key=len, default=None)
        if outer is None:
            return None
        path.append(outer)
        level, name = graph.graphs[subgraph_named(level.nodes[outer].type)], name[len(outer) + len(SEPARATOR) :]
    return [*path, name]


def _levels(graph: Graph, path: list[str]) -> list[Graph]:
    """The graph that each node of a path is in."""
    found = [graph]
    for name in path[:-1]:
        found.append(graph.graphs[subgraph_named(found[-1].nodes[name].type)])
    return found


def _own(graph: Graph, path: list[str], name: str) -> None:
    """Let no other node stand for the subgraph of this one."""
    node: Node = _levels(graph, path)[path.index(name)].nodes[name]
    kind = subgraph_named(node.type)
    if len(instances(graph, kind)) > 1:
        new = free_name(graph, kind)
        graph.graphs[new] = graph.graphs[kind].copy()
        node.type = PREFIX + new


def free_name(graph: Graph, name: str) -> str:
    """A name for a subgraph that none has: this one, or with a number."""
    base, _, number = name.rpartition(" ")
    base = base if base and number.isdigit() else name
    count, new = 2, name
    while new in graph.graphs:
        new, count = f"{base} {count}", count + 1
    return new
