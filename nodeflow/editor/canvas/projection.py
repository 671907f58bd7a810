"""The document on the screen: items follow the graph.

After each change of the document `sync` brings the items in line with it, whatever the change was: what an edit, an
undo or a paste did to the view is never told twice. An edit that is refused leaves the graph, and so the view, alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QPoint, QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QCursor, QPainter, QPixmapCache, QResizeEvent

from ...graph.graph import split
from ...graph.subgraphs import PREFIX, passes_on
from .. import theme
from ..clipping import spot as place_of
from ..dots import carried
from ..faces import WIDTH, PortSpot, face
from ..guard import guarded
from ..layout import arranged
from ..levels import INPUTS, SIDES
from ..marks import Marks
from .crumbs import Crumbs
from .frame import FlowFrame, frames_of
from .minimap import Minimap
from .node import FlowNode
from .notes import MARK as NOTE
from .notes import FlowNote, notes_of
from .viewer import ZOOM_HIGH, FlowViewer
from .wire import FlowWire, LiveWire

if TYPE_CHECKING:
    from ...specs import Input
    from ..document import Document

CACHE_KB = 128 * 1024
"""Painted nodes that are kept, in kilobytes at a device pixel ratio of 1."""


APART = 110.0
"""Between the nodes and the panels of a subgraph."""


class Projection(FlowViewer):
    """The graph of a document.

    Args:
        document: What is shown and edited.
        marks: What is known of each node's run.
    """

    selection_changed = Signal()
    map: Minimap | None = None

    def __init__(self, document: Document, marks: Marks) -> None:
        super().__init__()
        self.document, self.marks = document, marks
        self.nodes: dict[str, FlowNode] = {}
        self.frames: dict[str, FlowFrame] = {}
        self.wires: dict[tuple[str, str, int], FlowWire] = {}
        self.live = LiveWire()
        self.live.setVisible(False)
        self.scene().addItem(self.live)
        self._hot: FlowNode | None = None
        self._hot_wire: FlowWire | None = None
        self._seen: dict[str, Any] = {}
        self.untouched = True
        self.map = Minimap(self)
        self.inside: tuple[str, ...] = document.inside
        self._cameras: dict[tuple[str, ...], QRectF | None] = {}
        self.crumbs = Crumbs(self)
        self.setAccessibleName("Graph")
        QPixmapCache.setCacheLimit(int(CACHE_KB * self.devicePixelRatioF() ** 2))
        self.scene().selectionChanged.connect(self.selection_changed)
        document.listeners.append(self.sync)
        self.sync()

    # The document → the view

    def sync(self) -> None:
        """Bring the view in line with the document."""
        graph = self.document.graph
        moved = self._go_to_level()
        used = self._used()
        panels = self.document.panels()
        for name in self.nodes.keys() - graph.nodes.keys() - set(panels):
            self._drop(name)
        loose: dict[str, tuple[float, float]] | None = None
        for name, node in graph.nodes.items():
            view = graph.view.get(name)
            spec = self.document.library.spec(node.type)
            kind: object = spec if node.type.startswith(PREFIX) else None
            if passes_on(spec):
                kind = carried(self.document, name)
            now = (
                node.type, node.bypass, node.mute, kind, node.values, node.wires, view, used.get(name, frozenset())
            )  # fmt: skip
            item = self.nodes.get(name)
            if item is None or self._seen.get(name) != now:
                values, wires = dict(node.values), dict(node.wires)
                self._seen[name] = (*now[:4], values, wires, *now[6:])
                made = face(self.document, name, now[-1])
                if item is None:
                    item = self._add(name, made)
                elif item.face != made:
                    item.show_face(made)
            if isinstance(view, dict) and "at" in view:
                at = place_of(view)
            else:
                loose = loose if loose is not None else self._unplaced()
                at = loose.get(name, (0.0, 0.0))
            if (item.x(), item.y()) != at:
                item.setPos(*at)
        for name in panels:
            self._sync_panel(name, used.get(name, frozenset()))
        self._sync_frames()
        self._sync_wires()
        if moved:
            self._look_around()
        if self.map is not None:
            self.map.follow()

    def _go_to_level(self) -> bool:
        """Where another level is shown than before, begin with nothing; remember how the old one was looked at."""
        inside = self.document.inside
        if inside == self.inside:
            return False
        self._cameras[self.inside] = None if self.untouched else self.visible()
        self.inside = inside
        for name in list(self.nodes):
            self._drop(name)
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

    def _sync_panel(self, name: str, used: frozenset[str]) -> None:
        """The panel of a subgraph's inputs or outputs: where it was put, or beside the nodes."""
        made, item = face(self.document, name, used), self.nodes.get(name)
        if item is None:
            item = self._add(name, made)
        elif item.face != made:
            item.show_face(made)
        view = self.document.graph.view.get(f".{SIDES[name]}")
        if isinstance(view, dict) and "at" in view:
            item.setPos(*place_of(view))
            return
        bodies = [node.mapRectToScene(node.body) for each, node in self.nodes.items() if each not in SIDES]
        whole = QRectF()
        for body in bodies:
            whole = whole.united(body)
        x = whole.left() - APART - WIDTH if name == INPUTS else whole.right() + APART
        item.setPos(round(x), round(whole.center().y() - item.body.height() / 2))

    def _used(self) -> dict[str, frozenset[str]]:
        """The outputs of each node that are wired, and as "in port" inputs wired to a panel; of panels, their ports."""
        found: dict[str, set[str]] = {}
        for node in self.document.graph.nodes.values():
            for _, source in node.sources():
                name, output = split(source)
                found.setdefault(name, set()).add(output)
        for source, target in self.document.crossing():
            (start, output), (end, input) = split(source), split(target)
            found.setdefault(start, set()).add(output)
            found.setdefault(end, set()).add(input if end in SIDES else f"in {input}")
        return {name: frozenset(outputs) for name, outputs in found.items()}

    def _unplaced(self) -> dict[str, tuple[float, float]]:
        heights = {name: face(self.document, name).height for name in self.document.graph.nodes}
        return arranged(self.document.graph, heights)

    def _add(self, name: str, made: Any) -> FlowNode:
        item = self.nodes[name] = FlowNode(made, self.marks.of(self.document.where(name)))
        item.where = self.document.where(name)
        self.scene().addItem(item)
        item.show_mark()
        return item

    def _drop(self, name: str) -> None:
        item = self.nodes.pop(name)
        self._seen.pop(name, None)
        if self._hot is item:
            self._hot = None
        for wire in list(item.wires):
            self._unwire(wire.key)
        self.scene().removeItem(item)

    def _unwire(self, key: tuple[str, str, int]) -> None:
        wire = self.wires.pop(key)
        if self._hot_wire is wire:
            self._hot_wire = None
        wire.detach()
        self.scene().removeItem(wire)

    def _sync_wires(self) -> None:
        wanted: dict[tuple[str, str, int], tuple[str, str]] = {}
        for name, node in self.document.graph.nodes.items():
            for input, source in node.sources():
                if split(source)[0] in self.nodes:
                    key = (source, f"{name}.{input}", 0)
                    while key in wanted:
                        key = (*key[:2], key[2] + 1)
                    wanted[key] = (source, input)
        for source, target in self.document.crossing():
            wanted[source, target, 0] = (source, split(target)[1])
        for key in self.wires.keys() - wanted.keys():
            self._unwire(key)
        for key in [key for key in wanted if key not in self.wires]:
            source, output = split(key[0])
            target, input = split(key[1])
            wire = self.wires[key] = FlowWire(self.nodes[source], output, self.nodes[target], input)
            wire.key = key
            self.scene().addItem(wire)

    def _sync_frames(self) -> None:
        wanted = {**frames_of(self.document.graph), **notes_of(self.document.graph)}
        for name in self.frames.keys() - wanted.keys():
            self.scene().removeItem(self.frames.pop(name))
        for name, view in wanted.items():
            if name not in self.frames:
                self.frames[name] = (FlowNote if name.startswith(NOTE) else FlowFrame)(name, self)
                self.scene().addItem(self.frames[name])
            self.frames[name].show_view(view)

    def show_marks(self, names: object) -> None:
        """The runs of these nodes have changed."""
        assert isinstance(names, set)
        for name in {self.document.here(path) for path in names}:
            if item := self.nodes.get(name):
                item.mark = self.marks.of(self.document.where(name))
                item.show_mark()

    # Looking things up

    def node_at(self, at: QPointF) -> FlowNode | None:
        """The node under a point of the scene."""
        return next((item for item in self.scene().items(at) if isinstance(item, FlowNode)), None)

    def frame_at(self, at: QPointF) -> FlowFrame | None:
        """The frame whose title bar, or the note, is under a point of the scene."""
        return next((item for item in self.scene().items(at) if isinstance(item, FlowFrame)), None)

    def wire_at(self, at: QPointF) -> FlowWire | None:
        """The wire near a point of the scene."""
        near = QRectF(at.x() - 4, at.y() - 4, 8, 8)
        return next((item for item in self.scene().items(near) if isinstance(item, FlowWire)), None)

    def wire_into(self, node: FlowNode, spot: PortSpot) -> FlowWire | None:
        """The wire that arrives at an input."""
        return next((wire for wire in node.wires if wire.target is node and wire.input == spot.name), None)

    def input_of(self, name: str, port: str) -> Input | None:
        """The declaration of a node's input."""
        ports = self.document.ports(name)
        return ports.inputs.get(port) if ports else None

    def selected(self) -> list[str]:
        """The names of the selected nodes, in reading order, then frames."""
        items = self.scene().selectedItems()
        nodes = sorted((item for item in items if isinstance(item, FlowNode)), key=lambda item: (item.x(), item.y()))
        return [item.name_ for item in nodes] + [item.key for item in items if isinstance(item, FlowFrame)]

    def select(self, names: Iterable[str]) -> None:
        """Select these nodes and no others."""
        wanted = set(names)
        for name, node in self.nodes.items():
            node.setSelected(name in wanted)
        for name, frame in self.frames.items():
            frame.setSelected(name in wanted)

    def whole(self) -> QRectF:
        """The part of the scene that holds nodes, frames and notes."""
        rect = QRectF()
        for frame in self.frames.values():
            rect = rect.united(frame.mapRectToScene(frame.rect()))
        for item in self.nodes.values():
            rect = rect.united(item.body.translated(item.pos()))
        return rect

    def pan(self, way: QPointF) -> None:
        """Move the view."""
        self._set_viewer_pan(way.x(), way.y())

    def _update_scene(self) -> None:
        super()._update_scene()
        if self.map is not None:
            self.crumbs.stay()
            self.map.stay()
            self.map.follow()

    @guarded
    def drawForeground(self, painter: QPainter, rect: QRectF) -> None:
        """An empty canvas says how to begin."""
        if self.nodes.keys() - set(SIDES):
            return
        painter.save()
        painter.resetTransform()
        painter.setPen(theme.color(theme.FAINT))
        painter.setFont(theme.font(15))
        hint = "Double-click or press Tab to add a node"
        painter.drawText(QRectF(self.viewport().rect()), Qt.AlignmentFlag.AlignCenter, hint)
        painter.restore()

    def new_faces(self) -> None:
        """Node types have changed: every face is made again."""
        self._seen.clear()
        self.sync()

    def retint(self) -> None:
        """Another look: everything is painted again."""
        self._row = None
        for item in self.scene().items():
            if isinstance(item, FlowNote):
                item.retint()
            item.update()
        self.viewport().update()

    def heights(self) -> dict[str, float]:
        return {name: item.body.height() for name, item in self.nodes.items()}

    def show_node(self, name: str, select: bool = False) -> None:
        """Bring a node into view, moving no more than needed."""
        item = self.nodes.get(name)
        if item is None:
            return
        if select:
            self.select([name])
        rect, seen = item.mapRectToScene(item.body), self.visible()
        if not seen.contains(rect):
            self._set_viewer_pan(rect.center().x() - seen.center().x(), rect.center().y() - seen.center().y())

    def fit(self, names: Iterable[str] = ()) -> None:
        """Bring all nodes, or these, into view."""
        names = list(names)
        rect = QRectF()
        for name in names:
            if item := self.nodes.get(name):
                rect = rect.united(item.body.translated(item.pos()))
            elif frame := self.frames.get(name):
                rect = rect.united(frame.mapRectToScene(frame.rect()))
        self.show_rect(self.whole() if rect.isEmpty() else rect)

    @guarded
    def resizeEvent(self, event: QResizeEvent) -> None:
        """Until it is taken hold of, the view shows all of the graph."""
        super().resizeEvent(event)
        if self.untouched:
            self.fit()

    def center(self) -> QPointF:
        return self.visible().center()

    def cursor_spot(self) -> tuple[QPointF, QPoint]:
        """Where the mouse is in the scene and on the screen; the middle, when it is elsewhere."""
        screen = QCursor.pos()
        local = self.viewport().mapFromGlobal(screen)
        if not self.viewport().rect().contains(local):
            local = self.viewport().rect().center()
            screen = self.viewport().mapToGlobal(local)
        return self.mapToScene(local), screen
