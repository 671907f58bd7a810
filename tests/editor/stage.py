"""The editor's window on a screen of its own, for hands outside: run as a program it shows a window and answers.

Each line on its standard input is an expression over `window`, `space`, `canvas` and `document`; its value goes back
as a line of JSON.
"""

from __future__ import annotations

import json
import sys
from typing import Any


def main() -> None:
    from PySide6.QtCore import QPointF, QSocketNotifier
    from PySide6.QtWidgets import QApplication

    from nodeflow.editor import theme
    from nodeflow.editor.window import Window
    from nodeflow.packs import default_library

    app = QApplication([])
    theme.apply(app)
    window = Window(default_library())
    window.setGeometry(0, 0, 1280, 800)
    window.show()
    window.activateWindow()

    def screen(point: QPointF) -> list[int]:
        canvas = window.current.canvas
        at = canvas.viewport().mapToGlobal(canvas.mapFromScene(point))
        return [at.x(), at.y()]

    def scene(x: int, y: int) -> list[float]:
        canvas = window.current.canvas
        at = canvas.viewportTransform().inverted()[0].map(QPointF(canvas.viewport().mapFromGlobal(QPointF(x, y))))
        return [at.x(), at.y()]

    def answer() -> None:
        line = sys.stdin.readline()
        if not line:
            window.files.leaving = True
            window.close()
            app.quit()
            return
        space = window.current
        known: dict[str, Any] = {"window": window, "screen": screen, "scene": scene, "QPointF": QPointF, "space": space}
        known |= {"canvas": space.canvas, "document": space.document} if space else {}
        try:
            said = json.dumps({"value": eval(line, known)}, default=lambda _: None)
        except Exception as error:
            said = json.dumps({"error": f"{type(error).__name__}: {error}"})
        print(said, flush=True)

    notifier = QSocketNotifier(0, QSocketNotifier.Type.Read)
    notifier.activated.connect(answer)
    print(json.dumps({"value": True}), flush=True)
    app.exec()


if __name__ == "__main__":
    main()
