"""What is known of a node's run goes with it when it is renamed, grouped or taken out of a group, and back by undo."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..graph.subgraphs import SEPARATOR, levels, walked

if TYPE_CHECKING:
    from .document import Document
    from .marks import Marks


class Moving:
    """Called after each change of a document, before anybody shows it; most changes leave the names as they are.

    Args:
        document: The document.
        marks: What is known of the runs of its nodes.
    """

    def __init__(self, document: Document, marks: Marks) -> None:
        self.document, self.marks = document, marks
        self._look()

    def __call__(self) -> None:
        root, names = self.document.root, self._names
        if len(names) == len(root.graphs) + 1 and all(
            names.get(key) == each.nodes.keys() for key, each in levels(root)
        ):
            return
        before = self._types
        self._look()
        gone = {path: type for path, type in before.items() if path not in self._types}
        new = {path: type for path, type in self._types.items() if path not in before}
        if gone and new:
            self.marks.copy(moved(gone, new))

    def _look(self) -> None:
        root = self.document.root
        self._names = {key: set(level.nodes) for key, level in levels(root)}
        self._types = {path: node.type for path, node in walked(root)}


def moved(gone: Mapping[str, str], new: Mapping[str, str]) -> dict[str, str]:
    """The new path of each node that was moved, by its old one.

    It has the same type and name elsewhere, or another name and is the only one of its type that came or went.

    Args:
        gone: The types of the nodes whose paths are gone.
        new: Those of nodes whose paths are new.
    """
    found: dict[str, str] = {}
    places: dict[tuple[str, str], list[str]] = {}
    for path, type in new.items():
        places.setdefault((type, path.rpartition(SEPARATOR)[2]), []).append(path)
    for path, type in gone.items():
        if there := places.get((type, path.rpartition(SEPARATOR)[2])):
            found[path] = there.pop(0)
    taken = set(found.values())
    for type in set(gone.values()):
        left = [path for path, each in gone.items() if each == type and path not in found]
        came = [path for path, each in new.items() if each == type and path not in taken]
        if len(left) == len(came) == 1:
            found[left[0]] = came[0]
    return found
