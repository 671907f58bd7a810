"""The main window: tabs of graphs, the palette, the inspector, the panels, the toolbar."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QByteArray, QPoint, QPointF, QSize, Qt, QTimer
from PySide6.QtGui import QAction, QCloseEvent, QKeySequence
from PySide6.QtWidgets import (
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

from ..graph import Graph
from . import icons
from .actions import ACTIONS, Action
from .commands import Commands
from .files import Files
from .palette import Palette
from .panels import Jobs, Log, Notice, Problems
from .pictures import PictureView
from .popup import Choice, SearchPopup
from .runs import Hub
from .settings import Settings
from .welcome import Welcome
from .workspace import Workspace

if TYPE_CHECKING:
    from ..packs import Library
    from ..worker import Job
    from ..worker.messages import Picture

ON_NODE = ("edit_field", "look_at_picture", "", "bypass", "collapse", "rename", "frame", "", "duplicate", "copy", "cut",
           "delete", "", "make_output", "run_selected")  # fmt: skip
ON_CANVAS = ("add_node", "paste", "", "select_all", "arrange", "fit_all")
"""What the menu of a node, and of the canvas, offers."""


class Window(QMainWindow):
    """The editor.

    Args:
        library: The node types.
        hub: The worker.
    """

    def __init__(self, library: Library, hub: Hub | None = None) -> None:
        super().__init__()
        self.library, self.hub = library, hub or Hub()
        self.settings = Settings.load()
        self.commands, self.files = Commands(self), Files(self)
        self.popup: SearchPopup | None = None
        self.pictures: list[PictureView] = []
        self._before: dict[str, Picture] = {}
        self.setWindowTitle("nodeflow")
        self.setWindowIcon(icons.app_icon())
        self.resize(1560, 960)
        self.setAcceptDrops(True)
        self.setDockNestingEnabled(True)
        self._actions = {each.name: self._action(each) for each in ACTIONS}
        self._middle()
        self._docks()
        self._toolbar()
        self._menus()
        self._status()
        self.refresh()

    # Parts

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
        action.triggered.connect(lambda: self.commands.do(each.name))
        if not each.on_canvas:
            self.addAction(action)
        return action

    def keys_of(self, name: str) -> str:
        """The shortcut of an action."""
        return self._actions[name].shortcut().toString()

    def change_keys(self, name: str) -> None:
        """Ask for another shortcut of an action."""

        def done(keys: str) -> None:
            sequence = QKeySequence(keys)
            taken = next((each for each, action in self._actions.items() if action.shortcut() == sequence), "")
            if taken and taken != name:
                self.say(f"{keys} is the shortcut of {self._actions[taken].text()}")
                return
            self._actions[name].setShortcut(sequence)
            self.settings.shortcuts[name] = sequence.toString()
            self.settings.save()

        QTimer.singleShot(
            0, lambda: self.ask([], done, hint=f"Keys for {self._actions[name].text()}, such as Ctrl+K", free=True)
        )

    def _middle(self) -> None:
        self.tabs = QTabWidget()
        self.tabs.setDocumentMode(True)
        self.tabs.setTabsClosable(True)
        self.tabs.setMovable(True)
        self.tabs.setTabBarAutoHide(True)
        self.tabs.currentChanged.connect(lambda _: self.refresh())
        self.tabs.tabCloseRequested.connect(self.files.close_tab)
        self.welcome = Welcome(self.settings.recent)
        self.welcome.template_wanted.connect(lambda path: self.files.open_path(path, template=True))
        self.welcome.file_wanted.connect(self.files.open_path)
        self.welcome.empty_wanted.connect(self.files.open_empty)
        self.welcome.open_wanted.connect(self.files.ask_file)
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
        self.palette_ = Palette(self.library)
        self.palette_.chosen.connect(self._add)
        self.inspectors = QStackedWidget()
        self.problems, self.log, self.jobs = Problems(), Log(), Jobs()
        self.problems.wanted.connect(self._go_to)
        areas = Qt.DockWidgetArea
        self._dock("Nodes", self.palette_, areas.LeftDockWidgetArea, 250)
        self._dock("Inspector", self.inspectors, areas.RightDockWidgetArea, 320)
        below = [
            self._dock(name, widget, areas.BottomDockWidgetArea, 150)
            for name, widget in (("Problems", self.problems), ("Queue", self.jobs), ("Log", self.log))
        ]
        self.tabifyDockWidget(below[0], below[1])
        self.tabifyDockWidget(below[1], below[2])
        below[0].raise_()
        self.setCorner(Qt.Corner.BottomLeftCorner, areas.LeftDockWidgetArea)
        self.setCorner(Qt.Corner.BottomRightCorner, areas.RightDockWidgetArea)
        self.docks = {dock.objectName(): dock for dock in self.findChildren(QDockWidget)}
        self.resizeDocks([below[0]], [130], Qt.Orientation.Vertical)
        if self.settings.window:
            self.restoreState(QByteArray.fromBase64(self.settings.window.encode()))

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
        for name in ("new", "open", "save", "", "undo", "redo", "", "add_node", "arrange", "fit_all"):
            bar.addAction(self._actions[name]) if name else bar.addSeparator()
        room = QWidget()
        room.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        bar.addWidget(room)
        self.summary = QLabel()
        self.summary.setObjectName("summary")
        bar.addWidget(self.summary)
        bar.addAction(self._actions["live"])
        self.run_button = QToolButton()
        self.run_button.setObjectName("run")
        self.run_button.setText("▶  Run")
        self.run_button.setAccessibleName("Run or cancel")
        self.run_button.clicked.connect(lambda: self.commands.do("cancel" if self._running else "run"))
        bar.addWidget(self.run_button)
        self.addToolBar(bar)
        bar.setContextMenuPolicy(Qt.ContextMenuPolicy.PreventContextMenu)

    def _menus(self) -> None:
        menus: dict[str, QMenu] = {}
        for each in ACTIONS:
            if each.menu not in menus:
                menus[each.menu] = self.menuBar().addMenu(each.menu)
            menus[each.menu].addAction(self._actions[each.name])
        menus["View"].addSeparator()
        for dock in self.docks.values():
            menus["View"].addAction(dock.toggleViewAction())

    def _status(self) -> None:
        self.worker_words = QLabel("Worker: not started")
        self.statusBar().addPermanentWidget(self.worker_words)
        self.statusBar().setSizeGripEnabled(False)

    # Graphs

    @property
    def current(self) -> Workspace | None:
        """The graph in front."""
        page = self.tabs.currentWidget()
        return page.property("space") if page is not None else None

    @property
    def spaces(self) -> list[Workspace]:
        pages = (self.tabs.widget(place) for place in range(self.tabs.count()))
        return [page.property("space") for page in pages if page is not None]

    def show_graph(self, graph: Graph) -> Workspace:
        """Put a graph in a tab of its own."""
        space = Workspace(graph, self.library, self.hub)
        space.setParent(self)
        space.canvas.setProperty("space", space)
        space.title_changed.connect(self._titles)
        space.failed.connect(self.say)
        space.runs.summary_changed.connect(lambda _: self._state())
        space.runs.problems_changed.connect(lambda _: self._state())
        space.runs.job_changed.connect(lambda job: self._job(space, job))
        space.runs.logged.connect(self.log.add)
        canvas = space.canvas
        canvas.search_wanted.connect(self.commands.search)
        canvas.menu_wanted.connect(self._menu)
        canvas.said.connect(self.say)
        canvas.picture_wanted.connect(self.show_picture)
        canvas.dropped.connect(self._dropped)
        canvas.addActions([self._actions[each.name] for each in ACTIONS if each.on_canvas])
        self.inspectors.addWidget(space.inspector)
        self.tabs.setCurrentIndex(self.tabs.addTab(canvas, space.title))
        self.refresh()
        canvas.setFocus()
        space.runs.open()
        return space

    # Runs

    @property
    def _running(self) -> bool:
        return self.current is not None and self.current.runs.running

    def run(self) -> None:
        """Run the graph in front."""
        if self.current is not None:
            for name, mark in self.current.marks.nodes.items():
                if mark.picture is not None and mark.final:
                    self._before[name] = mark.picture
            self.current.runs.run()

    def _job(self, space: Workspace, job: Job) -> None:
        self.jobs.show_job(job, space.document.title)
        if job.state == "interrupted":
            self.notice.ask(f"{job.told[0].upper()}{job.told[1:]}.", Resume=space.runs.resume, Dismiss=lambda: None)
        elif job.state == "set aside":
            self.notice.ask(f"{job.told[0].upper()}{job.told[1:]}.", OK=lambda: None)
        elif job.state == "failed":
            self.say(job.told)
        self._state()

    def show_picture(self, name: str) -> None:
        """Open the pictures of a node in a window."""
        if self.current is not None and (mark := self.current.marks.nodes.get(name)) and mark.pictures:
            view = PictureView(f"{name}: {self.current.document.title}", mark.pictures, self._before.get(name))
            view.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
            self.pictures = [*self.pictures, view]
            view.destroyed.connect(
                lambda: setattr(self, "pictures", [each for each in self.pictures if each is not view])
            )
            view.show()

    # What is shown

    def refresh(self) -> None:
        space = self.current
        self.stack.setCurrentWidget(self.tabs if space else self.welcome)
        if space is not None:
            self.inspectors.setCurrentWidget(space.inspector)
        for name in ("Nodes", "Inspector", "Problems", "Queue", "Log"):
            if name in self.docks and space is None:
                self.docks[name].hide()
            elif name in self.docks and self.docks[name].isHidden() and not self._shown:
                self.docks[name].show()
        self._shown = space is not None
        self._titles()
        self._state()

    _shown = False

    def _titles(self) -> None:
        for place, each in enumerate(self.spaces):
            self.tabs.setTabText(place, each.title)
        space = self.current
        self.setWindowTitle(f"{space.title} – nodeflow" if space else "nodeflow")
        undo, redo = space.document.history.labels() if space else ("", "")
        for name, label in (("undo", undo), ("redo", redo)):
            self._actions[name].setEnabled(bool(label))
            self._actions[name].setText(f"{name.capitalize()} {label}".strip())

    def _state(self) -> None:
        """Run button, summary, problems."""
        space = self.current
        running = self._running
        self.run_button.setText("■  Cancel" if running else "▶  Run")
        self.run_button.setEnabled(space is not None)
        if self.run_button.property("running") != running:
            self.run_button.setProperty("running", running)
            self.run_button.style().unpolish(self.run_button)
            self.run_button.style().polish(self.run_button)
        self.summary.setText("" if space is None else "running…" if running else space.runs.summary)
        self._actions["live"].setChecked(space is not None and space.runs.live)
        faults = space.runs.problems if space else []
        self.problems.show_faults(faults)
        if "Problems" in self.docks:
            self.docks["Problems"].setWindowTitle(f"Problems ({len(faults)})" if faults else "Problems")
        ready = self.hub.ready
        self.worker_words.setText(
            f"Worker: {ready.device}, {ready.dtype}" if ready else "Worker: starting" if space else ""
        )

    def say(self, text: str) -> None:
        """A line in the status bar."""
        self.statusBar().showMessage(text, 8000)

    def ask(self, found: Sequence[Choice], done: Callable[[Any], object], *, hint: str, free: bool = False) -> None:
        """A search popup in the upper middle of the window."""
        popup = SearchPopup(self)
        popup.closed.connect(popup.deleteLater)
        self.popup = popup
        at = self.mapToGlobal(QPoint(self.width() // 2 - 190, 110))
        popup.ask(found, at, done, hint=hint, free=free)

    def _go_to(self, name: str) -> None:
        if self.current is not None:
            self.current.canvas.show_node(name, select=True)

    def _add(self, kind: str) -> None:
        space = self.current or self.files.open_empty()
        center = space.canvas.center()
        space.canvas.select([space.document.add(kind, (center.x() - 120, center.y() - 60))])

    def _menu(self, at: QPoint, name: str) -> None:
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        here = ON_NODE if name else ON_CANVAS
        for each in here:
            menu.addAction(self._actions[each]) if each else menu.addSeparator()
        menu.popup(at)

    def _dropped(self, at: QPointF, kind: str, payload: str) -> None:
        """Something was dropped on the canvas: a node type, or a file."""
        if self.current is None:
            return
        if kind == "type":
            self.current.canvas.select([self.current.document.add(payload, (at.x(), at.y()))])
        else:
            from .dropping import dropped_file

            dropped_file(self, payload, (at.x(), at.y()))

    def closeEvent(self, event: QCloseEvent) -> None:
        if not self.files.may_leave():
            event.ignore()
            return
        self.settings.window = bytes(self.saveState().toBase64().data()).decode()
        self.settings.save()
        for view in list(self.pictures):
            view.close()
        for space in self.spaces:
            self.files.drop(space)
        self.hub.close()
        super().closeEvent(event)
