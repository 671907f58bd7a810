"""The tier that outlives the process: one checksummed file a result, named after its key.

`<key>.<milliseconds>.result`: magic, blake2b of the rest, the rest as `packing.serialise` writes it. A file comes into
being by one rename, so that processes share a folder without locks: a reader sees a whole file or none, two writers
of one key write the same. Files are not synced: after a power cut the checksum finds what is torn, and it is
computed again. Rejected: a lock file (a killed holder blocks the others), pickles (they run code).
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import queue
import tempfile
import threading
import weakref
from collections.abc import Callable, Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any

from ..errors import NodeflowError
from ..packing import deserialise, serialise
from .tiers import Entry, places, to_host

MAGIC = b"NFR1"
DIGEST = 20
SUFFIX = ".result"
KEEP = "keep"


class Disk:
    """Results in a folder, within a budget of bytes.

    Args:
        folder: Made when it is not there.
        budget: Bytes of all files together.
    """

    def __init__(self, folder: Path, budget: int) -> None:
        self.folder = folder
        self.budget = budget
        self.used = 0
        self._files: dict[bytes, tuple[str, int]] = {}
        self._pending: dict[bytes, Entry] = {}
        self._warnings: list[str] = []
        self._lock = threading.Lock()
        self._work: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._seen = -1
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            what = f"the cache folder cannot be made: {error.strerror}"
            raise NodeflowError("NF108", what, where=str(folder), fix="choose another folder") from error
        self.refresh()

    def __contains__(self, key: bytes) -> bool:
        return key in self._files or key in self._pending

    def refresh(self) -> None:
        """Read the folder again if it has changed."""
        with self._lock, contextlib.suppress(OSError):
            seen = os.stat(self.folder).st_mtime_ns
            if seen == self._seen:
                return
            self._seen = seen
            self._files = dict(self._listed())
            self.used = sum(size for _, size in self._files.values())

    def _listed(self) -> list[tuple[bytes, tuple[str, int]]]:
        found = []
        with os.scandir(self.folder) as entries:
            for entry in entries:
                if entry.name.endswith(SUFFIX):
                    with contextlib.suppress(OSError, ValueError):
                        key = bytes.fromhex(entry.name.partition(".")[0])
                        found.append((key, (entry.name, entry.stat().st_size)))
        return found

    def get(self, key: bytes) -> Entry | None:
        """A stored result; None when it is not there or not whole, which is said once in `warnings`."""
        waiting = self._pending.get(key)
        if waiting is not None:
            return waiting if waiting.intact else None
        name, _ = self._files.get(key, ("", 0))
        if not name:
            return None
        try:
            return _entry(unpacked((self.folder / name).read_bytes()))
        except FileNotFoundError:
            self._forget(key)
        except Exception as error:
            self._warnings.append(f"a cached result is unreadable and will be computed again: {name}: {error}")
            self.drop(key)
        return None

    def put(self, key: bytes, entry: Entry) -> None:
        """Write a result behind the run; one that cannot be serialised stays unwritten."""
        if key not in self:
            self._pending[key] = entry
            self._later(lambda: self._write(key, entry))

    def drop(self, key: bytes) -> None:
        """Remove a result."""
        self._pending.pop(key, None)
        name = self._forget(key)
        if name:
            with contextlib.suppress(OSError):
                os.unlink(self.folder / name)

    def clear(self) -> None:
        """Remove all results."""
        self.flush()
        for key in list(self._files):
            self.drop(key)

    def flush(self) -> None:
        """Wait until everything is written."""
        if self._thread is not None:
            done = threading.Event()
            self._later(done.set)
            done.wait()

    def warnings(self) -> list[str]:
        """What was unreadable since the last call."""
        found, self._warnings = self._warnings, []
        return found

    def history(self, name: str) -> dict[str, Any] | None:
        """What `remember` wrote last."""
        try:
            found = json.loads(self._history_file(name).read_bytes())
        except (OSError, ValueError):
            return None
        return found if isinstance(found, dict) else None

    def remember(self, name: str, record: Callable[[], Mapping[str, Any]]) -> None:
        """Keep a record of a graph's last run; made and written behind the run."""
        self._later(lambda: replace(self._history_file(name), json.dumps(record()).encode()))

    def _history_file(self, name: str) -> Path:
        return self.folder / f"{blake2b(os.path.abspath(name).encode(), digest_size=12).hexdigest()}.history"

    def _later(self, work: Callable[[], None]) -> None:
        self._work.put(work)
        if self._thread is None:
            self._thread = threading.Thread(target=_worker, args=(self._work,), name="nodeflow-disk", daemon=True)
            self._thread.start()
            atexit.register(_flush_if_alive, weakref.ref(self))

    def _write(self, key: bytes, entry: Entry) -> None:
        if self._pending.get(key) is not entry:
            return
        try:
            data = packed(_outlined(entry))
        except Exception:  # not data that packing knows: it stays in memory only
            data = b""
        if data and entry.intact and len(data) <= self.budget:
            worth = KEEP if entry.keep else str(round(entry.seconds * 1000))
            name = f"{key.hex()}.{worth}{SUFFIX}"
            try:
                replace(self.folder / name, data)
            except OSError as error:
                self._warnings.append(f"a result could not be written to {self.folder}: {error.strerror}")
            else:
                with self._lock:
                    self._files[key] = (name, len(data))
                    self.used += len(data)
                self._evict()
        self._pending.pop(key, None)

    def _evict(self) -> None:
        """Remove the cheapest results per byte; a little more than needed, so that not every write has to."""
        if self.used <= self.budget:
            return
        for key, (_, size) in sorted(self._files.items(), key=lambda item: _worth(*item[1])):
            if self.used <= self.budget * 0.9 or size == 0:
                break
            self.drop(key)

    def _forget(self, key: bytes) -> str:
        with self._lock:
            name, size = self._files.pop(key, ("", 0))
            self.used -= size
            return name


def _worth(name: str, size: int) -> float:
    worth = name.split(".")[1]
    return float("inf") if worth == KEEP or not worth.isdigit() else int(worth) / max(size, 1)


def packed(value: object) -> bytes:
    """Plain data with values in host memory, as bytes with their checksum."""
    body = serialise(value)
    return MAGIC + blake2b(body, digest_size=DIGEST).digest() + body


def unpacked(data: bytes) -> Any:
    """What `packed` made bytes of.

    Raises:
        ValueError: The bytes are not whole.
    """
    start = len(MAGIC) + DIGEST
    body = data[start:]
    if data[: len(MAGIC)] != MAGIC or blake2b(body, digest_size=DIGEST).digest() != data[len(MAGIC) : start]:
        raise ValueError("the checksum does not fit")
    return deserialise(body)


def _outlined(entry: Entry) -> dict[str, Any]:
    return {
        "outputs": to_host(entry.outputs),
        "seconds": entry.seconds,
        "places": entry.places or places(entry.outputs),
        "parts": None if entry.parts is None else [part.hex() for part in entry.parts],
        "keep": entry.keep,
    }


def _entry(stored: dict[str, Any]) -> Entry:
    parts = stored["parts"]
    keys = None if parts is None else tuple(bytes.fromhex(part) for part in parts)
    entry = Entry(stored["outputs"], stored["seconds"], keys, stored["keep"])
    if any(place != "cpu" for place in stored["places"]):
        entry.places = stored["places"]
    return entry


def replace(target: Path, data: bytes) -> None:
    """Write a file by one rename; see above why it is not synced."""
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=".", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.replace(name, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise


def _worker(work: queue.SimpleQueue[Callable[[], None]]) -> None:
    while True:
        with contextlib.suppress(Exception):
            work.get()()


def _flush_if_alive(disk: weakref.ref[Disk]) -> None:
    alive = disk()
    if alive is not None:
        alive.flush()
