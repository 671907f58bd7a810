"""How long the editor takes: the window, and graphs of many nodes, beside stock NodeGraphQt and a bare QGraphicsView.

    QT_QPA_PLATFORM=offscreen python benchmarks/editor.py [--nodes 100 300 1000 3000] [--stock 1000]

CPU milliseconds of this process, since wall time on a busy machine says little; of repaints and drags the least of
five. A node has 3 inputs and 2 outputs and two wires. The bare view holds rectangles and the same curves, smoothed,
painted by Qt's own items; stock NodeGraphQt is built through its own calls. Goals: within twice the bare view; 1,000
nodes made in 1 s, loaded in 1 s, repainted at 100 % in 16 ms. Each row ends with its ratio to the bare view.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import NamedTuple

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QPainter, QPainterPath, QPen
from PySide6.QtWidgets import QApplication, QGraphicsItem, QGraphicsRectItem, QGraphicsScene, QGraphicsView

from nodeflow.declaration import node
from nodeflow.editor import theme
from nodeflow.editor.canvas.canvas import Canvas
from nodeflow.editor.document import Document
from nodeflow.editor.marks import Marks
from nodeflow.graph import Graph, Node, dumps, loads
from nodeflow.graph.edits import AddNode, Batch, Place
from nodeflow.packs import Library

WIDE = 40
"""Nodes a row."""
START = """
import time; t = time.process_time()
from PySide6.QtWidgets import QApplication
from nodeflow.editor import theme
from nodeflow.editor.window import Window
from nodeflow.packs import default_library
app = QApplication([]); theme.apply(app); window = Window(default_library()); window.show(); app.processEvents()
window.grab(); print(time.process_time() - t)
"""


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
    return Canvas(Document(loads(dumps(graph(count))), library), Marks())


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


def figures(view: QGraphicsView) -> list[float]:
    """Repaint with all in view, repaint at 100 %, drag of one node and of a hundred."""
    view.resize(1920, 1080)
    view.show()
    whole = view.scene().itemsBoundingRect()
    view.fit() if isinstance(view, Canvas) else view.fitInView(whole, Qt.AspectRatioMode.KeepAspectRatio)
    view.viewport().grab()
    found = [spent(view.viewport().grab, 5)]
    at_scale(view, 1.0)
    view.viewport().grab()
    found.append(spent(view.viewport().grab, 5))
    for many in (1, 100):
        dragged = items_of(view)[:many]

        def drag(dragged: list[QGraphicsItem] = dragged) -> None:
            for item in dragged:
                item.setPos(item.x() + 2, item.y())
            view.viewport().grab()

        found.append(spent(drag, 5))
    view.hide()
    return found


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
    starts = sorted(float(subprocess.check_output([sys.executable, "-c", START])) for _ in range(3))
    print(f"window: {starts[1]:.2f} s of CPU")
    library = Library.of(mix)
    ours(10, library), stock(3)
    names = ("load", "all", "100 %", "drag 1", "drag 100")
    print(" nodes          " + "".join(f"{name:>10}" for name in names) + "   (CPU ms; × bare)")
    for count in given.nodes:
        base = measured(lambda count=count: bare(count))
        mine = measured(lambda count=count: ours(count, library))
        row("bare", count, base, base)
        row("nodeflow", count, mine, base)
        if count <= given.stock:
            row("stock", count, measured(lambda count=count: stock(count)), base)
        print(f"{count:>6} added in one edit: {created(count, library):.1f}")
    os._exit(0)


if __name__ == "__main__":
    main()
