"""Consistency models, sampled in one step or several. Song et al. 2023, arXiv 2303.01469."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from .config import refuse
from .consistency import Renoise
from .families import WarpedScheduler
from .noise import Given
from .prediction import Prediction
from .request import Request
from .schedule import Nodes, Schedule
from .solver import NoiseSource, State
from .space import EDM, Level
from .warps import karras_at


@dataclass(frozen=True)
class CM(Renoise):
    """f does nothing at the lowest level (section 3 and appendix C), and noise leads on from there (algorithm 1):

        f = c_skip x + c_out F,  c_skip = d² / ((k - k_min)² + d²),  c_out = d (k - k_min) / sqrt(k² + d²)
        x' = f + s_noise sqrt(k'² - k_min²) z

    Args:
        lowest: k_min.
        deviation: d, of the data.
        s_noise: Factor on the noise.
    """

    lowest: float = 0.002
    deviation: float = 0.5
    s_noise: float = 1.0

    def advance(self, state: State, output: Tensor, noise: NoiseSource) -> State:
        drawn = Given(self.s_noise * noise(state.x)) if self.draws(state) else noise
        return super().advance(state, output, drawn)

    def jump(self, state: State, output: Tensor) -> tuple[Tensor, Tensor, Level]:
        k, d = self.here(state).level.sigma, self.deviation
        above = k - self.lowest
        x0 = d**2 / (above**2 + d**2) * state.x + d * above / math.hypot(k, d) * output
        x0 = self.prediction.bound(x0)
        return x0, x0, self.lands(state)

    def lands(self, state: State) -> Level:
        return Level(1.0, self.lowest)

    def draws(self, state: State) -> bool:
        return len(self.schedule) > 1


class CMStochasticIterativeScheduler(WarpedScheduler):
    """Consistency models on EDM's levels; timesteps of the caller's count Karras levels, T - 1 the highest."""

    noises: ClassVar[tuple[str, ...]] = ("the levels of a consistency model",)
    defaults: ClassVar[Mapping[str, Any]] = {
        "num_train_timesteps": 40,
        "sigma_min": 0.002,
        "sigma_max": 80.0,
        "sigma_data": 0.5,
        "s_noise": 1.0,
        "rho": 7.0,
        "clip_denoised": True,
    }
    solver_class = CM
    timestep_dtype: ClassVar[torch.dtype] = torch.float64
    space: EDM

    def make_space(self) -> EDM:
        train = self.config.num_train_timesteps
        ks = self.placed(np.arange(train))[::-1]
        return EDM(ks, self.config.sigma_data, lambda k: 250 * math.log(k), lambda t: math.exp(t / 250))

    def make_prediction(self) -> Prediction:
        return Prediction("sample", clip=1.0 if self.config.clip_denoised else None)

    def make_solver(self, schedule: Schedule, prediction: Prediction) -> CM:
        return CM(schedule, prediction, self.config.sigma_min, self.config.sigma_data, self.config.s_noise)

    def init_noise(self, largest: float) -> float:
        return self.config.sigma_max

    def placed(self, t: np.ndarray) -> np.ndarray:
        """The levels that lie t of T - 1 parts below the highest, float64, [n]."""
        c = self.config
        return karras_at(t / (c.num_train_timesteps - 1), c.sigma_max, c.sigma_min, c.rho)

    def nodes(self, request: Request) -> Nodes:
        """Whole strides of levels from the highest down, then the lowest."""
        train, n = self.config.num_train_timesteps, request.n
        if request.sigmas is not None:
            return self.laid(request.sigmas)
        if n > train:
            refuse(f"{n} steps do not fit into {train} levels", where=type(self).__name__, fix=f"take at most {train}")
        t = np.arange(n) * (train // n) if request.timesteps is None else request.timesteps.astype(int)[::-1]
        return self.laid(np.append(self.placed(t), self.config.sigma_min))

    def laid(self, k: np.ndarray) -> Nodes:
        """Points at levels k, [n + 1]; the model is told 250 log k."""
        return self.joined(np.array([self.space.t(one) for one in k[:-1]]), k)

    def nodes_of_training(self) -> Nodes:
        """Every level, then the lowest once more."""
        return self.nodes(Request(self.config.num_train_timesteps))
