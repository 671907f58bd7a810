"""A real editor over a field while it is edited: a line, a text, a menu, a chooser. None is kept when it is closed."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, QPoint, QPointF, Qt
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QColorDialog, QFileDialog, QLineEdit, QPlainTextEdit, QWidget

from .. import theme
from ..dragging import parsed
from ..faces import Field
from ..guard import guarded
from ..popup import Choice, SearchPopup
from .notes import FlowNote
from .painting import field_rect

if TYPE_CHECKING:
    from .canvas import Canvas
    from .node import FlowNode

DICE = 24.0
"""Pixels at the right of a seed that throw the dice."""
SEEDS = 2**32


class Fields(QObject):
    """Opens editors for the fields of nodes.

    Args:
        canvas: Where they are.
    """

    def __init__(self, canvas: Canvas) -> None:
        super().__init__(canvas)
        self.canvas = canvas
        self.open: _Line | _Text | None = None

    def edit(self, node: FlowNode, field: Field, at: QPointF | None = None) -> None:
        """Edit a field, as a press on it at this point would."""
        name = node.name_
        match field.kind:
            case "switch":
                self.canvas.document.set_value(name, field.name, not field.value)
            case "seed" if at is not None and at.x() > field_rect(field).right() - DICE:
                self.throw(name, field.name)
            case "menu" | "path":
                self._choose(node, field)
            case "color":
                self._pick_color(name, field)
            case "lines":
                self._write(node, field)
            case _:
                self._type(node, field)

    def throw(self, name: str, port: str) -> None:
        """Another seed."""
        self.canvas.document.set_value(name, port, secrets.randbelow(SEEDS))

    def close(self) -> None:
        """Leave the editor that is open, with what is in it."""
        if self.open is not None:
            self.open.end(True)

    # Editors

    def _type(self, node: FlowNode, field: Field) -> None:
        line = _Line(self.canvas.viewport())
        plain = isinstance(field.value, str)
        line.setText(field.value if plain else "" if field.value is None else json.dumps(field.value))
        line.selectAll()
        line.setAlignment(Qt.AlignmentFlag.AlignLeft if plain else Qt.AlignmentFlag.AlignRight)
        name, port = node.name_, self.canvas.input_of(node.name_, field.name)

        def accept() -> None:
            text = line.text()
            value: Any = text
            if port is not None and field.kind in ("number", "seed"):
                value = parsed(port, text)
                if value is None:
                    self.canvas.said.emit(f"{text!r} is not a number")
                    return
            elif not plain:
                value = _data(text)
            self._set(name, field.name, value)

        self._place(line, node, field, accept)

    def _write(self, node: FlowNode, field: Field) -> None:
        text = _Text(self.canvas.viewport())
        text.setObjectName("editor")
        text.setPlainText(str(field.value or ""))
        text.selectAll()
        name = node.name_
        self._place(text, node, field, lambda: self._set(name, field.name, text.toPlainText()))

    def write_note(self, key: str) -> None:
        """Edit the text of a note over it."""
        note, document = self.canvas.frames.get(key), self.canvas.document
        if not isinstance(note, FlowNote):
            return
        self.close()
        text = _Text(self.canvas.viewport())
        text.setObjectName("editor")
        text.setPlainText(note.text)
        text.setGeometry(self.canvas.mapFromScene(note.mapRectToScene(note.rect())).boundingRect())
        text.setFont(theme.font(max(9.0, 13.0 * self.canvas.zoom)))
        text.setAccessibleName("Text of the note")

        def accept() -> None:
            if key in document.graph.view and text.toPlainText() != note.text:
                document.show(key, "Write note", text=text.toPlainText())

        text.accept = accept
        text.ended = lambda: self._closed(text)
        self.open = text
        text.show()
        text.setFocus()

    def _place(self, widget: _Line | _Text, node: FlowNode, field: Field, accept: Callable[[], None]) -> None:
        """Put an editor over a field, in the size the field has on the screen."""
        self.close()
        self.canvas.show_node(node.name_)
        rect = node.mapToScene(field_rect(field)).boundingRect()
        spot = self.canvas.mapFromScene(rect).boundingRect()
        widget.setFont(theme.font(max(9.0, 12.0 * self.canvas.zoom)))
        widget.setStyleSheet("padding: 0px 4px; border-radius: 4px;")
        widget.setGeometry(spot)
        widget.setAccessibleName(f"{field.name} of {node.name_}")
        widget.accept = accept
        widget.ended = lambda: self._closed(widget)
        widget.next_ = lambda step: self.neighbour(node.name_, field.name, step)
        self.open = widget
        widget.show()
        widget.setFocus()

    def _closed(self, widget: QWidget) -> None:
        if self.open is widget:
            self.open = None
        widget.deleteLater()
        self.canvas.setFocus()

    def _set(self, name: str, port: str, value: Any) -> None:
        if name in self.canvas.document.graph.nodes:
            self.canvas.document.set_value(name, port, value)

    def neighbour(self, name: str, port: str, step: int) -> None:
        """Tab: edit the next field of the node."""
        node = self.canvas.nodes.get(name)
        if node is None:
            return
        names = [field.name for field in node.face.fields]
        place = names.index(port) + step if port in names else 0
        if 0 <= place < len(names):
            self.edit(node, node.face.fields[place])

    # Choosers

    def _choose(self, node: FlowNode, field: Field) -> None:
        port = self.canvas.input_of(node.name_, field.name)
        if port is None:
            return
        name, widget = node.name_, port.widget
        if field.kind == "path" and widget.kind != "model":
            self._browse(name, field, widget.kind, widget.suffixes)
            return
        free = widget.free or field.kind == "path"
        if field.kind == "path":
            choices = [Choice(each, "model", each, theme.CATEGORIES["model"]) for each in models()]
            choices.append(Choice("Choose a folder…", "", _Browse))
        else:
            choices = [Choice(str(option) or "default", "", option) for option in widget.options]
        current = next((place for place, each in enumerate(choices) if each.data == field.value), 0)

        def done(value: Any) -> None:
            if value is _Browse:
                self._browse(name, field, "folder", ())
            else:
                self._set(name, field.name, value)

        popup = SearchPopup(self.canvas.window())
        popup.closed.connect(popup.deleteLater)
        popup.ask(choices, self._below(node, field), done, hint=field.text or field.name, free=free)
        popup.list.setCurrentIndex(popup.model.index(current))
        self.popup = popup

    def _below(self, node: FlowNode, field: Field) -> QPoint:
        corner = node.mapToScene(field_rect(field).bottomLeft())
        return self.canvas.viewport().mapToGlobal(self.canvas.mapFromScene(corner))

    def _browse(self, name: str, field: Field, kind: str, suffixes: tuple[str, ...]) -> None:
        dialog = QFileDialog(self.canvas.window(), field.name, str(field.value or ""))
        if kind == "folder":
            dialog.setFileMode(QFileDialog.FileMode.Directory)
        elif kind == "file":
            dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
            if suffixes:
                dialog.setNameFilter(f"{field.name} ({' '.join('*' + each for each in suffixes)})")
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.fileSelected.connect(lambda path: self._set(name, field.name, path))
        dialog.open()

    def _pick_color(self, name: str, field: Field) -> None:
        dialog = QColorDialog(QColor(str(field.value)), self.canvas.window())
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.colorSelected.connect(lambda color: self._set(name, field.name, color.name()))
        dialog.open()


class _Browse:
    """Stands for "Choose a folder…" in a list of models."""


def models() -> list[str]:
    """The models that have names, and those that were found in the folders of other tools.

    Only the names of folders are read; the others are looked for anew in the background, for the next time.
    """
    import threading

    from ... import content, shelf

    folders = (content.folder("assets") / "models", content.user_folder("models"))
    named = [path.parent.name for folder in folders for path in sorted(Path(folder).glob("*/model_index.json"))]
    found = [row for row in shelf.remembered() if row.what in ("model", "denoiser")]
    threading.Thread(target=shelf.renew, daemon=True).start()
    others = [row.name if "models--" in row.path else row.path for row in found if row.name not in named]
    return list(dict.fromkeys([*named, *others]))


def _data(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


class _Ends:
    """Enter and leaving accept, Esc does not, Tab goes on to the next field."""

    accept: Callable[[], None] = staticmethod(lambda: None)
    ended: Callable[[], None] = staticmethod(lambda: None)
    next_: Callable[[int], None] = staticmethod(lambda step: None)
    over = False

    def end(self, accept: bool, step: int = 0) -> None:
        if self.over:
            return
        self.over = True
        if accept:
            self.accept()
        self.ended()
        if step:
            self.next_(step)

    def key(self, event: Any, several: bool) -> bool:
        key, held = event.key(), event.modifiers()
        if key == Qt.Key.Key_Escape:
            self.end(False)
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and (
            not several or held & Qt.KeyboardModifier.ControlModifier
        ):
            self.end(True)
        elif key in (Qt.Key.Key_Tab, Qt.Key.Key_Backtab):
            self.end(True, 1 if key == Qt.Key.Key_Tab else -1)
        else:
            return False
        return True


class _Line(_Ends, QLineEdit):
    def event(self, event: Any) -> bool:
        if event.type() == event.Type.KeyPress and self.key(event, several=False):
            return True
        return bool(super().event(event))

    @guarded
    def focusOutEvent(self, event: Any) -> None:
        self.end(True)


class _Text(_Ends, QPlainTextEdit):
    def event(self, event: Any) -> bool:
        """Ctrl+Enter ends the text, though the window has it for something else."""
        if event.type() == event.Type.ShortcutOverride and event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            event.accept()
            return True
        return bool(super().event(event))

    @guarded
    def keyPressEvent(self, event: Any) -> None:
        if not self.key(event, several=True):
            super().keyPressEvent(event)

    @guarded
    def focusOutEvent(self, event: Any) -> None:
        self.end(True)
