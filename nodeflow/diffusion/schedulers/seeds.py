"""Exponential integrators that look ahead inside each step: SEEDS, DPM++ 2S ancestral, DPM-Solver fast.

Gonzalez et al. 2023, SEEDS, arXiv 2305.14267; Lu et al. 2022, arXiv 2206.00927, algorithms 1, 2 and 2211.01095,
algorithm 1.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from .ancestral import Ancestral, split
from .exponential import Exponential, Point
from .prediction import Prediction
from .request import Request
from .schedule import Eval, Nodes, Schedule, one_call_each
from .sigmas import SigmaScheduler
from .solver import NoiseSource, State
from .space import Level

RATIOS: Mapping[int, tuple[float, ...]] = {1: (), 2: (1 / 2,), 3: (1 / 3, 2 / 3)}
"""Where in lambda the calls inside a step lie, by its order; none where the step ends clean."""


@dataclass(frozen=True)
class Singlestep(Exponential, Ancestral):
    """With the model's answers m_0, m_1, … at lambda + r_j h, F = e^g - 1, g as in `exponential` (SEEDS-2, -3):

        order 2   x_1 = S(m_0),  x' = carry x - gain (F m_0 + F / (2 r_1) (m_1 - m_0)) + s' n_2
        order 3   x_1 = S(m_0),  x_2 = S(m_0, m_1),  x' = S(m_0, m_2)
                  S(m_0, m_j) = carry x - gain (F m_0 + (F / g - 1) (m_j - m_0) / r) + s n,  r: m_j's share of the way

    All of a step see one path of noise, n_0 = 0: n_j = e^-d n_(j-1) + sqrt(1 - e^-2d) z_j, d = eta (lambda_j -
    lambda_(j-1)), which is what the reverse equation does to noise.

    Args:
        stochastic: eta; 0 solves the ordinary differential equation, 1 the reverse stochastic one.
    """

    stochastic: float = 0.0

    def advance(self, state: State, output: Tensor, noise: NoiseSource) -> State:
        call = self.here(state)
        m, x0 = self.read(state.x, output, call.level)
        if call.stage:
            assert state.anchor is not None
            (first, *path), anchor = state.stages, state.anchor
            other = Point(call.level.lam, m)
        else:
            first, path, anchor, other = m, [], state.x, None
        target, ends = self.destination(state)
        begin = self.back(state, call.stage)
        x = self.stepped(anchor, begin, target, first, other, midpoint=call.stage == 1 and ends, eta=self.stochastic)
        if self.stochastic and target.sigma:
            d = self.stochastic * (target.lam - call.level.lam)
            fresh = math.sqrt(-math.expm1(-2 * d)) * noise(x)
            path = [fresh + math.exp(-d) * path[0] if path else fresh]
            x = x + self.noise_scale * target.sigma * path[0]
        if ends:
            return replace(state, x=self.renoised(x, state, noise), estimate=x0, stages=(), anchor=None)
        return replace(state, x=x, estimate=x0, stages=(first, *path), anchor=anchor)

    def destination(self, state: State) -> tuple[Level, bool]:
        """Where the x of this call leads: to the next call inside the step, or to the step's end."""
        evals, after = self.schedule.evals, state.index + 1
        if after < len(evals) and evals[after].stage:
            return evals[after].level, False
        return evals[state.index].target, True


class SinglestepScheduler(SigmaScheduler):
    """What the classes of this file share."""

    steps_of: ClassVar[int] = 2

    def calls(self, nodes: Nodes) -> Iterator[Eval]:
        for t, level, target in zip(nodes.timesteps.tolist(), nodes.levels, nodes.targets, strict=True):
            yield from self.step_calls(t, level, target, self.steps_of)

    def step_calls(self, t: float, level: Level, target: Level, order: int) -> Iterator[Eval]:
        """The calls of one step."""
        yield Eval(t, level, target, 0, self.space.input_scale(level))
        if target.sigma > 0:
            h = target.lam - level.lam
            for stage, r in enumerate(RATIOS[order], start=1):
                yield self.call(self.at_lam(level.lam + r * h), target, stage)

    def make_solver(self, schedule: Schedule, prediction: Prediction) -> Singlestep:
        return Singlestep(schedule, prediction, stochastic=self.config.eta, noise_scale=self.config.s_noise)


class SEEDS2Scheduler(SinglestepScheduler):
    """SEEDS-2: two calls a step, stochastic, of strong order 1 and, at eta 0, of order 2."""

    defaults: ClassVar[Mapping[str, Any]] = {**SigmaScheduler.defaults, "eta": 1.0, "s_noise": 1.0}
    solver_class = Singlestep
    order: ClassVar[int] = 2


class SEEDS3Scheduler(SinglestepScheduler):
    """SEEDS-3: three calls a step, stochastic; at eta 0 of order 3."""

    defaults: ClassVar[Mapping[str, Any]] = SEEDS2Scheduler.defaults
    solver_class = Singlestep
    steps_of: ClassVar[int] = 3
    order: ClassVar[int] = 3


class DPMPP2SAncestralScheduler(SinglestepScheduler):
    """DPM++ 2S ancestral: DPM-Solver++(2S) down, then fresh noise; two calls a step."""

    defaults: ClassVar[Mapping[str, Any]] = SEEDS2Scheduler.defaults
    solver_class = Singlestep
    order: ClassVar[int] = 2

    def nodes(self, request: Request) -> Nodes:
        return split(super().nodes(request), self.config.eta)

    def make_solver(self, schedule: Schedule, prediction: Prediction) -> Singlestep:
        return Singlestep(schedule, prediction, noise_scale=self.config.s_noise)


class DPMFastScheduler(SinglestepScheduler):
    """DPM-Solver-fast: n calls in steps of order 3 and, last, lower, even in lambda between the schedule's ends.

    It steps in the noise and so ends, as published, at the schedule's lowest level above 0.
    """

    defaults: ClassVar[Mapping[str, Any]] = SigmaScheduler.defaults
    solver_class = Singlestep

    def nodes(self, request: Request) -> Nodes:
        nodes = super().nodes(request)
        levels = [level for level in (*nodes.levels, nodes.targets[-1]) if level.sigma > 0]
        steps = orders(request.n)
        lams = np.linspace(levels[0].lam, levels[-1].lam, len(steps) + 1)
        points = [levels[0], *(self.at_lam(lam) for lam in lams[1:-1].tolist()), levels[-1]]
        evals = [
            one
            for level, target, order in zip(points[:-1], points[1:], steps, strict=True)
            for one in self.step_calls(self.told(self.shown(level)), level, target, order)
        ]
        k = np.array([*(self.shown(one.level) for one in evals), self.shown(points[-1])], dtype=np.float32)
        t = np.array([one.t for one in evals], dtype=np.float32)
        return Nodes(t, tuple(one.level for one in evals), tuple(one.target for one in evals), k)

    def calls(self, nodes: Nodes) -> Iterator[Eval]:
        stages = [stage for order in orders(len(nodes.timesteps)) for stage in range(order)]
        for call, stage in zip(one_call_each(nodes, self.space), stages, strict=True):
            yield replace(call, stage=stage)

    def make_solver(self, schedule: Schedule, prediction: Prediction) -> Singlestep:
        return Singlestep(schedule, prediction, data=False)


def orders(calls: int) -> list[int]:
    """The orders of the steps that share so many calls (2206.00927, section 3.4)."""
    m = calls // 3 + 1
    return [3] * (m - 2) + [2, 1] if calls % 3 == 0 else [3] * (m - 1) + [calls % 3]
