"""DPM-Solver and DPM-Solver++, singlestep: Runge-Kutta in lambda. Lu et al. 2022, arXiv 2206.00927 and 2211.01095."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from torch import Tensor

from .config import FLOWING, THRESHOLDING, TRAINING, WARPED
from .dpm import DPM, MENUS, DPMScheduler, told
from .exponential import Kernel, Point
from .prediction import Prediction
from .schedule import Schedule
from .solver import NoiseSource, State, remembered


@dataclass(frozen=True)
class Singlestep(DPM):
    """A step of order r begins at an anchor and takes r calls; call j ends where order j takes the anchor to.

    The formulas are those of the multistep solver with D0 the output at the anchor, D1 and D2 towards the later ones.
    Here D2 is whole, and order 3 converges with order 3; its midpoint form (heun = False) leaves D2 and the middle
    call out, which loses no order where the calls lie evenly in lambda (2206.00927, algorithm 2).

    Args:
        orders: The order of each call.
    """

    orders: tuple[int, ...] = ()

    curvature: ClassVar[float] = 2.0

    def advance(self, state: State, output: Tensor, noise: NoiseSource) -> State:
        call, x = self.here(state), state.x
        m, x0 = self.read(x, output[:, : x.shape[1]], call.level)
        history = remembered(state.history, m, self.solver_order)
        order = min(self.orders[state.index], state.index - state.begin + 1)
        anchor = state.anchor if order > 1 and state.anchor is not None else x
        z = self.drawn(x, call, noise) if self.stochastic else None
        if call.target.sigma == 0:
            new = self.clean(x, m, call.level, call.target)
        else:
            points = self.points(state, history, 0, order)[::-1]
            new = self.joined(anchor, self.back(state, order - 1), call.target, points, z)
        return replace(state, x=new, estimate=x0, history=history, anchor=anchor)

    def slope(self, step: Kernel, h: float, points: list[Point]) -> Tensor:
        if len(points) == 3 and not self.heun:
            return replace(self, heun=True).slope(step, h, [points[0], points[2]])
        return super().slope(step, h, points)


class DPMSolverSinglestepScheduler(DPMScheduler):
    """DPM-Solver++ without a memory across steps: for few steps and strong guidance."""

    defaults: ClassVar[Mapping[str, Any]] = {
        **TRAINING,
        **THRESHOLDING,
        "solver_order": 2,
        "algorithm_type": "dpmsolver++",
        "solver_type": "midpoint",
        "lower_order_final": False,
        **WARPED,
        **FLOWING,
        "final_sigmas_type": "zero",
        "lambda_min_clipped": -math.inf,
        "variance_type": None,
    }
    menus: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        **DPMScheduler.menus,
        "algorithm_type": tuple(one for one in MENUS["algorithm_type"] if one != "sde-dpmsolver"),
    }
    solver_class = Singlestep

    def make_solver(self, schedule: Schedule, prediction: Prediction) -> DPM:
        return Singlestep(schedule, prediction, data=self.data, **told(self), orders=self.orders(schedule.steps))

    def orders(self, n: int) -> tuple[int, ...]:
        """The order of each of n calls: 1, 2, 3, 1, 2, 3, …, the last one lowered where the configuration asks."""
        orders = [i % self.config.solver_order + 1 for i in range(n)]
        if self.ends_clean or (self.config.lower_order_final and n % self.config.solver_order == 0):
            orders[-1] = 1
        return tuple(orders)
