"""The queue as a panel: what runs, what waits, what is done. Waiting jobs are dragged, or moved with Alt and arrows."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QAction, QContextMenuEvent, QDropEvent, QKeyEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QMenu,
    QPushButton,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from ..worker import Job
from . import theme
from .guard import guarded
from .timeline import spent

ID = Qt.ItemDataRole.UserRole
COLOURS = {
    "done": theme.GOOD,
    "running": theme.ACCENT,
    "queued": theme.TEXT,
    **dict.fromkeys(("failed", "interrupted", "set aside"), theme.BAD),
}
RETRIED = ("interrupted", "failed", "cancelled", "set aside")
"""States from which a job can be run again."""


class Jobs(QWidget):
    """The queue; its signals carry the id of a job."""

    cancel_wanted = Signal(str)
    retry_wanted = Signal(str)
    move_wanted = Signal(str, str)
    """A waiting job is to run before another one; before nothing: last."""
    graph_wanted = Signal(str)
    clear_wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.jobs: list[Job] = []
        self.titles: dict[str, str] = {}
        self.tree = _Tree(self)
        self.words = QLabel()
        self.words.setObjectName("dim")
        clear = QPushButton("Clear what is over")
        clear.clicked.connect(self.clear_wanted)
        foot = QHBoxLayout()
        foot.addWidget(self.words, 1)
        foot.addWidget(clear)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(10, 4, 10, 6)
        layout.addWidget(self.tree, 1)
        layout.addLayout(foot)
        self._progress = QTimer(self, interval=300)
        self._progress.timeout.connect(self._follow)
        self.show_jobs([])

    def show_jobs(self, jobs: list[Job]) -> None:
        """Show these: what runs, then what waits in its order, then what is over, the newest first."""
        running, waiting = ([job for job in jobs if job.state == state] for state in ("running", "queued"))
        over = [job for job in reversed(jobs) if job.over]
        self.jobs = [*running, *waiting, *over]
        chosen = self.chosen()
        self.tree.clear()
        for job in self.jobs:
            item = QTreeWidgetItem([job.state, self.titles.get(job.id, "") or "Untitled", _told(job)])
            item.setData(0, ID, job.id)
            item.setForeground(0, theme.color(COLOURS.get(job.state, theme.DIM)))
            item.setForeground(2, theme.color(theme.DIM))
            item.setToolTip(2, job.told)
            flags = item.flags() & ~Qt.ItemFlag.ItemIsDropEnabled
            item.setFlags(flags if job.state == "queued" else flags & ~Qt.ItemFlag.ItemIsDragEnabled)
            self.tree.addTopLevelItem(item)
            if job.id == chosen:
                self.tree.setCurrentItem(item)
        self.words.setText(f"{len(running)} running, {len(waiting)} waiting, {len(over)} over" if jobs else "No runs")
        self._progress.start() if running else self._progress.stop()

    def retint(self) -> None:
        self.show_jobs([*reversed([job for job in self.jobs if job.over]), *[j for j in self.jobs if not j.over]])

    def chosen(self) -> str:
        """The id of the job that is selected."""
        item = self.tree.currentItem()
        return str(item.data(0, ID)) if item is not None else ""

    def _follow(self) -> None:
        """How far the running job is."""
        for place, job in enumerate(self.jobs):
            if job.state == "running" and (item := self.tree.topLevelItem(place)):
                item.setText(2, _told(job))

    def move_chosen(self, step: int) -> None:
        """Run the selected job one place sooner or later."""
        waiting = [job.id for job in self.jobs if job.state == "queued"]
        if (id := self.chosen()) in waiting:
            place = waiting.index(id) + step
            rest = [each for each in waiting if each != id]
            if 0 <= place <= len(rest):
                self.move_wanted.emit(id, rest[place] if place < len(rest) else "")

    def state(self, id: str) -> str:
        return next((job.state for job in self.jobs if job.id == id), "")


def _told(job: Job) -> str:
    if job.state == "running":
        return job.place
    took = f"{spent(job.seconds)}" if job.seconds else ""
    return "  ".join(filter(None, (took, job.told)))


class _Tree(QTreeWidget):
    def __init__(self, owner: Jobs) -> None:
        super().__init__()
        self.owner = owner
        self.setHeaderHidden(True)
        self.setColumnCount(3)
        self.setRootIsDecorated(False)
        self.setAccessibleName("Queue")
        self.setDragDropMode(QAbstractItemView.DragDropMode.InternalMove)
        self.setDefaultDropAction(Qt.DropAction.MoveAction)
        self.header().setStretchLastSection(True)
        self.header().setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        self.header().resizeSection(0, 110)
        self.header().resizeSection(1, 220)
        self.itemDoubleClicked.connect(lambda item: owner.graph_wanted.emit(str(item.data(0, ID))))

    @guarded
    def dropEvent(self, event: QDropEvent) -> None:
        """The order is the queue's: it is asked, and shows the result."""
        under = self.itemAt(event.position().toPoint())
        id = self.owner.chosen()
        waiting = [job.id for job in self.owner.jobs if job.state == "queued" and job.id != id]
        before = str(under.data(0, ID)) if under is not None else ""
        below = self.dropIndicatorPosition() == QAbstractItemView.DropIndicatorPosition.BelowItem
        if before in waiting and below:
            place = waiting.index(before) + 1
            before = waiting[place] if place < len(waiting) else ""
        event.setDropAction(Qt.DropAction.IgnoreAction)
        event.accept()
        if self.owner.state(id) == "queued":
            self.owner.move_wanted.emit(id, before if before in waiting else "")

    @guarded
    def keyPressEvent(self, event: QKeyEvent) -> None:
        owner, id = self.owner, self.owner.chosen()
        key, alt = event.key(), bool(event.modifiers() & Qt.KeyboardModifier.AltModifier)
        if alt and key in (Qt.Key.Key_Up, Qt.Key.Key_Down):
            owner.move_chosen(-1 if key == Qt.Key.Key_Up else 1)
        elif key == Qt.Key.Key_Delete and owner.state(id) in ("queued", "running"):
            owner.cancel_wanted.emit(id)
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and owner.state(id) in RETRIED:
            owner.retry_wanted.emit(id)
        else:
            super().keyPressEvent(event)

    @guarded
    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        item = self.itemAt(event.pos())
        if item is None:
            return
        self.setCurrentItem(item)
        owner, id = self.owner, str(item.data(0, ID))
        state = owner.state(id)
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        rows: tuple[tuple[str, bool, Any], ...] = (
            ("Cancel\tDel", state in ("queued", "running"), lambda: owner.cancel_wanted.emit(id)),
            ("Run again\tReturn", state in RETRIED, lambda: owner.retry_wanted.emit(id)),
            ("Sooner\tAlt+Up", state == "queued", lambda: owner.move_chosen(-1)),
            ("Later\tAlt+Down", state == "queued", lambda: owner.move_chosen(1)),
            ("Open its graph", True, lambda: owner.graph_wanted.emit(id)),
        )
        for words, enabled, act in rows:
            action = QAction(words, menu)
            action.setEnabled(enabled)
            action.triggered.connect(act)
            menu.addAction(action)
        menu.popup(event.globalPos())
