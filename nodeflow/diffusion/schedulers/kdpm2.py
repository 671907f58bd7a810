"""DPM-Solver-2 in k-space: the slope in the middle of a step, plain and ancestral. k-diffusion; arXiv 2206.00364."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from .ancestral import split_noise
from .config import SPACED, TRAINING, WARPED
from .families import KScheduler
from .request import Request
from .schedule import Eval, Nodes
from .solver import NoiseSource, Solver, State, slope
from .space import Space


@dataclass(frozen=True)
class KDPM2(Solver):
    """Order 2: half a step to the middle of log k, then the whole step with the slope found there.

    stage 0   x_m = x + (k_m - k) d(x, k),  k_m = sqrt(k k');  the whole step where k' = 0
    stage 1   x'  = x + (k' - k) d(x_m, k_m)
    """

    def advance(self, state: State, output: Tensor, noise: NoiseSource) -> State:
        call, x = self.here(state), state.x
        x0 = self.prediction.x0(x, output, call.level)
        d = slope(x, x0, call.level)
        if not call.stage:
            return replace(state, x=x + (call.target.k - call.level.k) * d, estimate=x0, anchor=x)
        assert state.anchor is not None
        new = self.ended(state.anchor, d, self.back(state, 1).k, call.target.k, noise)
        return replace(state, x=new, estimate=x0, anchor=None)

    def ended(self, x: Tensor, d: Tensor, k: float, k2: float, noise: NoiseSource) -> Tensor:
        """x at the end of a step with this slope, [B, ...]."""
        return x + (k2 - k) * d


@dataclass(frozen=True)
class KDPM2Ancestral(KDPM2):
    """The same down to k_down, k_m = sqrt(k k_down), then noise up to k'; see `ancestral.py`."""

    def ended(self, x: Tensor, d: Tensor, k: float, k2: float, noise: NoiseSource) -> Tensor:
        down, up = split_noise(k, k2)
        return x + (down - k) * d + up * noise(x)


def calls_in_the_middle(nodes: Nodes, space: Space, middle: Callable[[float, float], float]) -> Iterator[Eval]:
    """Two calls a step, at its beginning and at a level inside; one where the end is clean."""
    for t, level, target in zip(nodes.timesteps.tolist(), nodes.levels, nodes.targets, strict=True):
        inside = target if target.sigma == 0 else space.level(middle(level.k, target.k))
        yield Eval(t, level, inside, 0, space.input_scale(level))
        if target.sigma > 0:
            yield Eval(space.t(inside.k), inside, target, 1, space.input_scale(inside))


class KDPM2DiscreteScheduler(KScheduler):
    """DPM2: twice the cost of an Euler step, of second order."""

    defaults: ClassVar[Mapping[str, Any]] = {
        **TRAINING,
        "beta_start": 0.00085,
        "beta_end": 0.012,
        **WARPED,
        **SPACED,
    }
    menus: ClassVar[Mapping[str, tuple[Any, ...]]] = {"prediction_type": ("epsilon", "v_prediction")}
    solver_class = KDPM2
    order: ClassVar[int] = 2

    def levels(self, request: Request) -> tuple[np.ndarray, np.ndarray]:
        t, k = super().levels(request)
        return (t.round() if self.warp == "use_karras_sigmas" else t), k

    def calls(self, nodes: Nodes) -> Iterator[Eval]:
        return calls_in_the_middle(nodes, self.space, self.middle)

    def middle(self, k: float, k2: float) -> float:
        """The level inside a step from k to k2."""
        return math.sqrt(k * k2)


class KDPM2AncestralDiscreteScheduler(KDPM2DiscreteScheduler):
    """DPM2 with fresh noise at every step."""

    solver_class = KDPM2Ancestral

    def middle(self, k: float, k2: float) -> float:
        return math.sqrt(k * split_noise(k, k2)[0])
