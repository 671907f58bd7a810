"""DDPM: ancestral sampling of the Markov chain. Ho et al. 2020, arXiv 2006.11239."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from .config import SPACED, THRESHOLDING, TRAINING
from .families import VPScheduler
from .prediction import Prediction
from .schedule import Schedule
from .solver import NoiseSource, Solver, State, doubled

LEARNED = ("learned", "learned_range")
SMALLEST_VARIANCE = 1e-20


@dataclass(frozen=True)
class DDPM(Solver):
    """One step of the chain from level (a, s) to (a', s'), with alpha = a / a' and beta = 1 - alpha² (eq. 7):

        mu  = (a' beta / s²) x0 + (alpha s'² / s²) x
        var = beta s'² / s²   (small), beta (large), or between the two as the network says (2102.09672, eq. 15)
        x'  = mu + sqrt(var) z,  z ~ N(0, I), none at timestep 0

    Args:
        variance: fixed_small, fixed_large (each also as …_log), learned or learned_range.
    """

    variance: str = "fixed_small"

    def advance(self, state: State, output: Tensor, noise: NoiseSource) -> State:
        call = self.here(state)
        (a, s), (a2, s2) = call.level, call.target
        alpha = a / a2
        beta = 1 - alpha**2
        output, spread = self.split(state.x, output)
        x0 = self.prediction.x0(state.x, output, call.level)
        x = (a2 * beta / s**2) * x0 + (alpha * s2**2 / s**2) * state.x
        if call.t > 0:
            small = max(beta * s2**2 / s**2, SMALLEST_VARIANCE)
            x = x + self.deviation(small, beta, spread) * noise(x)
        return replace(state, x=x, estimate=x0)

    def fitting(self, x: Tensor) -> tuple[torch.Size, ...]:
        return (doubled(x),) if self.variance in LEARNED else (x.shape,)

    def split(self, x: Tensor, output: Tensor) -> tuple[Tensor, Tensor | None]:
        """The prediction and, where the network learned it, what it says of the variance, each [B, C, ...]."""
        if self.variance in LEARNED:
            prediction, spread = output.chunk(2, dim=1)
            return prediction, spread
        return output, None

    def deviation(self, small: float, large: float, spread: Tensor | None) -> float | Tensor:
        """Standard deviation of the noise of a step."""
        if spread is None:
            return math.sqrt(large if self.variance.startswith("fixed_large") else small)
        if self.variance == "learned":
            return spread.clamp(min=SMALLEST_VARIANCE).sqrt()
        share = (spread + 1) / 2
        return torch.exp(0.5 * (share * math.log(large) + (1 - share) * math.log(small)))


class DDPMScheduler(VPScheduler):
    """Denoising diffusion probabilistic models: as random as the training process, slow but faithful."""

    defaults: ClassVar[Mapping[str, Any]] = {
        **TRAINING,
        **THRESHOLDING,
        "variance_type": "fixed_small",
        "clip_sample": True,
        "clip_sample_range": 1.0,
        **SPACED,
        "timestep_spacing": "leading",
        "rescale_betas_zero_snr": False,
    }
    menus: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "variance_type": ("fixed_small", "fixed_small_log", "fixed_large", "fixed_large_log", *LEARNED)
    }

    def make_solver(self, schedule: Schedule, prediction: Prediction) -> DDPM:
        return DDPM(schedule, prediction, self.config.variance_type)

    solver_class = DDPM
