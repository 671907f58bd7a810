"""Whatever is done to a document, its view shows it: nodes, places, wires, values, frames, selection."""

from __future__ import annotations

import contextlib
from collections import Counter

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from nodeflow.editor.clipping import spot
from nodeflow.editor.document import Document
from nodeflow.editor.faces import face
from nodeflow.editor.levels import SIDES
from nodeflow.editor.marks import Marks
from nodeflow.errors import NodeflowError
from nodeflow.graph import Graph, dumps, loads
from nodeflow.graph.edits import Batch, Place, RemoveNode
from nodeflow.graph.graph import split

pytest.importorskip("PySide6")

KINDS = ("image/resize", "value/integer", "logic/reroute", "image/batch", "schedule/steps", "no/such")
VALUES = {"width": 64, "height": 128, "value": 7, "method": "bicubic", "steps": 9, "scheduler": "DDIMScheduler"}


class Viewed(RuleBasedStateMachine):
    """Random edits, undone and done again, with the canvas attached."""

    library = None

    def __init__(self) -> None:
        from nodeflow.editor.canvas.canvas import Canvas

        super().__init__()
        self.document = Document(Graph(), self.library)
        self.canvas = Canvas(self.document, Marks())
        self.canvas.resize(800, 600)

    def teardown(self) -> None:
        self.canvas.close()
        self.canvas.deleteLater()

    def _name(self, data: st.DataObject) -> str:
        return data.draw(st.sampled_from(list(self.document.graph.nodes)))

    @rule(kind=st.sampled_from(KINDS), x=st.integers(-900, 900), y=st.integers(-900, 900))
    def add(self, kind: str, x: int, y: int) -> None:
        if kind == "no/such":
            self.document.paste('{"nodeflow": 1, "nodes": {"alien": {"type": "no/such"}}}')
        else:
            self.document.add(kind, (x, y))

    @precondition(lambda self: len(self.document.graph.nodes) > 1)
    @rule(data=st.data())
    def wire(self, data: st.DataObject) -> None:
        ports = {name: self.document.ports(name) for name in (*self.document.graph.nodes, *self.document.panels())}
        known = {name: each for name, each in ports.items() if each}
        outs = [f"{name}.{port}" for name, each in known.items() for port in each.outputs]
        ins = [f"{name}.{port}" for name, each in known.items() for port in each.inputs]
        into = data.draw(st.sampled_from(ins)) if ins else ""
        pairs = [(out, into) for out in outs if into]
        fine = [pair for pair, why in zip(pairs, self.document.refusals(pairs), strict=True) if not why]
        if fine:
            self.document.connect(*data.draw(st.sampled_from(fine)))

    @precondition(lambda self: list(self.document.graph.wires()))
    @rule(data=st.data())
    def unwire(self, data: st.DataObject) -> None:
        wire = data.draw(st.sampled_from(list(self.document.graph.wires())))
        self.document.disconnect(f"{wire.target}.{wire.input}")

    @precondition(lambda self: self.document.crossing())
    @rule(data=st.data())
    def unwire_a_panel(self, data: st.DataObject) -> None:
        source, target = data.draw(st.sampled_from(self.document.crossing()))
        self.document.disconnect(target, source)

    @precondition(lambda self: self.document.graph.nodes)
    @rule(data=st.data(), many=st.integers(1, 4))
    def group(self, data: st.DataObject, many: int) -> None:
        self.document.group({self._name(data) for _ in range(many)})

    @precondition(lambda self: self._groups())
    @rule(data=st.data(), what=st.sampled_from(("enter", "ungroup", "make_own", "promote")))
    def go_on_with_a_group(self, data: st.DataObject, what: str) -> None:
        """What is refused, such as to ungroup what is bypassed, leaves all as it is."""
        name = data.draw(st.sampled_from(self._groups()))
        ports = self.document.ports(name)
        inputs = list(ports.inputs) if ports else []
        with contextlib.suppress(NodeflowError):
            if what == "enter":
                self.document.enter(name)
            elif what == "ungroup":
                self.document.ungroup([name])
            elif what == "make_own":
                self.document.make_own(name)
            elif inputs:
                self.document.promote("inputs", f"{name}.{data.draw(st.sampled_from(inputs))}")

    @precondition(lambda self: self.document.inside)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        self.document.leave(data.draw(st.integers(0, len(self.document.inside) - 1)))

    @precondition(lambda self: list(self.document.graph.wires()))
    @rule(data=st.data())
    def put_a_dot(self, data: st.DataObject) -> None:
        wires = [wire for wire in self.document.graph.wires() if wire.source in self.document.graph.nodes]
        if wires:
            wire = data.draw(st.sampled_from(wires))
            self.document.put_dot(f"{wire.source}.{wire.output}", f"{wire.target}.{wire.input}", (7, 7))

    def _groups(self) -> list[str]:
        return [name for name in self.document.graph.nodes if self.document.is_subgraph(name)]

    @precondition(lambda self: self.document.graph.nodes)
    @rule(data=st.data(), merge=st.booleans())
    def set_value(self, data: st.DataObject, merge: bool) -> None:
        name = self._name(data)
        ports = self.document.ports(name)
        fields = [port for port in (ports.inputs if ports else ()) if port in VALUES]
        if fields:
            port = data.draw(st.sampled_from(fields))
            if port in self.document.graph.nodes[name].values and data.draw(st.booleans()):
                self.document.clear_value(name, port)
            elif port not in self.document.graph.nodes[name].wires:
                self.document.set_value(name, port, VALUES[port], merge=merge)

    @precondition(lambda self: self.document.graph.nodes)
    @rule(data=st.data(), what=st.integers(0, 7))
    def change(self, data: st.DataObject, what: int) -> None:
        name = self._name(data)
        match what:
            case 0:
                self.document.remove({name, self._name(data)})
            case 1:
                self.document.duplicate([name, self._name(data)], keep_inputs=data.draw(st.booleans()))
            case 2:
                self.document.paste(self.document.copied(self.document.graph.nodes), (data.draw(st.integers(0, 99)), 0))
            case 3:
                self.document.bypass([name, self._name(data)])
            case 4:
                self.document.place({name: (data.draw(st.integers(-999, 999)), 5)}, merge=data.draw(st.booleans()))
            case 5:
                self.document.rename(name, f"n{len(self.document.text)}_{data.draw(st.integers(0, 10**6))}")
            case 6:
                view = self.document.graph.view.get(name)
                folded = isinstance(view, dict) and view.get("collapsed")
                self.document.show(name, "Collapse", collapsed=None if folded else True)
            case 7:
                self.document.mute([name, self._name(data)])

    @precondition(lambda self: self.document.graph.nodes)
    @rule(data=st.data())
    def frame(self, data: st.DataObject) -> None:
        from nodeflow.editor.canvas.frame import around, free_name

        item = self.canvas.nodes[self._name(data)]
        key = free_name(self.document.graph)
        self.document.do(Place(key, around([item.mapRectToScene(item.body)], "A frame")), "Frame")

    @precondition(lambda self: self.canvas.frames)
    @rule(data=st.data())
    def remove_frame(self, data: st.DataObject) -> None:
        self.document.remove([data.draw(st.sampled_from(list(self.canvas.frames)))])

    @precondition(lambda self: self.document.graph.nodes)
    @rule(data=st.data())
    def select(self, data: st.DataObject) -> None:
        self.canvas.select([self._name(data), self._name(data)])

    @precondition(lambda self: self.document.graph.nodes)
    @rule(data=st.data())
    def refuse(self, data: st.DataObject) -> None:
        """An edit of which one part fails changes nothing, and the view shows nothing of it."""
        before = self.document.text
        with pytest.raises(Exception, match="NF214"):
            self.document.do(Batch((RemoveNode(self._name(data)), RemoveNode("nobody"))), "Fail")
        assert self.document.text == before

    @rule(times=st.integers(1, 12))
    def undo(self, times: int) -> None:
        for _ in range(times):
            self.document.undo()

    @rule(times=st.integers(1, 12))
    def redo(self, times: int) -> None:
        for _ in range(times):
            self.document.redo()

    @invariant()
    def the_view_is_as_one_that_is_made_now(self) -> None:
        """What was followed edit by edit is what a new canvas would show."""
        from nodeflow.editor.canvas.canvas import Canvas

        document = Document(self.document.root.copy(), self.library)
        document.inside = self.document.inside
        canvas = Canvas(document, Marks())
        assert _seen(self.canvas) == _seen(canvas)
        assert self.document.text == dumps(self.document.root)
        canvas.deleteLater()

    @invariant()
    def the_view_shows_the_document(self) -> None:
        from nodeflow.editor.canvas.frame import FlowFrame, frames_of
        from nodeflow.editor.canvas.node import FlowNode
        from nodeflow.editor.canvas.wire import IN_DOT, FlowWire

        graph, canvas = self.document.graph, self.canvas
        on_scene = {kind: [item for item in canvas.scene().items() if type(item) is kind]
                    for kind in (FlowNode, FlowWire, FlowFrame)}  # fmt: skip
        assert {item.name_: item for item in on_scene[FlowNode]} == canvas.nodes
        assert set(canvas.nodes) == {*graph.nodes, *self.document.panels()}
        used: dict[str, set[str]] = {}
        for wire in graph.wires():
            used.setdefault(wire.source, set()).add(wire.output)
        crossing = self.document.crossing()
        for (start, output), (end, input) in ((split(source), split(target)) for source, target in crossing):
            used.setdefault(start, set()).add(output)
            used.setdefault(end, set()).add(input if end in SIDES else f"in {input}")
        for name, item in canvas.nodes.items():
            assert item.face == face(self.document, name, frozenset(used.get(name, ())))
            if name in SIDES:
                continue
            assert (item.x(), item.y()) == spot(graph.view.get(name)) or "at" not in (graph.view.get(name) or {})
        shown = Counter((*wire.ends,) for wire in on_scene[FlowWire])
        assert shown == Counter((f"{w.source}.{w.output}", f"{w.target}.{w.input}") for w in graph.wires()
                                if w.source in graph.nodes) + Counter(crossing)  # fmt: skip
        for wire in on_scene[FlowWire]:
            assert canvas.nodes[split(wire.ends[0])[0]] is wire.source and wire in wire.source.wires
            if wire.isVisible():
                places = wire.source.port_place("out", wire.output), wire.target.port_place("in", wire.input)
                for share, node, place in zip((0, 1), (wire.source, wire.target), places, strict=True):
                    away = (wire.path().pointAtPercent(share) - place).manhattanLength()
                    assert away <= (IN_DOT if node.face.dot else 0) + 1e-6
        assert set(canvas.frames) == set(frames_of(graph)) and len(on_scene[FlowFrame]) == len(canvas.frames)
        assert set(canvas.selected()) <= {*graph.nodes, *canvas.frames}
        assert loads(self.document.text) == self.document.root


def _seen(canvas) -> tuple:
    """All that a canvas shows, as plain data."""
    nodes = {name: (item.face, item.x(), item.y(), item.where) for name, item in canvas.nodes.items()}
    wires = {
        key: (wire.isVisible(), wire.isVisible() and wire.path(), wire.carries) for key, wire in canvas.wires.items()
    }
    frames = {key: (item.title, item.color, item.size, item.x(), item.y()) for key, item in canvas.frames.items()}
    return canvas.inside, nodes, wires, frames, canvas.whole()


def test_the_view_agrees_after_any_edits(qapp, library):
    Viewed.library = library
    few = settings(max_examples=15, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(Viewed, settings=few)


def test_a_long_wire_of_straight_lines_lies_on_its_curve(qapp):
    """Each point of either is within a tenth of a pixel of the other, and the lines meet."""
    from PySide6.QtCore import QPointF

    from nodeflow.editor.canvas.wire import curve, straightened

    whole = curve(0, 0, -9000, 300)
    lines = straightened(whole)
    ends = [QPointF(each.x, each.y) for each in map(lines.elementAt, range(lines.elementCount()))]
    assert ends[0] == QPointF(0, 0) and ends[-1] == QPointF(-9000, 300)
    assert all(one == other for one, other in zip(ends[1:-1:2], ends[2::2], strict=True))
    for share in range(1, 400):
        point = whole.pointAtPercent(share / 400)
        assert min(_away(point, *line) for line in zip(ends[::2], ends[1::2], strict=True)) < 0.1


def _away(point, start, end):
    """From a point to a line, in pixels."""
    way = end - start
    long = way.x() ** 2 + way.y() ** 2
    share = max(0.0, min(1.0, ((point.x() - start.x()) * way.x() + (point.y() - start.y()) * way.y()) / long))
    gap = point - (start + way * share)
    return (gap.x() ** 2 + gap.y() ** 2) ** 0.5
