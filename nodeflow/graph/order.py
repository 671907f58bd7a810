"""Orders of the nodes of a graph: sources first, what is upstream, which nodes feed each other in a circle.

Nothing here is recursive, and each function looks at a node and a wire once: a chain of 20,000 nodes is an ordinary
graph.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from .graph import Graph, split

Sources = Mapping[str, Sequence[str]]
"""The nodes that feed each node, each once."""


def sources(graph: Graph) -> dict[str, list[str]]:
    """The nodes that feed each node, in the order of its wires; dangling wires left out."""
    return {name: _feeders(graph, name) for name in graph.nodes}


class Feeding(dict[str, list[str]]):
    """The same, each found when it is asked for: to walk a part of a large graph.

    Args:
        graph: The graph.
    """

    def __init__(self, graph: Graph) -> None:
        super().__init__()
        self._graph = graph

    def __missing__(self, name: str) -> list[str]:
        found = self[name] = _feeders(self._graph, name)
        return found


def _feeders(graph: Graph, name: str) -> list[str]:
    nodes = graph.nodes
    return [each for each in dict.fromkeys(split(port)[0] for _, port in nodes[name].sources()) if each in nodes]


def downstream(graph: Graph, starts: Iterable[str]) -> set[str]:
    """The nodes that need these nodes, themselves included."""
    return upstream(_fed(sources(graph)), starts)


def upstream(feeding: Sources, starts: Iterable[str]) -> set[str]:
    """The nodes that these nodes need, themselves included."""
    found: set[str] = set()
    waiting = list(starts)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting.extend(feeding[name])
    return found


def ordered(feeding: Sources) -> list[str]:
    """Sources before what they feed; nodes on a circle, or fed by one, are left out."""
    missing = {name: len(feeders) for name, feeders in feeding.items()}
    fed = _fed(feeding)
    order = [name for name, count in missing.items() if count == 0]
    for name in order:
        for target in fed[name]:
            missing[target] -= 1
            if missing[target] == 0:
                order.append(target)
    return order


def _fed(feeding: Sources) -> dict[str, list[str]]:
    """The nodes that each node feeds."""
    fed: dict[str, list[str]] = {name: [] for name in feeding}
    for name, feeders in feeding.items():
        for feeder in feeders:
            fed[feeder].append(name)
    return fed


def circles(feeding: Sources) -> list[list[str]]:
    """One circle of nodes, in the direction of its wires, for each knot of nodes that feed each other."""
    found = []
    for knot in _knots({name: feeding[name] for name in set(feeding).difference(ordered(feeding))}):
        inside = set(knot)
        path: dict[str, int] = {}
        name = min(knot)
        while name not in path:
            path[name] = len(path)
            name = next(feeder for feeder in feeding[name] if feeder in inside)
        circle = list(path)[path[name] :][::-1]
        first = circle.index(min(circle))
        found.append(circle[first:] + circle[:first])
    return sorted(found)


def _knots(feeding: Sources) -> list[list[str]]:
    """The strongly connected parts that hold a circle (Kosaraju), without recursion.

    Walk upstream and note when each node is left; then take the nodes last left first, and walk downstream: what is
    reached from one and not taken yet is its part.
    """
    fed: dict[str, list[str]] = {name: [] for name in feeding}
    for name, feeders in feeding.items():
        for feeder in feeders:
            if feeder in fed:
                fed[feeder].append(name)
    taken: set[str] = set()
    knots = []
    for start in reversed(_left(feeding)):
        part, waiting = [], [start]
        while waiting:
            name = waiting.pop()
            if name not in taken:
                taken.add(name)
                part.append(name)
                waiting.extend(fed[name])
        if len(part) > 1 or (part and start in feeding[start]):
            knots.append(part)
    return knots


def _left(feeding: Sources) -> list[str]:
    """The nodes in the order in which a depth-first walk upstream leaves them."""
    seen: set[str] = set()
    left = []
    for start in feeding:
        walk = [(start, iter(feeding[start]))] if start not in seen else []
        seen.add(start)
        while walk:
            name, feeders = walk[-1]
            step = next((each for each in feeders if each in feeding and each not in seen), None)
            if step is None:
                left.append(name)
                walk.pop()
            else:
                seen.add(step)
                walk.append((step, iter(feeding[step])))
    return left
