"""Subgraphs that were kept and have changed since: a graph carries its own copy, which one action brings up to date."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import NodeflowError
from ..graph import Graph, load
from ..graph.edits import Batch, Define, Edit
from ..graph.promotion import taken_back
from ..graph.subgraphs import PREFIX, Side, reached, subgraph_named
from .structure import defined, saved_folder

if TYPE_CHECKING:
    from .document import Document

SIDES: tuple[Side, ...] = ("inputs", "outputs")


def origin_of(graph: Graph, kind: str) -> str:
    """The name under which a subgraph was kept; empty for one that never was."""
    said = graph.graphs[kind].extra.get("origin") if kind in graph.graphs else None
    return said if isinstance(said, str) else ""


def newer(graph: Graph, kind: str) -> Graph | None:
    """The kept subgraph that another is a copy of, where it is another now; None where it is alike, or gone."""
    title = origin_of(graph, kind)
    file = saved_folder() / f"{title}.json"
    if not title or "/" in title or "\\" in title or not file.is_file():
        return None
    try:
        kept = load(file)
    except NodeflowError:
        return None
    mine = graph.graphs[kind].copy()
    mine.graphs = {name: graph.graphs[name] for name in reached(graph, mine)}
    return kept if _content(kept) != _content(mine) else None


def updated(graph: Graph, kind: str, kept: Graph) -> tuple[Edit, list[str]]:
    """The edit that puts what is kept in place of a subgraph, wherever it is used, and the ports that are gone.

    What was wired to a port that is gone is parted from it; all else stays wired as it is.
    """
    after, edits, gone = graph.copy(), list[Edit](), list[str]()

    def do(edit: Edit) -> None:
        after.apply(edit)
        edits.append(edit)

    for side in SIDES:
        had = graph.graphs[kind].inputs if side == "inputs" else graph.graphs[kind].outputs
        has = kept.inputs if side == "inputs" else kept.outputs
        for name in [name for name in had if name not in has]:
            gone.append(name)
            do(taken_back(after, kind, side, name))
    part = kept.copy()
    inner, part.graphs, part.path = part.graphs, {}, None
    part.extra = {**{key: item for key, item in part.extra.items() if key == "doc"}, "origin": origin_of(graph, kind)}
    defining, names = defined(after, inner)
    for edit in defining:
        do(edit)
    for node in part.nodes.values():
        name = subgraph_named(node.type)
        node.type = PREFIX + names[name] if name in names else node.type
    do(Define(kind, part))
    for name in set(reached(graph, graph)) - set(reached(after, after)):
        do(Define(name, None))
    return Batch(tuple(edits)), gone


def outdated(document: Document, name: str) -> bool:
    """Is a node's subgraph a copy of a kept one that is another now?"""
    return newer(document.root, subgraph_named(document.graph.nodes[name].type)) is not None


def update(document: Document, name: str) -> list[str] | None:
    """Bring a node's subgraph up to date with the kept one, wherever it is used, in one step of undo.

    Returns:
        The ports that are gone; None where there is nothing to bring.
    """
    kind = subgraph_named(document.graph.nodes[name].type)
    kept = newer(document.root, kind)
    if kept is None:
        return None
    edit, gone = updated(document.root, kind, kept)
    document.do_whole(edit, f"Update {kind}")
    return gone


def _content(part: Graph) -> Any:
    """What a graph computes and offers: its subgraphs told apart by what is in them, not by their names."""

    def told(level: Graph, above: tuple[str, ...]) -> Any:
        def kind(type: str) -> Any:
            name = subgraph_named(type)
            known = name in part.graphs and name not in above
            return told(part.graphs[name], (*above, name)) if known else type

        nodes = {
            name: (kind(node.type), node.version, node.values, node.wires, node.bypass, node.mute)
            for name, node in level.nodes.items()
        }
        return nodes, level.inputs, level.outputs

    return told(part, ())
