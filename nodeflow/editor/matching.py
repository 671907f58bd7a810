"""Search in names: every letter in order, whole words and beginnings first."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

T = TypeVar("T")


def score(query: str, text: str) -> float:
    """How well a text answers a query: 0 = not at all; more where its letters stand together and begin words."""
    query, text = query.casefold().strip(), text.casefold()
    if not query:
        return 1.0
    found = text.find(query)
    if found >= 0:
        begins = found == 0 or not text[found - 1].isalnum()
        return 100.0 * (1 + begins) + 10.0 * len(query) / len(text) - found * 0.1
    words = query.split()
    if len(words) > 1:
        each = [score(word, text) for word in words]
        return sum(each) / len(each) * 0.9 if all(each) else 0.0
    return _scattered(query, text)


def _scattered(query: str, text: str) -> float:
    total, place = 0.0, -1
    for letter in query:
        next_ = text.find(letter, place + 1)
        if next_ < 0:
            return 0.0
        begins = next_ == 0 or not text[next_ - 1].isalnum()
        total += 3.0 if begins else 2.0 if next_ == place + 1 else 0.3
        place = next_
    return total if total >= 1.2 * len(query) else 0.0


def ranked(query: str, items: Iterable[T], names: Callable[[T], Iterable[str]]) -> list[T]:
    """The items that answer a query, best first; of several names of an item the first counts most."""
    found = []
    for place, item in enumerate(items):
        best = max((score(query, name) / (1 + 0.5 * rank) for rank, name in enumerate(names(item))), default=0.0)
        if best > 0:
            found.append((-best, place, item))
    found.sort(key=lambda each: each[:2])
    return [item for _, _, item in found]
