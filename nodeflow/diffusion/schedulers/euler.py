"""Euler's method in k-space, plain and ancestral. Karras et al. 2022, arXiv 2206.00364, algorithm 2; k-diffusion."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from .ancestral import split_noise
from .config import SPACED, TRAINING, WARPED, refuse
from .families import KScheduler
from .prediction import PRECONDITIONED
from .request import Request
from .schedule import Nodes
from .solver import NoiseSource, Solver, State, slope
from .space import Level


@dataclass(frozen=True)
class Churned(Solver):
    """A solver whose every step may begin by raising x from k to k_hat = (1 + gamma) k with noise of its own.

    Args:
        s_churn: How much noise is added over the whole run.
        s_tmin: The lowest level at which it is added.
        s_tmax: The highest level at which it is added.
        s_noise: Factor on its standard deviation.
    """

    s_churn: float = 0.0
    s_tmin: float = 0.0
    s_tmax: float = math.inf
    s_noise: float = 1.0

    def raised(self, x: Tensor, level: Level, noise: NoiseSource) -> tuple[Tensor, Level]:
        """x and its level after the churn of a step that begins there."""
        gamma = min(self.s_churn / (len(self.schedule.sigmas) - 1), math.sqrt(2) - 1)
        if gamma <= 0 or not self.s_tmin <= level.sigma <= self.s_tmax:
            return x, level
        higher = Level(level.alpha, level.sigma * (1 + gamma))
        return x + self.s_noise * math.sqrt(higher.sigma**2 - level.sigma**2) * noise(x), higher

    def clean(self, x: Tensor, output: Tensor, seen: Level, level: Level) -> Tensor:
        """x0 of a raised x: the model saw the level before, and all but eps is scaled by the level it saw, [B, ...].

        As published, a preconditioned output is scaled by the level of x too.
        """
        at_x = self.prediction.kind in ("epsilon", *PRECONDITIONED)
        return self.prediction.x0(x, output, level if at_x else seen)


@dataclass(frozen=True)
class Euler(Churned):
    """x' = x + (k' - k) d,  d = (x - x0) / k, order 1: the straight line through x0, which is DDIM without noise."""

    def advance(self, state: State, output: Tensor, noise: NoiseSource) -> State:
        call = self.here(state)
        x, level = self.raised(state.x, call.level, noise)
        x0 = self.clean(x, output, call.level, level)
        return replace(state, x=x + (call.target.sigma - level.sigma) * slope(x, x0, level), estimate=x0)


@dataclass(frozen=True)
class EulerAncestral(Solver):
    """Euler's method down to k_down, then noise up to k', of which every step draws some:

    k_up² = k'² (k² - k'²) / k²,  k_down² = k'² - k_up²
    """

    def advance(self, state: State, output: Tensor, noise: NoiseSource) -> State:
        call, x = self.here(state), state.x
        down, up = split_noise(call.level.k, call.target.k)
        x0 = self.prediction.x0(x, output, call.level)
        return replace(state, x=x + (down - call.level.k) * slope(x, x0, call.level) + up * noise(x), estimate=x0)


class EulerDiscreteScheduler(KScheduler):
    """Euler's method: the plain choice, good from 20 steps."""

    defaults: ClassVar[Mapping[str, Any]] = {
        **TRAINING,
        "interpolation_type": "linear",
        **WARPED,
        "sigma_min": None,
        "sigma_max": None,
        **SPACED,
        "timestep_type": "discrete",
        "rescale_betas_zero_snr": False,
        "final_sigmas_type": "zero",
    }
    aliases: ClassVar[Mapping[str, Mapping[str, str]]] = {"prediction_type": {"original_sample": "sample"}}
    solver_class = Euler

    @property
    def continuous(self) -> bool:
        """Whether the model is told 0.25 log k instead of a timestep (EDM, SVD)."""
        return self.config.timestep_type == "continuous" and self.config.prediction_type == "v_prediction"

    def nodes(self, request: Request) -> Nodes:
        if request.timesteps is not None and self.continuous:
            what = "timesteps cannot be given where timestep_type is continuous"
            refuse(what, where=type(self).__name__, fix="give sigmas")
        return super().nodes(request)

    def trained_levels(self, mu: float | None = None) -> np.ndarray:
        c = self.config
        if self.continuous and c.sigma_min and c.sigma_max:
            return np.geomspace(c.sigma_min, c.sigma_max, c.num_train_timesteps)
        return super().trained_levels(mu)

    def told(self, k: float) -> float:
        """What the model is told at a noise level."""
        return 0.25 * math.log(k) if self.continuous else self.space.t(k)

    def joined(self, t: np.ndarray, k: np.ndarray) -> Nodes:
        if self.continuous:
            t = 0.25 * np.log(k[:-1])
        return super().joined(t, k)

    def interpolated(self, t: np.ndarray) -> np.ndarray:
        if self.config.interpolation_type == "linear":
            return super().interpolated(t)
        # one more level than timesteps: a run so laid ends at the lowest level of the table
        top, bottom = float(self.space.log_ks[-1]), float(self.space.log_ks[0])
        return np.exp(np.linspace(top, bottom, len(t) + 1)).astype(np.float32)


class EulerAncestralDiscreteScheduler(KScheduler):
    """Euler's method with fresh noise at every step."""

    defaults: ClassVar[Mapping[str, Any]] = {
        **TRAINING,
        **SPACED,
        "rescale_betas_zero_snr": False,
    }
    menus: ClassVar[Mapping[str, tuple[str, ...]]] = {"prediction_type": ("epsilon", "v_prediction")}
    solver_class = EulerAncestral
