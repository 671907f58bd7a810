"""Consistency models and their kin, which jump to x0 at once: LCM and TCD, distilled from models with a table.

Luo et al. 2023, arXiv 2310.04378; Zheng et al. 2024, arXiv 2402.19159; Song et al. 2023, arXiv 2303.01469.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from .config import SPACED, THRESHOLDING, TRAINING, refuse
from .families import VPScheduler
from .prediction import Prediction
from .request import Request
from .schedule import Schedule
from .solver import NoiseSource, Solver, State, noisier, transfer
from .space import CLEAN, Level


@dataclass(frozen=True)
class Renoise(Solver):
    """The model jumps from (a, s) to a level with less noise, mostly to none; fresh noise leads on to (a', s'):

    x0 = f(x, output),  x' = a' x0 + s' z
    """

    def advance(self, state: State, output: Tensor, noise: NoiseSource) -> State:
        x0, x, level = self.jump(state, output)
        if self.draws(state):
            x = noisier(x, level, self.here(state).target, noise(x))
        return replace(state, x=x, estimate=x0)

    def jump(self, state: State, output: Tensor) -> tuple[Tensor, Tensor, Level]:
        """The clean sample; where the jump lands, [B, ...], and at which level."""
        here, level = self.here(state).level, self.lands(state)
        x0 = self.prediction.x0(state.x, output, here)
        x = x0 if level == CLEAN else transfer(x0, self.prediction.eps(state.x, output, here), level)
        return x0, x, level

    def lands(self, state: State) -> Level:
        """Where the jump leads."""
        return CLEAN

    def draws(self, state: State) -> bool:
        """Whether this step draws noise: the last need not."""
        return state.index + 1 < len(self.schedule)


@dataclass(frozen=True)
class LCM(Renoise):
    """x0 joined with x so that nothing changes at t = 0 (eq. 9), with tau = `timestep_scaling` t and d = 1/2:

        f = c_skip x + c_out x0,  c_skip = d² / (tau² + d²),  c_out = tau / sqrt(tau² + d²)

    Args:
        timestep_scaling: How fast the boundary is left.
    """

    timestep_scaling: float = 10.0

    def jump(self, state: State, output: Tensor) -> tuple[Tensor, Tensor, Level]:
        call = self.here(state)
        tau2, d2 = (self.timestep_scaling * call.t) ** 2, 0.25
        x0 = self.prediction.x0(state.x, output, call.level)
        x0 = d2 / (tau2 + d2) * state.x + (tau2 / (tau2 + d2)) ** 0.5 * x0
        return x0, x0, CLEAN


@dataclass(frozen=True)
class TCD(Renoise):
    """The jump leads to timestep s = floor((1 - gamma) t') along the model's own path (algorithm 4); noise on to t':

    x_s = a_s x0 + s_s eps

    Args:
        at: The level of a timestep.
        eta: gamma, 0 for no noise … 1 for a jump to the bottom.
    """

    at: Callable[[int], Level]
    eta: float = 0.3

    def __post_init__(self) -> None:
        if not 0 <= self.eta <= 1:
            refuse(f"eta is {self.eta:g}", where="TCD", fix="give a number in 0 … 1")

    def lands(self, state: State) -> Level:
        if not self.draws(state):
            return self.here(state).target
        return self.at(int((1 - self.eta) * self.schedule.evals[state.index + 1].t))

    def draws(self, state: State) -> bool:
        return self.eta > 0 and super().draws(state)


class DistilledScheduler(VPScheduler):
    """A few of the timesteps at which a model was distilled: whole strides of T // `original_inference_steps`.

    `timestep_spacing` and `steps_offset` are in the published configurations and mean nothing there.
    """

    defaults: ClassVar[Mapping[str, Any]] = {
        **TRAINING,
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "beta_schedule": "scaled_linear",
        "original_inference_steps": 50,
        "clip_sample": False,
        "clip_sample_range": 1.0,
        "set_alpha_to_one": True,
        **SPACED,
        **THRESHOLDING,
        "timestep_spacing": "leading",
        "timestep_scaling": 10.0,
        "rescale_betas_zero_snr": False,
    }
    run_options: ClassVar[tuple[str, ...]] = ("original_inference_steps", "strength")

    def visited(self, request: Request) -> np.ndarray:
        strength = request.options.get("strength", 1.0)
        if request.timesteps is not None:
            return request.timesteps[request.n - min(int(request.n * strength), request.n) :]
        grid = self.distilled(request.options.get("original_inference_steps"), strength)
        if request.n > len(grid):
            what = f"{request.n} steps do not fit into the {len(grid)} the model was distilled with"
            fix = "take fewer steps, or raise strength or original_inference_steps"
            refuse(what, where=type(self).__name__, fix=fix)
        return grid[::-1][np.floor(np.linspace(0, len(grid), request.n, endpoint=False)).astype(int)]

    def distilled(self, asked: int | None, strength: float) -> np.ndarray:
        """The timesteps of distillation up to a strength, rising."""
        train, original = self.config.num_train_timesteps, asked or self.config.original_inference_steps
        if original > train:
            what = f"{original} original_inference_steps do not fit into {train} timesteps"
            refuse(what, where=type(self).__name__, fix=f"take at most {train}")
        return np.arange(1, int(original * strength) + 1) * (train // original) - 1

    @property
    def final(self) -> Level:
        """The clean sample, whatever `set_alpha_to_one` says: as published."""
        return CLEAN


class LCMScheduler(DistilledScheduler):
    """Latent consistency models: pictures in 1 to 8 steps."""

    solver_class = LCM

    def make_solver(self, schedule: Schedule, prediction: Prediction) -> LCM:
        return LCM(schedule, prediction, self.config.timestep_scaling)


class TCDScheduler(DistilledScheduler):
    """Trajectory consistency distillation: as few steps, more detail, its randomness chosen by eta."""

    solver_class = TCD

    def make_solver(self, schedule: Schedule, prediction: Prediction) -> TCD:
        return TCD(schedule, replace(prediction, clip=None, quantile=None), self.space.at)

    def distilled(self, asked: int | None, strength: float) -> np.ndarray:
        if asked is None:
            return super().distilled(asked, strength)
        return np.arange(int(self.config.num_train_timesteps * strength))

    @property
    def final(self) -> Level:
        """The level of timestep 0, the lowest that the model knows."""
        return self.space.at(0)
