"""DPM-Solver and DPM-Solver++, multistep, plain and stochastic. Lu et al. 2022, arXiv 2206.00927 and 2211.01095."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, ClassVar

import torch
from torch import Tensor

from .config import FLOWING, SPACED, THRESHOLDING, TRAINING, WARPED, refuse
from .exponential import Exponential, Kernel, Point, kernel
from .families import ExponentialScheduler
from .prediction import Prediction
from .schedule import Eval, Schedule
from .scheduler import Scheduler
from .solver import NoiseSource, State, doubled, remembered
from .space import Level

FEW_STEPS = 15
"""Below this many steps the last two are of lower order, for stability."""


@dataclass(frozen=True)
class DPM(Exponential):
    """With D0 = m_0 and divided differences D1, D2 of the outputs in lambda, h = lambda' - lambda, F = e^g - 1:

        x' = carry x - gain (F D0 + c1 D1 + c2 D2) + noise z

        order 2   c1 = F / 2 (midpoint) or F / g - 1 (heun)
        order 3   c1 = F / g - 1,  c2 = (F - g) / g² - 1/2

    As published, D2 is half of the second derivative that the expansion needs: "order 3" converges with order 2, at
    less than half the error of order 2. It is kept, because shared pictures depend on it.

    Args:
        stochastic: eta, how stochastic the step is; see `exponential`.
        noise_scale: Factor on the standard deviation of its noise.
        solver_order: 1, 2 or 3.
        heun: Which formula of order 2.
        lower_order_final: Lower the order of the last two of few steps.
        euler_at_final: Take the last step with order 1.
        learned_variance: Whether the network gives a variance too, which is left out.
        adds_half: Whether c2 adds the half that the expansion subtracts.
    """

    stochastic: float = 0.0
    noise_scale: float = 1.0
    solver_order: int = 2
    heun: bool = False
    lower_order_final: bool = True
    euler_at_final: bool = False
    learned_variance: bool = False
    adds_half: bool = False

    curvature: ClassVar[float] = 1.0

    def advance(self, state: State, output: Tensor, noise: NoiseSource) -> State:
        call, x = self.here(state), state.x
        m, x0 = self.read(x, output[:, : x.shape[1]], call.level)
        history = remembered(state.history, m, self.solver_order)
        points = self.points(state, history, 0, self.order_at(state.index, state.index - state.begin))
        z = self.drawn(x, call, noise) if self.stochastic else None
        if call.target.sigma == 0:
            x = self.clean(x, m, call.level, call.target)
        else:
            x = self.joined(x, call.level, call.target, points, z)
        return replace(state, x=x, estimate=x0, history=history)

    def joined(self, x: Tensor, here: Level, target: Level, points: list[Point], z: Tensor | None) -> Tensor:
        """x at a noisy target, through the outputs at these points, [B, ...]."""
        h = target.lam - here.lam
        if h == 0:
            return x
        step = kernel(here, target, data=self.data, eta=self.stochastic)
        x = step.carry * x - step.gain * self.slope(step, h, points)
        return x if z is None else x + self.noise_scale * step.noise * z

    def drawn(self, x: Tensor, call: Eval, noise: NoiseSource) -> Tensor:
        """The noise of a step, N(0, 1), [B, ...]."""
        return noise(x)

    def fitting(self, x: Tensor) -> tuple[torch.Size, ...]:
        return (x.shape, doubled(x)) if self.learned_variance else (x.shape,)

    def order_at(self, index: int, done: int) -> int:
        """The order of the step at a call, after so many calls of this run."""
        left, order = len(self.schedule) - index, min(self.solver_order, done + 1)
        if self.lower_order_final and len(self.schedule) < FEW_STEPS:
            order = min(order, left)
        return 1 if left == 1 and self.euler_at_final else order

    def slope(self, step: Kernel, h: float, points: list[Point]) -> Tensor:
        """F D0 + c1 D1 + c2 D2, of as high an order as there are points."""
        g, F = step.g, math.expm1(step.g)
        D0 = points[0].m
        if len(points) == 1:
            return F * D0
        r0 = (points[0].lam - points[1].lam) / h
        D1 = (D0 - points[1].m) / r0
        if len(points) == 2:
            return F * D0 + (F / g - 1 if self.heun else F / 2) * D1
        r1 = (points[1].lam - points[2].lam) / h
        older = (points[1].m - points[2].m) / r1
        D2 = (D1 - older) / (r0 + r1)
        c2 = (F - g) / g**2 + (0.5 if self.adds_half else -0.5)
        return F * D0 + (F / g - 1) * (D1 + r0 * D2) + self.curvature * c2 * D2


MENUS: Mapping[str, tuple[Any, ...]] = MappingProxyType(
    {
        "algorithm_type": ("dpmsolver++", "sde-dpmsolver++", "dpmsolver", "sde-dpmsolver"),
        "solver_type": ("midpoint", "heun"),
        "solver_order": (1, 2, 3),
        "variance_type": (None, "learned", "learned_range"),
    }
)

ALIASES: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "algorithm_type": dict.fromkeys(("deis", "data_prediction", "noise_prediction"), "dpmsolver++"),
        "solver_type": dict.fromkeys(("logrho", "bh1", "bh2"), "midpoint"),
    }
)
"""What other exponential integrators call their own, and DPM-Solver++ does in its usual way."""


class DPMScheduler(ExponentialScheduler):
    """What the multistep, singlestep and inverse classes share."""

    menus: ClassVar[Mapping[str, tuple[Any, ...]]] = {**ExponentialScheduler.menus, **MENUS}
    aliases: ClassVar[Mapping[str, Mapping[str, str]]] = ALIASES

    @property
    def data(self) -> bool:
        """Whether the solver steps in the data prediction."""
        return self.config.algorithm_type.endswith("++")

    def check(self) -> None:
        super().check()
        c, where = self.config, type(self).__name__
        if not self.data and self.ends_clean:
            what = f"algorithm_type {c.algorithm_type} cannot end at zero noise"
            refuse(what, where=where, fix="set final_sigmas_type to sigma_min, or take dpmsolver++")
        if c.algorithm_type == "sde-dpmsolver" and c.solver_order > 2:
            refuse("sde-dpmsolver has no order 3", where=where, fix="set solver_order to 2, or take sde-dpmsolver++")

    def make_solver(self, schedule: Schedule, prediction: Prediction) -> DPM:
        return DPM(schedule, prediction, data=self.data, **told(self))


def told(scheduler: Scheduler) -> dict[str, Any]:
    """What a configuration says to the solver, whichever of its options the class has."""
    c = scheduler.config
    sde = scheduler.asks("algorithm_type") and c.algorithm_type.startswith("sde")
    return {
        "stochastic": float(sde),
        "solver_order": c.solver_order,
        "heun": c.solver_type == "heun",
        "lower_order_final": c.lower_order_final,
        "euler_at_final": scheduler.asks("euler_at_final"),
        "learned_variance": scheduler.asks("variance_type"),
        # kept as published: the stochastic formula adds the half that the expansion subtracts
        "adds_half": sde,
    }


class DPMSolverMultistepScheduler(DPMScheduler):
    """DPM-Solver++: good pictures in 20 steps; also its noise form and its stochastic forms."""

    defaults: ClassVar[Mapping[str, Any]] = {
        **TRAINING,
        **THRESHOLDING,
        "solver_order": 2,
        "algorithm_type": "dpmsolver++",
        "solver_type": "midpoint",
        "lower_order_final": True,
        "euler_at_final": False,
        **WARPED,
        "use_lu_lambdas": False,
        **FLOWING,
        "final_sigmas_type": "zero",
        "lambda_min_clipped": -math.inf,
        "variance_type": None,
        **SPACED,
        "rescale_betas_zero_snr": False,
    }
    solver_class = DPM

    @property
    def rounds(self) -> bool:
        return super().rounds and self.config.beta_schedule != "squaredcos_cap_v2"
