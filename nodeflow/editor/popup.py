"""A search popup: a line to type in, and what answers, best first. Arrows and Enter choose, Esc leaves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QAbstractListModel, QEvent, QModelIndex, QObject, QPoint, QRect, QSize, Qt, Signal
from PySide6.QtGui import QKeyEvent, QPainter, QPen
from PySide6.QtWidgets import QFrame, QLineEdit, QListView, QStyle, QStyledItemDelegate, QVBoxLayout, QWidget

from . import theme
from .matching import ranked


@dataclass(frozen=True)
class Choice:
    """Something to choose: what it is called, what stands behind it, what it means."""

    title: str
    detail: str = ""
    data: Any = None
    color: str = ""
    more: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        return (self.title, self.detail, self.more)


class SearchPopup(QFrame):
    """The popup; `chosen` carries the data of the choice, `typed` what was typed where that is allowed."""

    chosen = Signal(object)
    typed = Signal(str)
    closed = Signal()

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent, Qt.WindowType.Popup | Qt.WindowType.FramelessWindowHint)
        self.setObjectName("popup")
        self.setAttribute(Qt.WidgetAttribute.WA_TranslucentBackground, False)
        self.line = QLineEdit(self)
        self.line.setAccessibleName("Search")
        self.list = QListView(self)
        self.list.setItemDelegate(_Delegate(self.list))
        self.list.setUniformItemSizes(True)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.model = _Choices(self)
        self.list.setModel(self.model)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 8, 8, 8)
        layout.setSpacing(6)
        layout.addWidget(self.line)
        layout.addWidget(self.list)
        self.line.textChanged.connect(self._search)
        self.line.installEventFilter(self)
        self.list.clicked.connect(self._choose)
        self._all: Sequence[Choice] = ()
        self._free = False
        self._done: Callable[[Any], object] | None = None

    def ask(
        self,
        choices: Sequence[Choice],
        at: QPoint,
        done: Callable[[Any], object],
        *,
        hint: str = "Search",
        free: bool = False,
    ) -> None:
        """Show the choices at a point of the screen.

        Args:
            choices: In the order of an empty search.
            at: The upper left corner.
            done: Called with the data of what is chosen.
            hint: What the empty line says.
            free: What is typed may be chosen though it is not in the list.
        """
        self._all, self._free, self._done = choices, free, done
        self.line.setPlaceholderText(hint)
        self.line.clear()
        self._search("")
        self.resize(380, min(420, 66 + _Delegate.HEIGHT * max(1, min(len(choices), 10))))
        screen = self.screen().availableGeometry()
        at = QPoint(min(at.x(), screen.right() - self.width()), min(at.y(), screen.bottom() - self.height()))
        self.move(max(screen.left(), at.x()), max(screen.top(), at.y()))
        self.show()
        self.line.setFocus()

    def _search(self, query: str) -> None:
        found = ranked(query, self._all, lambda choice: choice.names)
        self.model.show(found)
        self.list.setCurrentIndex(self.model.index(0))

    def _choose(self, index: QModelIndex | None = None) -> None:
        index = index or self.list.currentIndex()
        choice = self.model.found[index.row()] if index.isValid() else None
        text = self.line.text()
        self.hide()
        done, self._done = self._done, None
        if done is None:
            return
        if choice is not None and not (
            self._free and text and text != choice.title and not _begins(text, choice.title)
        ):
            self.chosen.emit(choice.data)
            done(choice.data)
        elif self._free and text:
            self.typed.emit(text)
            done(text)

    def hideEvent(self, event: QEvent) -> None:
        super().hideEvent(event)  # type: ignore[arg-type]
        self.closed.emit()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress:
            step = {Qt.Key.Key_Down: 1, Qt.Key.Key_Up: -1, Qt.Key.Key_PageDown: 8, Qt.Key.Key_PageUp: -8}
            if event.key() in step:
                row = self.list.currentIndex().row() + step[Qt.Key(event.key())]
                row = min(max(row, 0), len(self.model.found) - 1)
                self.list.setCurrentIndex(self.model.index(row))
                return True
            if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Tab):
                self._choose()
                return True
            if event.key() == Qt.Key.Key_Escape:
                self.hide()
                return True
        return bool(super().eventFilter(watched, event))


def _begins(text: str, title: str) -> bool:
    return title.casefold().startswith(text.casefold())


class _Choices(QAbstractListModel):
    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.found: list[Choice] = []

    def show(self, found: list[Choice]) -> None:
        self.beginResetModel()
        self.found = found
        self.endResetModel()

    def rowCount(self, parent: Any = None) -> int:
        return len(self.found)

    def data(self, index: Any, role: int = 0) -> Any:
        choice = self.found[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            return choice.title
        if role == Qt.ItemDataRole.UserRole:
            return choice
        if role == Qt.ItemDataRole.ToolTipRole:
            return choice.more or None
        return None


class _Delegate(QStyledItemDelegate):
    """A dot in the colour of the kind, the title, the detail behind it."""

    HEIGHT = 32

    def sizeHint(self, option: Any, index: Any) -> QSize:
        return QSize(100, self.HEIGHT)

    def paint(self, painter: QPainter, option: Any, index: Any) -> None:
        choice: Choice = index.data(Qt.ItemDataRole.UserRole)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
        rect: QRect = option.rect
        chosen = bool(option.state & QStyle.StateFlag.State_Selected)
        hover = bool(option.state & QStyle.StateFlag.State_MouseOver)
        if chosen or hover:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(theme.color(theme.SELECTED if chosen else theme.LINE))
            painter.drawRoundedRect(rect.adjusted(2, 1, -2, -1), 6, 6)
        left = rect.left() + 12
        if choice.color:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(theme.color(choice.color))
            painter.drawRoundedRect(left, rect.center().y() - 5, 10, 10, 3, 3)
            left += 20
        painter.setFont(theme.font(13))
        painter.setPen(QPen(theme.color(theme.TEXT)))
        text = QRect(left, rect.top(), rect.right() - left - 12, rect.height())
        align = Qt.AlignmentFlag.AlignVCenter
        painter.drawText(text, align | Qt.AlignmentFlag.AlignLeft, choice.title)
        wide = painter.fontMetrics().horizontalAdvance(choice.title) + 16
        text.setLeft(left + wide)
        painter.setPen(theme.color(theme.DIM if chosen else theme.FAINT))
        painter.setFont(theme.font(12))
        detail = painter.fontMetrics().elidedText(choice.detail, Qt.TextElideMode.ElideRight, text.width())
        painter.drawText(text, align | Qt.AlignmentFlag.AlignRight, detail)
        painter.restore()
