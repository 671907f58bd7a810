"""Overlapping windows along a side, and how much each counts where several lie: the shares of a place sum to one.

A window of s elements at offset o has the weight w(x − o), which rises over r elements from its edges:

    w(k) = min(1, (k + 1) / r, (s − k) / r)

Shares are w / Σ w, rows and columns alike.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor


class Share(NamedTuple):
    """A window along a side.

    Args:
        start: Where it begins.
        length: How long it is.
        weights: Its share of each of its elements, [length · scale].
    """

    start: int
    length: int
    weights: Tensor


def offsets(length: int, window: int, overlap: int) -> list[int]:
    """Where windows begin, so that they cover a side evenly and neighbours share at least `overlap` elements.

    Args:
        length: Of the side.
        window: Length of a window, more than `overlap`.
        overlap: Shared by neighbours.
    """
    if length <= window:
        return [0]
    count = -((window - length) // (window - overlap)) + 1
    return [round(i * (length - window) / (count - 1)) for i in range(count)]


def shares(length: int, window: int, overlap: int, scale: int = 1) -> list[Share]:
    """The windows along a side.

    Args:
        length: Of the side.
        window: Length of a window.
        overlap: Shared by neighbours at least.
        scale: Elements of the result that an element stands for.
    """
    window = min(length, window)
    begins = offsets(length, window, overlap)
    place = torch.arange(1, window * scale + 1) / (max(1, overlap) * scale + 1)
    weight = torch.minimum(place, place.flip(0)).clamp(max=1)
    total = torch.zeros(length * scale)
    for begin in begins:
        total[begin * scale : (begin + window) * scale] += weight
    return [Share(begin, window, weight / total[begin * scale : (begin + window) * scale]) for begin in begins]


class Box(NamedTuple):
    """A rectangle of a map, in cells."""

    top: int
    left: int
    height: int
    width: int

    def of(self, x: Tensor, scale: int = 1) -> Tensor:
        """What lies in it, [..., H, W] -> [..., h, w], where a cell is `scale` elements a side."""
        rows = slice(self.top * scale, (self.top + self.height) * scale)
        return x[..., rows, self.left * scale : (self.left + self.width) * scale]


@dataclass(frozen=True)
class Windows:
    """Windows over maps: what a function says of each becomes one map (MultiDiffusion, 2302.08113, equation 5).

    Args:
        height: Of a window, in cells.
        width: The same.
        overlap: The share of a window that it has in common with the next, 0 ≤ overlap < 1.
    """

    height: int
    width: int
    overlap: float = 0.25

    def several(self, x: Tensor) -> bool:
        """Whether a map [..., H, W] needs more than one."""
        return x.shape[-2] > self.height or x.shape[-1] > self.width

    def boxes(self, height: int, width: int) -> list[tuple[Box, Tensor]]:
        """The windows over a map of H × W, each with its share of its cells, [h, w]."""
        rows, columns = self._along(height, self.height), self._along(width, self.width)
        return [
            (Box(row.start, column.start, row.length, column.length), row.weights[:, None] * column.weights)
            for row in rows
            for column in columns
        ]

    def blended(self, x: Tensor, say: Callable[[Box], Tensor]) -> Tensor:
        """The weighted mean of what is said of each window, [B, C, h, w], over a map like `x`, [B, C, H, W]."""
        whole: Tensor | None = None
        for box, share in self.boxes(*x.shape[-2:]):
            said = say(box)
            if whole is None:
                whole = said.new_zeros(*said.shape[:-2], *x.shape[-2:])
            box.of(whole).add_(said * share.to(said))
        assert whole is not None
        return whole

    def _along(self, length: int, window: int) -> list[Share]:
        return shares(length, window, min(window - 1, round(self.overlap * window)))
