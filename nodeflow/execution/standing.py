"""How far an interrupted node had come, on disk: from there it goes on instead of beginning anew.

`<key>.<step>.<total>.state` holds what a node last kept under the key of its step, checksummed like a result. Keys
cover all that a result depends on, so that a state never meets other inputs, another seed or other code. A file comes
into being by one rename; the one before it goes after. One that is not whole is said once, and the node begins anew.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from ..values import mapped
from .disk import packed, replace, unpacked

SUFFIX = ".state"
LIMIT = 32
"""States that are kept of nodes that nobody went on with, the newest ones."""


class Place(NamedTuple):
    """How far a node had come."""

    step: int
    total: int


class States:
    """States of unfinished nodes in a folder, by the keys of their steps.

    Args:
        folder: Made when the first state is kept.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def known(self) -> dict[bytes, Place]:
        """How far each had come; reads names only."""
        return {key: place for key, place, _ in sorted(self._files(), key=lambda file: file[1])}

    def get(self, key: bytes) -> tuple[Any, Place] | None:
        """What was kept last; None when nothing was.

        Raises:
            ValueError: The file is not whole, or another's; it is removed.
        """
        found = [(place, name) for other, place, name in self._files() if other == key]
        if not found:
            return None
        place, name = max(found)
        try:
            kept = unpacked((self.folder / name).read_bytes())
            if kept["key"] != key.hex():
                raise ValueError("it belongs to another node")
        except Exception as error:
            self.drop(key)
            raise ValueError(f"the saved state is unreadable, so the node begins anew: {name}: {error}") from error
        return kept["state"], place

    def put(self, key: bytes, place: Place, state: object) -> None:
        """Keep a state in the place of the one before.

        Raises:
            OSError: The folder cannot be written.
            NodeflowError: NF502, the state holds more than values, arrays and plain data.
        """
        on_host = mapped(state, lambda array: array if str(array.device) == "cpu" else array.to("cpu"))
        self.folder.mkdir(parents=True, exist_ok=True)
        new = f"{key.hex()}.{place.step}.{place.total}{SUFFIX}"
        replace(self.folder / new, packed({"key": key.hex(), "state": on_host}))
        files = sorted(self._files(), key=self._age, reverse=True)
        for place_in_line, (other, _, name) in enumerate(files):
            if name != new and (other == key or place_in_line >= LIMIT):
                self._remove(name)

    def drop(self, key: bytes) -> None:
        """Forget what was kept."""
        for other, _, name in self._files():
            if other == key:
                self._remove(name)

    def clear(self) -> None:
        """Forget everything."""
        for _, _, name in self._files():
            self._remove(name)

    def _files(self) -> list[tuple[bytes, Place, str]]:
        found = []
        with contextlib.suppress(OSError):
            for name in os.listdir(self.folder):
                if name.endswith(SUFFIX):
                    with contextlib.suppress(ValueError):
                        key, step, total, _ = name.split(".")
                        found.append((bytes.fromhex(key), Place(int(step), int(total)), name))
        return found

    def _age(self, file: tuple[bytes, Place, str]) -> float:
        with contextlib.suppress(OSError):
            return (self.folder / file[2]).stat().st_mtime
        return 0.0

    def _remove(self, name: str) -> None:
        with contextlib.suppress(OSError):
            os.unlink(self.folder / name)


class Standing:
    """What one call of a node keeps, and goes on from.

    Args:
        states: Where states are kept; None = nowhere.
        key: The key of the step, None where it is not known, or nothing is to be reused.
        every: Keep each so manieth step; 0 = only when the run is stopped.
        resume: Go on from what is there.
        stopping: Whether the run is being stopped.
        warn: Told, once, what could not be read or written.
    """

    def __init__(
        self,
        states: States | None,
        key: Callable[[], bytes | None],
        every: int,
        resume: bool,
        stopping: Callable[[], bool],
        warn: Callable[[str], object],
    ) -> None:
        self._states = states
        self._key = key
        self._every = every
        self._resume = resume
        self._stopping = stopping
        self._warn = warn
        self._used: bytes | None = None

    def keep(self, step: int, total: int, state: Callable[[], object]) -> None:
        """Keep the state after a step, if it is due."""
        due = self._stopping() or (self._every and step % self._every == 0)
        if not due or step >= total or self._states is None:
            return
        self._used = self._used or self._key()
        if self._used is None:
            return
        try:
            self._states.put(self._used, Place(step, total), state())
        except OSError as error:
            self._warn(f"the state cannot be saved to {self._states.folder}: {error.strerror}")
            self._states = None

    def kept(self) -> tuple[Any, Place] | None:
        """What was kept last, if the run is to go on from it."""
        if self._states is None:
            return None
        self._used = self._used or self._key()
        if self._used is None or not self._resume:
            return None
        try:
            return self._states.get(self._used)
        except ValueError as error:
            self._warn(str(error))
            return None

    def over(self) -> None:
        """The node is done: its state is of no more use."""
        if self._states is not None and self._used is not None:
            self._states.drop(self._used)
