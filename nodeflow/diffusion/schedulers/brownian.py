"""Noise between two levels as the increment of one Brownian path, so that steps of any size see the same randomness.

A solver that draws fresh noise each step changes its picture with the number of steps, and one that draws twice on
the same stretch draws two noises. A path W, keyed by a seed, has one value at each level, whoever asks and in which
order: nothing needs to be remembered, and a run goes on from a seed alone.

The interval is halved until it ends at what is asked. In a node [a, b] with middle m (Lévy's bridge),

    W(m) - W(a) = (m - a) / (b - a) (W(b) - W(a)) + sqrt((m - a) (b - m) / (b - a)) z,  z ~ N(0, I)

where z comes from a seed of the node's own. Seeds and rounding are those of the package torchsde, whose trees other
tools draw from, so that a seed means the same picture here and there (Li et al. 2020, arXiv 2001.01328, algorithm 3).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

DIGITS = 6
"""Decimals that tell two levels apart."""

POOL = 24
"""Words of entropy that a node's seed is mixed from."""


@dataclass(frozen=True)
class BrownianPath:
    """A path W over [low, high], dW ~ N(0, dk), float32, on the CPU.

    Args:
        seed: Which path.
        low: Its lowest level; what is asked below lies here.
        high: Its highest level; what is asked above lies here.
        shape: Of W at a level.
    """

    seed: int
    low: float
    high: float
    shape: tuple[int, ...]

    def increment(self, begin: float, end: float) -> Tensor:
        """W(end) - W(begin), [shape]; either may be the higher one."""
        if begin > end:
            return -self.increment(end, begin)
        low, high = _rounded(self.low), _rounded(self.high)
        begin, end = (min(max(_rounded(level), low), high) for level in (begin, end))
        if begin == end:
            return torch.zeros(self.shape)
        whole = self._normal() * math.sqrt(self.high - self.low)
        return sum(self._parts(begin, end, whole, (low, high)), start=torch.zeros(self.shape))

    def _parts(
        self, begin: float, end: float, whole: Tensor, node: tuple[float, float], key: int = 0, depth: int = 0
    ) -> Iterator[Tensor]:
        """The increments of the largest nodes that lie between begin and end, from low to high."""
        low, high = node
        if begin <= low and high <= end:
            yield whole
            return
        middle = _rounded((high + low) / 2)
        below, above, share = middle - low, high - middle, 1 / (high - low)
        left = below * whole * share + math.sqrt(below * above * share) * self._normal(key, depth)
        if begin < middle:
            yield from self._parts(begin, end, left, (low, middle), 2 * key, depth + 1)
        if end > middle:
            yield from self._parts(begin, end, whole - left, (middle, high), 2 * key + 1, depth + 1)

    def _normal(self, *node: int) -> Tensor:
        """N(0, 1) of a node, or of the whole path."""
        seed = np.random.SeedSequence(self.seed, spawn_key=node, pool_size=POOL).generate_state(1)[0]
        return torch.randn(self.shape, generator=torch.Generator("cpu").manual_seed(int(seed)), dtype=torch.float32)


def _rounded(level: float) -> float:
    return round(level, DIGITS)
