"""What is done to nodes: added, edited, bypassed, collapsed, framed, renamed."""

from __future__ import annotations

from PySide6.QtCore import QPoint, QPointF, QRectF

from ..errors import NodeflowError
from ..graph.edits import Batch, Edit, Expose, Place
from ..graph.graph import split
from .after import POLICIES, seeds_then
from .canvas.frame import around, free_name
from .canvas.notes import MARK as NOTE
from .canvas.notes import new_note
from .colours import COLOURS
from .front import Front
from .levels import SIDES
from .palette import choices, saved_choices
from .popup import Choice, SearchPopup


class NodeCommands(Front):
    """Actions on the selected nodes."""

    def add_node(self) -> None:
        """Search a node to add; with a subgraph selected, go into it."""
        if self.space is not None:
            names = self.space.canvas.selected()
            if len(names) == 1 and self.space.document.is_subgraph(names[0]):
                self.space.document.enter(names[0])
                return
            at, screen = self.space.canvas.cursor_spot()
            self.search(at, screen, {})

    def search(self, at: QPointF, screen: QPoint, ends: dict[str, str]) -> None:
        """Add a node: those that fit the wire first where one was dragged here."""
        space = self.space
        if space is None:
            return
        found = choices(space.document.library) + saved_choices()
        if ends:
            found = [choice for choice in found if space.document.could_take(choice.data, **ends)]

        def add(kind: str) -> None:
            source, target = ends.get("source", ""), ends.get("target", "")
            name = space.document.add(kind, (at.x(), at.y() - 15), source=source, target=target)
            space.canvas.select([name])
            space.canvas.setFocus()

        popup = SearchPopup(self.window)
        popup.closed.connect(popup.deleteLater)
        self.window.popup = popup
        popup.ask(found, screen, add, hint="Add a node")

    def edit_field(self) -> None:
        """Edit the first parameter of the selected node; Tab goes on to the next."""
        if self.space is not None and (names := self.space.canvas.selected()):
            node = self.space.canvas.nodes.get(names[0])
            if node and node.face.fields:
                self.space.canvas.fields.edit(node, node.face.fields[0])

    def bypass(self) -> None:
        if self.space is not None:
            self.space.document.bypass(self.space.canvas.selected())

    def collapse(self) -> None:
        if self.space is None:
            return
        canvas, document = self.space.canvas, self.space.document
        names = [name for name in canvas.selected() if name in document.graph.nodes]
        fold = not all(canvas.nodes[name].face.collapsed for name in names)
        edits = []
        for name in names:
            view = document.graph.view.get(name)
            shown = {**(view if isinstance(view, dict) else {}), "collapsed": True}
            if not fold:
                del shown["collapsed"]
            edits.append(Place(name, shown))
        if edits:
            document.do(Batch(tuple(edits)), "Collapse" if fold else "Unfold")

    def randomize(self) -> None:
        if self.space is None:
            return
        for name in self.space.canvas.selected():
            node = self.space.canvas.nodes.get(name)
            for field in node.face.fields if node else ():
                if field.kind == "seed":
                    self.space.canvas.fields.throw(name, field.name)

    def seed_policy(self) -> None:
        """Choose what becomes of a node's seeds after each run."""
        space = self.space
        if space is None:
            return
        names = [name for name in space.canvas.selected() if name in space.document.graph.nodes]
        found = [Choice(label, "", policy) for policy, label in POLICIES.items()]

        if names:
            done = lambda policy: seeds_then(space.document, names, policy)  # noqa: E731
            self.window.ask(found, done, hint="After each run, the seed …")

    def frame(self) -> None:
        if self.space is None:
            return
        canvas, graph = self.space.canvas, self.space.document.graph
        rects = [item.mapRectToScene(item.body) for name in canvas.selected() if (item := canvas.nodes.get(name))]
        whole = QRectF()
        for rect in rects:
            whole = whole.united(rect)
        rects += [each.mapRectToScene(each.rect()) for each in canvas.frames.values() if each.holds_within(whole)]
        if rects:
            name = free_name(graph)
            self.space.document.do(Place(name, around(rects, "Frame")), "Add frame")

    def note(self) -> None:
        """A note under the mouse, to be written at once."""
        if self.space is not None:
            at, _ = self.space.canvas.cursor_spot()
            key, view = new_note(self.space.document.graph, (at.x(), at.y()))
            self.space.document.do(Place(key, view), "Add note")
            self.space.canvas.select([key])
            self.write(key)

    def write(self, key: str) -> None:
        """Write the text of a note, or the title of a frame."""
        if self.space is None:
            return
        if key.startswith(NOTE):
            self.space.canvas.fields.write_note(key)
        else:
            self.space.canvas.select([key])
            self.rename()

    def colour(self) -> None:
        """Colour what is selected: nodes, frames and notes."""
        if self.space is None or not (names := self.space.canvas.selected()):
            return
        document = self.space.document
        found = [Choice(name, "", code, code) for name, code in COLOURS.items()]
        done = lambda code: document.tint(names, code or None)  # noqa: E731
        self.window.ask([*found, Choice("As its kind is", "", "")], done, hint="Which colour?")

    def rename(self) -> None:
        """Rename the selected node or frame."""
        if self.space is None or not (names := self.space.canvas.selected()):
            return
        space, old = self.space, names[0]
        if old in SIDES:
            self.window.commands.name_ports()
            return

        def done(new: str) -> None:
            try:
                if old in space.document.graph.nodes:
                    space.document.rename(old, new)
                    space.canvas.select([new])
                else:
                    space.document.show(old, "Rename frame", title=new)
            except NodeflowError as error:
                self.window.say(error.faults[0].line)

        self.window.ask([], done, hint=f"New name of {old.lstrip('.')}", free=True)

    def wire(self) -> None:
        """Choose a wire for the selected node from all that fit, those of its open inputs first."""
        if self.space is None or not (names := self.space.canvas.selected()):
            return
        document, one = self.space.document, names[0]
        outs = [f"{name}.{out}" for name in document.graph.nodes if (p := document.ports(name)) for out in p.outputs]
        ins = [f"{name}.{port}" for name in document.graph.nodes if (p := document.ports(name)) for port in p.inputs]
        taken = {f"{wire.target}.{wire.input}" for wire in document.graph.wires()}
        pairs = [(out, into) for into in ins for out in outs if (split(out)[0] == one) != (split(into)[0] == one)]
        fine = [pair for pair, why in zip(pairs, document.refusals(pairs), strict=True) if not why]
        fine.sort(key=lambda pair: (pair[1] in taken, split(pair[1])[0] != one))
        found = [Choice(f"{out} → {into}", "replaces a wire" * (into in taken), (out, into)) for out, into in fine]
        if not found:
            self.window.say(f"Nothing here fits a port of {one}")
            return
        self.window.ask(found, lambda pair: document.connect(*pair), hint=f"Wire {one}: type the names of ports")

    def make_output(self) -> None:
        if self.space is None:
            return
        document, edits = self.space.document, list[Edit]()
        for name in self.space.canvas.selected():
            ports = document.ports(name) if name in document.graph.nodes else None
            if ports and ports.outputs:
                out = next(iter(ports.outputs))
                public = out if out not in document.graph.outputs else f"{name}_{out}"
                edits.append(Expose("outputs", public, f"{name}.{out}"))
        if edits:
            document.do(Batch(tuple(edits)), "Make output")

    def play_sound(self) -> None:
        if self.space is not None and (names := self.space.canvas.selected()):
            self.window.viewing.hear(self.space, names[0], -1.0)

    def look_at_picture(self) -> None:
        if self.space is not None and (names := self.space.canvas.selected()):
            self.window.viewing.look_at(self.space, self.space.document.where(names[0]))
