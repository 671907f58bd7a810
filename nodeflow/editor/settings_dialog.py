"""The settings: sections on the left, a search above them, every change at once.

While something is searched, all rows that answer are shown, whatever their section.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QSize, Qt
from PySide6.QtWidgets import (
    QDialog,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from .actions import ACTIONS
from .setting_rows import SECTIONS, Keys, Row, row
from .settings import Settings

if TYPE_CHECKING:
    from .window import Window

SHORTCUTS = "Shortcuts"


class SettingsDialog(QDialog):
    """The settings of a window.

    Args:
        window: Whose.
        section: The section to begin with.
    """

    def __init__(self, window: Window, section: str = "") -> None:
        super().__init__(window)
        self.owner = window
        self.setWindowTitle("Settings")
        self.setObjectName("settings_dialog")
        self.resize(900, 640)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.line = QLineEdit()
        self.line.setPlaceholderText("Search settings")
        self.line.setAccessibleName("Search settings")
        self.line.setClearButtonEnabled(True)
        self.sections = QListWidget()
        self.sections.setAccessibleName("Sections")
        self.sections.setObjectName("sections")
        for title in (*SECTIONS, SHORTCUTS):
            item = QListWidgetItem(title, self.sections)
            item.setSizeHint(QSize(0, 34))
        self.words = QLabel()
        self.words.setObjectName("dim")
        self.words.setWordWrap(True)
        self.rows: dict[str, dict[str, Row]] = {}
        self._heads: dict[str, QLabel] = {}
        self._lay_out()
        self.line.textChanged.connect(self._show)
        self.sections.currentRowChanged.connect(lambda _: self._chosen())
        self.sections.setCurrentRow(max(0, [*SECTIONS, SHORTCUTS].index(section) if section else 0))
        self.line.setFocus()

    def _lay_out(self) -> None:
        left = QVBoxLayout()
        left.setContentsMargins(14, 14, 14, 14)
        left.addWidget(self.line)
        left.addWidget(self.sections, 1)
        side = QWidget()
        side.setObjectName("settings_side")
        side.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        side.setLayout(left)
        side.setFixedWidth(228)
        self._page = QWidget()
        self._rows = QVBoxLayout(self._page)
        self._rows.setContentsMargins(28, 14, 28, 20)
        self._rows.setSpacing(0)
        self._fill()
        self._area = QScrollArea()
        self._area.setObjectName("settings")
        self._area.setAccessibleName("Settings of the section")
        self._area.setWidgetResizable(True)
        self._area.setWidget(self._page)
        reset = QPushButton("Reset this section")
        reset.setAutoDefault(False)
        reset.clicked.connect(self._reset)
        close = QPushButton("Close")
        close.setAutoDefault(False)
        close.clicked.connect(self.close)
        foot = QHBoxLayout()
        foot.setContentsMargins(28, 8, 20, 14)
        foot.setSpacing(10)
        foot.addWidget(self.words, 1)
        foot.addWidget(reset)
        foot.addWidget(close)
        right = QVBoxLayout()
        right.setSpacing(0)
        right.addWidget(self._area, 1)
        right.addLayout(foot)
        outer = QHBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.setSpacing(0)
        outer.addWidget(side)
        outer.addLayout(right, 1)

    def _fill(self) -> None:
        """All rows of all sections, made once; those not asked for are hidden."""
        while (item := self._rows.takeAt(0)) is not None:
            if widget := item.widget():
                widget.hide()
                widget.deleteLater()
        settings = self.owner.settings
        self.rows = {
            section: {entry.name: row(entry, getattr(settings, entry.name), self._change) for entry in entries}
            for section, entries in SECTIONS.items()
        }
        self.rows[SHORTCUTS] = {each.name: self._keys(each.name, each.label, each.menu) for each in ACTIONS}
        for section, rows in self.rows.items():
            self._heads[section] = QLabel(section)
            self._heads[section].setObjectName("heading")
            self._heads[section].setContentsMargins(0, 10, 0, 6)
            self._rows.addWidget(self._heads[section])
            for each in rows.values():
                self._rows.addWidget(each)
        self._rows.addStretch(1)

    def _keys(self, name: str, label: str, menu: str) -> Row:
        control = Keys(self.owner.keys_of(name), lambda keys: self._change_keys(name, keys))
        return Row(label, menu, control)

    @property
    def _section(self) -> str:
        item = self.sections.currentItem()
        return item.text() if item is not None else ""

    def _chosen(self) -> None:
        self.line.clear()
        self._show()
        self._area.verticalScrollBar().setValue(0)

    def _show(self) -> None:
        """The rows of the section, or those that answer the search."""
        query = self.line.text()
        for section, rows in self.rows.items():
            some = False
            for each in rows.values():
                wanted = each.answers(query) if query.strip() else section == self._section
                each.setVisible(wanted)
                some = some or wanted
            self._heads[section].setVisible(some)

    def _change(self, name: str, value: Any) -> None:
        if value == getattr(self.owner.settings, name):
            return
        why = self.owner.settings.set(name, value)
        self.words.setText(f"{name.replace('_', ' ')}: {why}" if why else "")
        if not why:
            self.owner.apply_settings()

    def _change_keys(self, name: str, keys: str) -> None:
        why = self.owner.set_keys(name, keys)
        self.words.setText(why)
        control = self.rows[SHORTCUTS][name].control
        assert isinstance(control, Keys)
        if why:
            control.show_keys(self.owner.keys_of(name))

    def _reset(self) -> None:
        """The section as it was at first."""
        if self._section == SHORTCUTS:
            for each in ACTIONS:
                self.owner.set_keys(each.name, each.keys, always=True)
        else:
            first = Settings()
            for entry in SECTIONS[self._section]:
                self.owner.settings.set(entry.name, getattr(first, entry.name))
            self.owner.apply_settings()
        self._fill()
        self._show()
