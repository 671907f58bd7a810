"""EDM: levels between two numbers instead of a table, and a network whose input and output are preconditioned.

With sigma_data = s, the deviation of the data, and x = x0 + k eps, the network F learns at every level a target of
unit variance from an input of unit variance (Karras et al. 2022, arXiv 2206.00364, table 1):

    x0 = c_skip x + c_out F(c_in x, c_noise)

    c_in    1 / sqrt(k² + s²)
    c_skip  s² / (k² + s²)
    c_out   k s / sqrt(k² + s²), negative where the model predicts v
    c_noise log(k) / 4, or 2 atan(k) / pi, the angle of VP (Evans et al. 2024, Stable Audio, arXiv 2407.14358)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np
import torch

from .config import THRESHOLDING, refuse
from .dpm import ALIASES, DPM, MENUS, told
from .euler import Euler
from .families import WarpedScheduler
from .multistep import BrownianDPM
from .prediction import Prediction
from .request import Request
from .schedule import Nodes, Schedule
from .space import EDM

LEVELS: Mapping[str, Any] = MappingProxyType(
    {
        "sigma_min": 0.002,
        "sigma_max": 80.0,
        "sigma_data": 0.5,
        "sigma_schedule": "karras",
        "num_train_timesteps": 1000,
        "prediction_type": "epsilon",
        "rho": 7.0,
        "final_sigmas_type": "zero",
    }
)

MULTISTEP: Mapping[str, Any] = MappingProxyType(
    {"solver_order": 2, "solver_type": "midpoint", "lower_order_final": True, "euler_at_final": False}
)


class EDMScheduler(WarpedScheduler):
    """Levels between sigma_max and sigma_min; the model is told c_noise."""

    noises: ClassVar[tuple[str, ...]] = ("EDM levels",)
    space: EDM
    timestep_dtype: ClassVar[torch.dtype] = torch.float32
    menus: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        **MENUS,
        "algorithm_type": ("dpmsolver++", "sde-dpmsolver++"),
        "sigma_schedule": ("karras", "exponential"),
        "prediction_type": ("epsilon", "v_prediction"),
    }
    aliases: ClassVar[Mapping[str, Mapping[str, str]]] = ALIASES
    noted: ClassVar[tuple[Callable[[float], float], Callable[[float], float]]] = (
        lambda k: math.log(k) / 4,
        lambda t: math.exp(4 * t),
    )
    """c_noise of a level, and its inverse."""

    def check(self) -> None:
        super().check()
        c, where = self.config, type(self).__name__
        if {"beta_schedule", "trained_betas"} & {*c.given} and "sigma_data" not in c.given:
            what = "the model's noise comes from a table of betas, and this is for preconditioned models"
            refuse(what, where=where, fix="choose a scheduler for it")
        if not 0 < c.sigma_min < c.sigma_max:
            what = f"sigma_min {c.sigma_min:g} and sigma_max {c.sigma_max:g} are no range of noise"
            refuse(what, where=where, fix="give 0 < sigma_min < sigma_max")
        if c.sigma_data <= 0 or c.rho <= 0:
            refuse("sigma_data and rho must be above 0", where=where, fix="give what the model was trained with")

    @property
    def top(self) -> float:
        return self.space.t(self.config.sigma_max)

    def make_space(self) -> EDM:
        return EDM(self.between(self.config.num_train_timesteps)[::-1], self.config.sigma_data, *self.noted)

    def between(self, n: int) -> np.ndarray:
        """n falling noise levels from sigma_max to sigma_min, float64, [n]."""
        c = self.config
        # in float32 and by torch, as published: a Brownian path is asked for exactly these levels
        if c.sigma_schedule == "karras":
            top, bottom = c.sigma_max ** (1 / c.rho), c.sigma_min ** (1 / c.rho)
            k = (top + torch.linspace(0, 1, n) * (bottom - top)) ** c.rho
        else:
            k = torch.linspace(math.log(c.sigma_min), math.log(c.sigma_max), max(n, 2)).exp().flip(0)[:n]
        return k.double().numpy()

    def make_prediction(self) -> Prediction:
        kind = "edm_epsilon" if self.config.prediction_type == "epsilon" else "edm_v"
        return replace(super().make_prediction(), kind=kind, deviation=self.config.sigma_data)

    def init_noise(self, largest: float) -> float:
        """Of data and noise together, as if the data had unit variance."""
        return math.hypot(self.config.sigma_max, 1)

    def nodes(self, request: Request) -> Nodes:
        """Noise levels, and what the model is told of them."""
        if request.timesteps is not None:
            refuse("this scheduler is told noise levels", where=type(self).__name__, fix="give sigmas")
        if request.sigmas is not None:
            return self.laid(request.sigmas)
        k = self.between(request.n)
        return self.laid(np.append(k, 0.0 if self.config.final_sigmas_type == "zero" else k[-1]))

    def nodes_of_training(self) -> Nodes:
        """Every level of training, then the clean end."""
        return self.laid(np.append(self.space.ks[::-1], 0.0))

    def trained_levels(self, mu: float | None = None) -> np.ndarray:
        return self.space.ks

    def laid(self, k: np.ndarray) -> Nodes:
        """Points at levels k, [n + 1]."""
        k = k.astype(np.float32)
        return self.joined(np.array([self.space.t(float(one)) for one in k[:-1]], dtype=np.float32), k)


class EDMEulerScheduler(EDMScheduler):
    """Euler's method on a preconditioned model."""

    defaults: ClassVar[Mapping[str, Any]] = LEVELS
    solver_class = Euler


class EDMDPMSolverMultistepScheduler(EDMScheduler):
    """DPM-Solver++ on a preconditioned model (Playground 2.5)."""

    defaults: ClassVar[Mapping[str, Any]] = {**LEVELS, **MULTISTEP, **THRESHOLDING, "algorithm_type": "dpmsolver++"}
    solver_class = DPM

    def make_solver(self, schedule: Schedule, prediction: Prediction) -> DPM:
        return DPM(schedule, prediction, **told(self))


class CosineDPMSolverMultistepScheduler(EDMDPMSolverMultistepScheduler):
    """DPM-Solver++ (SDE) on a Brownian path, with the angle of the noise told to the model (Stable Audio)."""

    noises: ClassVar[tuple[str, ...]] = ("EDM levels told as angles",)
    defaults: ClassVar[Mapping[str, Any]] = {
        **LEVELS,
        **MULTISTEP,
        "sigma_min": 0.3,
        "sigma_max": 500,
        "sigma_data": 1.0,
        "sigma_schedule": "exponential",
        "prediction_type": "v_prediction",
    }
    menus: ClassVar[Mapping[str, tuple[Any, ...]]] = {**EDMScheduler.menus, "solver_order": (1, 2)}
    solver_class = BrownianDPM
    noted: ClassVar[tuple[Callable[[float], float], Callable[[float], float]]] = (
        lambda k: math.atan(k) / math.pi * 2,
        lambda t: math.tan(t * math.pi / 2),
    )

    def make_solver(self, schedule: Schedule, prediction: Prediction) -> BrownianDPM:
        span = (self.config.sigma_min, self.config.sigma_max)
        return BrownianDPM(schedule, prediction, **{**told(self), "stochastic": 1.0}, span=span)
