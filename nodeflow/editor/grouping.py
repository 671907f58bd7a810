"""Subgraphs and muting, as people do them."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QTimer

from ..errors import NodeflowError
from ..graph import Graph
from ..graph.grouping import level_of
from ..graph.subgraphs import Side, order_of, subgraph_named
from .clipping import Spot, spot
from .document import Document
from .faces import WIDTH, face
from .front import Front
from .layout import clear_of
from .origins import update
from .popup import Choice

SIDES: tuple[Side, ...] = ("inputs", "outputs")


class GroupCommands(Front):
    """Actions on subgraphs."""

    def mute(self) -> None:
        if self.space is not None:
            self.space.document.mute(self.space.canvas.selected())

    def group(self) -> None:
        """Make one node of the selected ones, and let it be named."""
        if self.space is None or not (names := self.space.canvas.selected()):
            return
        space = self.space

        def room(made: Graph, name: str) -> Spot:
            """In the middle of what it stands for, over nothing else."""
            level = level_of(made, space.document.level)
            shown = Document(Graph(level.nodes, view=level.view, graphs=made.graphs), space.document.library.base)
            items = [item for each, item in space.canvas.nodes.items() if each not in names]
            taken = [(item.x(), item.y(), item.body.width(), item.body.height()) for item in items]
            return clear_of(spot(level.view.get(name)), (WIDTH, face(shown, name).height), taken)

        def done(title: str) -> None:
            self.tried(lambda: space.canvas.select([space.document.group(names, title.strip(), room)]))

        self.window.ask([Choice("Group", "", "Group")], done, hint="Name of the subgraph", free=True)

    def ungroup(self) -> None:
        if self.space is not None and (names := self.space.canvas.selected()):
            self.space.canvas.select(self.space.document.ungroup(names))

    def enter(self) -> None:
        if self.space is not None and (names := self.space.canvas.selected()):
            self.space.document.enter(names[0])

    def leave(self) -> None:
        if self.space is not None:
            self.space.canvas.leave()

    def promote(self) -> None:
        """Choose a port of the selected nodes that becomes one of the subgraph, or of the graph."""
        if self.space is None:
            return
        document, found = self.space.document, list[Choice]()
        public = {end for name in document.graph.inputs for end in document.graph.targets(name)}
        for name in [name for name in self.space.canvas.selected() if name in document.graph.nodes]:
            ports = document.ports(name)
            for port in ports.inputs.values() if ports else ():
                if f"{name}.{port.name}" not in public:
                    label = port.name.replace("_", " ")
                    found.append(Choice(label, f"input of {name}", ("inputs", f"{name}.{port.name}"), more=port.doc))
            for out in ports.outputs.values() if ports else ():
                if f"{name}.{out.name}" not in document.graph.outputs.values():
                    label = out.name.replace("_", " ")
                    found.append(Choice(label, f"output of {name}", ("outputs", f"{name}.{out.name}"), more=out.doc))

        def done(chosen: tuple[Side, str]) -> None:
            name = document.promote(*chosen)
            what = f"{document.level}" if document.inside else "the graph"
            self.window.say(f"{chosen[1]} is now {name} of {what}")

        if found:
            self.window.ask(found, done, hint="Promote which parameter or port?")

    def name_ports(self) -> None:
        """Choose a public port, and what is done to it."""
        if self.space is None:
            return
        graph = self.space.document.graph
        found = [
            Choice(name, side[:-1], (side, name))
            for side in SIDES
            for name in order_of(graph, side)
        ]  # fmt: skip
        self._ask(found, lambda chosen: self.name_port(*chosen), "Which port?")

    def name_port(self, side: Side, name: str) -> None:
        """Rename a public port, move it or take it away."""
        if self.space is None:
            return
        document = self.space.document
        found = [
            Choice("Move up", "", lambda: document.move_port(side, name, -1)),
            Choice("Move down", "", lambda: document.move_port(side, name, 1)),
            Choice("Remove", "with what is wired to it", lambda: document.take_back(side, name)),
        ]

        def done(chosen: str | Callable[[], None]) -> None:
            if callable(chosen):
                chosen()
            else:
                self.tried(lambda: document.rename_port(side, name, chosen.strip()))

        self._ask(found, done, f"New name of {name}", free=True)

    def make_own(self) -> None:
        if self.space is not None:
            for name in self.space.canvas.selected():
                if self.space.document.is_subgraph(name):
                    self.space.document.make_own(name)

    def rename_subgraph(self) -> None:
        if self.space is None:
            return
        document = self.space.document
        chosen = [name for name in self.space.canvas.selected() if document.is_subgraph(name)]
        old = subgraph_named(document.graph.nodes[chosen[0]].type) if chosen else document.level
        if old:
            done = lambda new: self.tried(lambda: document.rename_subgraph(old, new.strip()))  # noqa: E731
            self._ask([], done, f"New name of {old}", free=True)

    def keep_subgraph(self) -> None:
        """Keep the subgraph of the selected node in the user's folder: the palette has it from now on."""
        if self.space is None:
            return
        document = self.space.document
        chosen = [name for name in self.space.canvas.selected() if document.is_subgraph(name)]
        if not chosen:
            self.window.say("Select a subgraph to keep")
            return
        kind = subgraph_named(document.graph.nodes[chosen[0]].type)

        def done(title: str) -> None:
            def keep() -> None:
                path = document.keep(chosen[0], title.strip())
                self.window.palette_.show_saved()
                self.window.say(f"Kept as {path}")

            self.tried(keep)

        self._ask([Choice(kind, "", kind)], done, "Name under which it is kept", free=True)

    def update_subgraph(self) -> None:
        """Bring the selected subgraphs up to date with those that are kept."""
        if self.space is None:
            return
        document = self.space.document
        chosen = [name for name in self.space.canvas.selected() if document.is_subgraph(name)]
        told = {name: gone for name in chosen if (gone := update(document, name)) is not None}
        gone = sorted({port for ports in told.values() for port in ports})
        if not told:
            self.window.say("As it is kept already, or not from a kept one" if chosen else "Select a subgraph")
        else:
            self.window.say(f"Updated {', '.join(told)}" + (f"; ports that are gone: {', '.join(gone)}" * bool(gone)))

    def tried(self, act: Callable[[], object]) -> None:
        """Do something, and say it where it is refused."""
        try:
            act()
        except NodeflowError as error:
            self.window.say(error.faults[0].line)

    def _ask(self, found: list[Choice], done: Callable[..., object], hint: str, free: bool = False) -> None:
        """Ask once the popup that may be open has closed."""
        QTimer.singleShot(0, lambda: self.window.ask(found, done, hint=hint, free=free))
