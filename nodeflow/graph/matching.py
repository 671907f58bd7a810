"""Which nodes of two graphs are one node under two names."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from .graph import Graph, Node, renamed, split
from .plain import text


def renames(old: Graph, new: Graph) -> dict[str, str]:
    """Old name → new name of nodes that kept everything else.

    A node that is gone and one that has come are the same when nothing but the name tells them apart, and no other
    node could be meant. The names of what is wired to them do not count: those may be new as well.
    """
    gone = _by_content(old, old.nodes.keys() - new.nodes.keys())
    come = _by_content(new, new.nodes.keys() - old.nodes.keys())
    pairs = ((gone[content], come[content]) for content in gone.keys() & come.keys())
    return {ours[0]: theirs[0] for ours, theirs in pairs if len(ours) == len(theirs) == 1}


def with_names(graph: Graph, names: Mapping[str, str]) -> Graph:
    """A copy of the graph under other names of nodes; all that names them follows. Nodes it has not are left alone."""
    new, names = graph.copy(), {old: names[old] for old in names if old in graph.nodes}
    if names:
        new.nodes = {names.get(name, name): node for name, node in new.nodes.items()}
        new.view = {names.get(name, name): view for name, view in new.view.items()}
        new.repoint(lambda port: renamed(port, names), lambda port: renamed(port, names))
    return new


def content(node: Node) -> str:
    """All of a node but the names of the nodes it is wired to."""
    ends = [(input, split(source)[1]) for input, source in node.sources()]
    return text([node.type, node.version, node.bypass, node.mute, node.values, ends, node.extra])


def _by_content(graph: Graph, names: Iterable[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for name in names:
        found[content(graph.nodes[name])].append(name)
    return found
