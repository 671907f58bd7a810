"""The options of what is chosen at another input, one row each; a row that is not set stays out of the mapping."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QComboBox, QFormLayout, QLabel, QLineEdit, QWidget

from .dragging import parsed

if TYPE_CHECKING:
    from ..specs import Input

UNSAID = "not set"


class OptionRows(QWidget):
    """Edits a mapping of options.

    Args:
        port: The input that holds it.
        choice: The value of the input that it follows.
        changed: Called with the new mapping.
    """

    def __init__(self, port: Input, choice: Any, changed: Callable[[dict[str, Any]], object]) -> None:
        super().__init__()
        self._changed = changed
        self._options: dict[str, Any] = {}
        self.rows: dict[str, QWidget] = {}
        variant = port.widget.variant(choice) if isinstance(choice, str) else None
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.setLabelAlignment(Qt.AlignmentFlag.AlignLeft)
        form.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
        if variant is None:
            form.addRow(_label(f"Choose a {port.widget.by} to see its options."))
            return
        for field in variant.fields:
            row = self._row(field)
            tip = field.doc + ("" if field.default is None else f" Default: {_word(field.default)}.")
            row.setAccessibleName(field.name)
            row.setToolTip(tip)
            label = _label(field.name.replace("_", " "))
            label.setToolTip(tip)
            self.rows[field.name] = row
            form.addRow(label, row)

    def show_value(self, value: Any) -> None:
        """Show a mapping, telling nobody."""
        self._options = dict(value) if isinstance(value, dict) else {}
        for name, row in self.rows.items():
            row.blockSignals(True)
            said = self._options.get(name)
            if isinstance(row, QComboBox):
                row.setCurrentIndex(max(row.findData(said), 0) if name in self._options else 0)
            elif isinstance(row, QLineEdit) and not row.hasFocus():
                row.setText("" if said is None else said if isinstance(said, str) else json.dumps(said))
            row.blockSignals(False)

    def _row(self, field: Input) -> QWidget:
        choices = field.widget.options or ((True, False) if field.type == "bool" else ())
        if choices:
            menu = QComboBox()
            menu.addItem(UNSAID, None)
            for choice in choices:
                menu.addItem(_word(choice), choice)
            menu.activated.connect(lambda row: self._say(field.name, menu.itemData(row)))
            return menu
        line = QLineEdit()
        line.setPlaceholderText(UNSAID)
        line.editingFinished.connect(lambda: self._typed(field, line))
        return line

    def _typed(self, field: Input, line: QLineEdit) -> None:
        text = line.text().strip()
        value: Any = text
        if field.type in ("int", "float"):
            value = parsed(field, text) if text else None
        elif field.type != "str" and text:
            try:
                value = json.loads(text)
            except ValueError:
                value = text
        if value is None and text:
            self.show_value(self._options)
        else:
            self._say(field.name, None if value == "" else value)

    def _say(self, name: str, value: Any) -> None:
        new = {key: said for key, said in self._options.items() if key != name}
        if value is not None:
            new[name] = value
        if new != self._options:
            self._options = new
            self._changed(new)


def _word(value: Any) -> str:
    return ("on" if value else "off") if isinstance(value, bool) else str(value)


def _label(text: str) -> QLabel:
    label = QLabel(text)
    label.setObjectName("dim")
    label.setWordWrap(True)
    return label
