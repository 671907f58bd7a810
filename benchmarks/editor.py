"""How long the editor takes: the window, and graphs of many nodes on the canvas, beside a bare QGraphicsView.

    QT_QPA_PLATFORM=offscreen python benchmarks/editor.py [--nodes 100 1000 3000]

CPU seconds of this process, since wall time on a busy machine says little. A node has 3 inputs and 2 outputs. The bare
view holds rectangles and the same curves, smoothed, painted by Qt's own items. Goals: within twice the bare view;
1,000 nodes made in 1 s, repainted at 100 % in 16 ms.
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
from PySide6.QtWidgets import QApplication, QGraphicsScene, QGraphicsView

from nodeflow.declaration import node
from nodeflow.editor import theme
from nodeflow.editor.canvas.canvas import Canvas
from nodeflow.editor.canvas.wire import curve
from nodeflow.editor.document import Document
from nodeflow.editor.marks import Marks
from nodeflow.graph import Graph, Node, dumps, loads
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
    """CPU milliseconds of one call."""
    began = time.process_time()
    for _ in range(times):
        work()
    return (time.process_time() - began) / times * 1000


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
        path: QPainterPath = curve(start, end)
        scene.addPath(path, pen)
    return view


def at_scale(view: QGraphicsView, scale: float) -> None:
    view.resetTransform()
    view.scale(scale, scale)


def row(count: int, library: Library) -> None:
    text = dumps(graph(count))
    canvas: list[Canvas] = []
    load = spent(lambda: canvas.append(Canvas(Document(loads(text), library), Marks())))
    shown = canvas[0]
    shown.resize(1920, 1080)
    shown.show()
    other: list[QGraphicsView] = []
    bare_load = spent(lambda: other.append(bare(count)))
    view = other[0]
    view.resize(1920, 1080)
    view.show()
    shown.fit()
    view.fitInView(view.sceneRect(), Qt.AspectRatioMode.KeepAspectRatio)
    figures = [load, bare_load]
    for scale in (0.0, 1.0):
        if scale:
            shown._scene_range = QRectF(0, 0, 1920, 1080)
            shown._update_scene()
            at_scale(view, scale)
        shown.viewport().grab(), view.viewport().grab()
        figures += [spent(shown.viewport().grab, 5), spent(view.viewport().grab, 5)]
    item = shown.nodes["n5"]

    def drag() -> None:
        item.moveBy(10, 0)
        shown.viewport().grab()

    figures += [spent(drag, 5)]
    document = shown.document
    edit = spent(lambda: document.set_value("n5", "c", time.perf_counter_ns() % 10**6), 5)
    print(f"{count:>6} " + "".join(f"{figure:>11.1f}" for figure in [*figures, edit]), flush=True)


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--nodes", type=int, nargs="*", default=[100, 300, 1000, 3000])
    given = options.parse_args()
    app = QApplication.instance() or QApplication([])
    assert isinstance(app, QApplication)
    theme.apply(app)
    starts = sorted(float(subprocess.check_output([sys.executable, "-c", START])) for _ in range(3))
    print(f"window: {starts[1]:.2f} s of CPU")
    names = ("load", "bare", "all", "bare", "100 %", "bare", "drag", "edit")
    print(" nodes " + "".join(f"{name:>11}" for name in names) + "   (CPU ms)")
    library = Library.of(mix)
    for count in given.nodes:
        row(count, library)
    os._exit(0)


if __name__ == "__main__":
    main()
