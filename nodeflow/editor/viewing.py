"""What the window shows and keeps of what its runs make: viewers, the player, files in the folder of outputs."""

from __future__ import annotations

import dataclasses
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, QUrl
from PySide6.QtGui import QDesktopServices

from .. import content
from ..errors import NodeflowError
from ..media.outputs import save_all
from ..worker.messages import Picture, Sound
from .background import Background
from .made import Made
from .playing import Player
from .viewer import Viewer

if TYPE_CHECKING:
    from .window import Window
    from .workspace import Workspace

HISTORY = 24
"""Earlier results of a node that are kept to be compared with."""


class Viewing(QObject):
    """Viewers and sounds of a window.

    Args:
        window: The window.
        background: Where files are written.
    """

    def __init__(self, window: Window, background: Background) -> None:
        super().__init__(window)
        self.window, self.background = window, background
        self.player = Player()
        self.viewers: list[Viewer] = []
        self._before: dict[tuple[Workspace, str], list[Made]] = {}
        self.player.moved.connect(self._heads)
        self.player.refused.connect(self._refused)

    # Looking

    def remember(self, space: Workspace) -> None:
        """A run begins: what the nodes show now is their history then."""
        for name, mark in space.marks.nodes.items():
            if mark.final or mark.sounds:
                had = self._before.setdefault((space, name), [])
                new = [made for made in self._of(space, name) if made.item not in [each.item for each in had]]
                had[:] = [*new, *had][:HISTORY]

    def forget(self, space: Workspace) -> None:
        """A graph is closed."""
        self.player.stop()
        for key in [key for key in self._before if key[0] is space]:
            del self._before[key]

    def look_at(self, space: Workspace, name: str) -> None:
        """Open what a node made, and what it made before."""
        now = self._of(space, name)
        before = [made for made in self._before.get((space, name), []) if made.item not in [each.item for each in now]]
        if now:
            self.open(f"{name}: {space.document.title}", [*now, *before])

    def _of(self, space: Workspace, name: str) -> list[Made]:
        mark, graph = space.marks.of(name), space.runs.job.run.graph if space.runs.job else ""
        items: tuple[Picture | Sound, ...] = (*mark.sounds, *mark.pictures)
        return [Made(f"{space.document.title}, {name}", item, graph, at=time.time()) for item in items]

    def open(self, title: str, items: Sequence[Made], place: int = 0) -> Viewer:
        """A viewer of these."""
        view = Viewer(title, items, self.player, place)
        view.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        view.graph_wanted.connect(self.open_graph)
        self.viewers = [*self.viewers, view]
        view.destroyed.connect(lambda: setattr(self, "viewers", [each for each in self.viewers if each is not view]))
        view.show()
        return view

    def open_graph(self, made: object) -> None:
        """Open the graph that made it."""
        assert isinstance(made, Made)
        try:
            self.window.files.open_text(made.graph_text())
        except NodeflowError as error:
            self.window.say(error.faults[0].line)

    # Hearing

    def hear(self, space: Workspace, name: str, share: float) -> None:
        """Play the sound of a node from there; below 0: play it, or stop it."""
        if sounds := space.marks.of(name).sounds:
            self.player.toggle(sounds[0]) if share < 0 else self.player.play(sounds[0], share)

    def _heads(self) -> None:
        for space in self.window.spaces:
            for node in space.canvas.nodes.values():
                node.set_played(self.player.share_of(node.mark.sounds[0]) if node.mark.sounds else 0.0)

    def _refused(self, why: str, sound: object) -> None:
        """Sounds cannot be played here: a program of the user's may."""
        assert isinstance(sound, Sound)

        def hand_over() -> None:
            suffix = ".flac" if sound.data[:4] == b"fLaC" else ".wav"
            with tempfile.NamedTemporaryFile(suffix=suffix, prefix="nodeflow-", delete=False) as file:
                file.write(sound.data)
            QDesktopServices.openUrl(QUrl.fromLocalFile(file.name))

        fix = "install sounddevice and PortAudio to hear it here"
        self.window.notice.ask(f"Sounds cannot be played: {why}; {fix}.", Open_in_my_player=hand_over,
                               Dismiss=lambda: None)  # fmt: skip

    # Keeping

    def made(self, made: Made, keep: bool) -> None:
        """A run made this: put it into the gallery, and into the folder of outputs if that is wanted."""
        self.window.gallery.add(made)
        if keep:
            folder = content.user_folder("outputs")
            self.background.do(_writing(made, folder), lambda result: self._kept(made, result))

    def _kept(self, made: Made, result: Made | str) -> None:
        if isinstance(result, Made):
            self.window.gallery.shelf.replace(made, result)
        else:
            self.window.log.add(result)
            self.window.say(result)

    def close(self) -> None:
        self.player.stop()
        for view in list(self.viewers):
            view.close()


def _writing(made: Made, folder: Path) -> Callable[[Callable[[], bool]], Iterator[Made | str]]:
    """Writes it, and yields it with its file; or why it could not be written."""

    def write(stopped: Callable[[], bool]) -> Iterator[Made | str]:
        assert made.item is not None
        stem = re.sub(r"\W+", "-", made.title).strip("-") or "output"
        suffix = ".png"
        if isinstance(made.item, Sound):
            suffix = ".flac" if made.item.data[:4] == b"fLaC" else ".wav"
        elif made.item.format != "PNG":
            suffix = f".{made.item.format.lower()}"
        name = f"{time.strftime('%Y-%m-%d')}/{stem}-{{index:04}}"
        try:
            (path,) = save_all([made.item.data], folder, name, suffix, {})
            yield dataclasses.replace(made, file=str(path))
        except NodeflowError as error:
            yield error.faults[0].line

    return write
