"""What has changed in the level that is shown since a view looked last. No Qt.

An edit puts new nodes in the place of those it changes, so what has changed is found by `is`; the rest follows from it:
a node shows which of its ports are wired, so the ends of a wire that came or went are others too; a reroute shows what
it carries and a node that stands for a subgraph shows the ports of that, so these are asked each time. An edit, an undo
and a paste are all seen alike, and nobody has to say what he did.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..graph.graph import Node, split
from ..graph.subgraphs import PREFIX, passes_on
from .dots import carried
from .levels import SIDES

if TYPE_CHECKING:
    from .document import Document

Key = tuple[str, str, int]
"""A wire: "node.output", "node.input", and which of several between the same ends it is."""
PUBLIC = ""
"""Stands where the name of a node does for the wires to and from the panels of a subgraph."""


@dataclass
class News:
    """What a view has to do, in this order.

    Args:
        cut: Wires that are gone.
        gone: Nodes that are gone.
        faces: Nodes that are new, or may look otherwise than before.
        views: Entries of the level's view that are gone, new or others.
        wired: Wires that are new.
    """

    cut: list[Key] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    faces: list[str] = field(default_factory=list)
    views: set[str] = field(default_factory=set)
    wired: list[Key] = field(default_factory=list)


class Following:
    """Follows the level that a document shows.

    Args:
        document: The document; a level of it that is entered is followed by another one of these.
    """

    def __init__(self, document: Document) -> None:
        self.document = document
        self._nodes: dict[str, Node] = {}
        self._views: dict[str, Any] = {}
        self._kinds: dict[str, object] = {}
        self._arriving: dict[str, tuple[Key, ...]] = {}
        self._leaving: dict[str, dict[Key, None]] = {}
        self._public: dict[str, set[str]] = {}
        self._wires: dict[Key, None] = {}

    def used(self, name: str) -> frozenset[str]:
        """The outputs of a node that are wired, and as "in port" inputs wired to a panel; of a panel, its ports."""
        leaving = {split(source)[1] for source, _, _ in self._leaving.get(name, ())}
        return frozenset(leaving | self._public.get(name, set()))

    def doubt(self) -> None:
        """Node types are others: every node may look otherwise."""
        self._nodes.clear()

    def news(self) -> News:
        """What has changed since this was asked last."""
        nodes, suspects = self.document.graph.nodes, dict[Key, None]()
        gone = [name for name in self._nodes if name not in nodes]
        touched = [name for name, node in nodes.items() if self._nodes.get(name) is not node]
        came = [name for name in touched if name not in self._nodes]
        for name in gone:
            del self._nodes[name]
            self._kinds.pop(name, None)
            self._arrive(name, (), suspects)
        for name in touched:
            self._nodes[name] = nodes[name]
            self._arrive(name, _keys(name, nodes[name]), suspects)
        self._cross(suspects)
        for name in (*gone, *came):
            suspects.update(self._leaving.get(name, {}))
        news = News(gone=gone, views=self._viewed())
        self._settle(suspects, news)
        ends = {split(end)[0] for source, target, _ in suspects for end in (source, target)}
        others = (ends | news.views) & nodes.keys()
        news.faces = list(dict.fromkeys((*touched, *others, *self._otherwise(touched))))
        return news

    def _arrive(self, name: str, keys: tuple[Key, ...], suspects: dict[Key, None]) -> None:
        """These wires arrive at a node now."""
        old = self._arriving.pop(name, ())
        if keys:
            self._arriving[name] = keys
        if old == keys:
            return
        for key in set(old).difference(keys):
            del self._leaving[split(key[0])[0]][key]
            suspects[key] = None
        for key in keys:
            if key not in old:
                self._leaving.setdefault(split(key[0])[0], {})[key] = None
                suspects[key] = None

    def _cross(self, suspects: dict[Key, None]) -> None:
        """The wires to and from the panels."""
        ends = self.document.crossing()
        self._arrive(PUBLIC, tuple((source, target, 0) for source, target in ends), suspects)
        self._public = {}
        for _, target in ends:
            name, port = split(target)
            self._public.setdefault(name, set()).add(port if name in SIDES else f"in {port}")

    def _settle(self, suspects: Iterable[Key], news: News) -> None:
        """Which of these wires are there: a node names them, and the node that they come from is there."""
        for key in suspects:
            source = split(key[0])[0]
            there = key in self._leaving.get(source, ()) and (source in self._nodes or source in SIDES)
            if there and key not in self._wires:
                self._wires[key] = None
                news.wired.append(key)
            elif not there and key in self._wires:
                del self._wires[key]
                news.cut.append(key)

    def _viewed(self) -> set[str]:
        views, old = self.document.graph.view, self._views
        changed = {name for name, view in views.items() if old.get(name) is not view} | (old.keys() - views.keys())
        if changed:
            self._views = dict(views)
        return changed

    def _otherwise(self, touched: Iterable[str]) -> set[str]:
        """The reroutes that carry something else than before, and the nodes whose subgraph has other ports."""
        for name in touched:
            type = self._nodes[name].type
            if type.startswith(PREFIX) or passes_on(self.document.library.spec(type)):
                self._kinds[name] = None
            else:
                self._kinds.pop(name, None)
        now = {name: self._kind(name) for name in self._kinds}
        changed = {name for name, kind in now.items() if kind != self._kinds[name]}
        self._kinds = now
        return changed

    def _kind(self, name: str) -> object:
        type = self._nodes[name].type
        return self.document.library.spec(type) if type.startswith(PREFIX) else carried(self.document, name)


def _keys(name: str, node: Node) -> tuple[Key, ...]:
    """The wires that arrive at a node."""
    if not node.wires:
        return ()
    count: dict[tuple[str, str], int] = {}
    keys = []
    for input, source in node.sources():
        ends = (source, f"{name}.{input}")
        count[ends] = count.get(ends, -1) + 1
        keys.append((*ends, count[ends]))
    return tuple(keys)
