"""One tier of the cache that lives in memory: a budget in bytes, and who leaves first.

First to leave is what is cheapest to compute again for the bytes it holds (seconds / bytes); among equals, what was
used longest ago. A heap with stale entries corrected when they surface makes eviction O(log n).
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping
from typing import Any

from ..values import Value, arrays, is_array, mapped, stamp

PLAIN = frozenset({int, float, str, bool, type(None)})
OVERHEAD = 300
"""Bytes that an entry costs besides its arrays and texts."""


class Entry:
    """A result in memory.

    Args:
        outputs: One value an output port; empty when `parts` is set.
        seconds: What it took to compute.
        parts: Keys of the elements, for the result of a node that was mapped over a list.
        keep: The user wants it kept: it leaves last.
    """

    __slots__ = ("keep", "outputs", "parts", "places", "seconds", "size", "stamp", "tick")

    def __init__(
        self, outputs: tuple[Any, ...], seconds: float, parts: tuple[bytes, ...] | None = None, keep: bool = False
    ) -> None:
        self.outputs = outputs
        self.seconds = seconds
        self.parts = parts
        self.keep = keep
        self.tick = 0
        self.places: list[str] | None = None
        self.stamp: tuple[int, ...] = ()
        if PLAIN.issuperset(map(type, outputs)):
            texts = sum(len(item) for item in outputs if type(item) is str)
            self.size = OVERHEAD + texts + (len(parts) * 60 if parts else 0)
        else:
            self.size = OVERHEAD + sum(weight(item) for item in outputs)
            self.stamp = stamp(outputs)

    @property
    def intact(self) -> bool:
        """Whether nobody has written into its arrays since it was stored."""
        return not self.stamp or self.stamp == stamp(self.outputs)

    def on_device(self) -> bool:
        """Whether any of its arrays lives elsewhere than in host memory."""
        return bool(self.stamp) and any(str(array.device) != "cpu" for array in arrays(self.outputs))

    def to_host(self) -> Entry:
        """The same entry in host memory, knowing where its arrays were."""
        entry = Entry(to_host(self.outputs), self.seconds, self.parts, self.keep)
        entry.places = places(self.outputs)
        return entry

    def restored(self) -> Entry:
        """The same entry with its arrays where they were."""
        assert self.places is not None
        return Entry(restored(self.outputs, self.places), self.seconds, self.parts, self.keep)


def to_host(outputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """The values with their arrays in host memory."""
    return mapped(outputs, lambda array: array if str(array.device) == "cpu" else array.to("cpu"))


def places(outputs: tuple[Any, ...]) -> list[str]:
    """The device of each array."""
    return [str(array.device) for array in arrays(outputs)]


def restored(outputs: tuple[Any, ...], devices: list[str]) -> tuple[Any, ...]:
    """The values with each array on its device."""
    rest = iter(devices)

    def back(array: Any) -> Any:
        device = next(rest)
        return array if str(array.device) == device else array.to(device)

    return mapped(outputs, back)


def weight(value: object) -> int:
    """Bytes a value holds, roughly: arrays exactly, texts by their length, 60 for anything else."""
    if is_array(value):
        return int(value.nbytes)  # type: ignore[attr-defined]
    if isinstance(value, str):
        return 60 + len(value)
    return 60 + sum(weight(item) for item in _inside(value))


def _inside(value: object) -> Iterator[object]:
    if isinstance(value, Value):
        return iter(value.parts().values())
    if isinstance(value, list | tuple):
        return iter(value)
    return iter(value.values()) if isinstance(value, Mapping) else iter(())


def cacheable(value: object) -> bool:
    """Whether a value is data all through: nothing that has a state of its own."""
    if type(value) in PLAIN or is_array(value):
        return True
    if isinstance(value, Value | list | tuple | Mapping):
        return all(cacheable(item) for item in _inside(value))
    return False


class Tier:
    """Entries by key within a budget.

    Args:
        name: "device" or "host".
        budget: Bytes it may hold.
    """

    def __init__(self, name: str, budget: int) -> None:
        self.name = name
        self.budget = budget
        self.used = 0
        self.entries: dict[bytes, Entry] = {}
        self._heap: list[tuple[float, int, bytes]] = []
        self._tick = 0

    def put(self, key: bytes, entry: Entry) -> None:
        """Add an entry; the tier may exceed its budget until `overflow`."""
        self.pop(key)
        self._tick += 1
        entry.tick = self._tick
        self.entries[key] = entry
        self.used += entry.size
        heapq.heappush(self._heap, (_worth(entry), entry.tick, key))

    def touch(self, entry: Entry) -> None:
        """Note that an entry was used."""
        self._tick += 1
        entry.tick = self._tick

    def pop(self, key: bytes) -> Entry | None:
        """Take an entry out."""
        entry = self.entries.pop(key, None)
        if entry is not None:
            self.used -= entry.size
            if not self.entries:
                self._heap.clear()
        return entry

    def overflow(self) -> Iterator[tuple[bytes, Entry]]:
        """Take out entries until the rest fits the budget."""
        while self.used > self.budget and self._heap:
            worth, tick, key = heapq.heappop(self._heap)
            entry = self.entries.get(key)
            if entry is None or worth != _worth(entry) or tick > entry.tick:
                continue
            if tick != entry.tick:
                heapq.heappush(self._heap, (worth, entry.tick, key))
                continue
            self.pop(key)
            yield key, entry


def _worth(entry: Entry) -> float:
    return float("inf") if entry.keep else entry.seconds / entry.size
