"""`nodeflow edit`: the application, its window, and what is opened in it."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QApplication

from ..packs import default_library
from .guard import tell_window
from .window import Window


def edit(paths: Sequence[str] = ()) -> int:
    """Open the editor with these graphs; returns when its window is closed."""
    QGuiApplication.setHighDpiScaleFactorRoundingPolicy(Qt.HighDpiScaleFactorRoundingPolicy.PassThrough)
    app = QApplication.instance() or QApplication([sys.argv[0]])
    assert isinstance(app, QApplication)
    app.setApplicationName("nodeflow")
    app.setDesktopFileName("nodeflow")
    window = Window(default_library())
    for path in paths:
        window.files.open_path(path)
    tell_window(window)
    window.show()
    QTimer.singleShot(0, lambda: recover(window))
    for fault in [*window.faults, *window.library.faults]:
        window.log.add(fault.line)
    return app.exec()


def recover(window: Window) -> None:
    """Offer what windows that ended left behind: unsaved graphs first, then runs."""
    waiting = window.queueing.take_over()
    window.files.recover()
    if waiting and not window.notice.isVisible():
        runs = "A run" if waiting == 1 else f"{waiting} runs"
        window.notice.ask(f"{runs} of a window that ended did not finish.", Run=window.queueing.retry_all,
                          Later=lambda: None)  # fmt: skip
