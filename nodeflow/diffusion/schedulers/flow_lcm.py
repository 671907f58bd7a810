"""Consistency models on a flow, also from a small picture to a large one. Starodubcev et al. 2025, arXiv 2503.16397."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from .config import refuse
from .consistency import Renoise
from .flows import SHIFTING, FlowScheduler
from .prediction import Prediction
from .schedule import Schedule
from .solver import NoiseSource, State
from .space import CLEAN, Level

MODES = ("nearest", "linear", "bilinear", "bicubic", "trilinear", "area", "nearest-exact")


@dataclass(frozen=True)
class FlowLCM(Renoise):
    """x' = (1 - k') x0 + k' z; scale by scale, x0 is resized before it gets its noise.

    Args:
        scale_factors: After step i, x has this many times the size that the run began with; none after the last step.
        upscale_mode: How x0 is resized.
    """

    scale_factors: tuple[float, ...] = ()
    upscale_mode: str | None = "bicubic"

    def advance(self, state: State, output: Tensor, noise: NoiseSource) -> State:
        if not state.history:
            state = replace(state, history=(torch.tensor(state.x.shape[2:]),))
        return super().advance(state, output, noise)

    def jump(self, state: State, output: Tensor) -> tuple[Tensor, Tensor, Level]:
        x0, _, _ = super().jump(state, output)
        if self.upscale_mode and state.index < len(self.scale_factors):
            size = [round(self.scale_factors[state.index] * edge) for edge in state.history[0].tolist()]
            x0 = interpolate(x0, size=size, mode=self.upscale_mode)
        return x0, x0, CLEAN

    def draws(self, state: State) -> bool:
        return True


class FlowMatchLCMScheduler(FlowScheduler):
    """Few-step flow models; with `scale_factors`, ones that begin small (SwD)."""

    defaults: ClassVar[Mapping[str, Any]] = {**SHIFTING, "scale_factors": None, "upscale_mode": "bicubic"}
    menus: ClassVar[Mapping[str, tuple[Any, ...]]] = {"upscale_mode": (None, *MODES)}
    solver_class = FlowLCM

    def make_solver(self, schedule: Schedule, prediction: Prediction) -> FlowLCM:
        factors, mode = tuple(self.config.scale_factors or ()), self.config.upscale_mode
        if factors and mode and len(factors) != len(schedule) - 1:
            what = f"{len(factors)} scale_factors do not fit {len(schedule)} steps"
            refuse(what, where=type(self).__name__, fix="give one less than steps")
        return FlowLCM(schedule, prediction, factors, mode)
