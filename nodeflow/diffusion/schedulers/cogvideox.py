"""CogVideoX: a table whose signal-to-noise ratio is shifted for video. Yang et al. 2024, arXiv 2408.06072."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, ClassVar

import torch
from torch import Tensor

from .ddim import OPTIONS, Walk
from .exponential import kernel
from .families import StrideScheduler
from .prediction import Prediction
from .schedule import Schedule
from .scheduler import StepOutput
from .solver import NoiseSource, Solver, State
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


@dataclass(frozen=True)
class VideoDPM(Solver):
    """DPM-Solver++ (SDE), multistep of order 2, from this step's x0 and the last one's, h counted as in `exponential`:

        x' = carry x - gain (e^g - 1) (x0 + (x0 - x0_last) / (2 r)) + noise z,  r = h_last / h

    As published, a step that joins two draws noise twice and uses the second; one below timestep 0 is of order 1.

    Args:
        stride: Timesteps a step.
    """

    stride: int = 0

    def advance(self, state: State, output: Tensor, noise: NoiseSource) -> State:
        call, x = self.here(state), state.x
        x0 = self.prediction.x0(x, output, call.level)
        z, joined = noise(x), x0
        if state.history and call.t >= self.stride:
            z, last = noise(x), self.back(state, 1)
            r = (call.level.lam - last.lam) / (call.target.lam - call.level.lam)
            joined = x0 + (x0 - state.history[0]) / (2 * r)
        if call.target.sigma == 0:
            return replace(state, x=call.target.alpha * x0, estimate=x0, history=(x0,))
        step = kernel(call.level, call.target, data=True, eta=1.0)
        x = step.carry * x - step.gain * math.expm1(step.g) * joined + step.noise * z
        return replace(state, x=x, estimate=x0, history=(x0,))


class CogVideoXDPMScheduler(VideoScheduler):
    """DPM-Solver++ (SDE) on CogVideoX's table."""

    solver_class = VideoDPM

    def make_solver(self, schedule: Schedule, prediction: Prediction) -> VideoDPM:
        return VideoDPM(schedule, prediction, self.stride(schedule.steps))

    def step(self, model_output: Tensor, *given: Any, **options: Any) -> StepOutput | tuple[Tensor, Tensor | None]:
        """Use one output of the model: as every scheduler, or in the published order, which gives a tuple.

        That is (model_output, x0 of the last step or None, timestep, last timestep or None, sample): the last ones
        are known here, and eta and use_clipped_model_output mean nothing.
        """
        published = {"timestep_back", "old_pred_original_sample"} & {*options} or len(given) > 3
        if published:
            order = ("old_pred_original_sample", "timestep", "timestep_back", "sample")
            options = {"return_dict": False, **dict(zip(order, given, strict=False)), **options}
            for name in ("old_pred_original_sample", "timestep_back", "eta", "use_clipped_model_output"):
                options.pop(name, None)
            given = ()
        return super().step(model_output, *given, **options)
