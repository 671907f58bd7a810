"""Windows that were opened, run in and closed leave nothing: no node, widget, thread, process, file or object."""

from __future__ import annotations

import gc
import os
import sys
import threading
from collections import Counter
from collections.abc import Callable

import pytest

from nodeflow.graph import Graph

pytest.importorskip("PySide6")


def small() -> Graph:
    graph = Graph()
    graph.outputs["value"] = graph.add("value/integer", value=3)["value"]
    return graph


def children() -> int:
    """Processes of this one, those that nobody has waited for among them."""
    with open(f"/proc/self/task/{os.getpid()}/children") as file:
        return len(file.read().split())


def left(qapp) -> dict[str, int]:
    """What there is of all that a window could leave."""
    kinds = Counter(
        type(each).__name__ for each in gc.get_objects() if str(type(each).__module__).startswith("nodeflow")
    )
    linux = {"files": len(os.listdir("/proc/self/fd")), "processes": children()} if sys.platform == "linux" else {}
    return {**kinds, **linux, "threads": threading.active_count(), "widgets": len(qapp.allWidgets()),
            "styles": sum(type(each).__name__ == "QCommonStyle" for each in gc.get_objects())}  # fmt: skip


def grown(qapp, cycle: Callable[[], None], times: int) -> dict[str, int]:
    """What there is more of after further cycles; the first ones may fill memories that stay."""

    def whole() -> None:
        cycle()
        qapp.sendPostedEvents(None, 52)
        qapp.processEvents()
        gc.collect()

    for _ in range(2):
        whole()
    before = left(qapp)
    for _ in range(times):
        whole()
    return {name: count - before.get(name, 0) for name, count in left(qapp).items() if count > before.get(name, 0)}


def test_windows_leave_nothing(qtbot, qapp, library):
    from nodeflow.editor.runs import Hub
    from nodeflow.editor.window import Window

    def cycle() -> None:
        window = Window(library, Hub())
        space = window.show_graph(small())
        window.show()
        space.document.set_value("integer", "value", 5)
        space.document.duplicate(["integer"])
        space.document.undo()
        space.canvas.select(["integer"])
        space.runs._soon.stop()
        window.files.leaving = True
        window.close()
        window.deleteLater()

    assert grown(qapp, cycle, 12) == {}


def test_runs_leave_nothing(qtbot, qapp, library):
    """With a worker of its own in each window."""
    from nodeflow.editor.runs import Hub
    from nodeflow.editor.window import Window

    def cycle() -> None:
        window = Window(library, Hub())
        space = window.show_graph(small())
        space.runs.run()
        qtbot.waitUntil(lambda: not space.runs.running, timeout=60_000)
        assert space.runs.job.state == "done"
        space.runs._soon.stop()
        window.files.leaving = True
        window.close()
        window.deleteLater()

    assert grown(qapp, cycle, 2) == {}
