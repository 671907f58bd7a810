"""DDIM: the deterministic walk with the same marginals as DDPM. Song et al. 2020, arXiv 2010.02502."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from torch import Tensor

from .config import SPACED, THRESHOLDING, TRAINING
from .families import StrideScheduler
from .prediction import noise_of
from .solver import NoiseSource, Solver, State, transfer
from .space import Level


@dataclass(frozen=True)
class DDIM(Solver):
    """One step from level (a, s) to (a', s') (eq. 12, 16), order 1:

        std² = eta² (s'² / s²) (1 - a² / a'²)
        x'   = a' x0 + sqrt(s'² - std²) eps + std z,  z ~ N(0, I)

    Args:
        eta: 0 for the deterministic walk, 1 for as much noise as DDPM.
        use_clipped_model_output: Take eps from the clipped x0 instead of from the model.
    """

    eta: float = 0.0
    use_clipped_model_output: bool = False

    def advance(self, state: State, output: Tensor, noise: NoiseSource) -> State:
        call = self.here(state)
        (a, s), (a2, s2) = call.level, call.target
        x0 = self.prediction.x0(state.x, output, call.level)
        if self.use_clipped_model_output:
            eps = noise_of(state.x, x0, call.level)
        else:
            eps = self.prediction.eps(state.x, output, call.level)
        std = self.eta * (s2 / s) * math.sqrt(max(1 - (a / a2) ** 2, 0))
        x = transfer(x0, eps, Level(a2, math.sqrt(max(s2**2 - std**2, 0))))
        if self.eta > 0:
            x = x + std * noise(x)
        return replace(state, x=x, estimate=x0)


class DDIMScheduler(StrideScheduler):
    """Denoising diffusion implicit models: few steps, no randomness unless asked."""

    defaults: ClassVar[Mapping[str, Any]] = {
        **TRAINING,
        **THRESHOLDING,
        "clip_sample": True,
        "clip_sample_range": 1.0,
        "set_alpha_to_one": True,
        **SPACED,
        "timestep_spacing": "leading",
        "rescale_betas_zero_snr": False,
    }
    solver_class = DDIM
