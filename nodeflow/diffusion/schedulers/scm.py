"""Consistency models on TrigFlow. Lu and Song 2024, arXiv 2410.11081; Chen et al. 2025, Sana-Sprint, 2503.09641."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch

from .config import refuse
from .consistency import Renoise
from .families import WarpedScheduler
from .request import Request
from .schedule import Nodes
from .solver import State
from .space import Level, Trig


@dataclass(frozen=True)
class SCM(Renoise):
    """x0 = cos(k) x - sin(k) m,  x' = cos(k') x0 + sin(k') sigma_data z."""

    def draws(self, state: State) -> bool:
        return True


class SCMScheduler(WarpedScheduler):
    """One or two steps (Sana-Sprint). x and output are scaled like the data, whose deviation is sigma_data."""

    noises: ClassVar[tuple[str, ...]] = ("angles of TrigFlow",)
    defaults: ClassVar[Mapping[str, Any]] = {
        "num_train_timesteps": 1000,
        "prediction_type": "trigflow",
        "sigma_data": 0.5,
    }
    menus: ClassVar[Mapping[str, tuple[str, ...]]] = {"prediction_type": ("trigflow",)}
    run_options: ClassVar[tuple[str, ...]] = ("max_timesteps", "intermediate_timesteps")
    solver_class = SCM
    timestep_dtype: ClassVar[torch.dtype] = torch.float32
    space: Trig

    def make_space(self) -> Trig:
        return Trig(sigma_data=self.config.sigma_data)

    def init_noise(self, largest: float) -> float:
        return self.config.sigma_data

    @property
    def top(self) -> float:
        return 1.5708

    def nodes(self, request: Request) -> Nodes:
        """Angles from `max_timesteps`, of two steps by way of `intermediate_timesteps`, to 0; or the caller's, to 0."""
        if (own := request.timesteps if request.sigmas is None else request.sigmas) is not None:
            return self.joined(own[:-1], own)
        n, top = request.n, request.options.get("max_timesteps", self.top)
        middle = request.options.get("intermediate_timesteps", 1.3 if n == 2 else None)
        if middle is not None and n != 2:
            what = f"intermediate_timesteps is for two steps, not {n}"
            refuse(what, where=type(self).__name__, fix="leave it out, or take two steps")
        k = np.linspace(top, 0, n + 1) if middle is None else np.array([top, middle, 0.0])
        return self.joined(k[:-1], k)

    def shown(self, level: Level) -> float:
        return math.atan2(level.sigma / self.config.sigma_data, level.alpha)

    def nodes_of_training(self) -> Nodes:
        """A thousand steps."""
        return self.nodes(Request(self.space.steps))
