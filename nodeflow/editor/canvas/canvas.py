"""The canvas: the projected document, and the hands that take hold of it. Gestures become edits of the document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QPoint, QPointF, Qt, Signal
from PySide6.QtGui import QKeyEvent, QMouseEvent, QPainterPath, QWheelEvent
from PySide6.QtWidgets import QGraphicsView

from ...errors import NodeflowError
from ..faces import DOT
from ..guard import guarded
from ..levels import INPUTS, NEW, SIDES
from ..marks import Marks
from ..palette import MIME
from .editing import Fields
from .gestures import FieldDrag, Gesture, WireDrag
from .inserting import insertion
from .node import CURSORS, FlowNode
from .projection import Projection
from .tips import tip_at
from .wire import FlowWire

if TYPE_CHECKING:
    from ..document import Document


class Canvas(Projection):
    """The graph of a document, to be edited.

    Args:
        document: What is shown and edited.
        marks: What is known of each node's run.
    """

    search_wanted = Signal(QPointF, QPoint, dict)
    """A node is to be added there (scene, screen), wired to the "source" or "target" given."""
    menu_wanted = Signal(QPoint, str)
    picture_wanted = Signal(str)
    sound_wanted = Signal(str, float)
    """The sound of a node is to be heard from there on (0..1); -1: played, or stopped."""
    dropped = Signal(QPointF, str, list)
    """Something was dropped there: ("type", [a node type's id]) or ("files", their paths)."""
    said = Signal(str)
    words_wanted = Signal(str)
    """The title of a frame, or the text of a note, is to be written."""
    port_wanted = Signal(str, str)
    """A public port is to be named: "inputs" or "outputs", and its name."""

    def __init__(self, document: Document, marks: Marks) -> None:
        super().__init__(document, marks)
        self.fields = Fields(self)
        self._gesture: Gesture | None = None
        self.viewport().setMouseTracking(True)
        self.moved_nodes.connect(self._moved)

    def _moved(self, moved: dict[Any, Any]) -> None:
        places = {item.name_: (item.x(), item.y()) for item in moved if isinstance(item, FlowNode)}
        if not places:
            return
        if len(places) == 1 and (edit := insertion(self, self.nodes[next(iter(places))])):
            self.document.do(edit, "Insert into wire")
        else:
            self.document.place(places)

    def _on_pipes_sliced(self, path: QPainterPath) -> None:
        """Alt+Shift and a stroke cut all wires it crosses."""
        self.document.disconnect_all(item.ends for item in self.scene().items(path) if isinstance(item, FlowWire))

    @guarded
    def mousePressEvent(self, event: QMouseEvent) -> None:
        self.fields.close()
        self.untouched = False
        at, screen, held = (
            self.mapToScene(event.position().toPoint()),
            event.globalPosition().toPoint(),
            event.modifiers(),
        )
        if event.button() == Qt.MouseButton.RightButton:
            node = self.node_at(at)
            if node is not None and not node.isSelected():
                self.select([node.name_])
            self.menu_wanted.emit(screen, node.name_ if node else "")
            return
        if event.button() == Qt.MouseButton.LeftButton:
            FlowNode.snap = True
            alt, shift = held & Qt.KeyboardModifier.AltModifier, held & Qt.KeyboardModifier.ShiftModifier
            node = self.node_at(at)
            if alt and not shift and node is None and (wire := self.wire_at(at)) is not None:
                self._put_dot(wire, at)
                return
            if alt and not shift and node is not None:
                self._drag_copy(node)
                QGraphicsView.mousePressEvent(self, event)
                return
            self._gesture = None if alt else self._gesture_at(at, screen)
            if self._gesture is not None:
                return
        super().mousePressEvent(event)
        self._node_positions = {
            self.nodes[name]: self.nodes[name].xy_pos for name in self.selected() if name in self.nodes
        }

    def _drag_copy(self, node: FlowNode) -> None:
        """Alt-drag: copies stay where the originals are, and the copies are what is dragged."""
        names = self.selected() if node.isSelected() else [node.name_]
        made = self.document.duplicate(names, (0, 0), keep_inputs=True)
        self.select(made)
        for name in made:
            self.nodes[name].setZValue(node.zValue() + 1)
            self._node_positions[self.nodes[name]] = self.nodes[name].xy_pos

    def _gesture_at(self, at: QPointF, screen: QPoint) -> Gesture | None:
        node = self.node_at(at)
        if node is None:
            wire = self.wire_at(at)
            end = wire.target.port_place("in", wire.input) if wire else None
            if wire and end is not None and (end - at).manhattanLength() < 28:
                spot = wire.target.face.port("in", wire.input)
                return WireDrag(self, wire.target, spot) if spot else None
            return None
        place = node.mapFromScene(at)
        if spot := node.port_at(place):
            return WireDrag(self, node, spot)
        if (share := node.listens_at(place)) is not None:
            self.sound_wanted.emit(node.name_, share)
            return Gesture()
        if field := node.field_at(place):
            if not node.isSelected():
                self.select([node.name_])
            return FieldDrag(self, node, field, screen)
        return None

    @guarded
    def wheelEvent(self, event: QWheelEvent) -> None:
        self.untouched = False
        self.fields.close()
        super().wheelEvent(event)

    @guarded
    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        at = self.mapToScene(event.position().toPoint())
        if self._gesture is not None:
            self._gesture.move(at, event.globalPosition().toPoint(), event.modifiers())
            return
        if not event.buttons():
            self._hover(at)
        with self.together():
            super().mouseMoveEvent(event)

    @guarded
    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        gesture, self._gesture = self._gesture, None
        if gesture is not None:
            at = self.mapToScene(event.position().toPoint())
            gesture.release(at, event.globalPosition().toPoint(), event.modifiers())
            return
        super().mouseReleaseEvent(event)
        FlowNode.snap = False

    @guarded
    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        at = self.mapToScene(event.position().toPoint())
        node = self.node_at(at)
        frame = self.frame_at(at) if node is None else None
        wire = self.wire_at(at) if node is None and frame is None else None
        if wire is not None:
            self._put_dot(wire, at)
        elif frame is not None:
            self.words_wanted.emit(frame.key)
        elif node is None:
            self.search_wanted.emit(at, event.globalPosition().toPoint(), {})
        elif node.name_ in SIDES:
            self._name_port(node, at)
        elif any(rect.contains(node.mapFromScene(at)) for rect in (node.picture_rect, node.sound_rect)):
            self.picture_wanted.emit(node.name_)
        elif self.document.is_subgraph(node.name_) and node.field_at(node.mapFromScene(at)) is None:
            self.document.enter(node.name_)
        elif node.mapFromScene(at).y() < 30:
            self.document.show(node.name_, "Collapse", collapsed=None if node.face.collapsed else True)

    @guarded
    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape and self._gesture is not None:
            gesture, self._gesture = self._gesture, None
            gesture.cancel()
            return
        if event.key() == Qt.Key.Key_Escape and self.document.inside:
            self.leave()
            return
        super().keyPressEvent(event)

    def leave(self, depth: int | None = None) -> None:
        """Go out of a subgraph, to the node that was entered."""
        if left := self.document.leave(depth):
            self.select([left])

    def _put_dot(self, wire: FlowWire, at: QPointF) -> None:
        """A reroute in a wire, under the mouse."""
        try:
            self.select([self.document.put_dot(*wire.ends, (at.x() - DOT / 2, at.y() - DOT / 2))])
        except NodeflowError as error:
            self.said.emit(error.faults[0].line)

    def _name_port(self, panel: FlowNode, at: QPointF) -> None:
        """A double click on a port of a panel names it."""
        spot = panel.row_port(panel.mapFromScene(at), "out" if panel.name_ == INPUTS else "in")
        if spot is not None and spot.name != NEW:
            self.port_wanted.emit(SIDES[panel.name_], spot.name)

    def _hover(self, at: QPointF) -> None:
        """Mark what is under the mouse, and show by the cursor what a press would do."""
        node = self.node_at(at)
        if self._hot is not None and self._hot is not node:
            self._hot.set_hot("")
        self._hot = node
        wire = self.wire_at(at) if node is None else None
        if self._hot_wire is not None and self._hot_wire is not wire:
            self._hot_wire.set_hot(False)
        self._hot_wire = wire
        if wire is not None:
            wire.set_hot(True)
        shape = Qt.CursorShape.ArrowCursor
        if node is not None:
            place = node.mapFromScene(at)
            spot, field = node.port_at(place), node.field_at(place)
            hears = node.listens_at(place)
            node.set_hot(f"{spot.side} {spot.name}" if spot else field.name if field else "play" if hears else "")
            shape = (
                Qt.CursorShape.PointingHandCursor
                if hears is not None
                else Qt.CursorShape.CrossCursor
                if spot
                else CURSORS.get(field.kind, shape)
                if field
                else shape
            )
        self.viewport().setCursor(shape)

    def viewportEvent(self, event: Any) -> bool:
        if event.type() == event.Type.ToolTip:
            tip_at(self, event)
            return True
        return bool(super().viewportEvent(event))

    @guarded
    def dragEnterEvent(self, event: Any) -> None:
        data = event.mimeData()
        event.setAccepted(data.hasFormat(MIME) or data.hasUrls())

    @guarded
    def dragMoveEvent(self, event: Any) -> None:
        self.dragEnterEvent(event)

    @guarded
    def dropEvent(self, event: Any) -> None:
        at, data = self.mapToScene(event.position().toPoint()), event.mimeData()
        if data.hasFormat(MIME):
            self.dropped.emit(at, "type", [bytes(data.data(MIME).data()).decode()])
        if files := [url.toLocalFile() for url in data.urls() if url.isLocalFile()]:
            self.dropped.emit(at, "files", files)
        event.acceptProposedAction()
        self.setFocus()
