"""Heun's method in k-space, two calls of the model a step. Karras et al. 2022, arXiv 2206.00364, algorithm 1."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from torch import Tensor

from .config import SPACED, TRAINING, WARPED
from .euler import Churned
from .families import KScheduler
from .schedule import Eval, Nodes
from .solver import NoiseSource, State, slope
from .space import Space


@dataclass(frozen=True)
class Heun(Churned):
    """Order 2: the slope d = (x - x0) / k at both ends of a step, and the mean of the two.

    stage 0   x' = x + (k' - k) d(x, k)
    stage 1   x' = x + (k' - k) (d(x, k) + d(x', k')) / 2;  none where k' = 0
    """

    def advance(self, state: State, output: Tensor, noise: NoiseSource) -> State:
        call = self.here(state)
        if call.stage:
            assert state.anchor is not None
            # as published, the second call draws churn too and leaves it
            _, begin = self.raised(state.anchor, self.back(state, 1), noise)
            x0 = self.prediction.x0(state.x, output, call.level)
            (first,), d = state.stages, slope(state.x, x0, call.level)
            x = state.anchor + (call.target.sigma - begin.sigma) * (first + d) / 2
            return replace(state, x=x, estimate=x0, stages=(), anchor=None)
        x, level = self.raised(state.x, call.level, noise)
        x0 = self.clean(x, output, call.level, level)
        d = slope(x, x0, level)
        return replace(state, x=x + (call.target.sigma - level.sigma) * d, estimate=x0, stages=(d,), anchor=x)


def calls_at_both_ends(nodes: Nodes, space: Space) -> Iterator[Eval]:
    """Two calls a step, at its beginning and at its end; one where the end is clean."""
    timesteps = [*nodes.timesteps.tolist(), space.t(float(nodes.sigmas[-1]))]
    for i, (level, target) in enumerate(zip(nodes.levels, nodes.targets, strict=True)):
        yield Eval(timesteps[i], level, target, 0, space.input_scale(level))
        if target.sigma > 0:
            yield Eval(timesteps[i + 1], target, target, 1, space.input_scale(target))


class HeunDiscreteScheduler(KScheduler):
    """Heun's method: twice the cost of Euler a step, of second order."""

    defaults: ClassVar[Mapping[str, Any]] = {
        **TRAINING,
        "beta_start": 0.00085,
        "beta_end": 0.012,
        **WARPED,
        "clip_sample": False,
        "clip_sample_range": 1.0,
        **SPACED,
    }
    solver_class = Heun
    order: ClassVar[int] = 2

    def calls(self, nodes: Nodes) -> Iterator[Eval]:
        return calls_at_both_ends(nodes, self.space)
