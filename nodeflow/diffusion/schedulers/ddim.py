"""DDIM: the deterministic walk with the same marginals as DDPM. Song et al. 2020, arXiv 2010.02502."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from .config import SPACED, THRESHOLDING, TRAINING, refuse
from .families import StrideScheduler
from .prediction import noise_of
from .request import Request
from .schedule import Nodes
from .solver import NoiseSource, Solver, State, transfer
from .space import Level


@dataclass(frozen=True)
class Walk(Solver):
    """DDIM without noise, order 1: x' = a' x0 + s' eps. Backwards, from data to noise, it inverts itself."""

    def advance(self, state: State, output: Tensor, noise: NoiseSource) -> State:
        call = self.here(state)
        x0 = self.prediction.x0(state.x, output, call.level)
        eps = self.prediction.eps(state.x, output, call.level)
        return replace(state, x=transfer(x0, eps, call.target), estimate=x0)


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


OPTIONS: Mapping[str, Any] = MappingProxyType(
    {
        **TRAINING,
        "clip_sample": True,
        "clip_sample_range": 1.0,
        "set_alpha_to_one": True,
        **SPACED,
        "timestep_spacing": "leading",
        "rescale_betas_zero_snr": False,
    }
)


class DDIMScheduler(StrideScheduler):
    """Denoising diffusion implicit models: few steps, no randomness unless asked."""

    defaults: ClassVar[Mapping[str, Any]] = {**OPTIONS, **THRESHOLDING}
    solver_class = DDIM


class DDIMInverseScheduler(StrideScheduler):
    """DDIM backwards: finds the noise that a picture comes from. Mokady et al. 2022, arXiv 2211.09794.

    The model is told the timestep that a step leads to, and asked at the x of the timestep before.
    """

    defaults: ClassVar[Mapping[str, Any]] = OPTIONS
    menus: ClassVar[Mapping[str, tuple[str, ...]]] = {"timestep_spacing": ("leading", "trailing")}
    solver_class = Walk

    def check(self) -> None:
        super().check()
        if self.config.prediction_type == "sample" and self.config.set_alpha_to_one:
            what = "a model that predicts x0 tells nothing of the noise in a clean picture"
            refuse(what, where=type(self).__name__, fix="set set_alpha_to_one to false")

    def nodes(self, request: Request) -> Nodes:
        if request.sigmas is not None or request.timesteps is not None:
            refuse("this scheduler steps in equal strides", where=type(self).__name__, fix="give the number of steps")
        return self.turned(super().nodes(request))

    def nodes_of_training(self) -> Nodes:
        return self.turned(super().nodes(Request(self.space.steps)))

    @staticmethod
    def turned(nodes: Nodes) -> Nodes:
        """A run the other way: each step goes back where the forward one came from."""
        levels, targets = nodes.targets[::-1], nodes.levels[::-1]
        sigmas = np.array([*(one.k for one in levels), targets[-1].k], dtype=np.float32)
        return Nodes(nodes.timesteps[::-1], levels, targets, sigmas)
