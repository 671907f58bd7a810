"""Ancestral steps: down below the target without noise, then up to it by fresh noise. k-diffusion.

    k_up² = min(k', eta k' sqrt(1 - k'² / k²))²,  k_down² = k'² - k_up²

At eta = 1 the two together draw from the posterior of the diffusion, as DDPM does. k = sigma / alpha in every space:
the split does not change when x and alpha are scaled together, so that flows take the same noise as k-space.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from torch import Tensor

from .schedule import Nodes
from .solver import NoiseSource, Solver, State, noisier
from .space import Level


def split_noise(k: float, k2: float, eta: float = 1.0) -> tuple[float, float]:
    """k_down and k_up of a step from k to k'."""
    up = min(k2, eta * k2 * math.sqrt(max(1 - (k2 / k) ** 2, 0)))
    return math.sqrt(k2**2 - up**2), up


def below(here: Level, target: Level, eta: float) -> Level:
    """The level a step leads to before fresh noise."""
    down, _ = split_noise(here.k, target.k, eta)
    return Level(target.alpha, target.alpha * down)


def split(nodes: Nodes, eta: float) -> Nodes:
    """The points of a run whose steps each lead below the next level, the last one to the end."""
    targets = [below(here, target, eta) for here, target in zip(nodes.levels, nodes.targets, strict=True)]
    return replace(nodes, targets=(*targets[:-1], nodes.targets[-1]))


@dataclass(frozen=True)
class Ancestral(Solver):
    """What solvers of split steps share.

    Args:
        noise_scale: Factor on the standard deviation of fresh noise.
    """

    noise_scale: float = 1.0

    def renoised(self, x: Tensor, state: State, noise: NoiseSource) -> Tensor:
        """x raised from where the step led to the next level of the schedule, where that is higher, [B, ...]."""
        here, there = self.here(state).target, self.schedule.level(state.index + 1)
        return noisier(x, here, there, self.noise_scale * noise(x)) if there.k > here.k else x
