"""The text of a graph that is edited: what an edit left alone is not written again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..errors import NodeflowError
from .files import dumps, entry_text, node_text, text_of
from .form import data_of, faults_of, format_of, node_data, node_of
from .graph import Graph, Node
from .plain import copied


class Writer:
    """Writes a graph that is changed by edits alone, as `dumps` does, in a time that grows with what has changed.

    An edit puts new nodes and new entries of the view in place of those it changes, so a text is kept for as long as
    what it was made from is the same object.
    """

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], dict[str, tuple[object, str]]] = {}

    def text(self, graph: Graph) -> str:
        """The canonical text of a graph; raises as `dumps`."""
        try:
            data = data_of(_shell(graph, {name: _shell(level) for name, level in graph.graphs.items()}))
            if any(faults_of(data)):
                return dumps(graph)
            data["nodeflow"] = format_of(graph)
            kept: dict[tuple[str, str], dict[str, tuple[object, str]]] = {}
            self._fill(data, "", graph, "", kept)
            for name, level in graph.graphs.items():
                self._fill(data["graphs"][name], name, level, "    ", kept)
        except NodeflowError:
            return dumps(graph)
        self._kept = kept
        return text_of(data)

    def _fill(self, data: dict[str, Any], name: str, level: Graph, indent: str, kept: Any) -> None:
        """Put the texts of nodes and views where their data would be."""
        nodes, views = (name, "nodes"), (name, "view")
        kept[nodes] = self._lines(nodes, level.nodes, lambda name, node: node_text(name, _checked(name, node), indent))
        kept[views] = self._lines(views, level.view, lambda name, view: entry_text(name, copied(view, name)))
        data["nodes"] = [text for _, text in kept[nodes].values()]
        data["view"] = [text for _, text in kept[views].values()]

    def _lines(
        self, key: tuple[str, str], entries: Mapping[str, Any], written: Callable[[str, Any], str]
    ) -> dict[str, tuple[object, str]]:
        """The text of each entry, in the order of their names."""
        old, new = self._kept.get(key, {}), {}
        for name in sorted(entries):
            entry, known = entries[name], old.get(name)
            new[name] = known if known is not None and known[0] is entry else (entry, written(name, entry))
        return new


def _shell(level: Graph, graphs: dict[str, Graph] | None = None) -> Graph:
    """A level without its nodes and its view."""
    return Graph(
        {}, level.inputs, level.outputs, {}, level.extra, level.path, level.format, graphs or dict(level.graphs)
    )


def _checked(name: str, node: Node) -> dict[str, Any]:
    """The data of a node, refused where a file could not hold it."""
    data = node_data(name, node)
    node_of(name, data)
    return data
