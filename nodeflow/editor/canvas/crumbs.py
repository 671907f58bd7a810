"""The way into the subgraph that is shown, over the upper left corner: each step leads back out."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QPainter, QPen
from PySide6.QtWidgets import QHBoxLayout, QLabel, QToolButton, QWidget

from .. import theme
from ..guard import guarded

if TYPE_CHECKING:
    from .projection import Projection

EDGE = 12


class Crumbs(QWidget):
    """The breadcrumb of a canvas; hidden at the outermost level."""

    def __init__(self, canvas: Projection) -> None:
        super().__init__(canvas)
        self.canvas = canvas
        self.buttons: list[QToolButton] = []
        self.setAccessibleName("Where in the graph this is")
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(8, 4, 12, 4)
        self._row.setSpacing(2)
        self.hide()

    def stay(self) -> None:
        """Keep to the corner."""
        self.move(EDGE, EDGE)

    def show_path(self) -> None:
        """Follow the document."""
        document = self.canvas.document
        while (item := self._row.takeAt(0)) is not None:
            if (widget := item.widget()) is not None:
                widget.hide()
                widget.deleteLater()
        self.buttons = []
        for depth, name in enumerate((document.title, *document.inside)):
            if depth:
                self._row.addWidget(_label("›"))
            last = depth == len(document.inside)
            button = QToolButton()
            button.setText(name)
            button.setObjectName("crumb")
            button.setEnabled(not last)
            button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
            button.setCursor(Qt.CursorShape.PointingHandCursor)
            button.setAccessibleName(f"Go out to {name}" if not last else name)
            button.clicked.connect(partial(self._go, depth))
            self._row.addWidget(button)
            self.buttons.append(button)
        if (count := document.places()) > 1:
            self._row.addWidget(_label(f"used {count} times: each changes with it"))
        self._dress()
        self.setVisible(bool(document.inside))
        self.adjustSize()
        self.stay()
        self.raise_()

    def retint(self) -> None:
        """Another look."""
        self._dress()
        self.update()

    def _go(self, depth: int) -> None:
        self.canvas.leave(depth)
        self.canvas.setFocus()

    def _dress(self) -> None:
        strong, dim, accent = (theme.color(each).name() for each in (theme.TEXT, theme.DIM, theme.ACCENT))
        self.setStyleSheet(
            f"QToolButton {{ background: transparent; border: none; color: {dim}; padding: 3px 6px; }}"
            f"QToolButton:hover {{ color: {accent}; }}"
            f"QToolButton:disabled {{ color: {strong}; font-weight: 600; }} QLabel {{ color: {dim}; }}"
        )

    @guarded
    def paintEvent(self, event: Any) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(theme.color(theme.BODY_EDGE), 1))
        painter.setBrush(theme.color(theme.PANEL, 0.94))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 9, 9)


def _label(text: str) -> QLabel:
    label = QLabel(text)
    label.setMargin(2)
    return label
