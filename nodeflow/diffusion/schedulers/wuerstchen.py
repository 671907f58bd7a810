"""DDPM over continuous time, t from 1 to 0. Pernias et al. 2023, Würstchen, arXiv 2306.00637."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from .config import refuse
from .ddpm import DDPM
from .families import WarpedScheduler
from .noise import Given
from .prediction import Prediction
from .request import Request
from .schedule import Nodes
from .solver import NoiseSource, State
from .space import Cosine


@dataclass(frozen=True)
class ContinuousDDPM(DDPM):
    """As published, the last step draws its noise and leaves it."""

    def advance(self, state: State, output: Tensor, noise: NoiseSource) -> State:
        last = state.index + 1 == len(self.schedule)
        return super().advance(state, output, Given(0 * noise(state.x)) if last else noise)


class DDPMWuerstchenScheduler(WarpedScheduler):
    """The scheduler of Würstchen and Stable Cascade."""

    noises: ClassVar[tuple[str, ...]] = ("Würstchen's cosine",)
    defaults: ClassVar[Mapping[str, Any]] = {"scaler": 1.0, "s": 0.008}
    solver_class = ContinuousDDPM
    timestep_dtype: ClassVar[torch.dtype] = torch.float32
    space: Cosine

    def make_space(self) -> Cosine:
        return Cosine(self.config.s, self.config.scaler)

    def make_prediction(self) -> Prediction:
        return Prediction("epsilon")

    @property
    def top(self) -> float:
        return 1.0

    def __len__(self) -> int:
        return self.space.steps

    def nodes(self, request: Request) -> Nodes:
        """Timesteps even in [0, 1], or the caller's with the end 0."""
        if request.sigmas is not None:
            return self.joined(np.array([self.space.t(k) for k in request.sigmas[:-1]]), request.sigmas)
        t = np.linspace(1, 0, request.n + 1) if request.timesteps is None else request.timesteps
        if len(t) < 2 or t[-1] > 1e-6:
            refuse("timesteps do not end at 0", where=type(self).__name__, fix="end the list with 0")
        return self.joined(t[:-1], np.array([self.space.k(one) for one in t]))

    def nodes_of_training(self) -> Nodes:
        """A thousand steps."""
        return self.nodes(Request(self.space.steps))
