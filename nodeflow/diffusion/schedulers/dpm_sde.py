"""DPM-Solver++ (SDE): both halves of a step on one Brownian path. k-diffusion; Lu et al. 2022, arXiv 2211.01095."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from .ancestral import split_noise
from .config import SPACED, TRAINING, WARPED, refuse
from .exponential import Exponential, kernel
from .families import KScheduler
from .kdpm2 import calls_in_the_middle
from .noise import Noise
from .prediction import Prediction
from .schedule import Eval, Nodes, Schedule
from .solver import NoiseSource, State
from .space import Level


@dataclass(frozen=True)
class DPMSDE(Exponential):
    """A step in the data form down to k_down, then noise (`ancestral.py`), first to the middle of log k, then whole:

    stage 0   x_m from x with x0(x, k);  x' = x0 where k' = 0
    stage 1   x'  from x with x0(x_m, k_m)

    Args:
        s_noise: Factor on the standard deviation of the noise.
        noise_sampler_seed: The seed of the path, or one a sample; None takes the run's own.
    """

    s_noise: float = 1.0
    noise_sampler_seed: int | Sequence[int] | None = None

    def advance(self, state: State, output: Tensor, noise: NoiseSource) -> State:
        call, x = self.here(state), state.x
        x0 = self.prediction.x0(x, output, call.level)
        if call.target.sigma == 0:
            return replace(state, x=self.clean(x, x0, call.level, call.target), estimate=x0)
        begin, anchor = call.level, x
        if call.stage:
            assert state.anchor is not None
            begin, anchor = self.back(state, 1), state.anchor
        down, up = split_noise(begin.k, call.target.k)
        step = kernel(begin, Level(1.0, down), data=True)
        source = noise if self.noise_sampler_seed is None else Noise.seeded(self.noise_sampler_seed)
        z = source.between(x, through_log(begin.k), through_log(call.target.k), self.schedule.span)
        new = step.carry * anchor - step.gain * math.expm1(step.g) * x0 + self.s_noise * up * z
        return replace(state, x=new, estimate=x0, anchor=None if call.stage else anchor)


def through_log(k: float) -> float:
    """A level as published samplers ask the path for it: by way of its logarithm in float32, some units off."""
    return float(torch.tensor(k, dtype=torch.float32).log().exp())


def halfway(k: float, k2: float) -> float:
    """The middle of two levels in log k, in float32: the path is asked for exactly this one."""
    log, log2 = torch.tensor([k, k2], dtype=torch.float32).log()
    return float((log + (log2 - log) * 0.5).exp())


class DPMSolverSDEScheduler(KScheduler):
    """DPM++ SDE: random, of second order, the same picture for any number of steps that is large enough."""

    defaults: ClassVar[Mapping[str, Any]] = {
        **TRAINING,
        "beta_start": 0.00085,
        "beta_end": 0.012,
        **WARPED,
        "noise_sampler_seed": None,
        **SPACED,
    }
    menus: ClassVar[Mapping[str, tuple[Any, ...]]] = {"prediction_type": ("epsilon", "v_prediction")}
    solver_class = DPMSDE
    order: ClassVar[int] = 2

    def check(self) -> None:
        super().check()
        seed = self.config.noise_sampler_seed
        seeds = seed if isinstance(seed, (list, tuple)) else [seed] if seed is not None else []
        if not all(isinstance(one, int) and one >= 0 for one in seeds):
            fix = "give a whole number from 0, a list with one a sample, or null"
            refuse(f"noise_sampler_seed is {seed!r}", where=type(self).__name__, fix=fix)

    def calls(self, nodes: Nodes) -> Iterator[Eval]:
        return calls_in_the_middle(nodes, self.space, halfway)

    def make_solver(self, schedule: Schedule, prediction: Prediction) -> DPMSDE:
        return DPMSDE(schedule, prediction, noise_sampler_seed=self.config.noise_sampler_seed)
