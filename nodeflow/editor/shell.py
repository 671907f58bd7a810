"""The frame of the main window: actions, docks, toolbar, menus; what they act on is the window's."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QByteArray, QSize, Qt
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import (
    QApplication,
    QDockWidget,
    QLabel,
    QMainWindow,
    QMenu,
    QSizePolicy,
    QStackedWidget,
    QTabWidget,
    QToolBar,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from .. import content
from . import icons, theme
from .actions import ACTIONS, Action
from .background import Background
from .gallery import Gallery
from .jobs import Jobs
from .log import Log
from .palette import Palette
from .panels import Notice, Problems
from .settings import Settings
from .timeline_view import TimelineView
from .welcome import Welcome

if TYPE_CHECKING:
    from ..packs import Library

TOOLS = ("new", "open", "save", "", "undo", "redo", "", "add_node", "arrange", "fit_all")


class Shell(QMainWindow):
    """The frame.

    Args:
        library: The node types.
    """

    def __init__(self, library: Library) -> None:
        super().__init__()
        self.library = library
        self.settings, self.faults = Settings.load()
        self.settings.apply_folders()
        app = QApplication.instance()
        assert isinstance(app, QApplication)
        theme.apply(app, self.settings.look)
        self.setWindowTitle("nodeflow")
        self.setWindowIcon(icons.app_icon())
        room = self.screen().availableSize()
        self.resize(min(1560, room.width()), min(960, room.height()))
        self.setDockNestingEnabled(True)
        self.actions_ = {each.name: self._action(each) for each in ACTIONS}
        self._middle()
        self._docks()
        self._toolbar()
        self._menus()
        self._status()

    def do(self, name: str) -> None:
        """Do an action by its name."""
        raise NotImplementedError

    def say(self, text: str) -> None:
        """A line in the status bar."""
        self.statusBar().showMessage(text, 8000)

    def ask(self, found: Any, done: Any, *, hint: str, free: bool = False) -> None:
        """Let something be chosen."""
        raise NotImplementedError

    def _action(self, each: Action) -> QAction:
        action = QAction(each.label, self)
        if each.icon:
            action.setIcon(icons.icon(each.icon))
        keys = self.settings.shortcuts.get(each.name, each.keys)
        action.setShortcut(QKeySequence(keys))
        if each.on_canvas:
            action.setShortcutContext(Qt.ShortcutContext.WidgetShortcut)
        if each.name == "live":
            action.setCheckable(True)
        action.setToolTip(f"{each.label}  {QKeySequence(keys).toString()}".strip())
        action.triggered.connect(lambda: self.do(each.name))
        if not each.on_canvas:
            self.addAction(action)
        return action

    def keys_of(self, name: str) -> str:
        """The shortcut of an action."""
        return self.actions_[name].shortcut().toString()

    def set_keys(self, name: str, keys: str, always: bool = False) -> str:
        """Give an action another shortcut; returns why not, where another action has it, unless `always`."""
        sequence, action = QKeySequence(keys), self.actions_[name]
        if sequence == action.shortcut():
            return ""
        taken = next((each for each in self.actions_.values() if each.shortcut() == sequence), None)
        if taken is not None and keys and not always:
            return f"{sequence.toString()} is the shortcut of {taken.text()}; it stays there"
        action.setShortcut(sequence)
        action.setToolTip(f"{action.text()}  {sequence.toString()}".strip())
        first = next(each.keys for each in ACTIONS if each.name == name)
        if sequence == QKeySequence(first):
            self.settings.shortcuts.pop(name, None)
        else:
            self.settings.shortcuts[name] = sequence.toString()
        self.settings.save()
        return ""

    def retint(self) -> None:
        """Another look: what keeps painted pixels or colours makes them again, in its own method `retint`."""
        for each in ACTIONS:
            if each.icon:
                self.actions_[each.name].setIcon(icons.icon(each.icon))
        for widget in self.findChildren(QWidget):
            if callable(again := getattr(widget, "retint", None)):
                again()

    def _middle(self) -> None:
        self.tabs = QTabWidget()
        self.tabs.setDocumentMode(True)
        self.tabs.setTabsClosable(True)
        self.tabs.setMovable(True)
        self.tabs.setTabBarAutoHide(True)
        self.welcome = Welcome()
        self.stack = QStackedWidget()
        self.stack.addWidget(self.welcome)
        self.stack.addWidget(self.tabs)
        self.notice = Notice()
        middle = QWidget()
        layout = QVBoxLayout(middle)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.notice)
        layout.addWidget(self.stack, 1)
        self.setCentralWidget(middle)

    def _docks(self) -> None:
        self.palette_ = Palette(self.library, self.settings.favourites)
        self.inspectors = QStackedWidget()
        self.background = Background()
        self.timeline = TimelineView()
        self.problems, self.log, self.jobs, self.gallery = (
            Problems(),
            Log(),
            Jobs(),
            Gallery(self.background, self._output_folders),
        )
        areas = Qt.DockWidgetArea
        self._dock("Nodes", self.palette_, areas.LeftDockWidgetArea, 250)
        self._dock("Inspector", self.inspectors, areas.RightDockWidgetArea, 320)
        below = [self._dock(name, widget, areas.BottomDockWidgetArea, 150) for name, widget in self._panels()]
        for one, other in pairwise(below):
            self.tabifyDockWidget(one, other)
        below[0].raise_()
        self.setCorner(Qt.Corner.BottomLeftCorner, areas.LeftDockWidgetArea)
        self.setCorner(Qt.Corner.BottomRightCorner, areas.RightDockWidgetArea)
        self.docks = {dock.objectName(): dock for dock in self.findChildren(QDockWidget)}
        self.resizeDocks([below[0]], [170], Qt.Orientation.Vertical)
        if self.settings.window:
            self.restoreState(QByteArray.fromBase64(self.settings.window.encode()))

    def _output_folders(self) -> list[Path]:
        """Where outputs lie: the user's folder, and beside the graphs that were opened last."""
        beside = {Path(path).parent / "out" for path in self.settings.recent}
        return [content.user_folder("outputs"), *sorted(each for each in beside if each.is_dir())]

    def _panels(self) -> tuple[tuple[str, QWidget], ...]:
        return (
            ("Problems", self.problems),
            ("Outputs", self.gallery),
            ("Queue", self.jobs),
            ("Timeline", self.timeline),
            ("Log", self.log),
        )

    def _dock(self, name: str, widget: QWidget, area: Qt.DockWidgetArea, size: int) -> QDockWidget:
        dock = QDockWidget(name, self)
        dock.setObjectName(name)
        dock.setWidget(widget)
        dock.setFeatures(
            QDockWidget.DockWidgetFeature.DockWidgetMovable | QDockWidget.DockWidgetFeature.DockWidgetClosable
        )
        self.addDockWidget(area, dock)
        vertical = area == Qt.DockWidgetArea.BottomDockWidgetArea
        self.resizeDocks([dock], [size], Qt.Orientation.Vertical if vertical else Qt.Orientation.Horizontal)
        return dock

    def _toolbar(self) -> None:
        bar = QToolBar("Main")
        bar.setObjectName("main")
        bar.setMovable(False)
        bar.setIconSize(QSize(20, 20))
        for name in TOOLS:
            bar.addAction(self.actions_[name]) if name else bar.addSeparator()
        room = QWidget()
        room.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        bar.addWidget(room)
        self.summary = QLabel()
        self.summary.setObjectName("summary")
        bar.addWidget(self.summary)
        bar.addAction(self.actions_["live"])
        self.run_button = QToolButton()
        self.run_button.setObjectName("run")
        self.run_button.setText("▶  Run")
        self.run_button.setAccessibleName("Run or cancel")
        bar.addWidget(self.run_button)
        self.addToolBar(bar)
        bar.setContextMenuPolicy(Qt.ContextMenuPolicy.PreventContextMenu)

    def _menus(self) -> None:
        menus: dict[str, QMenu] = {}
        for each in ACTIONS:
            if each.menu not in menus:
                menus[each.menu] = self.menuBar().addMenu(each.menu)
            menus[each.menu].addAction(self.actions_[each.name])
        menus["View"].addSeparator()
        for dock in self.docks.values():
            menus["View"].addAction(dock.toggleViewAction())

    def _status(self) -> None:
        self.worker_words = QLabel("Worker: not started")
        self.statusBar().addPermanentWidget(self.worker_words)
        self.statusBar().setSizeGripEnabled(False)
