"""The inspector: the selected nodes with all that is known of them, and a real editor for each parameter.

Several nodes of one type are edited together.
"""

from __future__ import annotations

import json
from html import escape
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QApplication,
    QCheckBox,
    QComboBox,
    QFormLayout,
    QLabel,
    QLineEdit,
    QPlainTextEdit,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from ..graph.edits import Batch, SetValue
from .after import POLICIES, seeds_then
from .colours import COLOURS
from .dragging import parsed
from .faces import field_kind, policy_of
from .options import OptionRows
from .origins import outdated, update

if TYPE_CHECKING:
    from ..specs import Input, NodeSpec
    from .document import Document
    from .marks import Marks


SEVERAL = "several values"
"""What an editor says where the nodes differ."""


class Inspector(QScrollArea):
    """Shows the nodes that `show_nodes` names.

    Args:
        document: Where they are.
        marks: What is known of their runs.
    """

    def __init__(self, document: Document, marks: Marks) -> None:
        super().__init__()
        self.setWidgetResizable(True)
        self.setAccessibleName("Inspector")
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.document, self.marks = document, marks
        self.names: list[str] = []
        self.editors: dict[str, QWidget] = {}
        self._shape: Any = None
        self._colour: QComboBox | None = None
        self._told: QLabel | None = None
        document.listeners.append(self.refresh)
        self._build()

    def show_nodes(self, names: list[str]) -> None:
        """Inspect these nodes."""
        self.names = [name for name in names if name in self.document.graph.nodes]
        self.refresh()

    def refresh(self) -> None:
        """Follow the document: new editors where the nodes or their wires are others, else new values."""
        self.names = [name for name in self.names if name in self.document.graph.nodes]
        nodes = [self.document.graph.nodes[name] for name in self.names]
        shape = [
            (
                name,
                self.document.spec(name) or node.type,
                tuple(node.wires),
                self._choices(name),
                policy_of(self.document.graph, name),
            )
            for name, node in zip(self.names, nodes, strict=True)
        ]
        if shape != self._shape:
            self._shape = shape
            self._build()
        for name, editor in self.editors.items():
            if not editor.hasFocus():
                values = [self.document.value(each, name) for each in self.names]
                _show(editor, values[0], differ=any(value != values[0] for value in values))
        if self._colour is not None:
            views = [self.document.graph.view.get(name) for name in self.names]
            tints = [str(view.get("color", "")) if isinstance(view, dict) else "" for view in views]
            self._colour.setCurrentIndex(self._colour.findData(tints[0]) if len(set(tints)) == 1 else -1)

    def show_marks(self) -> None:
        """Say again what is known of the run of the node."""
        if self._told is None or len(self.names) != 1:
            return
        mark = self.marks.of(self.document.where(self.names[0]))
        bad = bool(mark.problems or mark.fault)
        self._told.setText(mark.tip)
        self._told.setVisible(bool(mark.tip))
        if self._told.objectName() != ("bad" if bad else "dim"):
            self._told.setObjectName("bad" if bad else "dim")
            style = QApplication.style()
            style.unpolish(self._told)
            style.polish(self._told)

    def _choices(self, name: str) -> list[Any]:
        """The values that options follow, which decide on what there is to edit."""
        spec = self.document.spec(name)
        ports = spec.inputs if spec else ()
        return [self.document.value(name, port.widget.by) for port in ports if port.widget.kind == "options"]

    def _build(self) -> None:
        self.editors, self._colour, self._told = {}, None, None
        page = QWidget()
        layout = QVBoxLayout(page)
        layout.setContentsMargins(14, 10, 14, 14)
        layout.setSpacing(8)
        if not self.names:
            layout.addWidget(_label("Nothing selected", "heading"))
            layout.addWidget(_label("Select a node to see what it does and to edit it here.", "dim"))
        else:
            self._head(layout)
            self._form(layout)
        layout.addStretch(1)
        self.setWidget(page)

    def _head(self, layout: QVBoxLayout) -> None:
        first = self.names[0]
        spec, node = self.document.spec(first), self.document.graph.nodes[first]
        if len(self.names) > 1:
            layout.addWidget(_label(f"{len(self.names)} nodes", "heading"))
            return
        name = QLineEdit(first)
        name.setAccessibleName("Name of the node")
        name.editingFinished.connect(lambda: self._rename(first, name))
        layout.addWidget(_label(spec.title if spec else node.type, "heading"))
        layout.addWidget(name)
        about = spec.about or spec.doc if spec else "No pack has this node type; it is kept as it is."
        layout.addWidget(_label(about, "dim"))
        self._offer_update(layout, first)
        self._told = _label("", "dim")
        layout.addWidget(self._told)
        self.show_marks()

    def _offer_update(self, layout: QVBoxLayout, name: str) -> None:
        """A subgraph that was kept, and has changed there since."""
        if self.document.is_subgraph(name) and outdated(self.document, name):
            layout.addWidget(_label("It was kept for other graphs, and is another there now.", "dim"))
            button = QPushButton("Update from the kept one")
            button.clicked.connect(lambda: update(self.document, name))
            layout.addWidget(button)

    def _form(self, layout: QVBoxLayout) -> None:
        specs = [self.document.spec(name) for name in self.names]
        spec = specs[0]
        form = QFormLayout()
        form.setLabelAlignment(Qt.AlignmentFlag.AlignLeft)
        form.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
        form.setVerticalSpacing(7)
        form.addRow(_label("colour", "dim"), self._colours())
        for port in self._common():
            editor = self._editor(port)
            editor.setToolTip(port.doc)
            editor.setAccessibleName(port.name)
            label = _label(port.name.replace("_", " "), "dim")
            label.setToolTip(port.doc)
            self.editors[port.name] = editor
            if isinstance(editor, QPlainTextEdit | OptionRows):
                form.addRow(label)
                form.addRow(editor)
            else:
                form.addRow(label, editor)
            if field_kind(port) == "seed":
                form.addRow(_label("afterwards", "dim"), self._policies(port))
        layout.addLayout(form)
        if spec is not None and all(each == spec for each in specs):
            layout.addWidget(_label(_ports(spec), "dim", rich=True))

    def _common(self) -> list[Input]:
        """The parameters that all nodes have, alike and without a wire."""
        specs = [self.document.spec(name) for name in self.names]
        if not specs or None in specs:
            return []
        wired = {port for name in self.names for port in self.document.graph.nodes[name].wires}
        found = []
        for port in specs[0].inputs if specs[0] else ():
            alike = [spec.input(port.name) for spec in specs if spec]
            kind = (port.type, port.widget, port.many)
            same = all(each and (each.type, each.widget, each.many) == kind for each in alike)
            if same and not port.wired and port.name not in wired:
                found.append(port)
        return found

    def _colours(self) -> QComboBox:
        """The colour of the nodes, all at once."""
        menu = self._colour = QComboBox()
        menu.setAccessibleName("colour")
        menu.addItem("as its kind is", "")
        for name, code in COLOURS.items():
            menu.addItem(name, code)
        menu.setPlaceholderText(SEVERAL)
        menu.activated.connect(lambda row: self.document.tint(self.names, menu.itemData(row) or None))
        return menu

    def _policies(self, port: Input) -> QComboBox:
        """What becomes of the seed after each run."""
        menu = QComboBox()
        menu.setAccessibleName(f"After each run, the {port.name}")
        menu.setToolTip("What becomes of it after each run")
        for policy, words in POLICIES.items():
            menu.addItem(words, policy)
        said = {policy_of(self.document.graph, name) for name in self.names}
        menu.setCurrentIndex(menu.findData(said.pop()) if len(said) == 1 else -1)
        menu.activated.connect(lambda row: seeds_then(self.document, self.names, menu.itemData(row)))
        return menu

    def _editor(self, port: Input) -> QWidget:
        kind = field_kind(port)
        if port.widget.kind == "options":
            choice = self.document.value(self.names[0], port.widget.by)
            return OptionRows(port, choice, lambda options: self._set(port.name, options))
        if kind == "switch":
            box = QCheckBox()
            box.clicked.connect(lambda: self._set(port.name, box.checkState() == Qt.CheckState.Checked))
            return box
        if kind == "menu":
            menu = QComboBox()
            menu.setEditable(port.widget.free)
            for option in port.widget.options:
                menu.addItem(str(option) or "default", option)
            menu.activated.connect(lambda row: self._set(port.name, menu.itemData(row)))
            if port.widget.free and (line := menu.lineEdit()):
                line.editingFinished.connect(lambda: self._chosen(port, menu))
            return menu
        if kind == "lines":
            text = _Text()
            text.setObjectName("editor")
            text.setFixedHeight(96)
            text.left = lambda: None if _untouched(text) else self._set(port.name, text.toPlainText())
            return text
        line = QLineEdit()
        line.editingFinished.connect(lambda: self._typed(port, line))
        return line

    def _typed(self, port: Input, line: QLineEdit) -> None:
        text = line.text()
        value: Any = text
        if _untouched(line):
            return
        if field_kind(port) in ("number", "seed"):
            value = parsed(port, text)
        elif port.type != "str" or port.many:
            try:
                value = json.loads(text)
            except ValueError:
                value = text
        if value is None and text.strip():
            _show(line, self.document.value(self.names[0], port.name))
        else:
            self._set(port.name, value)

    def _chosen(self, port: Input, menu: QComboBox) -> None:
        row = menu.findText(menu.currentText())
        if not menu.currentText() and menu.placeholderText() == SEVERAL:
            return
        self._set(port.name, menu.itemData(row) if row >= 0 else menu.currentText())

    def _set(self, port: str, value: Any) -> None:
        names = [name for name in self.names if self.document.value(name, port) != value]
        if names:
            self.document.do(Batch(tuple(SetValue(name, port, value) for name in names)), f"Set {port}")

    def _rename(self, old: str, line: QLineEdit) -> None:
        from ..errors import NodeflowError

        new = line.text().strip()
        if new == old or old not in self.document.graph.nodes:
            return
        try:
            self.names = [new]
            self.document.rename(old, new)
        except NodeflowError as error:
            self.names = [old]
            line.setText(old)
            line.setToolTip(str(error))


class _Text(QPlainTextEdit):
    """A text that says when it is left."""

    left: Any = staticmethod(lambda: None)

    def focusOutEvent(self, event: Any) -> None:
        super().focusOutEvent(event)
        self.left()


def _label(text: str, name: str, rich: bool = False) -> QLabel:
    label = QLabel(text)
    label.setObjectName(name)
    label.setWordWrap(True)
    label.setTextFormat(Qt.TextFormat.RichText if rich else Qt.TextFormat.PlainText)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return label


def _show(editor: QWidget, value: Any, differ: bool = False) -> None:
    """Put a value into an editor, telling nobody; nothing where the nodes differ in it."""
    editor.blockSignals(True)
    if isinstance(editor, QCheckBox):
        editor.setTristate(differ)
        editor.setCheckState(Qt.CheckState.PartiallyChecked if differ else Qt.CheckState.Unchecked)
    elif isinstance(editor, QLineEdit | QPlainTextEdit | QComboBox):
        editor.setPlaceholderText(SEVERAL if differ else "")
    if differ and not isinstance(editor, OptionRows):
        _empty(editor)
    elif isinstance(editor, OptionRows):
        editor.show_value(value)
    elif isinstance(editor, QCheckBox):
        editor.setChecked(bool(value))
    elif isinstance(editor, QComboBox):
        row = next((row for row in range(editor.count()) if editor.itemData(row) == value), -1)
        editor.setCurrentIndex(row) if row >= 0 else editor.setEditText(str(value))
    elif isinstance(editor, QPlainTextEdit):
        if editor.toPlainText() != str(value or ""):
            editor.setPlainText(str(value or ""))
    elif isinstance(editor, QLineEdit):
        editor.setText(value if isinstance(value, str) else "" if value is None else json.dumps(value))
    editor.blockSignals(False)


def _untouched(editor: QLineEdit | QPlainTextEdit) -> bool:
    """Does it stand for several values still?"""
    text = editor.text() if isinstance(editor, QLineEdit) else editor.toPlainText()
    return not text and editor.placeholderText() == SEVERAL


def _empty(editor: QWidget) -> None:
    if isinstance(editor, QComboBox):
        editor.setCurrentIndex(-1)
        if editor.isEditable():
            editor.setEditText("")
    elif isinstance(editor, QPlainTextEdit):
        editor.setPlainText("")
    elif isinstance(editor, QLineEdit):
        editor.setText("")


def _ports(spec: NodeSpec) -> str:
    """What goes in and comes out, with what the docstring says."""
    rows = []
    for head, ports in (("Inputs", [port for port in spec.inputs if port.wired]), ("Outputs", list(spec.outputs))):
        if ports:
            rows.append(f"<p><b>{head}</b></p>")
            rows += [
                f"<p>{escape(port.name)}: {escape(port.type.lstrip('~'))}. {escape(port.doc)}</p>" for port in ports
            ]
    rows.append(f"<p>{escape(spec.id)} {spec.version}</p>")
    return "".join(rows)
