"""What the editor remembers between sessions: recent files, favourites, shortcuts. A JSON file in the user's folder."""

from __future__ import annotations

import contextlib
from pathlib import Path

import msgspec

from .. import content
from ..atomic import atomic_write
from ..errors import NodeflowError

RECENT = 12


class Settings(msgspec.Struct):
    """The settings; what cannot be read is as at first."""

    recent: list[str] = []
    favourites: list[str] = []
    shortcuts: dict[str, str] = {}
    window: str = ""

    @classmethod
    def load(cls) -> Settings:
        try:
            return msgspec.json.decode(_file().read_bytes(), type=cls)
        except (OSError, msgspec.MsgspecError):
            return cls()

    def save(self) -> None:
        """Write them; a folder that cannot be written costs the memory of a session."""
        with contextlib.suppress(OSError, NodeflowError):
            _file().parent.mkdir(parents=True, exist_ok=True)
            atomic_write(_file(), msgspec.json.format(msgspec.json.encode(self)))

    def opened(self, path: str) -> None:
        """A file was opened or saved: the newest of the recent ones."""
        path = str(Path(path).resolve())
        self.recent = [path, *(each for each in self.recent if each != path)][:RECENT]
        self.save()


def _file() -> Path:
    return content.user_folder("") / "editor.json"
