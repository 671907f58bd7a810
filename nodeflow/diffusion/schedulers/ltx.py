"""Euler's method with fresh noise at every step, on a rectified flow, as LTX-Video is sampled in node editors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from .config import refuse
from .flows import SHIFTING, FlowScheduler
from .prediction import Prediction
from .request import Request
from .schedule import Nodes, Schedule
from .solver import NoiseSource, Solver, State, noisier, slope
from .space import Level


@dataclass(frozen=True)
class FlowAncestral(Solver):
    """Euler's method to a level below the next one, then noise up to that:

        k_down = k' (1 + (k' / k - 1) eta)
        x' = r (x + (k_down - k) (x - x0) / k) + s_noise sqrt(k'² - r² k_down²) z,  r = (1 - k') / (1 - k_down)

    Args:
        eta: 0 for Euler's method, 1 for as much noise as the published sampler.
        s_noise: Factor on the noise.
    """

    eta: float = 1.0
    s_noise: float = 1.0

    def advance(self, state: State, output: Tensor, noise: NoiseSource) -> State:
        call, x = self.here(state), state.x
        k, k2 = call.level.sigma, call.target.sigma
        x0 = self.prediction.x0(x, output, call.level)
        down = k2 * (1 + (k2 / k - 1) * self.eta)
        x = x + (down - k) * slope(x, x0, call.level)
        if k2 > 0 and self.eta > 0 and self.s_noise > 0:
            x = noisier(x, Level(1 - down, down), call.target, self.s_noise * noise(x))
        return replace(state, x=x, estimate=x0)


class LTXEulerAncestralRFScheduler(FlowScheduler):
    """Ancestral Euler on a flow; without sigmas it lays its levels like `FlowMatchEulerDiscreteScheduler`."""

    defaults: ClassVar[Mapping[str, Any]] = {"num_train_timesteps": 1000, "eta": 1.0, "s_noise": 1.0}
    solver_class = FlowAncestral

    def nodes(self, request: Request) -> Nodes:
        """Sigmas of the caller's stand as they are, the end included."""
        if request.timesteps is not None:
            refuse("this scheduler takes no timesteps", where=type(self).__name__, fix="give sigmas")
        if request.sigmas is None:
            return super().nodes(request)
        k = request.sigmas.astype(np.float32)
        return self.joined(k[:-1] * np.float32(self.space.steps), k)

    def asks(self, key: str) -> bool:
        """Also what it keeps from `FlowMatchEulerDiscreteScheduler`, whose levels it lays."""
        return key in SHIFTING and bool(self.config.get(key))

    def make_solver(self, schedule: Schedule, prediction: Prediction) -> FlowAncestral:
        return FlowAncestral(schedule, prediction, self.config.eta, self.config.s_noise)
