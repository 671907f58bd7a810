"""Shapes that go together, and the order in which pictures are shown."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from .draws import seed_of

Size = tuple[int, int]
WIDEST = 2.0
"""The longest side of a bucket, in shorter ones."""


def sizes(side: int, step: int) -> list[Size]:
    """The (width, height) of all buckets: for each width the tallest shape that has no more pixels than the square.

    Args:
        side: Of the square, pixels.
        step: Sides are multiples of this.
    """
    longest = math.ceil(side * WIDEST**0.5 / step) * step
    widths = range(step, longest + 1, step)
    pairs = {(width, side * side // width // step * step) for width in widths} | {(side, side)}
    pairs |= {(height, width) for width, height in pairs}
    return sorted(pair for pair in pairs if min(pair) > 0 and max(pair) <= WIDEST * min(pair))


def nearest(size: Size, among: Sequence[Size]) -> Size:
    """The bucket whose aspect ratio is nearest in octaves; of equal ones, the one with more pixels."""
    ratio = math.log(size[0] / size[1])
    return min(among, key=lambda one: (abs(math.log(one[0] / one[1]) - ratio), -one[0] * one[1]))


class Order:
    """Which pictures each micro-batch shows: a pure function of the seed and the batch's number.

    In an epoch every picture is shown once, in batches of one shape each; where the pictures of a shape do not fill
    their last batch, some of them are shown again in it. A batch is larger than the pictures of its shape where it
    has to be.

    Args:
        groups: Numbers of the pictures of each shape.
        batch: Pictures a batch.
        seed: Of the shuffling.
    """

    def __init__(self, groups: Sequence[Sequence[int]], batch: int, seed: int) -> None:
        self.groups, self.batch, self.seed = [tuple(group) for group in groups if group], batch, seed
        self.length = sum(-(-len(group) // batch) for group in self.groups)
        self._epoch, self._batches = -1, [[0]]

    def __call__(self, number: int) -> list[int]:
        """The pictures of a batch."""
        epoch, place = divmod(number, self.length)
        if epoch != self._epoch:
            self._epoch, self._batches = epoch, self._laid(epoch)
        return self._batches[place]

    def _laid(self, epoch: int) -> list[list[int]]:
        generator = torch.Generator().manual_seed(seed_of(self.seed, "epoch", epoch))
        batches = []
        for group in self.groups:
            wanted = -(-len(group) // self.batch) * self.batch
            shown: list[int] = []
            while len(shown) < wanted:
                shown += [group[i] for i in torch.randperm(len(group), generator=generator).tolist()]
            batches += [shown[at : at + self.batch] for at in range(0, wanted, self.batch)]
        return [batches[i] for i in torch.randperm(len(batches), generator=generator).tolist()]
