"""Documents without Qt, and a window with a real worker."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from nodeflow import content
from nodeflow.editor.document import Document
from nodeflow.graph import Graph, load
from nodeflow.packs import Library, default_library

if TYPE_CHECKING:
    from nodeflow.editor.window import Window

GRAPHS = content.folder("graphs")


@pytest.fixture(scope="session")
def library() -> Library:
    return default_library()


@pytest.fixture
def document(library: Library) -> Document:
    """Text to image."""
    return Document(load(GRAPHS / "text-to-image.json"), library)


@pytest.fixture
def empty(library: Library) -> Document:
    return Document(Graph(), library)


@pytest.fixture(scope="module")
def hub(qapp: Any) -> Iterator[Any]:
    """One worker for the tests of a file."""
    from nodeflow.editor.runs import Hub

    made = Hub()
    yield made
    made.close()


@pytest.fixture
def window(qtbot: Any, qapp: Any, library: Library, hub: Any) -> Iterator[Window]:
    from nodeflow.editor import theme
    from nodeflow.editor.window import Window

    theme.apply(qapp)
    made = Window(library, hub)
    closes, hub.close = hub.close, lambda: None  # the worker is for the next test, too
    made.resize(1500, 950)
    made.show()
    yield made
    made.files.leaving = True
    made.close()
    hub.close = closes
    made.deleteLater()


def keys(widget, text="", *pressed):
    from PySide6.QtTest import QTest

    if text:
        QTest.keyClicks(widget, text)
    for key in pressed:
        QTest.keyClick(widget, key)


class Hands:
    """Gestures on a canvas, as a person makes them."""

    def __init__(self, qtbot: Any, window: Window) -> None:
        self.qtbot, self.window = qtbot, window

    @property
    def canvas(self) -> Any:
        return self.window.current.canvas

    def point(self, at: Any) -> Any:
        return self.canvas.mapFromScene(at)

    def port(self, name: str, side: str, port: str) -> Any:
        return self.canvas.nodes[name].port_place(side, port)

    def field(self, name: str, field: str, share: float = 0.5) -> Any:
        from nodeflow.editor.canvas.painting import field_rect

        node = self.canvas.nodes[name]
        rect = field_rect(node.face.field(field))
        rect.setLeft(rect.left() + rect.width() * share)
        return node.mapToScene(rect.topLeft().x(), rect.center().y())

    def drag(self, start: Any, end: Any, *, held: Any = None, before: Callable[[], None] = lambda: None) -> None:
        from PySide6.QtCore import Qt
        from PySide6.QtTest import QTest

        held = held or Qt.KeyboardModifier.NoModifier
        pane, left = self.canvas.viewport(), Qt.MouseButton.LeftButton
        QTest.mousePress(pane, left, held, self.point(start))
        for share in (0.3, 0.7, 1.0):
            self._move(self.point(start + (end - start) * share), held)
        before()
        QTest.mouseRelease(pane, left, held, self.point(end))

    def _move(self, point: Any, held: Any) -> None:
        """QTest moves the mouse without buttons."""
        from PySide6.QtCore import QEvent, QPointF, Qt
        from PySide6.QtGui import QMouseEvent
        from PySide6.QtWidgets import QApplication

        pane, left = self.canvas.viewport(), Qt.MouseButton.LeftButton
        there = QPointF(pane.mapToGlobal(point))
        event = QMouseEvent(QEvent.Type.MouseMove, QPointF(point), there, Qt.MouseButton.NoButton, left, held)
        QApplication.sendEvent(pane, event)

    def click(self, at: Any) -> None:
        from PySide6.QtCore import Qt
        from PySide6.QtTest import QTest

        QTest.mouseClick(self.canvas.viewport(), Qt.MouseButton.LeftButton, pos=self.point(at))

    def do(self, name: str) -> None:
        self.window.commands.do(name)

    def run(self) -> None:
        """Run and wait until the worker has said all."""
        runs = self.window.current.runs
        runs.run()
        self.qtbot.waitUntil(lambda: not runs.running, timeout=60_000)
        assert runs.job.state == "done", runs.job.told
        self.settle()

    def settle(self) -> None:
        """Wait until the worker has looked at the graph as it is."""
        runs = self.window.current.runs
        self.qtbot.waitUntil(lambda: runs._asked[0] == self.window.current.document.text and not runs._soon.isActive())
        with self.qtbot.waitSignal(runs.summary_changed, timeout=20_000, raising=True):
            runs.open()


@pytest.fixture
def hands(qtbot: Any, window: Window) -> Hands:
    return Hands(qtbot, window)


@pytest.fixture
def opened(window: Window, tmp_path: Path, qtbot: Any) -> Path:
    """Text to image with 4 steps, open in the window."""
    path = tmp_path / "heart.json"
    path.write_text((GRAPHS / "text-to-image.json").read_text().replace('"steps": 20', '"steps": 4'))
    window.files.open_path(str(path))
    qtbot.wait(10)
    return path
