"""Sweeps: one value stands for several, and only what depends on it is multiplied.

An axis is one `{"sweep": [...]}`. A swept source is a table over the axes it depends on, row-major with the first
axis slowest; axes are numbered by first appearance.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ..errors import NodeflowError
from .steps import Source


class Axis(NamedTuple):
    """One sweep: the ports it sets, as "node.port", and the values they take in turn."""

    ports: tuple[str, ...]
    values: Sequence[Any]


class Swept:
    """Sources over the axes they depend on, row-major.

    Args:
        axes: Numbers of the axes, ascending.
        lengths: How long each axis is.
        cells: One source for each combination.
    """

    __slots__ = ("axes", "cells", "lengths")

    def __init__(self, axes: Sequence[int], lengths: Sequence[int], cells: Sequence[Source]) -> None:
        self.axes = axes
        self.lengths = lengths
        self.cells = cells

    def at(self, place: Mapping[int, int]) -> Source:
        """The source where each axis has the given index."""
        index = 0
        for axis, length in zip(self.axes, self.lengths, strict=True):
            index = index * length + place[axis]
        return self.cells[index]


def sweep_values(value: dict[str, Any], where: str) -> list[Any]:
    """The values of a sweep.

    Raises:
        NodeflowError: NF205, when it is empty or no list.
    """
    values = value["sweep"]
    if not isinstance(values, list | tuple) or not values:
        raise NodeflowError("NF205", "a sweep needs a list of at least one value", where=where)
    return list(values)


def combined(sources: Sequence[Source | Swept]) -> tuple[list[int], list[int]]:
    """The axes that any of the sources depends on, ascending, and their lengths."""
    lengths: dict[int, int] = {}
    for source in sources:
        if type(source) is Swept:
            lengths.update(zip(source.axes, source.lengths, strict=True))
    axes = sorted(lengths)
    return axes, [lengths[axis] for axis in axes]


def places(axes: Sequence[int], lengths: Sequence[int]) -> Iterator[dict[int, int]]:
    """Every combination of indices, row-major."""
    for indices in itertools.product(*map(range, lengths)):
        yield dict(zip(axes, indices, strict=True))
