"""UniPC: a predictor and a corrector that share every output. Zhao et al. 2023, arXiv 2302.04867."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from .config import FLOWING, SPACED, THRESHOLDING, TRAINING, WARPED, refuse
from .exponential import Exponential, Point, kernel
from .families import ExponentialScheduler
from .prediction import Prediction
from .request import Request
from .schedule import Nodes, Schedule
from .solver import NoiseSource, State, remembered
from .space import Level
from .warps import stretched


@dataclass(frozen=True)
class UniPC(Exponential):
    """With r_k = (lambda_k - lambda_0) / h, D_k = (m_k - m_0) / r_k and F = e^g - 1 (eq. 3, 9; algorithms 5 to 8):

        x' = carry x - gain (F m_0 + B sum_k rho_k D_k)

    The predictor of order p joins the last p outputs. When the model has answered at x', the corrector does the step
    again with that answer too (r = 1), which raises the order by one for no further call.

    Args:
        solver_order: p, from 1.
        bh1: B = g, better for few steps in small guidance; otherwise B = F.
        lower_order_final: Lower the order of the last steps.
        disable_corrector: Steps that are not corrected.
    """

    solver_order: int = 2
    bh1: bool = False
    lower_order_final: bool = True
    disable_corrector: tuple[int, ...] = ()

    def advance(self, state: State, output: Tensor, noise: NoiseSource) -> State:
        call, done = self.here(state), state.index - state.begin
        m, x0 = self.read(state.x, output, call.level)
        x = state.x
        if done and state.index - 1 not in self.disable_corrector:
            assert state.anchor is not None
            order = self.order_at(state.index - 1, done - 1)
            points = self.points(state, state.history, 1, order)
            x = self.joined(state.anchor, self.back(state, 1), call.level, points, m)
        history = remembered(state.history, m, self.solver_order)
        points = self.points(state, history, 0, self.order_at(state.index, done))
        new = self.joined(x, call.level, call.target, points)
        return replace(state, x=new, estimate=x0, history=history, anchor=x)

    def order_at(self, index: int, done: int) -> int:
        """The order of the step at a call, after so many calls of this run."""
        order = min(self.solver_order, done + 1)
        return min(order, len(self.schedule) - index) if self.lower_order_final else order

    def joined(
        self, x: Tensor, here: Level, target: Level, points: list[Point], answer: Tensor | None = None
    ) -> Tensor:
        """x at the target: predicted from the points, or corrected by the model's answer there, [B, ...]."""
        h, m0 = target.lam - here.lam, points[0].m
        if target.sigma == 0:
            return self.clean(x, m0, here, target)
        if h == 0:
            return x
        step = kernel(here, target, data=self.data)
        F = math.expm1(step.g)
        B = step.g if self.bh1 else F
        ratios = [(point.lam - points[0].lam) / h for point in points[1:]]
        differences = [(point.m - m0) / r for point, r in zip(points[1:], ratios, strict=True)]
        if answer is not None:
            ratios, differences = [*ratios, 1.0], [*differences, answer - m0]
        weights = rhos(ratios, step.g, B)
        slope = F * m0 + sum((B * rho * D for rho, D in zip(weights, differences, strict=True)), start=0 * m0)
        return step.carry * x - step.gain * slope


def rhos(ratios: Sequence[float], g: float, B: float) -> list[float]:
    """The weights rho: sum_k rho_k r_k^(i-1) = i! phi_(i+1)(g) g / B for i = 1 … (eq. 7 and 12).

    With a single difference both the predictor of order 2 and the corrector of order 1 take 1/2 (appendix F).
    """
    if len(ratios) < 2:
        return [0.5] * len(ratios)
    phi, factorial, b = math.expm1(g) / g - 1, 1, []
    for i in range(1, len(ratios) + 1):
        b.append(phi * factorial / B)
        factorial *= i + 1
        phi = phi / g - 1 / factorial
    powers = np.vander(ratios, increasing=True).T
    return np.linalg.solve(powers, np.array(b)).tolist()


class UniPCMultistepScheduler(ExponentialScheduler):
    """UniPC: strong with 5 to 10 steps."""

    defaults: ClassVar[Mapping[str, Any]] = {
        **TRAINING,
        **THRESHOLDING,
        "solver_order": 2,
        "predict_x0": True,
        "solver_type": "bh2",
        "lower_order_final": True,
        "disable_corrector": [],
        "solver_p": None,
        **WARPED,
        **FLOWING,
        **SPACED,
        "final_sigmas_type": "zero",
        "rescale_betas_zero_snr": False,
        "sigma_min": None,
        "sigma_max": None,
        "shift_terminal": None,
    }
    menus: ClassVar[Mapping[str, tuple[Any, ...]]] = {**ExponentialScheduler.menus, "solver_type": ("bh1", "bh2")}
    aliases: ClassVar[Mapping[str, Mapping[str, str]]] = {
        "solver_type": {"midpoint": "bh2", "heun": "bh2", "logrho": "bh2"}
    }
    solver_class = UniPC
    repeats: ClassVar[bool] = True

    def check(self) -> None:
        super().check()
        c, where = self.config, type(self).__name__
        if c.solver_order != int(c.solver_order) or c.solver_order < 1:
            refuse(f"solver_order is {c.solver_order}", where=where, fix="give a whole number from 1")
        if c.shift_terminal is not None and not c.use_flow_sigmas:
            refuse("shift_terminal is for flows", where=where, fix="set use_flow_sigmas, or leave it out")
        if c.solver_p is not None:
            refuse("solver_p is not supported", where=where, fix="leave it null: UniPC predicts by itself")

    def nodes(self, request: Request) -> Nodes:
        if self.config.use_dynamic_shifting and request.mu is None:
            refuse("use_dynamic_shifting needs mu", where=type(self).__name__, fix="give mu, or switch it off")
        return super().nodes(request)

    def make_solver(self, schedule: Schedule, prediction: Prediction) -> UniPC:
        c = self.config
        return UniPC(
            schedule,
            # the noise form never sees x0, and so leaves it unbounded
            prediction if c.predict_x0 else replace(prediction, quantile=None),
            data=c.predict_x0,
            solver_order=int(c.solver_order),
            bh1=c.solver_type == "bh1",
            lower_order_final=c.lower_order_final,
            disable_corrector=tuple(c.disable_corrector),
        )

    def flow_base(self, n: int) -> np.ndarray:
        return np.linspace(1, 1 / self.config.num_train_timesteps, n + 1)[:n]

    def below_one(self, k: np.ndarray) -> np.ndarray:
        return super().below_one(stretched(k, self.config.shift_terminal) if self.config.shift_terminal else k)
