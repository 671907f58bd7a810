"""What the editor's process and a headless run have loaded."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import GRAPHS

WINDOW = """
import sys
from PySide6.QtWidgets import QApplication
from PySide6.QtCore import QTimer
from nodeflow.editor import main, theme
from nodeflow.editor.window import Window
opened = []
def look():
    opened.extend(QApplication.topLevelWidgets())
    QApplication.exit(0)
QTimer.singleShot(0, lambda: QTimer.singleShot(300, look))
main.edit(sys.argv[1:])
assert any(isinstance(each, Window) for each in opened)
print(" ".join({"torch", "transformers", "numpy", "PIL", "diffusers"} & set(sys.modules)))
"""

RUN = """
import sys
import nodeflow
nodeflow.load(sys.argv[1])(steps=1)
print(" ".join({"PySide6", "NodeGraphQt", "Qt", "shiboken6"} & set(sys.modules)))
"""


def outcome(code: str, folder: Path) -> list[str]:
    graph = shutil.copy(GRAPHS / "text-to-image.json", folder)
    done = subprocess.run([sys.executable, "-c", code, graph], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_the_window_opens_without_torch(qtbot, tmp_path):
    assert outcome(WINDOW, tmp_path) == []


def test_a_headless_run_leaves_no_qt(tmp_path):
    assert outcome(RUN, tmp_path) == []


def test_qt_keeps_its_references_to_none(qtbot):
    """PySide6 6.12 on Python 3.11 lost one at each call of a setter, and ended the program after thousands."""
    from PySide6.QtWidgets import QLabel

    label = QLabel()
    before = sys.getrefcount(None)
    for _ in range(1000):
        label.setText("x")
    assert abs(sys.getrefcount(None) - before) < 100


def test_nothing_but_the_view_of_nodegraphqt_is_loaded(qtbot):
    import nodeflow.editor.canvas.canvas  # noqa: F401

    loaded = {name for name in sys.modules if name.startswith("NodeGraphQt")}
    assert "NodeGraphQt.widgets.viewer" in loaded and "NodeGraphQt.base.graph" not in loaded


pytest.importorskip("PySide6")
