"""What was made, newest first, as a list for Qt: searched, its small pictures drawn when they come into view."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from PySide6.QtCore import QAbstractListModel, QModelIndex, QPersistentModelIndex, QSize, Qt
from PySide6.QtGui import QPixmap

from .made import Made
from .viewer import small, untinted

THUMB = QSize(92, 92)
KEPT = 600
"""Small pictures in memory."""
MADE = Qt.ItemDataRole.UserRole
Place = QModelIndex | QPersistentModelIndex


class Shelf(QAbstractListModel):
    """The outputs; `ratio` is the pixels of a point."""

    def __init__(self) -> None:
        super().__init__()
        self.ratio = 1.0
        self.items: list[Made] = []
        self.shown: list[Made] = []
        self._words: list[str] = []
        self._files: set[str] = set()
        self._small: dict[Made, QPixmap] = {}

    def add(self, found: Iterable[Made]) -> None:
        """Put these where their time says; what is there already stays as it is."""
        new = [made for made in found if not made.file or made.file not in self._files]
        self._files.update(made.file for made in new if made.file)
        if new:
            self.items = sorted([*self.items, *new], key=lambda made: -made.at)
            self._show()

    def search(self, text: str) -> None:
        """Show those that say all of these words."""
        words = text.casefold().split()
        if words != self._words:
            self._words = words
            self._show()

    def replace(self, old: Made, new: Made) -> None:
        """The same output, of which more is known."""
        self._files.add(new.file)
        self.items = [new if each is old else each for each in self.items]
        self._show()

    def _show(self) -> None:
        shown = [made for made in self.items if all(word in made.found_by for word in self._words)]
        if shown != self.shown:
            self.beginResetModel()
            self.shown = shown
            self.endResetModel()

    def rowCount(self, parent: Place | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else len(self.shown)

    def data(self, index: Place, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if not index.isValid():
            return None
        made = self.shown[index.row()]
        match role:
            case Qt.ItemDataRole.DecorationRole:
                return untinted(self._pixmap(made))
            case Qt.ItemDataRole.ToolTipRole:
                return f"{made.title}\n{made.file}\n{ago(made.at)}" if made.file else f"{made.title}\n{ago(made.at)}"
            case Qt.ItemDataRole.AccessibleTextRole:
                return f"{'Sound' if made.is_sound else 'Picture'} {made.title}"
            case 0x100:
                return made
        return None

    def _pixmap(self, made: Made) -> QPixmap:
        if made not in self._small:
            while len(self._small) >= KEPT:
                self._small.pop(next(iter(self._small)))
            self._small[made] = small(made, THUMB, self.ratio)
        return self._small[made]

    def forget_small(self) -> None:
        """Another look: the small pictures are drawn again."""
        self._small.clear()
        self.layoutChanged.emit()


def ago(at: float) -> str:
    """When that was, in words."""
    spent = max(0.0, time.time() - at)
    for unit, seconds in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if spent >= seconds:
            count = int(spent // seconds)
            return f"{count} {unit}{'s' if count > 1 else ''} ago"
    return "just now"
