"""How long the window lets a person wait: until it is shown, while a large graph is edited in it, until a run begins.

    QT_QPA_PLATFORM=offscreen python benchmarks/window.py [--nodes 1000]

A timer that should tick all the time tells for how long the window did nothing else: the longest time without a tick
after each thing that is done, until two seconds later, so that what follows (a look at the graph by the worker, the
journal, the answer's marks) counts too. CPU milliseconds of the thread of the window, and by the clock; the least of
three. Goals: shown within 1 s, no stall of 16 ms.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PySide6.QtCore import QTimer
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from nodeflow import content
from nodeflow.editor import theme
from nodeflow.editor.window import Window
from nodeflow.graph import Graph, Node, load
from nodeflow.packs import default_library

START = """
import time; cpu, clock = time.process_time(), time.perf_counter()
from PySide6.QtWidgets import QApplication
from nodeflow.editor import theme
from nodeflow.editor.window import Window
from nodeflow.packs import default_library
app = QApplication([]); theme.apply(app); window = Window(default_library()); window.show(); app.processEvents()
window.grab(); tree = window.palette_.tree
print(time.process_time() - cpu, time.perf_counter() - clock,
      sum(tree.topLevelItem(row).childCount() for row in range(tree.topLevelItemCount())))
"""
"""Shows a window and says how long that took, and how many node types its palette has."""
WIDE = 40
"""Nodes a row."""
AFTER = 2000
"""Milliseconds that a thing is watched for."""


def graph(count: int) -> Graph:
    """Rows of nodes that make a picture smaller, each of the one before."""
    made = Graph()
    made.nodes["n0"] = Node("image/load", values={"path": "none.png"})
    for place in range(1, count):
        wires = {"image": f"n{place - 1}.image"}
        made.nodes[f"n{place}"] = Node("image/resize", values={"width": place}, wires=dict(wires))
    for place in range(count):
        made.view[f"n{place}"] = {"at": [place % WIDE * 300, place // WIDE * 300]}
    return made


class Ticking:
    """Watches the thread of the window."""

    def __init__(self) -> None:
        self._timer = QTimer(interval=0)
        self._timer.timeout.connect(self._tick)
        self._last = (0.0, 0.0)
        self._worst = [0.0, 0.0]

    def _tick(self) -> None:
        now = (time.thread_time(), time.perf_counter())
        for clock in (0, 1):
            self._worst[clock] = max(self._worst[clock], (now[clock] - self._last[clock]) * 1000)
        self._last = now

    def worst(self, work: Callable[[], object], wait: int = AFTER) -> tuple[float, float]:
        """The longest time without a tick while this is done and after it: of the thread, and by the clock."""
        self._worst, self._last = [0.0, 0.0], (time.thread_time(), time.perf_counter())
        self._timer.start()
        work()
        self._tick()
        QTest.qWait(wait)
        self._timer.stop()
        return self._worst[0], self._worst[1]


def stalls(window: Window, count: int) -> None:
    """What is done to a graph of many nodes in the window."""
    print(f"{count} nodes: the longest stall, ms" + " " * 7 + "thread   clock")
    ticking = Ticking()
    opened: list[tuple[float, float]] = [ticking.worst(lambda: window.show_graph(graph(count)), 8000)]
    space = window.current
    assert space is not None
    document, canvas, last = space.document, space.canvas, f"n{count - 1}"
    some = [f"n{place}" for place in range(100)]
    numbers = iter(range(2, 100_000))
    line = canvas.nodes[last].face.field("width")
    assert line is not None

    def type_number() -> None:
        canvas.fields.edit(canvas.nodes[last], line)
        QTest.keyClicks(canvas.fields.open, str(next(numbers)))
        canvas.fields.close()

    steps: dict[str, Callable[[], object]] = {
        "set a value": lambda: document.set_value(last, "width", next(numbers)),
        "type into a field": type_number,
        "move a node": lambda: document.place({last: (next(numbers), 5)}),
        "move a hundred": lambda: document.place({name: (next(numbers), 5) for name in some}),
        "undo that": lambda: window.commands.do("undo"),
        "wire": lambda: document.connect(f"n{next(numbers)}.image", f"{last}.image"),
        "select one": lambda: canvas.select([f"n{next(numbers)}"]),
        "select all": lambda: (canvas.select([]), window.commands.do("select_all")),
        "set a value of all": lambda: space.inspector._set("width", next(numbers)),
        "duplicate one": lambda: (canvas.select([last]), window.commands.do("duplicate")),
    }
    found = {"open": opened} | {label: [ticking.worst(step) for _ in range(3)] for label, step in steps.items()}
    found["delete all"] = [ticking.worst(lambda: document.remove(document.graph.nodes))]
    found["undo the deletion"] = [ticking.worst(document.undo)]
    for label, times in found.items():
        print(f"  {label:<28}{min(one for one, _ in times):>10.1f}{min(other for _, other in times):>8.1f}", flush=True)


def first_run(window: Window) -> None:
    """From the press on Run until the first node has begun, and until all is done; then once more with another seed."""
    made = load(content.folder("graphs") / "text-to-image.json")
    made.nodes["schedule"].values["steps"] = 2
    space = window.show_graph(made)
    for label in ("first run", "another seed"):
        began = time.perf_counter()
        window.run()
        while not any(mark.state == "running" for mark in space.marks.nodes.values()):
            QTest.qWait(1)
        started = time.perf_counter()
        while space.runs.running:
            QTest.qWait(1)
        print(f"{label}: a node runs after {started - began:.2f} s, all done after {time.perf_counter() - began:.2f} s")
        space.document.set_value("denoise", "seed", 7)


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--nodes", type=int, default=1000)
    given = options.parse_args()
    os.environ["NODEFLOW_DATA"] = tempfile.mkdtemp()
    shown = [subprocess.check_output([sys.executable, "-c", START], text=True).split() for _ in range(4)][1:]
    cpu, clock, types = min(shown, key=lambda each: float(each[1]))
    print(f"window shown after {float(cpu):.2f} s of CPU, {float(clock):.2f} s by the clock, with {types} node types")
    app = QApplication([])
    theme.apply(app)
    window = Window(default_library())
    window.resize(1920, 1080)
    window.show()
    app.processEvents()
    first_run(window)
    stalls(window, given.nodes)
    window.hub.close()
    shutil.rmtree(os.environ["NODEFLOW_DATA"], ignore_errors=True)
    os._exit(0)


if __name__ == "__main__":
    main()
