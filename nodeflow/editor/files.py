"""Files of the window's graphs: open, save, close, recover; nothing is lost without being asked."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import QFileDialog, QMessageBox, QWidget

from ..errors import NodeflowError
from ..graph import Graph, loads
from ..graph.subgraphs import levels
from ..opening import open_graph
from .clipping import spot
from .document import Document
from .faces import face
from .journal import Found, left_behind
from .layout import laid_out

if TYPE_CHECKING:
    from .window import Window
    from .workspace import Workspace

WATCH_MS = 2000
"""How often the file of the graph in front is looked at: one `stat`."""
GRAPHS = "Graphs, and what carries one (*.json *.png *.webp *.jpg *.jpeg *.flac *.wav *.ogg)"


class Files:
    """Opens, saves and closes the graphs of a window.

    Args:
        window: The window.
    """

    def __init__(self, window: Window) -> None:
        self.window = window
        self.leaving = False
        """Was it decided to close the window, whatever is not saved?"""
        self._watch = QTimer(window, interval=WATCH_MS)
        self._watch.timeout.connect(self.look_outside)
        self._watch.start()

    def open_empty(self) -> Workspace:
        """A new graph in a tab."""
        return self.window.show_graph(Graph())

    def open_path(self, path: str, *, template: bool = False) -> Workspace | None:
        """Open a file, or go to its tab; a template opens as a graph without a file."""
        wanted = str(Path(path).resolve())
        if not template:
            for place, space in enumerate(self.window.spaces):
                if space.document.path and str(Path(space.document.path).resolve()) == wanted:
                    self.window.tabs.setCurrentIndex(place)
                    return space
        try:
            graph = open_graph(path)
        except NodeflowError as error:
            self.window.notice.ask(error.faults[0].line, OK=lambda: None)
            return None
        self._spread(graph)
        if template or not path.endswith(".json"):
            graph.path = None
        else:
            self.window.settings.opened(path)
        space = self.window.show_graph(graph)
        self._say_owner(space)
        return space

    def _spread(self, graph: Graph) -> None:
        """Place the nodes that have no place, and keep them apart, whatever their types have gained since."""
        for _, level in levels(graph):
            document = Document(Graph(level.nodes, view=level.view, graphs=graph.graphs), self.window.library)
            faces = {name: face(document, name) for name in level.nodes}
            heights = {name: each.height for name, each in faces.items() if not each.dot}
            placed = laid_out(level, heights)
            for name, (x, y) in placed.items():
                if spot(level.view.get(name)) != (x, y) or not isinstance(level.view.get(name), dict):
                    view = level.view.get(name)
                    level.view[name] = {**(view if isinstance(view, dict) else {}), "at": [round(x), round(y)]}

    def open_text(self, text: str) -> Workspace | None:
        """Open a graph's text as a graph without a file."""
        try:
            return self.window.show_graph(loads(text))
        except NodeflowError as error:
            self.window.say(error.faults[0].line)
            return None

    def ask_file(self) -> None:
        """Choose a file to open."""
        dialog = QFileDialog(self.window, "Open graph")
        dialog.setNameFilter(GRAPHS)
        dialog.setFileMode(QFileDialog.FileMode.ExistingFiles)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.filesSelected.connect(lambda paths: [self.open_path(path) for path in paths])
        dialog.open()

    def save(self, space: Workspace, *, ask: bool = False, then: Callable[[], object] = lambda: None) -> None:
        """Save a graph, asking for a file where it has none."""
        if not ask and space.document.path:
            if space.owner.look() is not None:
                self._say_owner(space, then)
            elif space.changed_outside:
                self._ask_outside(space, then)
            else:
                self._write(space, "", then)
            return
        dialog = QFileDialog(self.window, "Save graph", space.document.path or "graph.json", "Graphs (*.json)")
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setDefaultSuffix("json")
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.fileSelected.connect(lambda path: self._write(space, path, then))
        dialog.open()

    def _say_owner(self, space: Workspace, then: Callable[[], object] = lambda: None) -> None:
        """Where the file belongs to another window: say so, and offer what may be done."""
        if (other := space.owner.other) is not None:
            self.window.refresh()
            self.window.notice.ask(
                f"{space.document.title} is open in {other}. Here it is read-only.",
                Take_over=lambda: self._take_over(space, then),
                Save_a_copy=lambda: self.save(space, ask=True, then=then),
                OK=lambda: None,
            )

    def _take_over(self, space: Workspace, then: Callable[[], object]) -> None:
        """The file is this window's from now on; the other one is told when it looks."""
        space.owner.take_over()
        self.window.refresh()
        if space.changed_outside:
            self._ask_outside(space, then)

    def _write(self, space: Workspace, path: str, then: Callable[[], object]) -> None:
        before = space.document.path
        if path and path != before:
            space.owner.move(path)
            if other := space.owner.other:
                space.owner.move(before)
                self.window.notice.ask(
                    f"{Path(path).name} is open in {other}: save under another name.", OK=lambda: None
                )
                return
        try:
            space.document.save(path)
        except NodeflowError as error:
            space.owner.move(before)
            self.window.notice.ask(error.faults[0].line, OK=lambda: None)
            return
        space.keep()
        space.note_file()
        self.window.settings.opened(space.document.path)
        self.window.say(f"Saved {space.document.title}")
        then()

    def look_outside(self) -> None:
        """Has somebody written the file of the graph in front, or taken it over?"""
        space = self.window.current
        if space is None or self.window.notice.isVisible():
            return
        had = space.owner.other
        if space.owner.look() is not None and had is None:
            self._say_owner(space)
        elif space.changed_outside:
            self._ask_outside(space, lambda: None)
        elif space.owner.other != had:
            self.window.refresh()

    def _ask_outside(self, space: Workspace, then: Callable[[], object]) -> None:
        self.window.notice.ask(
            f"{space.document.title} was changed by another program since it was opened here.",
            Reload=lambda: self._reload(space),
            Keep_mine=lambda: self._write(space, "", then),
            Save_as=lambda: self.save(space, ask=True, then=then),
        )

    def _reload(self, space: Workspace) -> None:
        path, tabs = space.document.path, self.window.tabs
        place = tabs.indexOf(space.canvas)
        self.drop(space)
        if self.open_path(path) is not None:
            tabs.tabBar().moveTab(tabs.currentIndex(), place)

    def close_tab(self, place: int) -> None:
        """Close a graph; one with changes asks first."""
        page: QWidget | None = self.window.tabs.widget(place)
        if page is None:
            return
        space: Workspace = page.property("space")
        if space.changed and space.document.root.nodes:
            box = self._ask_save(space.document.title)
            box.buttonClicked.connect(lambda button: self._answered(space, box, button))
            box.open()
        else:
            self.drop(space)

    def _ask_save(self, title: str) -> QMessageBox:
        buttons = QMessageBox.StandardButton
        box = QMessageBox(
            QMessageBox.Icon.Question, "Unsaved changes", f"Save the changes of {title}?", parent=self.window
        )
        box.setStandardButtons(buttons.Save | buttons.Discard | buttons.Cancel)
        box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        return box

    def _answered(self, space: Workspace, box: QMessageBox, button: Any) -> None:
        match box.standardButton(button):
            case QMessageBox.StandardButton.Save:
                self.save(space, then=lambda: self.drop(space))
            case QMessageBox.StandardButton.Discard:
                self.drop(space)

    def drop(self, space: Workspace) -> None:
        self.window.tabs.removeTab(self.window.tabs.indexOf(space.canvas))
        self.window.viewing.forget(space)
        self.window.inspectors.removeWidget(space.inspector)
        space.close()
        self.window.refresh()

    def recover(self) -> None:
        """Offer the unsaved graphs of windows that were killed."""
        for found in left_behind()[:1]:
            self.window.notice.ask(
                f"Unsaved changes of {found.title} were left behind by a window that ended.",
                Recover=functools.partial(self._answer_recover, found, self._recover),
                Discard=functools.partial(self._answer_recover, found, Found.discard),
            )

    def _answer_recover(self, found: Found, act: Callable[[Found], object]) -> None:
        """Do it, and ask for the next one."""
        act(found)
        if not self.window.notice.isVisible():
            self.recover()

    def _recover(self, found: Found) -> None:
        try:
            graph = loads(found.entry.text)
        except NodeflowError as error:
            self.window.say(error.faults[0].line)
            return
        graph.path = found.entry.path or None
        space = self.window.show_graph(graph)
        space.document.history.mark_unsaved()
        space.keep()
        found.discard()
        self.window.refresh()
        self._say_owner(space)

    def may_leave(self) -> bool:
        """May the window close? Asks where something is not saved, and closes it after the answer."""
        unsaved = [space for space in self.window.spaces if space.changed and space.document.root.nodes]
        if self.leaving or not unsaved:
            return True
        box = self._ask_save(", ".join(space.document.title for space in unsaved))
        box.buttonClicked.connect(lambda button: self._left(unsaved, box, button))
        box.open()
        return False

    def _left(self, unsaved: list[Workspace], box: QMessageBox, button: Any) -> None:
        match box.standardButton(button):
            case QMessageBox.StandardButton.Discard:
                self.leaving = True
                self.window.close()
            case QMessageBox.StandardButton.Save:
                self._save_all(unsaved)

    def _save_all(self, unsaved: list[Workspace]) -> None:
        if unsaved:
            self.save(unsaved[0], then=lambda: self._save_all(unsaved[1:]))
        else:
            self.window.close()
