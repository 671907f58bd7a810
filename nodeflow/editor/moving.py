"""What is known of a node's run goes with it when it is renamed, grouped or taken out of a group, and back by undo."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..graph.subgraphs import SEPARATOR, levels, walked

if TYPE_CHECKING:
    from ..graph.graph import Node
    from .document import Document
    from .marks import Marks


class Moving:
    """Called after each change of a document, before anybody shows it.

    Args:
        document: The document.
        marks: What is known of the runs of its nodes.
    """

    def __init__(self, document: Document, marks: Marks) -> None:
        self.document, self.marks = document, marks
        self._names, self._nodes = self._seen(), dict(walked(document.root))

    def __call__(self) -> None:
        names = self._seen()
        if names == self._names:
            return
        before, self._names, self._nodes = self._nodes, names, dict(walked(self.document.root))
        gone = {path: node for path, node in before.items() if path not in self._nodes}
        new = {path: node for path, node in self._nodes.items() if path not in before}
        if gone and new:
            self.marks.copy(dict(moved(gone, new)))

    def _seen(self) -> dict[str, list[tuple[str, str]]]:
        return {key: [(name, node.type) for name, node in level.nodes.items()]
                for key, level in levels(self.document.root)}  # fmt: skip


def moved(gone: dict[str, Node], new: dict[str, Node]) -> Iterator[tuple[str, str]]:
    """(old path, new path) of nodes that were moved: of the same type and name, or of the same type and values."""
    left = dict(gone)
    for alike in (_name, _content):
        where: dict[tuple[str, str], list[str]] = {}
        for path, node in left.items():
            where.setdefault(alike(path, node), []).append(path)
        for path, node in list(new.items()):
            if paths := where.get(alike(path, node)):
                old = paths.pop(0)
                new = {each: item for each, item in new.items() if each != path}
                del left[old]
                yield old, path


def _name(path: str, node: Node) -> tuple[str, str]:
    return node.type, path.rpartition(SEPARATOR)[2]


def _content(path: str, node: Node) -> tuple[str, str]:
    return node.type, json.dumps(node.values, sort_keys=True)
