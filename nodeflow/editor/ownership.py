"""Which window a graph's file belongs to: a small file beside it says process and host.

`.heart.json.lock` beside `heart.json`. A window that finds another's may show the graph, and writes the file only after
it was taken over on purpose. What a killed process left is recognised: its host is this one, its process is gone. On
another host nobody can tell, so there it counts until it is taken over.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
from pathlib import Path

import msgspec

from .journal import alive


class Owner(msgspec.Struct, frozen=True):
    """A window: its process, its host, and a word that no other window has."""

    pid: int
    host: str
    word: str = ""

    @property
    def gone(self) -> bool:
        """Has its process ended, as far as can be told from here?"""
        return self.host == socket.gethostname() and self.pid != os.getpid() and not alive(self.pid)

    def __str__(self) -> str:
        where = "" if self.host == socket.gethostname() else f" on {self.host}"
        return f"another window (process {self.pid}{where})" if self.pid else "another window"


UNKNOWN = Owner(0, "")
"""Whoever wrote a lock that cannot be read."""


class Ownership:
    """One window's hold on one file.

    Args:
        path: The graph's file; empty = none, which nobody else can have.
    """

    def __init__(self, path: str) -> None:
        self._me = Owner(os.getpid(), socket.gethostname(), secrets.token_hex(8))
        self._lock: Path | None = None
        self.other: Owner | None = None
        """Whose the file is instead; None = ours."""
        self.move(path)

    def move(self, path: str) -> None:
        """Let go of the file, and try to have this one."""
        self.release()
        real = Path(path).resolve() if path else None
        self._lock = real.with_name(f".{real.name}.lock") if real else None
        self.other = None
        self._take()

    def look(self) -> Owner | None:
        """Who has the file now: None = this window, whose lock may have been taken over meanwhile."""
        if self._lock is not None:
            there = self._read()
            if there is None or there.gone:
                self._take()
            else:
                self.other = None if there == self._me else there
        return self.other

    def take_over(self) -> None:
        """Have the file, whoever has it."""
        if self._lock is not None:
            with contextlib.suppress(OSError):
                self._lock.unlink()
        self.other = None
        self._take()

    def release(self) -> None:
        """Let go, where it is ours."""
        if self._lock is not None and self._read() == self._me:
            with contextlib.suppress(OSError):
                self._lock.unlink()

    def _take(self) -> None:
        """Make the lock; in a folder that cannot be written there is none, and nothing to overwrite."""
        if self._lock is None:
            return
        for _ in range(2):
            try:
                with self._lock.open("xb") as file:
                    file.write(msgspec.json.encode(self._me))
                self.other = None
                return
            except FileExistsError:
                there = self._read()
                if there is not None and not there.gone:
                    self.other = None if there == self._me else there
                    return
                with contextlib.suppress(OSError):
                    self._lock.unlink()
            except OSError:
                return

    def _read(self) -> Owner | None:
        assert self._lock is not None
        try:
            return msgspec.json.decode(self._lock.read_bytes(), type=Owner)
        except msgspec.MsgspecError:
            return UNKNOWN
        except OSError:
            return None
