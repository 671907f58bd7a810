"""What the actions do, on the graph in front: files, editing, running, help."""

from __future__ import annotations

from PySide6.QtGui import QGuiApplication

from ..errors import NodeflowError
from ..graph.subgraphs import walked
from .actions import ACTIONS
from .arranging import ViewCommands
from .grouping import GroupCommands
from .nodes import NodeCommands
from .popup import Choice
from .settings_dialog import SHORTCUTS
from .theme import category_color


class Commands(NodeCommands, GroupCommands, ViewCommands):
    """Does the actions, each by the method of its name."""

    def do(self, name: str) -> None:
        """Do an action; one that needs a graph does nothing without one, and what is refused is said."""
        try:
            getattr(self, name)()
        except NodeflowError as error:
            self.window.say(error.faults[0].line)

    # File

    def new(self) -> None:
        self.window.files.open_empty()

    def open(self) -> None:
        self.window.files.ask_file()

    def save(self) -> None:
        if self.space is not None:
            self.window.files.save(self.space)

    def save_as(self) -> None:
        if self.space is not None:
            self.window.files.save(self.space, ask=True)

    def close_tab(self) -> None:
        self.window.files.close_tab(self.window.tabs.currentIndex())

    def preferences(self) -> None:
        self.window.show_settings()

    def reload_packs(self) -> None:
        self.window.packs.reload()

    def quit(self) -> None:
        self.window.close()

    # Edit

    def undo(self) -> None:
        if self.space is not None and (label := self.space.document.undo()):
            self.window.say(f"Undone: {label}")

    def redo(self) -> None:
        if self.space is not None and (label := self.space.document.redo()):
            self.window.say(f"Done again: {label}")

    def copy(self) -> None:
        if self.space is not None and (names := self.space.canvas.selected()):
            QGuiApplication.clipboard().setText(self.space.document.copied(names))

    def cut(self) -> None:
        self.copy()
        self.delete()

    def paste(self) -> None:
        if self.space is not None:
            at, _ = self.space.canvas.cursor_spot()
            text = QGuiApplication.clipboard().text()
            if text.lstrip().startswith("{"):
                self.space.canvas.select(self.space.document.paste(text, (at.x(), at.y())))

    def duplicate(self, wired: bool = False) -> None:
        if self.space is not None and (names := self.space.canvas.selected()):
            self.space.canvas.select(self.space.document.duplicate(names, keep_inputs=wired))

    def duplicate_wired(self) -> None:
        self.duplicate(wired=True)

    def delete(self) -> None:
        if self.space is not None:
            self.space.document.remove(self.space.canvas.selected())

    def select_all(self) -> None:
        if self.space is not None:
            self.space.canvas.select(self.space.document.graph.nodes)

    def find(self) -> None:
        """Search the nodes of the graph and of its subgraphs by name, title and text, and go to one."""
        if self.space is None:
            return
        document, canvas = self.space.document, self.space.canvas
        found = []
        for path, node in walked(document.root):
            spec = document.library.spec(node.type)
            title = spec.title if spec else node.type
            texts = " ".join(str(value) for value in node.values.values() if isinstance(value, str))
            found.append(Choice(path, title, path, category_color(node.type.partition("/")[0]).name(), more=texts))

        def go(path: str) -> None:
            canvas.show_node(document.go_to(path), select=True)
            canvas.setFocus()

        self.window.ask(found, go, hint="Find a node, also in subgraphs")

    # Run

    def run(self) -> None:
        self.window.run()

    def enqueue(self) -> None:
        self.window.enqueue()

    def run_selected(self) -> None:
        if self.space is not None and (names := self.space.canvas.selected()):
            document = self.space.document
            self.space.runs.run(tuple(document.where(name) for name in names if name in document.graph.nodes))

    def cancel(self) -> None:
        if self.space is not None:
            self.space.runs.cancel()

    def live(self) -> None:
        if self.space is not None:
            self.space.runs.live = not self.space.runs.live
            self.window.say(f"Run after each edit: {'on' if self.space.runs.live else 'off'}")
            if self.space.runs.live:
                self.space.runs.run()

    # Help

    def commands(self) -> None:
        """The command palette."""
        found = [
            Choice(each.label, self.window.keys_of(each.name), each.name, more=each.menu)
            for each in ACTIONS
            if each.name != "commands"
        ]
        self.window.ask(found, self.do, hint="Do what?")

    def shortcuts(self) -> None:
        """All shortcuts, to be read and changed."""
        self.window.show_settings(SHORTCUTS)
