"""Samplers that follow the slope d = (x - x0) / k, in k-space and on flows: iPNDM, gradient estimation, Heun++."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from torch import Tensor

from .pndm import ADAMS_BASHFORTH
from .prediction import Prediction
from .schedule import Eval, Nodes, Schedule
from .sigmas import SigmaScheduler
from .solver import NoiseSource, Solver, State, remembered, slope


@dataclass(frozen=True)
class AdamsBashforth(Solver):
    """x' = x + (k' - k) sum_j w_j d_j: the slopes of the last calls with the weights of even steps.

    Zhang and Chen 2022, iPNDM, arXiv 2204.13902, section 3. As many slopes as there are, at last `order`. Levels are
    not even, so that its order is 2; the weights for uneven ones are those of `LMS`.
    """

    order: int = 4

    def advance(self, state: State, output: Tensor, noise: NoiseSource) -> State:
        call = self.here(state)
        x0 = self.prediction.x0(state.x, output, call.level)
        slopes = remembered(state.history, slope(state.x, x0, call.level), self.order)
        d = sum(w * one for w, one in zip(ADAMS_BASHFORTH[len(slopes) - 1], reversed(slopes), strict=True))
        return replace(state, x=state.x + (call.target.sigma - call.level.sigma) * d, estimate=x0, history=slopes)


@dataclass(frozen=True)
class GradientEstimation(Solver):
    """x' = x + (k' - k) (gamma d + (1 - gamma) d_old): denoising as gradient descent on the distance to the data.

    Permenter and Yuan 2024, arXiv 2306.04848, algorithm 2. The first and the last step are Euler's. gamma = 3/2 would
    be the second order of even steps; more damps the error of the network's estimate. On x0 the last step ends clean.
    """

    gamma: float = 2.0

    def advance(self, state: State, output: Tensor, noise: NoiseSource) -> State:
        call = self.here(state)
        x0 = self.prediction.x0(state.x, output, call.level)
        d = slope(state.x, x0, call.level)
        mixed = d
        if state.history and call.target.sigma > 0:
            mixed = self.gamma * d + (1 - self.gamma) * state.history[0]
        x = state.x + (call.target.sigma - call.level.sigma) * mixed
        return replace(state, x=x, estimate=x0, history=(d,))


@dataclass(frozen=True)
class HeunPP(Solver):
    """x' = x + (k' - k) sum_j w_j d_j over the slopes at k and at the one or two levels that follow, reached by Euler:

        w_j = k_j / (c k_0) for j > 0, w_0 = 1 - sum w_j;  c = 2 or 3 slopes, k_0 the first level of the schedule

    Early steps so mix in what comes, late ones are Euler's; the last two have no levels to look ahead to. No paper:
    the Heun++ of node editors. Order 1.
    """

    def advance(self, state: State, output: Tensor, noise: NoiseSource) -> State:
        call = self.here(state)
        x0 = self.prediction.x0(state.x, output, call.level)
        slopes = (*state.stages, slope(state.x, x0, call.level))
        evals, after = self.schedule.evals, state.index + 1
        anchor = state.x if state.anchor is None else state.anchor
        if after < len(evals) and evals[after].stage:
            x = state.x + (evals[after].level.sigma - call.level.sigma) * slopes[-1]
            return replace(state, x=x, estimate=x0, stages=slopes, anchor=anchor)
        begin = self.back(state, call.stage).sigma
        levels = [self.back(state, call.stage - j).sigma for j in range(1, len(slopes))]
        weights = [k / (len(slopes) * self.schedule.level(0).sigma) for k in levels]
        d = sum((w * one for w, one in zip(weights, slopes[1:], strict=True)), (1 - sum(weights)) * slopes[0])
        x = anchor + (call.target.sigma - begin) * d
        return replace(state, x=x, estimate=x0, stages=(), anchor=None)


class IPNDMDiscreteScheduler(SigmaScheduler):
    """iPNDM in k-space: the slopes of up to four steps with the weights of even ones, one call a step."""

    defaults: ClassVar[Mapping[str, Any]] = SigmaScheduler.defaults
    steps_in_lambda: ClassVar[bool] = False
    solver_class = AdamsBashforth


class GradientEstimationScheduler(SigmaScheduler):
    """Euler's method along a slope that is carried further than it points, one call a step."""

    defaults: ClassVar[Mapping[str, Any]] = {**SigmaScheduler.defaults, "ge_gamma": 2.0}
    steps_in_lambda: ClassVar[bool] = False
    solver_class = GradientEstimation

    def make_solver(self, schedule: Schedule, prediction: Prediction) -> GradientEstimation:
        return GradientEstimation(schedule, prediction, self.config.ge_gamma)


class HeunPP2Scheduler(SigmaScheduler):
    """Heun++: three calls a step that look two levels ahead."""

    defaults: ClassVar[Mapping[str, Any]] = SigmaScheduler.defaults
    steps_in_lambda: ClassVar[bool] = False
    solver_class = HeunPP
    order: ClassVar[int] = 3

    def calls(self, nodes: Nodes) -> Iterator[Eval]:
        evals = [
            Eval(t, level, target, 0, self.space.input_scale(level))
            for t, level, target in zip(nodes.timesteps.tolist(), nodes.levels, nodes.targets, strict=True)
        ]
        for i, one in enumerate(evals):
            ahead = evals[i + 1 : i + 3]
            yield one
            for stage, later in enumerate(ahead, start=1):
                yield replace(later, target=one.target, stage=stage)
