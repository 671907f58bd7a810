"""CogVideoX: a table whose signal-to-noise ratio is shifted for video. Yang et al. 2024, arXiv 2408.06072."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, ClassVar

import torch

from .ddim import OPTIONS, Walk
from .families import StrideScheduler
from .prediction import Prediction
from .space import alphas_cumprod, betas, snr_shifted, zero_terminal_snr

VIDEO: Mapping[str, Any] = MappingProxyType(
    {
        **OPTIONS,
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "beta_schedule": "scaled_linear",
        "sample_max_value": 1.0,
        "snr_shift_scale": 3.0,
    }
)


class VideoScheduler(StrideScheduler):
    """The table of CogVideoX. `clip_sample` is in its published configurations, and means nothing there."""

    defaults: ClassVar[Mapping[str, Any]] = VIDEO

    def table(self) -> torch.Tensor:
        """alpha² at each timestep, float64 where the betas are scaled_linear, [T]."""
        c = self.config
        noise = betas(c.beta_schedule, c.beta_start, c.beta_end, c.num_train_timesteps, c.trained_betas, torch.float64)
        table = snr_shifted(alphas_cumprod(noise), c.snr_shift_scale)
        return zero_terminal_snr(table) if c.rescale_betas_zero_snr else table

    def make_prediction(self) -> Prediction:
        return replace(super().make_prediction(), clip=None)


class CogVideoXDDIMScheduler(VideoScheduler):
    """DDIM without noise on CogVideoX's table."""

    solver_class = Walk
