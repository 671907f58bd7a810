"""RePaint: inpainting with an ordinary model, by going back and forth. Lugmayr et al. 2022, arXiv 2201.09865."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from .config import TRAINING, refuse
from .ddim import DDIM
from .families import StrideScheduler
from .noise import Given
from .prediction import Prediction
from .request import Request
from .schedule import Nodes, Schedule
from .scheduler import StepOutput
from .solver import NoiseSource, State, noisier
from .space import CLEAN, Level, betas


@dataclass(frozen=True)
class RePaint(DDIM):
    """A step of DDIM where the mask is 0, the noised original where it is 1 (eq. 8), of one and the same noise z:

        x' = mask (a' original + s' z) + (1 - mask) x'_ddim(z)

    Where the schedule turns back, x is then noised again, one beta of the table after the other (algorithm 1). The
    betas are those a stride above the level that x has: as published.

    Args:
        stride: Timesteps a step, T // n.
        betas: The table, [T].
        original_image: What to keep, [B, C, H, W].
        mask: Where to keep it, 1 or 0, [B, 1, H, W] or [B, C, H, W].
    """

    stride: int = 1
    betas: tuple[float, ...] = ()
    original_image: Tensor | None = None
    mask: Tensor | None = None

    def advance(self, state: State, output: Tensor, noise: NoiseSource) -> State:
        if self.original_image is None or self.mask is None:
            refuse("there is nothing to keep", where="RePaint", fix="give original_image and mask")
        original, mask, z = self.original_image.to(state.x), self.mask.to(state.x), noise(state.x)
        new = super().advance(state, output, Given(z))
        x = mask * noisier(original, CLEAN, self.here(state).target, z) + (1 - mask) * new.x
        for t in self.undone(state.index):
            for beta in self.betas[t : t + self.stride]:
                x = noisier(x, CLEAN, Level(math.sqrt(1 - beta), math.sqrt(beta)), noise(x))
        return replace(new, x=x)

    def undone(self, index: int) -> range:
        """The timesteps whose steps are undone after a call."""
        calls = self.schedule.evals
        t = int(calls[index].t)
        return range(t, int(calls[index + 1].t) + 1 if index + 1 < len(calls) else t, self.stride)


class RePaintScheduler(StrideScheduler):
    """Every call of the model is a step; where the run turns back, the step before undoes as many as are needed."""

    defaults: ClassVar[Mapping[str, Any]] = {
        **{key: value for key, value in TRAINING.items() if key != "prediction_type"},
        "eta": 0.0,
        "clip_sample": True,
    }
    menus: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "beta_schedule": ("linear", "scaled_linear", "squaredcos_cap_v2", "sigmoid")
    }
    run_options: ClassVar[tuple[str, ...]] = ("jump_length", "jump_n_sample")
    solver_class = RePaint

    def nodes(self, request: Request) -> Nodes:
        if request.timesteps is not None or request.sigmas is not None:
            refuse("this scheduler steps in equal strides", where=type(self).__name__, fix="give the number of steps")
        return super().nodes(request)

    def visited(self, request: Request) -> np.ndarray:
        """Down n strides; from every `jump_length`th up again by as many, `jump_n_sample` - 1 times."""
        n, length = request.n, request.options.get("jump_length", 10)
        if length < 1:
            refuse(f"jump_length is {length}", where=type(self).__name__, fix="give a whole number from 1")
        left = dict.fromkeys(range(0, n - length, length), request.options.get("jump_n_sample", 10) - 1)
        steps, i = [], n
        while i >= 1:
            i -= 1
            steps.append(i)
            if left.get(i, 0) > 0:
                left[i] -= 1
                i += length
        return np.array(steps) * self.stride(n)

    def targets(self, t: np.ndarray, *, custom: bool) -> tuple[Level, ...]:
        return tuple(self.at(int(one) - self.stride_of(t)) for one in t)

    def stride_of(self, t: np.ndarray) -> int:
        """Timesteps a step, of a run whose first step leads down."""
        return int(t[0] - t[1]) if len(t) > 1 else self.config.num_train_timesteps

    def make_prediction(self) -> Prediction:
        return Prediction("epsilon", clip=1.0 if self.config.clip_sample else None)

    def make_solver(self, schedule: Schedule, prediction: Prediction) -> RePaint:
        c = self.config
        table = betas(c.beta_schedule, c.beta_start, c.beta_end, c.num_train_timesteps, c.trained_betas)
        stride = self.stride_of(schedule.timesteps.numpy())
        return RePaint(schedule, prediction, c.eta, stride=stride, betas=tuple(table.tolist()))

    def step(  # type: ignore[override]
        self,
        model_output: Tensor,
        timestep: float | Tensor,
        sample: Tensor,
        original_image: Tensor,
        mask: Tensor,
        generator: torch.Generator | list[torch.Generator] | None = None,
        return_dict: bool = True,
    ) -> StepOutput | tuple[Tensor, Tensor | None]:
        """Use one output of the model; see `RePaint` for the picture to keep and its mask."""
        keep = {"original_image": original_image, "mask": mask}
        return super().step(model_output, timestep, sample, generator, return_dict, **keep)
