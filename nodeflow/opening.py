"""Open what a user names: a graph file, or a picture that carries a graph."""

from __future__ import annotations

import os

from .graph import Graph, load, loads
from .media.images import SUFFIXES, graph_in


def open_graph(path: str | os.PathLike[str]) -> Graph:
    """The graph in a JSON file or inside a picture. Nothing else is read, and nothing is run.

    Raises:
        NodeflowError: NF1xx, located by line and column; NF601 or NF604 for a picture that is damaged or has no graph.
    """
    if os.path.splitext(path)[1].lower() not in SUFFIXES:
        return load(path)
    graph = loads(graph_in(path))
    graph.path = os.fspath(path)
    return graph
