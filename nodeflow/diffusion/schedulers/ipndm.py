"""Improved PNDM on a quarter circle: Adams-Bashforth from the first step on. v-diffusion; arXiv 2202.09778."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from .config import refuse
from .families import WarpedScheduler
from .pndm import ADAMS_BASHFORTH, joined
from .prediction import Prediction
from .request import Request
from .schedule import Nodes
from .solver import NoiseSource, Solver, State, remembered, transfer
from .space import Trig

QUARTER = math.pi / 2


@dataclass(frozen=True)
class IPNDM(Solver):
    """x' = a' x0 + s' e,  x0 = (x - s e) / a, where e joins the eps of up to four calls.

    The weights are those of equal strides, as in PNDM, and the strides here are equal in u alone: order 2.
    """

    def advance(self, state: State, output: Tensor, noise: NoiseSource) -> State:
        call, x = self.here(state), state.x
        history = remembered(state.history, self.prediction.eps(x, output, call.level), 4)
        e = joined(ADAMS_BASHFORTH[len(history) - 1], history[::-1])
        # pure noise holds no signal: there x = s e, and x0 is 0
        x0 = (x - call.level.sigma * e) / max(call.level.alpha, 1e-8)
        return replace(state, x=transfer(x0, e, call.target), estimate=x0, history=history)


class IPNDMScheduler(WarpedScheduler):
    """The slopes of four steps for one call each (Dance Diffusion); v-prediction, timesteps in [0, 1]."""

    noises: ClassVar[tuple[str, ...]] = ("a cosine told from 1 to 0",)
    defaults: ClassVar[Mapping[str, Any]] = {"num_train_timesteps": 1000, "trained_betas": None}
    solver_class = IPNDM
    timestep_dtype: ClassVar[torch.dtype] = torch.float32
    space: Trig

    def make_space(self) -> Trig:
        return Trig(unit=1 / QUARTER)

    def make_prediction(self) -> Prediction:
        return Prediction("v_prediction")

    def nodes(self, request: Request) -> Nodes:
        """Levels whose sigma is sin²(u pi / 2) for even u, or the published list."""
        if request.timesteps is not None or request.sigmas is not None:
            refuse("this scheduler lays its own levels", where=type(self).__name__, fix="give the number of steps")
        if self.config.trained_betas is None:
            return self.placed(np.sin(np.linspace(1, 0, request.n + 1) * QUARTER) ** 2)
        if len(self.config.trained_betas) != request.n + 1:
            what = f"{len(self.config.trained_betas)} trained_betas do not lay {request.n} steps"
            refuse(what, where=type(self).__name__, fix="ask for one step less than betas")
        return self.placed(np.array(self.config.trained_betas))

    def placed(self, sigma: np.ndarray) -> Nodes:
        """Points at noise sigma on the circle, [n + 1]."""
        angle = np.arcsin(sigma.astype(np.float32).astype(float))
        nodes = self.joined(angle[:-1] / QUARTER, angle)
        return replace(nodes, sigmas=np.array([level.k for level in (*nodes.levels, nodes.targets[-1])]))

    def nodes_of_training(self) -> Nodes:
        """As many steps as timesteps."""
        return self.placed(np.sin(np.linspace(1, 0, self.config.num_train_timesteps + 1) * QUARTER) ** 2)
