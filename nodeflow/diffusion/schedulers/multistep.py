"""DPM-Solver++ multistep as node editors have it: stochastic by degrees (2M and 3M SDE), ancestral (RES).

Lu et al. 2022, arXiv 2211.01095; k-diffusion. The refined exponential solver of two steps (Zhang et al. 2023, arXiv
2308.02157) is the same polynomial: the second order of DPM-Solver++ in its Heun form.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from torch import Tensor

from .ancestral import Ancestral, split
from .dpm import DPM
from .exponential import Point
from .prediction import Prediction
from .request import Request
from .schedule import Eval, Nodes, Schedule
from .sigmas import SigmaScheduler
from .solver import NoiseSource, State


@dataclass(frozen=True)
class AncestralDPM(DPM, Ancestral):
    """A multistep step to below the next level, then fresh noise up to it.

    Answers count as far apart in lambda as the steps between them led before the noise: the noise between them says
    nothing of a slope, and twice the slope would make steps unstable at eta 1.
    """

    def advance(self, state: State, output: Tensor, noise: NoiseSource) -> State:
        new = super().advance(state, output, noise)
        return replace(new, x=self.renoised(new.x, state, noise))

    def points(self, state: State, history: tuple[Tensor, ...], first: int, count: int) -> list[Point]:
        lam, found = self.back(state, first).lam, []
        for j, m in enumerate(history[::-1][:count]):
            if j:
                past = self.schedule.evals[state.index - first - j]
                lam -= past.target.lam - past.level.lam
            found.append(Point(lam, m))
        return found


@dataclass(frozen=True)
class BrownianDPM(DPM):
    """A multistep step whose noise is that of a Brownian path, so that more steps refine a picture.

    Args:
        span: The lowest and the highest level of the path; None takes those of the schedule.
    """

    span: tuple[float, float] | None = None

    def drawn(self, x: Tensor, call: Eval, noise: NoiseSource) -> Tensor:
        return noise.between(x, call.level.sigma, call.target.sigma, self.span or self.schedule.span)


class DPMPP2MSDEScheduler(SigmaScheduler):
    """DPM++ 2M SDE: one call a step, stochastic; at eta 0 DPM++ 2M."""

    defaults: ClassVar[Mapping[str, Any]] = {
        **SigmaScheduler.defaults,
        "solver_type": "midpoint",
        "eta": 1.0,
        "s_noise": 1.0,
    }
    menus: ClassVar[Mapping[str, tuple[Any, ...]]] = {**SigmaScheduler.menus, "solver_type": ("midpoint", "heun")}
    aliases: ClassVar[Mapping[str, Mapping[str, str]]] = {
        **SigmaScheduler.aliases,
        "solver_type": {"logrho": "midpoint", "bh1": "midpoint", "bh2": "midpoint"},
    }
    solver_class = BrownianDPM

    def make_solver(self, schedule: Schedule, prediction: Prediction) -> BrownianDPM:
        c = self.config
        heun = c.solver_type == "heun"
        return BrownianDPM(
            schedule, prediction, stochastic=c.eta, noise_scale=c.s_noise, heun=heun, lower_order_final=False
        )


class DPMPP3MSDEScheduler(SigmaScheduler):
    """DPM++ 3M SDE: as 2M, with one more answer remembered."""

    defaults: ClassVar[Mapping[str, Any]] = {**SigmaScheduler.defaults, "eta": 1.0, "s_noise": 1.0}
    solver_class = BrownianDPM

    def make_solver(self, schedule: Schedule, prediction: Prediction) -> BrownianDPM:
        noise = {"stochastic": self.config.eta, "noise_scale": self.config.s_noise}
        return BrownianDPM(schedule, prediction, solver_order=3, heun=True, lower_order_final=False, **noise)


class RESMultistepScheduler(SigmaScheduler):
    """The refined exponential solver of order 2, one call a step; with eta above 0 ancestral."""

    defaults: ClassVar[Mapping[str, Any]] = {**SigmaScheduler.defaults, "eta": 0.0, "s_noise": 1.0}
    solver_class = AncestralDPM

    def nodes(self, request: Request) -> Nodes:
        return split(super().nodes(request), self.config.eta)

    def make_solver(self, schedule: Schedule, prediction: Prediction) -> AncestralDPM:
        return AncestralDPM(schedule, prediction, noise_scale=self.config.s_noise, heun=True, lower_order_final=False)
