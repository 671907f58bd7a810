"""What was done since the last save, on disk within a second: after a kill, the editor offers it.

One file a window in the user's data folder: the text of the graph as it is, the file it belongs to, and who writes it.
It is replaced whole, so it is never half there, and removed when the document is saved or closed.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from dataclasses import dataclass
from pathlib import Path

import msgspec

from .. import content
from ..atomic import atomic_write
from ..errors import NodeflowError


class Entry(msgspec.Struct):
    """An unsaved graph: its text, its file (empty = none yet), the process that edits it, and when it was written."""

    text: str
    path: str
    pid: int
    at: float


@dataclass(frozen=True)
class Found:
    """An unsaved graph that nobody edits any more, and where its entry is."""

    entry: Entry
    file: Path

    @property
    def title(self) -> str:
        return Path(self.entry.path).name if self.entry.path else "Untitled"

    def discard(self) -> None:
        """Forget it."""
        with contextlib.suppress(OSError):
            self.file.unlink()


class Journal:
    """The entry of one window."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or content.user_folder("unsaved")
        self._file = self._folder / f"{os.getpid()}-{secrets.token_hex(4)}.json"

    def write(self, text: str, path: str) -> str:
        """Keep the graph as it is now; returns why that failed, empty when it did not."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            atomic_write(self._file, msgspec.json.encode(Entry(text, path, os.getpid(), time.time())))
        except (OSError, NodeflowError) as error:
            return str(error)
        return ""

    def clear(self) -> None:
        """Everything is saved, or thrown away on purpose."""
        with contextlib.suppress(OSError):
            self._file.unlink()


def left_behind(folder: Path | None = None) -> list[Found]:
    """The unsaved graphs of processes that are gone, newest first."""
    found = []
    for file in (folder or content.user_folder("unsaved")).glob("*.json"):
        try:
            entry = msgspec.json.decode(file.read_bytes(), type=Entry)
        except (OSError, msgspec.MsgspecError):
            continue
        if not alive(entry.pid):
            found.append(Found(entry, file))
    return sorted(found, key=lambda each: -each.entry.at)


def alive(pid: int) -> bool:
    """Is there a process of that number?"""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
