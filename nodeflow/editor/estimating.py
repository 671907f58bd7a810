"""How many steps a node is asked for: what tells how long it will take, once it has run with another number. No Qt."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..graph.binding import path_of
from ..graph.order import sources
from ..graph.subgraphs import subgraph_of

if TYPE_CHECKING:
    from ..graph import Graph
    from ..packs import Library

STEPS = "steps"
"""What the parameter is called, on a sampler or on the schedule that feeds it."""


def steps_for(graph: Graph, library: Library, path: str) -> int:
    """The steps that a node of a run is asked for; 0 where none are, or a wire tells them.

    A subgraph's own parameter counts before the one inside that it stands for.

    Args:
        graph: The whole graph.
        library: Its node types.
        path: The node, as runs name it.
    """
    names = path_of(graph, path)
    level: Graph | None = graph
    inner = 0
    for name in names or ():
        if level is None:
            return 0
        home, level = level, subgraph_of(graph, level.nodes[name])
        said = _said(home, library, [name] if level is not None else _nearest(home, name))
        if said and level is not None:
            return said
        inner = said or inner
    return inner


def _nearest(level: Graph, name: str) -> list[str]:
    """A node and those that feed it, the nearest first."""
    feeding, found = sources(level), [name]
    for each in found:
        found += [feeder for feeder in feeding[each] if feeder not in found]
    return found


def _said(level: Graph, library: Library, names: Iterable[str]) -> int:
    for name in names:
        node = level.nodes.get(name)
        spec = library.spec(node.type) if node else None
        port = spec.input(STEPS) if spec else None
        if node is None or (port is None and STEPS not in node.values) or STEPS in node.wires:
            continue
        value = node.values.get(STEPS, port.default if port else None)
        if isinstance(value, int) and not isinstance(value, bool) and value > 0:
            return value
    return 0
