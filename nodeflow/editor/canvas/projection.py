"""The document on the screen: items follow the graph.

After each change of the document `sync` brings the items in line with it, whatever the change was: what an edit, an
undo or a paste did to the view is never told twice. `following` says what has changed, so that an edit costs what it
touches and no more. An edit that is refused leaves the graph, and so the view, alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QRectF

from ...graph.graph import split
from ..clipping import Spot
from ..clipping import spot as place_of
from ..faces import WIDTH, face
from ..following import Following, Key, News
from ..layout import arranged
from ..levels import INPUTS, SIDES
from ..marks import Marks
from .crumbs import Crumbs
from .frame import MARK as FRAME
from .frame import FlowFrame
from .items import Items
from .minimap import Minimap
from .node import FlowNode
from .notes import MARK as NOTE
from .notes import FlowNote
from .viewer import ZOOM_HIGH
from .wire import FlowWire

if TYPE_CHECKING:
    from ..document import Document

APART = 110.0
"""Between the nodes and the panels of a subgraph."""


class Projection(Items):
    """The graph of a document.

    Args:
        document: What is shown and edited.
        marks: What is known of each node's run.
    """

    map: Minimap | None = None

    def __init__(self, document: Document, marks: Marks) -> None:
        super().__init__(document)
        self.marks = marks
        self._hot: FlowNode | None = None
        self._hot_wire: FlowWire | None = None
        self._following = Following(document)
        self._loose: set[str] = set()
        """The nodes that have no place of their own."""
        self.map = Minimap(self)
        self.inside: tuple[str, ...] = document.inside
        self._cameras: dict[tuple[str, ...], QRectF | None] = {}
        self.crumbs = Crumbs(self)
        self.setAccessibleName("Graph")
        document.listeners.append(self.sync)
        self.sync()

    # The document → the view

    def sync(self) -> None:
        """Bring the view in line with the document."""
        moved = self._go_to_level()
        news = self._following.news()
        for key in news.cut:
            self._unwire(key)
        for name in news.gone:
            self._drop(name)
        for name in news.faces:
            self._show_face(name)
        with self.together():
            self._place(news)
            for panel in self.document.panels():
                self._show_panel(panel)
        self._show_frames(news.views)
        for key in news.wired:
            self._wire(key)
        if moved:
            self._look_around()
        if self.map is not None:
            self.map.follow()

    def new_faces(self) -> None:
        """Node types have changed: every face is made again."""
        self._following.doubt()
        self.sync()

    def _go_to_level(self) -> bool:
        """Where another level is shown than before, begin with nothing; remember how the old one was looked at."""
        inside = self.document.inside
        if inside == self.inside:
            return False
        self._cameras[self.inside] = None if self.untouched else self.visible()
        self.inside = inside
        for key in list(self.wires):
            self._unwire(key)
        for name in list(self.nodes):
            self._drop(name)
        for name in list(self.frames):
            self.scene().removeItem(self.frames.pop(name))
        self._loose.clear()
        self._following = Following(self.document)
        self.crumbs.show_path()
        return True

    def _look_around(self) -> None:
        """Show a level as it was looked at last; the first time, all of it."""
        camera = self._cameras.get(self.inside)
        self.untouched = camera is None
        if camera is None:
            self.fit()
        else:
            self.show_rect(camera.adjusted(60, 60, -60, -60), most=ZOOM_HIGH)

    def _show_face(self, name: str) -> FlowNode:
        """Show a node, or a panel, as it is now."""
        made, item = face(self.document, name, self._following.used(name)), self.nodes.get(name)
        if item is None:
            where, at = self.document.where(name), place_of(self.document.graph.view.get(name))
            item = self.nodes[name] = FlowNode(made, self.marks.of(where), where, self, at)
            self.scene().addItem(item)
        elif item.face != made:
            item.show_face(made)
        return item

    def _place(self, news: News) -> None:
        """Put the nodes that are new or were moved where they belong, and those without a place beside each other."""
        graph = self.document.graph
        self._loose.difference_update(news.gone)
        for name in dict.fromkeys((*news.faces, *news.views)):
            if name in graph.nodes:
                view = graph.view.get(name)
                if isinstance(view, dict) and "at" in view:
                    self._loose.discard(name)
                    self._put(name, place_of(view))
                else:
                    self._loose.add(name)
        if self._loose and (news.faces or news.gone or news.views):
            places = arranged(graph, {name: item.face.height for name, item in self.nodes.items()})
            for name in self._loose:
                self._put(name, places.get(name, (0.0, 0.0)))

    def _put(self, name: str, at: Spot) -> None:
        item = self.nodes[name]
        if (item.x(), item.y()) != at:
            item.setPos(*at)

    def _show_panel(self, name: str) -> None:
        """The panel of a subgraph's inputs or outputs: where it was put, or beside the nodes."""
        item, view = self._show_face(name), self.document.graph.view.get(f".{SIDES[name]}")
        if isinstance(view, dict) and "at" in view:
            self._put(name, place_of(view))
            return
        whole = self.bodies()
        x = whole.left() - APART - WIDTH if name == INPUTS else whole.right() + APART
        self._put(name, (round(x), round(whole.center().y() - item.body.height() / 2)))

    def _show_frames(self, names: set[str]) -> None:
        """The frames and notes among these entries of the view."""
        for name in names:
            view = self.document.graph.view.get(name)
            kind = FlowNote if name.startswith(NOTE) else FlowFrame if name.startswith(FRAME) else None
            if kind is None:
                continue
            if not isinstance(view, dict):
                if name in self.frames:
                    self.scene().removeItem(self.frames.pop(name))
                continue
            if name not in self.frames:
                self.frames[name] = kind(name, self)
                self.scene().addItem(self.frames[name])
            self.frames[name].show_view(view)

    def _drop(self, name: str) -> None:
        item = self.nodes.pop(name)
        if self._hot is item:
            self._hot = None
        self.scene().removeItem(item)
        self.pictures.forget(item)
        self.spread()

    def _wire(self, key: Key) -> None:
        (source, output), (target, input) = split(key[0]), split(key[1])
        wire = self.wires[key] = FlowWire(self.nodes[source], output, self.nodes[target], input, key)
        self.scene().addItem(wire)

    def _unwire(self, key: Key) -> None:
        wire = self.wires.pop(key)
        if self._hot_wire is wire:
            self._hot_wire = None
        wire.detach()
        self.scene().removeItem(wire)

    def show_marks(self, names: object) -> None:
        """The runs of these nodes have changed."""
        assert isinstance(names, set)
        for name in {self.document.here(path) for path in names}:
            if item := self.nodes.get(name):
                item.mark = self.marks.of(self.document.where(name))
                item.show_mark()

    # The camera

    def _update_scene(self) -> None:
        super()._update_scene()
        if self.map is not None:
            self.crumbs.stay()
            self.map.stay()
            self.map.follow()
