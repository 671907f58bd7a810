"""The log: what nodes, the worker and the window said, filtered by its source and searched."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass

from PySide6.QtGui import QColor, QGuiApplication, QTextCharFormat, QTextCursor
from PySide6.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPlainTextEdit,
    QPushButton,
    QTextEdit,
    QVBoxLayout,
    QWidget,
)

from . import theme

LINES = 5000
"""Entries that are kept, the newest ones."""
NODE, WORKER, WINDOW = "node", "worker", "window"
SOURCES = {"": "Everything", NODE: "Nodes", WORKER: "Worker", WINDOW: "Window"}


@dataclass(frozen=True)
class Entry:
    """Something that was said.

    Args:
        source: Who said it: NODE, WORKER or WINDOW.
        text: What.
        at: When, in seconds since 1970.
    """

    source: str
    text: str
    at: float

    @property
    def line(self) -> str:
        return f"{time.strftime('%H:%M:%S', time.localtime(self.at))}  {self.text}"

    def answers(self, source: str, query: str) -> bool:
        """Is it of this source, if one is asked for, and does it say all of these words?"""
        text = self.text.casefold()
        return source in ("", self.source) and all(word in text for word in query.casefold().split())


class Log(QWidget):
    """What was said, the newest last; entries that do not answer the search are hidden, not forgotten."""

    def __init__(self) -> None:
        super().__init__()
        self.entries: deque[Entry] = deque(maxlen=LINES)
        self.text = QPlainTextEdit()
        self.text.setReadOnly(True)
        self.text.setMaximumBlockCount(LINES)
        self.text.setAccessibleName("Log")
        self.line = QLineEdit()
        self.line.setPlaceholderText("Search the log")
        self.line.setClearButtonEnabled(True)
        self.line.setAccessibleName("Search the log")
        self.sources = QComboBox()
        self.sources.setAccessibleName("Whose lines are shown")
        for source, words in SOURCES.items():
            self.sources.addItem(words, source)
        self.count = QLabel()
        self.count.setObjectName("faint")
        copy, clear = QPushButton("Copy"), QPushButton("Clear")
        head = QHBoxLayout()
        head.setSpacing(8)
        head.addWidget(self.line, 1)
        for each in (self.sources, self.count, copy, clear):
            head.addWidget(each)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(10, 6, 10, 4)
        layout.addLayout(head)
        layout.addWidget(self.text)
        self.line.textChanged.connect(self._show)
        self.sources.activated.connect(self._show)
        copy.clicked.connect(lambda: QGuiApplication.clipboard().setText(self.text.toPlainText()))
        clear.clicked.connect(self.clear)
        self._show()

    def add(self, text: str, source: str = WINDOW) -> None:
        """Somebody said something; each of its lines is found by itself."""
        for line in text.splitlines():
            entry = Entry(source, line, time.time())
            self.entries.append(entry)
            if entry.answers(*self._asked):
                self.text.appendPlainText(entry.line)
                self._mark()
        self._say()

    def clear(self) -> None:
        """Forget all."""
        self.entries.clear()
        self._show()

    def retint(self) -> None:
        self._mark()

    @property
    def _asked(self) -> tuple[str, str]:
        return str(self.sources.currentData() or ""), self.line.text()

    def _show(self) -> None:
        asked = self._asked
        self.text.setPlainText("\n".join(entry.line for entry in self.entries if entry.answers(*asked)))
        self.text.moveCursor(QTextCursor.MoveOperation.End)
        self._mark()
        self._say()

    def _say(self) -> None:
        shown = sum(entry.answers(*self._asked) for entry in self.entries) if any(self._asked) else len(self.entries)
        of = f" of {len(self.entries)}" if shown != len(self.entries) else ""
        self.count.setText(f"{shown}{of}" if self.entries else "nothing yet")

    def _mark(self) -> None:
        """Mark the words that are searched."""
        marks = []
        for word in self._asked[1].split():
            here = self.text.document().find(word)
            while not here.isNull():
                mark = QTextEdit.ExtraSelection()
                mark.cursor, mark.format = here, _marked()
                marks.append(mark)
                here = self.text.document().find(word, here)
        self.text.setExtraSelections(marks)


def _marked() -> QTextCharFormat:
    made = QTextCharFormat()
    made.setBackground(QColor(theme.color(theme.SELECTED)))
    return made
