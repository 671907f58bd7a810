"""A schedule: the noise levels of one run, as data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .space import Level, Space


@dataclass(frozen=True, slots=True)
class Nodes:
    """The points of a run before a solver has said how often it calls the model between them.

    Args:
        timesteps: What the model is told at each point, [n].
        levels: The level of each point.
        targets: Where the step from each point leads: mostly the next point.
        sigmas: The noise levels people see, float32, [n + 1].
    """

    timesteps: np.ndarray
    levels: tuple[Level, ...]
    targets: tuple[Level, ...]
    sigmas: np.ndarray


@dataclass(frozen=True, slots=True)
class Eval:
    """One call of the model.

    Args:
        t: What the model is told.
        level: The level of the x it sees.
        target: The level this step leads to.
        stage: Which call of its step this is; a run can begin only at stage 0.
        input_scale: The factor on x before it enters the model.
    """

    t: float
    level: Level
    target: Level
    stage: int = 0
    input_scale: float = 1.0


@dataclass(frozen=True)
class Schedule:
    """The noise levels of one run; falling signal of noise, rising signal.

    Args:
        timesteps: What the model is told at each call, [calls].
        sigmas: The noise level at each call and at the end, float32, [calls + 1].
        evals: The calls.
        init_noise_sigma: Standard deviation of the noise a run from nothing starts with.
        steps: The number of steps.
        order: The unit in which an image-to-image run counts its start: calls a step, as the class publishes it.
    """

    timesteps: Tensor
    sigmas: Tensor
    evals: tuple[Eval, ...]
    init_noise_sigma: float
    steps: int
    order: int = 1

    def __len__(self) -> int:
        return len(self.evals)

    def level(self, index: int) -> Level:
        """The level of x before call `index`; after the last call, the level a run ends at."""
        return self.evals[index].level if index < len(self.evals) else self.evals[-1].target

    @property
    def begins(self) -> list[int]:
        """The calls at which a step begins."""
        return [index for index, one in enumerate(self.evals) if not one.stage]

    @property
    def span(self) -> tuple[float, float]:
        """The lowest level above 0 and the highest one."""
        noisy = self.sigmas[self.sigmas > 0]
        return float(noisy.min()), float(noisy.max())

    def noised(self, x0: Tensor, noise: Tensor, index: int) -> Tensor:
        """A clean sample brought to the level of call `index`: alpha x0 + sigma noise, [B, ...]."""
        alpha, sigma = self.level(index)
        return alpha * x0 + sigma * noise


def one_call_each(nodes: Nodes, space: Space) -> Iterator[Eval]:
    """One call of the model a step."""
    for t, level, target in zip(nodes.timesteps.tolist(), nodes.levels, nodes.targets, strict=True):
        yield Eval(t, level, target, 0, space.input_scale(level))


def tensor(values: np.ndarray, dtype: torch.dtype) -> Tensor:
    """A numpy array as a tensor on the CPU."""
    return torch.from_numpy(np.ascontiguousarray(values)).to(dtype)
