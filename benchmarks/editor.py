"""How long the canvas takes with many nodes, beside stock NodeGraphQt and a bare QGraphicsView; window.py has the rest.

    QT_QPA_PLATFORM=offscreen python benchmarks/editor.py [--nodes 100 300 1000 3000] [--stock 1000]

CPU milliseconds of this process, since wall time on a busy machine says little; of repaints and drags the least of
five. A node has 3 inputs and 2 outputs and two wires. The bare view holds rectangles and curves, smoothed,
painted by Qt's own items; stock NodeGraphQt is built through its own calls. Goals: within twice the bare view; 1,000
nodes made in 1 s, loaded in 1 s, repainted at 100 % in 16 ms. Each row ends with its ratio to the bare view.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import NamedTuple

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PySide6.QtCore import QEvent, QPoint, QPointF, QRectF, Qt
from PySide6.QtGui import QMouseEvent, QPainter, QPainterPath, QPen
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QGraphicsItem, QGraphicsRectItem, QGraphicsScene, QGraphicsView

from nodeflow.declaration import node
from nodeflow.editor import theme
from nodeflow.editor.canvas.canvas import Canvas
from nodeflow.editor.canvas.gestures import WireDrag
from nodeflow.editor.document import Document
from nodeflow.editor.marks import Marks
from nodeflow.graph import Graph, Node, dumps, loads
from nodeflow.graph.edits import AddNode, Batch, Place
from nodeflow.packs import Library

WIDE = 40
"""Nodes a row."""


class Two(NamedTuple):
    value: int
    other: int


@node("bench/mix")
def mix(a: int, b: int, c: int = 3) -> Two:
    """Mix."""
    return Two(a, b)


def graph(count: int) -> Graph:
    """Rows of nodes, each wired to the two before it."""
    made = Graph()
    for place in range(count):
        wires = {port: f"n{place - back}.value" for port, back in (("a", 1), ("b", 2)) if place >= back}
        made.nodes[f"n{place}"] = Node("bench/mix", values={"c": place}, wires=dict(wires))
        made.view[f"n{place}"] = {"at": [place % WIDE * 300, place // WIDE * 200]}
    return made


def spent(work: Callable[[], object], times: int = 1) -> float:
    """CPU milliseconds of one call, the least of several."""
    least = []
    for _ in range(times):
        began = time.process_time()
        work()
        least.append((time.process_time() - began) * 1000)
    return min(least)


def bare(count: int) -> QGraphicsView:
    view = QGraphicsView()
    view.setRenderHint(QPainter.RenderHint.Antialiasing)
    pen = QPen(theme.color(theme.ACCENT), 2.2)
    scene = QGraphicsScene(view)
    view.setScene(scene)
    nodes = graph(count)
    boxes = {}
    for name in nodes.nodes:
        x, y = nodes.view[name]["at"]
        boxes[name] = QRectF(x, y, 240, 110)
        scene.addRect(boxes[name], Qt.PenStyle.SolidLine, theme.color(theme.BODY))
    for wire in nodes.wires():
        start, end = boxes[wire.source].topRight(), boxes[wire.target].topLeft()
        path = QPainterPath(start)
        reach = 36.0
        path.cubicTo(start.x() + reach, start.y(), end.x() - reach, end.y(), end.x(), end.y())
        scene.addPath(path, pen)
    return view


def stock(count: int) -> QGraphicsView:
    """The same graph in NodeGraphQt, made by its own calls."""
    from NodeGraphQt.base.graph import NodeGraph
    from NodeGraphQt.nodes.base_node import BaseNode

    class Mix(BaseNode):
        __identifier__ = "bench"
        NODE_NAME = "Mix"

        def __init__(self) -> None:
            super().__init__()
            for name in "abc":
                self.add_input(name)
            for name in ("value", "other"):
                self.add_output(name)

    nodes = graph(count)
    canvas = NodeGraph()
    canvas.set_acyclic(False)  # its search for circles is exponential here
    canvas.register_node(Mix)
    made = {
        name: canvas.create_node("bench.Mix", name=name, pos=nodes.view[name]["at"], selected=False, push_undo=False)
        for name in nodes.nodes
    }
    for wire in nodes.wires():
        source = made[wire.source].outputs()["value"]
        made[wire.target].inputs()[wire.input].connect_to(source, push_undo=False)
    view = canvas.viewer()
    view.kept = canvas
    return view


def ours(count: int, library: Library) -> Canvas:
    """The same graph opened from its text."""
    return Canvas(Document(loads(text(count)), library), Marks())


@cache
def text(count: int) -> str:
    """The graph as it is in a file; written before it is timed."""
    return dumps(graph(count))


def created(count: int, library: Library) -> float:
    """Nodes added to an open canvas in one edit, as by a paste, with undo."""
    document = Document(Graph(), library)
    canvas = Canvas(document, Marks())
    canvas.resize(1920, 1080)
    nodes = graph(count).nodes
    spots = graph(count).view
    made = [edit for name, node in nodes.items() for edit in (AddNode(name, node), Place(name, spots[name]))]
    return spent(lambda: document.do(Batch(tuple(made)), "Add"))


def at_scale(view: QGraphicsView, scale: float) -> None:
    """The corner of the graph at this zoom."""
    if isinstance(view, Canvas):
        view._scene_range = QRectF(-20, -20, 1920, 1080)
        view._update_scene()
        return
    view.setSceneRect(QRectF(-20, -20, 1920, 1080))
    view.resetTransform()
    view.scale(scale, scale)


def items_of(view: QGraphicsView) -> list[QGraphicsItem]:
    """The nodes of a view, in their order."""
    if isinstance(view, Canvas):
        return list(view.nodes.values())
    if hasattr(view, "kept"):
        return [node.view for node in view.kept.all_nodes()]
    return [item for item in view.scene().items(Qt.SortOrder.AscendingOrder) if isinstance(item, QGraphicsRectItem)]


def frame() -> None:
    """Let the view paint what has changed."""
    QApplication.processEvents()
    time.sleep(0.006)
    QApplication.processEvents()


def figures(view: QGraphicsView) -> list[float]:
    """Repaint with all in view, repaint at 100 %, drag of one node and of a hundred, pan and zoom."""
    view.resize(1920, 1080)
    view.show()
    QTest.qWait(2100)  # after two seconds the scene has made its index
    whole = view.scene().itemsBoundingRect()
    view.fit() if isinstance(view, Canvas) else view.fitInView(whole, Qt.AspectRatioMode.KeepAspectRatio)
    frame()
    found = [spent(view.viewport().grab, 5)]
    at_scale(view, 1.0)
    frame()
    found.append(spent(view.viewport().grab, 5))
    for many in (1, 100):
        dragged = items_of(view)[:many]
        with dragging(view, dragged) as drag:
            found.append(spent(lambda drag=drag: (drag(), frame()), 5))
    found += [spent(lambda: (moved(view, 24.0), frame()), 5), spent(lambda: (zoomed(view, 0.9), frame()), 5)]
    view.hide()
    return found


@contextmanager
def dragging(view: QGraphicsView, items: list[QGraphicsItem]) -> Iterator[Callable[[], None]]:
    """Drag items: ours by the mouse with all that the canvas does, others by their places."""
    if not isinstance(view, Canvas):
        yield lambda: [item.setPos(item.x() + 2, item.y()) for item in items]
        return
    view.select(item.name_ for item in items)
    pane, left = view.viewport(), Qt.MouseButton.LeftButton
    at = view.mapFromScene(items[0].mapToScene(60.0, 15.0))
    QTest.mousePress(pane, left, pos=at)

    def drag() -> None:
        nonlocal at
        at = at + QPoint(10, 0)
        there = QPointF(pane.mapToGlobal(at))
        held = Qt.KeyboardModifier.NoModifier
        QApplication.sendEvent(
            pane, QMouseEvent(QEvent.Type.MouseMove, QPointF(at), there, Qt.MouseButton.NoButton, left, held)
        )

    began = items[0].x()
    drag(), drag()
    assert items[0].x() > began
    yield drag
    QTest.mouseRelease(pane, left, pos=at)


def moved(view: QGraphicsView, by: float) -> None:
    """The camera goes to the right."""
    if isinstance(view, Canvas):
        view.pan(QPointF(by, 0))
    else:
        view.setSceneRect(view.sceneRect().translated(by, 0))


def zoomed(view: QGraphicsView, by: float) -> None:
    view.setSceneRect(QRectF()) if not isinstance(view, Canvas) else None
    view.scale(by, by)


def done(count: int, library: Library) -> None:
    """What people do to a graph of many nodes: milliseconds until the document and the canvas have done it."""
    canvas = ours(count, library)
    canvas.resize(1920, 1080)
    canvas.show()
    frame()
    document, names = canvas.document, list(canvas.nodes)
    some, last = names[:100], names[-1]
    band = QPainterPath()
    band.addRect(canvas.whole().adjusted(-50, -50, 50, 50))
    times = iter(range(1, 10_000))
    spot = canvas.nodes["n5"].face.port("out", "value")
    into = canvas.nodes[last].face.port("in", "c")
    steps: dict[str, Callable[[], object]] = {
        "set a value": lambda: document.set_value(last, "c", next(times)),
        "move a node": lambda: document.place({last: (next(times), 5)}),
        "move a hundred": lambda: document.place({name: (next(times), 5) for name in some}),
        "undo that": document.undo,
        "wire": lambda: document.connect(f"n{next(times)}.value", f"{last}.a"),
        "pull a wire from an output": lambda: WireDrag(canvas, canvas.nodes["n5"], spot).cancel(),
        "pull a wire from an input": lambda: WireDrag(canvas, canvas.nodes[last], into).cancel(),
        "rubber band around all": lambda: (
            canvas.select([]), canvas.scene().setSelectionArea(band), canvas.selected()
        ),
        "select all": lambda: (canvas.select([]), canvas.select(names)),
        "text of the graph": lambda: (document.set_value(last, "c", next(times)), document.text),
    }  # fmt: skip
    for label, step in steps.items():
        print(f"{count:>6} {label:<28}{spent(step, 3):>8.1f}", flush=True)
    for label, step in {"delete all": lambda: document.remove(names), "undo that": document.undo}.items():
        print(f"{count:>6} {label:<28}{spent(step):>8.1f}", flush=True)
    canvas.hide()


def row(name: str, count: int, found: list[float], beside: list[float]) -> None:
    cells = "".join(f"{figure:>10.1f}" for figure in found)
    ratios = "".join(f"{one / other:>7.1f}" for one, other in zip(found, beside, strict=True))
    print(f"{count:>6} {name:<9}{cells}   ×{ratios}", flush=True)


def measured(make: Callable[[], QGraphicsView]) -> list[float]:
    made: list[QGraphicsView] = []
    load = spent(lambda: made.append(make()))
    return [load, *figures(made[0])]


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--nodes", type=int, nargs="*", default=[100, 300, 1000, 3000])
    options.add_argument("--stock", type=int, default=1000, help="the largest graph for stock NodeGraphQt: it is cubic")
    given = options.parse_args()
    app = QApplication.instance() or QApplication([])
    assert isinstance(app, QApplication)
    theme.apply(app)
    library = Library.of(mix)
    ours(10, library), stock(3), [text(count) for count in given.nodes]
    names = ("load", "all", "100 %", "drag 1", "drag 100", "pan", "zoom")
    print(" nodes          " + "".join(f"{name:>10}" for name in names) + "   (CPU ms; × bare)")
    for count in given.nodes:
        base = measured(lambda count=count: bare(count))
        mine = measured(lambda count=count: ours(count, library))
        row("bare", count, base, base)
        row("nodeflow", count, mine, base)
        if count <= given.stock:
            row("stock", count, measured(lambda count=count: stock(count)), base)
        print(f"{count:>6} added in one edit: {created(count, library):.1f}")
    print(" nodes what is done                CPU ms")
    for count in given.nodes:
        done(count, library)
    os._exit(0)


if __name__ == "__main__":
    main()
