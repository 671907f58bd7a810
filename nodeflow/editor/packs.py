"""Node packs that change while the window is open: watched, and used again without a restart.

A pack that is broken is one line in the log; its nodes are unknown until it is mended, the others stay.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QFileSystemWatcher, QObject, QTimer

from .. import content
from ..packs.find import packs

if TYPE_CHECKING:
    from .window import Window

REST_MS = 500
"""From the last change of a file until packs are read again: editors write a file in several steps."""


class Packs(QObject):
    """The packs of a window.

    Args:
        window: The window.
    """

    def __init__(self, window: Window) -> None:
        super().__init__(window)
        self.window = window
        self._watcher = QFileSystemWatcher(self)
        self._soon = QTimer(self, singleShot=True, interval=REST_MS)
        self._soon.timeout.connect(self.reload)
        self._watcher.directoryChanged.connect(lambda _: self._soon.start())
        self._watcher.fileChanged.connect(lambda _: self._soon.start())
        self.watch()

    def watch(self) -> None:
        """Notice changes in the user's packs, those that are added later, too."""
        folder = content.user_folder("packs")
        paths = {folder} if folder.is_dir() else set[Path]()
        for pack in packs() if folder.is_dir() else ():
            if folder in pack.root.parents:
                paths |= {pack.root, *pack.files(), *(file.parent for file in pack.files())}
        wanted, watched = {str(path) for path in paths}, {*self._watcher.files(), *self._watcher.directories()}
        if gone := watched - wanted:
            self._watcher.removePaths([*gone])
        if new := wanted - watched:
            self._watcher.addPaths([*new])

    def reload(self) -> None:
        """Read all packs again; what of them is broken is told."""
        window, library = self.window, self.window.library
        before = {fault.line for fault in library.faults}
        library.renew(packs(), content.cache_folder())
        self.watch()
        new = [fault for fault in library.faults if fault.line not in before]
        for fault in new:
            window.log.add(fault.line)
        if new:
            window.notice.ask(f"{new[0].line}.", OK=lambda: None)
        window.say(f"{len(library.ids())} node types; {len(library.faults)} faults in packs, see the log"
                   if library.faults else f"{len(library.ids())} node types")  # fmt: skip
        window.palette_.retint()
        window.hub.reload()
        for space in window.spaces:
            space.canvas.new_faces()
            space.runs.open()
