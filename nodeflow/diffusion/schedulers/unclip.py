"""DDPM as DALL-E 2 uses it. Ramesh et al. 2022, unCLIP, arXiv 2204.06125."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch

from .config import refuse
from .ddpm import DDPM
from .families import VPScheduler
from .prediction import Prediction
from .request import Request
from .schedule import Eval, Schedule
from .solver import State
from .space import CLEAN, Level, alphas_cumprod, betas


@dataclass(frozen=True)
class UnCLIP(DDPM):
    """DDPM that may be told where its next step leads.

    Args:
        at: The level of a timestep.
        prev_timestep: Where to; mostly the next timestep of the run.
    """

    at: Callable[[int], Level] | None = None
    prev_timestep: int | None = None

    def here(self, state: State) -> Eval:
        call = super().here(state)
        if self.prev_timestep is None or self.at is None:
            return call
        return replace(call, target=self.at(self.prev_timestep) if self.prev_timestep >= 0 else CLEAN)


class UnCLIPScheduler(VPScheduler):
    """The scheduler of unCLIP's prior, decoder and super resolution (Karlo)."""

    defaults: ClassVar[Mapping[str, Any]] = {
        "num_train_timesteps": 1000,
        "variance_type": "fixed_small_log",
        "clip_sample": True,
        "clip_sample_range": 1.0,
        "prediction_type": "epsilon",
        "beta_schedule": "squaredcos_cap_v2",
    }
    menus: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "variance_type": ("fixed_small_log", "learned_range"),
        "prediction_type": ("epsilon", "sample"),
        "beta_schedule": ("squaredcos_cap_v2",),
    }
    solver_class = UnCLIP

    def table(self) -> torch.Tensor:
        return alphas_cumprod(betas(self.config.beta_schedule, 0, 0, self.config.num_train_timesteps))

    def visited(self, request: Request) -> np.ndarray:
        if request.timesteps is not None:
            return request.timesteps
        if request.n < 2:
            refuse("one step is too few", where=type(self).__name__, fix="take at least 2")
        return np.linspace(self.config.num_train_timesteps - 1, 0, request.n)

    def make_solver(self, schedule: Schedule, prediction: Prediction) -> UnCLIP:
        return UnCLIP(schedule, prediction, self.config.variance_type, self.space.at)
