"""The main window: tabs of graphs, the palette, the inspector, the panels, the toolbar."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QCloseEvent, QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import QApplication, QMenu

from ..graph import Graph
from ..worker.messages import Ready
from . import theme
from .actions import ACTIONS
from .after import next_seeds
from .commands import Commands
from .dropping import dropped_files
from .faces import field_kind
from .files import Files
from .guard import guarded
from .packs import Packs
from .popup import Choice, SearchPopup
from .queueing import Queueing
from .runs import Hub
from .settings_dialog import SettingsDialog
from .shell import Shell
from .viewing import Viewing
from .workspace import Workspace

if TYPE_CHECKING:
    from ..packs import Library
    from ..worker import Job

ON_NODE = ("edit_field", "look_at_picture", "", "bypass", "mute", "collapse", "colour", "rename", "frame",
           "seed_policy", "",
           "group", "ungroup", "enter", "promote", "keep_subgraph", "update_subgraph", "",
           "duplicate", "copy", "cut", "delete", "", "make_output", "run_selected")  # fmt: skip
ON_CANVAS = ("add_node", "note", "paste", "", "leave", "name_ports", "", "select_all", "arrange", "fit_all")
"""What the menu of a node, and of the canvas, offers."""


class Window(Shell):
    """The editor.

    Args:
        library: The node types.
        hub: The worker.
    """

    def __init__(self, library: Library, hub: Hub | None = None) -> None:
        super().__init__(library)
        self.hub = hub or Hub()
        self.hub.set_up(self.settings.setup)
        self.hub.heard.connect(self._heard)
        QApplication.styleHints().colorSchemeChanged.connect(self._system_look)
        self.commands, self.files = Commands(self), Files(self)
        self.popup: SearchPopup | None = None
        self.viewing = Viewing(self, self.background)
        self.queueing = Queueing(self)
        self._had_space = False
        self.setAcceptDrops(True)
        self.tabs.currentChanged.connect(lambda _: self.refresh())
        self.tabs.tabCloseRequested.connect(self.files.close_tab)
        self.welcome.template_wanted.connect(lambda path: self.files.open_path(path, template=True))
        self.welcome.file_wanted.connect(self.files.open_path)
        self.welcome.empty_wanted.connect(self.files.open_empty)
        self.welcome.open_wanted.connect(self.files.ask_file)
        self.palette_.chosen.connect(self._add)
        self.palette_.favoured.connect(lambda: self.settings.save())
        self.packs = Packs(self)
        self.problems.wanted.connect(self._go_to)
        self.gallery.view_wanted.connect(lambda made, shown: self.viewing.open("Outputs", shown, shown.index(made)))
        self.gallery.graph_wanted.connect(self.viewing.open_graph)
        self.timeline.wanted.connect(self._go_to)
        self.run_button.clicked.connect(lambda: self.commands.do("cancel" if self._running else "run"))
        self.refresh()

    def do(self, name: str) -> None:
        self.commands.do(name)

    # Settings

    def show_settings(self, section: str = "") -> SettingsDialog:
        """Open the settings at a section."""
        dialog = SettingsDialog(self, section)
        dialog.show()
        return dialog

    def apply_settings(self) -> None:
        """The settings have changed: keep them, and do as they say."""
        self.settings.save()
        self.settings.apply_folders()
        self.hub.set_up(self.settings.setup)
        if theme.applied() != self.settings.look:
            self._dress()

    def _system_look(self) -> None:
        if self.settings.theme == "system":
            self._dress()

    def _dress(self) -> None:
        app = QApplication.instance()
        assert isinstance(app, QApplication)
        theme.apply(app, self.settings.look)
        self.retint()

    def _heard(self, heard: object) -> None:
        assert isinstance(heard, list)
        for each in heard:
            if isinstance(each, Ready):
                self._state()
                if each.refused is not None:
                    self.log.add(each.refused.line)
                    self.notice.ask(f"{each.refused.line}.", Settings=lambda: self.show_settings("Device"))

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
        space.title_changed.connect(self._state)
        space.failed.connect(self.say)
        space.runs.summary_changed.connect(lambda _: self._state())
        space.runs.problems_changed.connect(lambda _: self._state())
        space.runs.job_changed.connect(lambda job: self._job(space, job))
        space.runs.logged.connect(self.log.add)
        space.runs.changed.connect(lambda _: self._tell_progress(space))
        space.runs.made.connect(lambda made: self.viewing.made(made, self.settings.keep and not space.runs.live))
        canvas = space.canvas
        canvas.search_wanted.connect(self.commands.search)
        canvas.menu_wanted.connect(self._menu)
        canvas.said.connect(self.say)
        canvas.words_wanted.connect(self.commands.write)
        canvas.port_wanted.connect(lambda side, name: self.commands.name_port(side, name))
        canvas.picture_wanted.connect(lambda name: self.viewing.look_at(space, space.document.where(name)))
        canvas.sound_wanted.connect(lambda name, share: self.viewing.hear(space, space.document.where(name), share))
        canvas.dropped.connect(self._dropped)
        canvas.addActions([self.actions_[each.name] for each in ACTIONS if each.on_canvas])
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
            self.viewing.remember(self.current)
            self.current.runs.run()

    def enqueue(self) -> None:
        """Run the graph in front after what runs and waits, and let its seeds go on at once."""
        if self.current is not None:
            self.viewing.remember(self.current)
            self.current.runs.enqueue()
            next_seeds(self.current.document)

    def _job(self, space: Workspace, job: Job) -> None:
        self.queueing.named(job, space.document.title)
        if job.state == "interrupted":
            self.notice.ask(f"{job.told[0].upper()}{job.told[1:]}.", Resume=space.runs.resume, Dismiss=lambda: None)
        elif job.state == "set aside":
            self.notice.ask(f"{job.told[0].upper()}{job.told[1:]}.", OK=lambda: None)
        elif job.state == "failed":
            self.say(job.told)
        elif job.state == "done" and not space.runs.live and job.id not in space.runs.enqueued:
            next_seeds(space.document)
        self._state()

    # What is shown

    def refresh(self) -> None:
        space = self.current
        if space is None:
            opened = self.settings.opened_at
            self.welcome.show_recent([(path, opened.get(path, 0.0)) for path in self.settings.recent])
        self.stack.setCurrentWidget(self.tabs if space else self.welcome)
        if space is not None:
            self.inspectors.setCurrentWidget(space.inspector)
        for name in self.docks:
            if space is None:
                self.docks[name].hide()
            elif self.docks[name].isHidden() and not self._had_space:
                self.docks[name].show()
        self._had_space = space is not None
        self._titles()
        self._state()

    def _titles(self) -> None:
        for place, each in enumerate(self.spaces):
            self.tabs.setTabText(place, each.title)
        space = self.current
        self.setWindowTitle(f"{space.title} – nodeflow" if space else "nodeflow")
        undo, redo = space.document.history.labels() if space else ("", "")
        for name, label in (("undo", undo), ("redo", redo)):
            self.actions_[name].setEnabled(bool(label))
            self.actions_[name].setText(f"{name.capitalize()} {label}".strip())

    def _state(self) -> None:
        """Run button, summary, problems."""
        space = self.current
        running = self._running
        self.run_button.setText("■  Cancel" if running else "▶  Run")
        self.run_button.setEnabled(space is not None and bool(space.document.root.nodes))
        if self.run_button.property("running") != running:
            self.run_button.setProperty("running", running)
            style = QApplication.style()  # asking the button would leave an object for each window
            style.unpolish(self.run_button)
            style.polish(self.run_button)
        self.summary.setText("" if space is None else space.runs.progress if running else space.runs.summary)
        self.summary.setToolTip(space.runs.reasons if space is not None and not running else "")
        self.actions_["live"].setChecked(space is not None and space.runs.live)
        graph = space.document.graph if space else None
        colors = {name: node.type.partition("/")[0] for name, node in graph.nodes.items()} if graph else {}
        self.timeline.show_run(space.runs.timeline if space else None, colors)
        faults = space.runs.problems if space else []
        self.problems.show_faults(tuple(faults))
        self.docks["Problems"].setWindowTitle(f"Problems ({len(faults)})" if faults else "Problems")
        ready = self.hub.ready
        self.worker_words.setText(
            f"Worker: {ready.device}, {ready.dtype}" if ready else "Worker: starting" if space else ""
        )

    def _tell_progress(self, space: Workspace) -> None:
        """How far the run of the graph in front is."""
        if space is self.current and space.runs.running:
            self.summary.setText(space.runs.progress)

    def ask(self, found: Sequence[Choice], done: Callable[[Any], object], *, hint: str, free: bool = False) -> None:
        """A search popup in the upper middle of the window."""
        popup = SearchPopup(self)
        popup.closed.connect(popup.deleteLater)
        self.popup = popup
        at = self.mapToGlobal(QPoint(self.width() // 2 - 190, 110))
        popup.ask(found, at, done, hint=hint, free=free)

    def _go_to(self, name: str) -> None:
        if self.current is not None:
            self.current.canvas.show_node(self.current.document.go_to(name), select=True)

    def _add(self, kind: str) -> None:
        space = self.current or self.files.open_empty()
        center = space.canvas.center()
        space.canvas.select([space.document.add(kind, (center.x() - 120, center.y() - 60))])

    def _menu(self, at: QPoint, name: str) -> None:
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        here = ON_NODE if name else ON_CANVAS
        for each in [each for each in here if self._applies(each, name)]:
            menu.addAction(self.actions_[each]) if each else menu.addSeparator()
        menu.popup(at)

    def _applies(self, action: str, name: str) -> bool:
        """Does an action make sense for a node?"""
        document = self.current.document if self.current is not None else None
        if document is None or name not in document.graph.nodes:
            return True
        if action in ("ungroup", "enter", "keep_subgraph", "update_subgraph"):
            return document.is_subgraph(name)
        spec = document.spec(name)
        return action != "seed_policy" or bool(spec and any(field_kind(port) == "seed" for port in spec.inputs))

    def _dropped(self, at: QPointF, kind: str, payload: list[str]) -> None:
        """Something was dropped on the canvas: a node type, or files."""
        if kind == "files":
            dropped_files(self, payload, (at.x(), at.y()))
        elif self.current is not None:
            self.current.canvas.select([self.current.document.add(payload[0], (at.x(), at.y()))])

    @guarded
    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        event.setAccepted(event.mimeData().hasUrls())

    @guarded
    def dropEvent(self, event: QDropEvent) -> None:
        """Files may be dropped anywhere: on the first page, on a panel."""
        event.acceptProposedAction()
        dropped_files(self, [url.toLocalFile() for url in event.mimeData().urls() if url.isLocalFile()])

    @guarded
    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.ActivationChange and self.isActiveWindow():
            self.files.look_outside()

    @guarded
    def closeEvent(self, event: QCloseEvent) -> None:
        if not self.files.may_leave():
            event.ignore()
            return
        self.settings.window = bytes(self.saveState().toBase64().data()).decode()
        self.settings.save()
        self.queueing.close()
        self.viewing.close()
        self.background.close()
        for space in self.spaces:
            self.files.drop(space)
        self.hub.close()
        super().closeEvent(event)
