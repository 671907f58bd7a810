"""PNDM: pseudo-numerical methods, DDIM driven by slopes of higher order. Liu et al. 2022, arXiv 2202.09778."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from .config import SPACED, TRAINING, refuse
from .families import StrideScheduler
from .prediction import Prediction
from .request import Request
from .schedule import Eval, Nodes, Schedule
from .solver import NoiseSource, Solver, State, remembered, transfer
from .space import Level

ADAMS_BASHFORTH = ((1.0,), (3 / 2, -1 / 2), (23 / 12, -16 / 12, 5 / 12), (55 / 24, -59 / 24, 37 / 24, -9 / 24))
"""Weights of the outputs, newest first, by how many there are (eq. 12)."""

RUNGE_KUTTA = (1 / 6, 1 / 3, 1 / 3, 1 / 6)
WARM_UP = 12
"""Calls of the three Runge-Kutta steps that bring a history for the fourth-order formula."""


@dataclass(frozen=True)
class PNDM(Solver):
    """x' = a' x0 + s' eps (eq. 11), where the output that x0 and eps are read from joins several calls.

    Order 2 (theorem 3.1): the weights are those of equal strides, and equal strides in t are not equal in noise.

    prk    the first three steps: Runge-Kutta, four calls each
    plms   the rest: Adams-Bashforth; without prk, the first step is done twice, the second time with the mean

    Args:
        at: The level of a timestep, of the end below 0.
        stride: Timesteps a step, T // n.
        runge_kutta: Whether a run begins with prk.
    """

    at: Callable[[int], Level]
    stride: int
    runge_kutta: bool = False

    def advance(self, state: State, output: Tensor, noise: NoiseSource) -> State:
        calls = state.index - state.begin
        if self.runge_kutta and calls < WARM_UP:
            return self.prk(state, output, calls)
        return self.plms(state, output, calls)

    def prk(self, state: State, output: Tensor, calls: int) -> State:
        """One of the four calls of a Runge-Kutta step from timestep `begin` over half a stride and a whole one.

        Calls count from where the run began, `begin` from the first entry of the schedule: so it is published, and so
        image-to-image pictures were made.
        """
        stage = calls % 4
        begin, t = int(self.schedule.evals[calls - stage].t), int(self.here(state).t)
        target = t if stage % 2 else t - self.stride // 2
        stages = (*state.stages, output)
        if stage == 0:
            state = replace(state, anchor=state.x, history=remembered(state.history, output, 4))
        if stage == 3:
            output, stages = joined(RUNGE_KUTTA, stages), ()
        return self.walk(replace(state, stages=stages), output, begin, target)

    def plms(self, state: State, output: Tensor, calls: int) -> State:
        """A step over a whole stride; the second call does the first step again."""
        t = int(self.here(state).t)
        if calls == 1 and not self.runge_kutta:
            return self.walk(state, (output + state.history[-1]) / 2, t + self.stride, t)
        history = remembered(state.history, output, 4)
        output = joined(ADAMS_BASHFORTH[len(history) - 1], history[::-1])
        return self.walk(replace(state, anchor=state.x, history=history), output, t, t - self.stride)

    def walk(self, state: State, output: Tensor, begin: int, end: int) -> State:
        """From the anchor at one timestep to another."""
        assert state.anchor is not None
        level = self.at(begin)
        x0 = self.prediction.x0(state.anchor, output, level)
        eps = self.prediction.eps(state.anchor, output, level)
        return replace(state, x=transfer(x0, eps, self.at(end)), estimate=x0)


def joined(weights: tuple[float, ...], outputs: tuple[Tensor, ...]) -> Tensor:
    """The weighted sum of outputs, [B, ...]."""
    first, *rest = (weight * output for weight, output in zip(weights, outputs, strict=True))
    return sum(rest, start=first)


class PNDMScheduler(StrideScheduler):
    """Pseudo linear multistep, the scheduler many early latent models were published with."""

    defaults: ClassVar[Mapping[str, Any]] = {
        **TRAINING,
        "skip_prk_steps": False,
        "set_alpha_to_one": False,
        **SPACED,
        "timestep_spacing": "leading",
    }
    menus: ClassVar[Mapping[str, tuple[str, ...]]] = {"prediction_type": ("epsilon", "v_prediction")}
    solver_class = PNDM

    def nodes(self, request: Request) -> Nodes:
        if request.timesteps is not None or request.sigmas is not None:
            refuse("this scheduler steps in equal strides", where=type(self).__name__, fix="give the number of steps")
        if not self.config.skip_prk_steps and request.n < 4:
            what = f"{request.n} steps are too few for the Runge-Kutta warm-up"
            refuse(what, where=type(self).__name__, fix="take at least 4 steps, or set skip_prk_steps")
        return super().nodes(request)

    def calls(self, nodes: Nodes) -> Iterator[Eval]:
        """n + 1 calls without and n + 9 with the Runge-Kutta warm-up."""
        t, stride = nodes.timesteps, self.stride(len(nodes.timesteps))
        if self.config.skip_prk_steps:
            told = np.insert(t, 2, t[1]) if len(t) > 1 else t
        else:
            half = stride // 2
            told = np.concatenate([*([t[i], t[i + 1] + half, t[i + 1] + half, t[i + 1]] for i in range(3)), t[3:]])
        for one in told.tolist():
            yield Eval(one, self.at(one), self.at(one - stride))

    def make_solver(self, schedule: Schedule, prediction: Prediction) -> PNDM:
        return PNDM(schedule, prediction, self.at, self.stride(schedule.steps), not self.config.skip_prk_steps)
