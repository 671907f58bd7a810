"""Places for nodes: columns from left to right as the wires run, in each column the order that crosses fewest wires."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from ..graph import Graph
from ..graph.order import ordered, sources
from .clipping import Spot, spot
from .faces import WIDTH

COLUMN = 320.0
"""From the left edge of one column to the next."""
GAP = 40.0
"""Between the nodes of a column."""
SWEEPS = 4


def arranged(graph: Graph, heights: Mapping[str, float], names: Iterable[str] = ()) -> dict[str, tuple[float, float]]:
    """Where each node goes: sources left of what they feed, close to it, and no two over each other.

    Of nodes that could stand in any order, the one that is higher now stays above.

    Args:
        graph: The graph.
        heights: Of each node, in pixels.
        names: Only these; none = all.
    """
    wanted = set(names) or set(graph.nodes)
    feeding = {
        name: [each for each in feeders if each in wanted] for name, feeders in sources(graph).items() if name in wanted
    }
    order = ordered(feeding)
    order += [name for name in feeding if name not in set(order)]
    depth = _depths(order, feeding)
    columns: dict[int, list[str]] = {}
    for name in sorted(order, key=lambda name: spot(graph.view.get(name))[1]):
        columns.setdefault(depth[name], []).append(name)
    fed = _fed(feeding)
    for sweep in range(SWEEPS):
        _uncross(columns, fed if sweep % 2 else feeding, reverse=bool(sweep % 2))
    return _places(columns, heights)


def laid_out(graph: Graph, heights: Mapping[str, float]) -> dict[str, Spot]:
    """Places for nodes as a file is opened: those that it has, with what has none arranged, and none over another.

    Args:
        graph: A graph, or a level of one.
        heights: Of the nodes to place, in pixels.
    """
    views = {name: graph.view.get(name) for name in heights}
    placed = {name: spot(view) for name, view in views.items() if isinstance(view, dict) and "at" in view}
    if len(placed) < len(heights):
        places = arranged(graph, heights, heights)
        left = max((x for x, _ in placed.values()), default=0.0) + COLUMN if placed else 0.0
        start = min((x for name, (x, _) in places.items() if name not in placed), default=0.0)
        for name, (x, y) in places.items():
            placed.setdefault(name, (x - start + left, y) if left else (x, y))
    elif not overlapping(placed, heights):
        return placed
    return spread(placed, heights)


def overlapping(places: Mapping[str, Spot], heights: Mapping[str, float]) -> bool:
    """Does a node lie over another?"""
    beside: list[tuple[float, float, float]] = []
    for name in sorted(places, key=lambda name: places[name]):
        x, y = places[name]
        beside = [each for each in beside if each[0] + WIDTH > x]
        if any(y < bottom and top < y + heights[name] for _, top, bottom in beside):
            return True
        beside.append((x, y, y + heights[name]))
    return False


def clear_of(at: Spot, size: tuple[float, float], taken: Sequence[tuple[float, float, float, float]]) -> Spot:
    """The place nearest to one where a thing lies over nothing, on the grid of 20.

    Args:
        at: Where it would stand.
        size: Its width and height.
        taken: (left, top, width, height) of what stands already.
    """
    wide, tall = size[0] + GAP / 2, size[1] + GAP / 2

    def free(x: float, y: float) -> bool:
        return all(
            x + wide <= left or left + width + GAP / 2 <= x or y + tall <= top or top + height + GAP / 2 <= y
            for left, top, width, height in taken
        )

    if free(*at):
        return at
    edges = [(left - wide, left + width + GAP / 2) for left, _, width, _ in taken]
    levels = [(top - tall, top + height + GAP / 2) for _, top, _, height in taken]
    across = [
        at[0],
        *(20 * (math.floor(low / 20)) for low, _ in edges),
        *(20 * math.ceil(high / 20) for _, high in edges),
    ]
    down = [
        at[1],
        *(20 * (math.floor(low / 20)) for low, _ in levels),
        *(20 * math.ceil(high / 20) for _, high in levels),
    ]
    spots = [(x, y) for x in across for y in down if free(x, y)]
    return min(spots, key=lambda each: math.hypot(each[0] - at[0], each[1] - at[1]), default=at)


def distributed(spans: Mapping[str, tuple[float, float]]) -> dict[str, float]:
    """New starts for things along a line, with equal gaps between them; the first and the last stay.

    Args:
        spans: Start and length of each.
    """
    order = sorted(spans, key=lambda name: spans[name][0] + spans[name][1] / 2)
    first, last = spans[order[0]][0], sum(spans[order[-1]])
    gap = (last - first - sum(length for _, length in spans.values())) / max(1, len(order) - 1)
    found, at = {}, first
    for name in order:
        found[name] = at
        at += spans[name][1] + gap
    return found


def spread(places: Mapping[str, Spot], heights: Mapping[str, float]) -> dict[str, Spot]:
    """The same places, with nodes pushed down that would lie over another: node types grow, saved places do not."""
    done: dict[str, Spot] = {}
    for name in sorted(places, key=lambda name: (places[name][1], places[name][0])):
        x, y = places[name]
        beside = sorted((top, heights[other]) for other, (left, top) in done.items() if abs(left - x) < WIDTH + GAP / 2)
        for top, height in beside:
            if y < top + height + GAP / 2 and top < y + heights[name] + GAP / 2:
                y = -(-(top + height + GAP) // 20) * 20
        done[name] = (x, y)
    return done


def _depths(order: list[str], feeding: Mapping[str, list[str]]) -> dict[str, int]:
    """The column of each node: one right of its last source; a node without sources just left of what it feeds."""
    depth: dict[str, int] = {}
    for name in order:
        depth[name] = max((depth[each] + 1 for each in feeding[name] if each in depth), default=0)
    fed = _fed(feeding)
    for name in reversed(order):
        if fed[name] and not feeding[name]:
            depth[name] = max(0, min(depth[each] for each in fed[name]) - 1)
    return depth


def _fed(feeding: Mapping[str, list[str]]) -> dict[str, list[str]]:
    fed: dict[str, list[str]] = {name: [] for name in feeding}
    for name, feeders in feeding.items():
        for feeder in feeders:
            fed[feeder].append(name)
    return fed


def _uncross(columns: dict[int, list[str]], beside: Mapping[str, list[str]], reverse: bool) -> None:
    """Order each column by the mean place of its neighbours."""
    place = {name: rank for column in columns.values() for rank, name in enumerate(column)}
    for at in sorted(columns, reverse=reverse):
        ranks = {
            name: sum(place[each] for each in beside[name]) / len(beside[name]) if beside[name] else place[name]
            for name in columns[at]
        }
        columns[at].sort(key=lambda name: ranks[name])
        place.update({name: rank for rank, name in enumerate(columns[at])})


def _places(columns: Mapping[int, list[str]], heights: Mapping[str, float]) -> dict[str, tuple[float, float]]:
    found = {}
    for at, column in columns.items():
        total = sum(heights.get(name, 100.0) for name in column) + GAP * (len(column) - 1)
        y = -total / 2
        for name in column:
            found[name] = (at * COLUMN, round(y / 10) * 10.0)
            y += heights.get(name, 100.0) + GAP
    return found
