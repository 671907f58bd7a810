"""SA-Solver: Adams methods for the reverse stochastic equation. Xue et al. 2023, arXiv 2309.05019."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from .config import SPACED, THRESHOLDING, TRAINING, WARPED, refuse
from .exponential import Exponential, Point, kernel, moment, through
from .families import ExponentialScheduler
from .prediction import Prediction
from .schedule import Schedule
from .solver import NoiseSource, State, doubled, remembered
from .space import Level


def middle(t: float) -> float:
    """Noise as strong as the stochastic equation's in the middle of training time, none near its ends."""
    return 1.0 if 200 <= t <= 800 else 0.0


@dataclass(frozen=True)
class SA(Exponential):
    """x' = carry x - gain g integral of P(u) e^(g (1 - u)) over 0 … 1 + noise z (eq. 14 to 17)

    The predictor's P goes through the last p outputs; the corrector does the step again, with the same z, through the
    answer at its end as well. As published, P of two outputs is integrated in the data form as if its linear part
    stood under 1 in place of the exponential (appendix of the paper: of the same order, better in few steps).

    Args:
        predictor_order: p, how many outputs the predictor joins.
        corrector_order: How many outputs the corrector joins, the answer included; 0 leaves it out.
        lower_order_final: Lower the orders of the last steps.
        learned_variance: Whether the network gives a variance too, which is left out.
        tau: How much noise is drawn at a timestep, eta = tau².
    """

    predictor_order: int = 2
    corrector_order: int = 2
    lower_order_final: bool = True
    learned_variance: bool = False
    tau: Callable[[float], float] = middle

    def advance(self, state: State, output: Tensor, noise: NoiseSource) -> State:
        call, done, x = self.here(state), state.index - state.begin, state.x
        m, x0 = self.read(x, output[:, : x.shape[1]], call.level)
        left = len(self.schedule) - state.index if self.lower_order_final else math.inf
        if done and self.corrector_order:
            assert state.anchor is not None
            last, order = self.schedule.evals[state.index - 1], min(self.corrector_order, left + 2, done + 1)
            points = [Point(call.level.lam, m), *self.points(state, state.history, 1, int(order) - 1)]
            x = self.joined(state.anchor, last.level, call.level, points, self.tau(last.t), state.stages[0])
        history = remembered(state.history, m, max(self.predictor_order, self.corrector_order - 1))
        points = self.points(state, history, 0, int(min(self.predictor_order, left, done + 1)))
        z = noise(x)
        new = self.joined(x, call.level, call.target, points, self.tau(call.t), z)
        return replace(state, x=new, estimate=x0, history=history, anchor=x, stages=(z,))

    def joined(self, x: Tensor, here: Level, target: Level, points: list[Point], tau: float, z: Tensor) -> Tensor:
        """x at the target, through the outputs at these points, [B, ...]."""
        h = target.lam - here.lam
        if target.sigma == 0:
            return self.clean(x, points[0].m, here, target)
        if h == 0:
            return x
        step = kernel(here, target, data=self.data, eta=tau**2)
        moments = [moment(i, step.g) for i in range(len(points))]
        if self.data and len(points) == 2:
            moments[1] = step.g / 2
        return step.carry * x - step.gain * through(points, here.lam, h, moments) + step.noise * z

    def fitting(self, x: Tensor) -> tuple[torch.Size, ...]:
        return (x.shape, doubled(x)) if self.learned_variance else (x.shape,)


class SASolverScheduler(ExponentialScheduler):
    """Stochastic Adams: as rich in detail as ancestral samplers, in as few steps as the exponential ones."""

    defaults: ClassVar[Mapping[str, Any]] = {
        **TRAINING,
        "predictor_order": 2,
        "corrector_order": 2,
        "tau_func": None,
        **THRESHOLDING,
        "algorithm_type": "data_prediction",
        "lower_order_final": True,
        **WARPED,
        "use_flow_sigmas": False,
        "flow_shift": 1.0,
        "lambda_min_clipped": -math.inf,
        "variance_type": None,
        **SPACED,
    }
    menus: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        **ExponentialScheduler.menus,
        "algorithm_type": ("data_prediction", "noise_prediction"),
        "predictor_order": (1, 2, 3, 4),
        "corrector_order": (0, 1, 2, 3, 4),
        "variance_type": (None, "learned", "learned_range"),
    }
    aliases: ClassVar[Mapping[str, Mapping[str, str]]] = {
        "algorithm_type": dict.fromkeys(
            ("dpmsolver", "dpmsolver++", "sde-dpmsolver", "sde-dpmsolver++", "deis"), "data_prediction"
        )
    }
    repeats: ClassVar[bool] = True
    solver_class = SA

    def check(self) -> None:
        super().check()
        if self.config.tau_func is not None and not callable(self.config.tau_func):
            fix = "give a function of the timestep, or leave it null"
            refuse(f"tau_func is {self.config.tau_func!r}", where=type(self).__name__, fix=fix)

    def make_solver(self, schedule: Schedule, prediction: Prediction) -> SA:
        c = self.config
        return SA(
            schedule,
            prediction,
            data=c.algorithm_type == "data_prediction",
            predictor_order=c.predictor_order,
            corrector_order=c.corrector_order,
            lower_order_final=c.lower_order_final,
            learned_variance=c.variance_type is not None,
            tau=c.tau_func or middle,
        )
