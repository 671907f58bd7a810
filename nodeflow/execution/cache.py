"""Results by key, on the device, in host memory and on disk.

A result lives in the tier its arrays live in. When the device tier is full its cheapest results move to host memory,
and from there to disk; each comes back to the device it was on, bit for bit. The cache never lies: a result whose
arrays were written to after it was stored, or whose file is not whole, counts as absent.

When results are written to disk: as soon as they are there, by a thread behind the run, if computing them took longer
than writing them is expected to take (`worth_writing`), or the node says "keep". So a killed process loses none that
cost something, and a graph of a thousand small nodes writes no thousand files. `flush` waits for that thread.

Results are data: values, numbers, texts and lists of them. A result that holds anything with a state of its own is
not stored.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from .disk import Disk
from .history import Record
from .standing import States
from .tiers import PLAIN, Entry, Tier, cacheable

if TYPE_CHECKING:
    from .plan import Plan

GIB = 2**30


class Hit(NamedTuple):
    """A result from the cache.

    Args:
        outputs: One value an output port.
        parts: Keys of the elements instead, where the node was mapped over a list.
        tier: "device", "host" or "disk".
        size: Bytes.
    """

    outputs: tuple[Any, ...]
    parts: tuple[bytes, ...] | None
    tier: str
    size: int


class Cache:
    """Key → result, in three tiers; safe to share between threads, and its folder between processes.

    Args:
        device_bytes: Budget for results on devices.
        host_bytes: Budget for results in host memory.
        disk_bytes: Budget for the folder.
        folder: Where results outlive the process; None = nowhere.
    """

    def __init__(
        self,
        device_bytes: int = 2 * GIB,
        host_bytes: int = 2 * GIB,
        disk_bytes: int = 10 * GIB,
        folder: str | Path | None = None,
    ) -> None:
        self._device = Tier("device", device_bytes)
        self._host = Tier("host", host_bytes)
        self._disk = Disk(Path(folder), disk_bytes) if folder is not None and disk_bytes > 0 else None
        self.states = States(self._disk.folder / "states") if self._disk is not None else None
        self._lock = threading.RLock()
        self._last: dict[str, Plan] = {}

    @property
    def folder(self) -> Path | None:
        """Where results and states outlive the process."""
        return None if self._disk is None else self._disk.folder

    def peek(self, key: bytes) -> str:
        """The tier a result is in, "" if it is nowhere; loads nothing."""
        entry = self._host.entries.get(key)
        if entry is not None:
            return "host" if entry.parts is None or all(map(self.peek, entry.parts)) else ""
        if key in self._device.entries:
            return "device"
        return "disk" if self._disk is not None and key in self._disk else ""

    def get(self, key: bytes) -> Hit | None:
        """A result with its arrays where they were when it was stored; None if it is nowhere."""
        with self._lock:
            for tier in (self._device, self._host):
                entry = tier.entries.get(key)
                if entry is not None:
                    if not entry.intact:
                        self.drop(key)
                        return None
                    tier.touch(entry)
                    return self._hit(key, entry, tier.name)
            return self._from_disk(key)

    def put(self, key: bytes, entry: Entry) -> None:
        """Store a result; one that is not data all through is not stored."""
        if PLAIN.issuperset(map(type, entry.outputs)) or all(map(cacheable, entry.outputs)):
            self._store(key, entry)

    def put_group(self, key: bytes, parts: tuple[bytes, ...], seconds: float = 0.0, keep: bool = False) -> None:
        """Store the result of a mapped node: the keys of its elements, which are stored on their own."""
        self._store(key, Entry((), seconds, parts, keep))

    def drop(self, key: bytes) -> None:
        """Forget a result in all tiers."""
        with self._lock:
            self._device.pop(key)
            self._host.pop(key)
            if self._disk is not None:
                self._disk.drop(key)

    def release_device(self) -> int:
        """Move all results off the devices; returns the bytes that were there."""
        with self._lock:
            freed, budget = self._device.used, self._device.budget
            self._device.budget = 0
            self._settle()
            self._device.budget = budget
            return freed

    def resize(self, device_bytes: int, host_bytes: int, disk_bytes: int) -> None:
        """Other budgets from now on; a folder keeps what it holds until the next result is written."""
        with self._lock:
            self._device.budget, self._host.budget = device_bytes, host_bytes
            if self._disk is not None:
                self._disk.budget = disk_bytes
            self._settle()

    def used(self) -> dict[str, int]:
        """Bytes in each tier."""
        disk = self._disk.used if self._disk is not None else 0
        return {"device": self._device.used, "host": self._host.used, "disk": disk}

    def clear(self) -> None:
        """Forget everything, on disk too."""
        with self._lock:
            for key in [*self._device.entries, *self._host.entries]:
                self.drop(key)
            if self._disk is not None:
                self._disk.clear()
            if self.states is not None:
                self.states.clear()

    def refresh(self) -> None:
        """See what other processes have written to the folder."""
        if self._disk is not None:
            self._disk.refresh()

    def flush(self) -> None:
        """Wait until all that is to be on disk is there."""
        if self._disk is not None:
            self._disk.flush()

    def warnings(self) -> list[str]:
        """What was unreadable since the last call, one line each."""
        return self._disk.warnings() if self._disk is not None else []

    def history(self, name: str) -> Record | None:
        """What the last run of a graph depended on."""
        last = self._last.get(name)
        if last is not None:
            return last.record
        found = self._disk.history(name) if self._disk is not None else None
        return None if found is None else Record(found)

    def remember(self, plan: Plan) -> None:
        """Note what a run of a graph depended on, for the reasons of the next plan."""
        last = self._last.get(plan.name)
        if last is None or last.signature != plan.signature:
            self._last[plan.name] = plan
            if self._disk is not None:
                self._disk.remember(plan.name, lambda: plan.record)

    def _store(self, key: bytes, entry: Entry) -> None:
        with self._lock:
            if self._disk is not None and (entry.keep or worth_writing(entry)):
                self._disk.put(key, entry)
            (self._device if entry.on_device() else self._host).put(key, entry)
            self._settle()

    def _settle(self) -> None:
        """Bring the tiers back within their budgets."""
        for key, entry in self._device.overflow():
            if entry.intact and self._host.budget:
                self._host.put(key, entry.to_host())
        for key, entry in self._host.overflow():
            if self._disk is not None and entry.intact and worth_writing(entry):
                self._disk.put(key, entry)

    def _hit(self, key: bytes, entry: Entry, tier: str) -> Hit | None:
        if entry.parts is not None and not all(map(self.peek, entry.parts)):
            return None
        if entry.places is not None:
            entry = entry.restored()
            self._host.pop(key)
            (self._device if entry.on_device() else self._host).put(key, entry)
            self._settle()
        return Hit(entry.outputs, entry.parts, tier, entry.size)

    def _from_disk(self, key: bytes) -> Hit | None:
        entry = self._disk.get(key) if self._disk is not None else None
        if entry is None:
            return None
        self._host.put(key, entry)
        hit = self._hit(key, entry, "disk")
        self._settle()
        return hit


def worth_writing(entry: Entry) -> bool:
    """Whether computing took longer than writing should: 5 ms a file and 100 MB/s."""
    return entry.seconds > 0.005 + entry.size / 100e6
