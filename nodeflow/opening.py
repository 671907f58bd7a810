"""Open what a user names: a graph file, or a picture or sound that carries a graph."""

from __future__ import annotations

import os

from .graph import Graph, load, loads
from .media import images, sounds


def open_graph(path: str | os.PathLike[str]) -> Graph:
    """The graph in a JSON file, or inside a picture or sound. Nothing else is read, and nothing is run.

    Raises:
        NodeflowError: NF1xx, located by line and column; NF601 or NF604 for a file that is damaged or has no graph.
    """
    suffix = os.path.splitext(path)[1].lower()
    media = next((media for media in (images, sounds) if suffix in media.SUFFIXES), None)
    if media is None:
        return load(path)
    graph = loads(media.graph_in(path))
    graph.path = os.fspath(path)
    return graph
