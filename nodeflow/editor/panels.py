"""The panel of what is wrong with the graph, and the line across the window that waits for an answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QAbstractItemView,
    QFrame,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QPushButton,
    QTreeWidget,
    QTreeWidgetItem,
)

from . import theme

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..errors import Fault

WHERE = Qt.ItemDataRole.UserRole


class Problems(QTreeWidget):
    """All faults of the graph; choosing one goes to its node."""

    wanted = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.setHeaderHidden(True)
        self.setColumnCount(3)
        self.header().setStretchLastSection(False)
        self.header().setSectionResizeMode(1, QHeaderView.ResizeMode.Stretch)
        self.setRootIsDecorated(False)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setAccessibleName("Problems")
        self._shown: tuple[Fault, ...] | None = None
        self.itemClicked.connect(self._go)
        self.itemActivated.connect(self._go)

    def show_faults(self, faults: tuple[Fault, ...]) -> None:
        """Show these, if they are others."""
        if faults == self._shown:
            return
        self._shown = faults
        self.clear()
        for fault in faults:
            item = QTreeWidgetItem(
                [fault.where or "graph", f"{fault.what}{f'; {fault.fix}' if fault.fix else ''}", fault.code]
            )
            item.setData(0, WHERE, fault.node)
            item.setForeground(0, theme.color(theme.BAD))
            item.setForeground(2, theme.color(theme.FAINT))
            item.setToolTip(1, fault.line)
            self.addTopLevelItem(item)
        if not self.topLevelItemCount():
            item = QTreeWidgetItem(["No problems"])
            item.setForeground(0, theme.color(theme.FAINT))
            self.addTopLevelItem(item)
        self.resizeColumnToContents(0)

    def retint(self) -> None:
        shown, self._shown = self._shown, None
        self.show_faults(shown or ())

    def _go(self, item: QTreeWidgetItem) -> None:
        if item.data(0, WHERE):
            self.wanted.emit(item.data(0, WHERE))


class Notice(QFrame):
    """A line across the window that waits for an answer."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("notice")
        self.text = QLabel()
        self.text.setWordWrap(True)
        self._buttons: list[QPushButton] = []
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(14, 7, 10, 7)
        self._row.addWidget(self.text, 1)
        self.hide()

    def ask(self, text: str, **answers: Callable[[], object]) -> None:
        """Show a sentence and a button for each answer."""
        for button in self._buttons:
            button.deleteLater()
        self.text.setText(text)
        self._buttons = []
        for label, answer in answers.items():
            button = QPushButton(label.replace("_", " "))
            button.clicked.connect(self.hide)
            button.clicked.connect(answer)
            self._row.addWidget(button)
            self._buttons.append(button)
        self.show()

    @property
    def buttons(self) -> dict[str, QPushButton]:
        return {button.text(): button for button in self._buttons}
