"""The reverse variance-exploding equation, each step with Langevin corrections. Song et al. 2021, arXiv 2011.13456."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from .config import refuse
from .prediction import Prediction
from .request import Request
from .schedule import Eval, Nodes, Schedule
from .scheduler import Scheduler
from .solver import NoiseSource, Solver, State
from .space import GeometricVE, Level


@dataclass(frozen=True)
class PredictorCorrector(Solver):
    """With the score m at x, z ~ N(0, I) and norms averaged over the batch, as published (algorithms 2 and 4):

        correct    x = x + e m + sqrt(2 e) z,  e = 2 (snr |z| / |m|)²
        predict    x' = x + (k² - k'²) m + sqrt(k² - k'²) z;  the last step leaves its noise

    Args:
        snr: How far a correction goes.
        corrections: How many precede each prediction.
    """

    snr: float = 0.15
    corrections: int = 1

    def advance(self, state: State, output: Tensor, noise: NoiseSource) -> State:
        call, x = self.here(state), state.x
        x0, z = self.prediction.x0(x, output, call.level), noise(x)
        if call.stage < self.corrections:
            share = z.flatten(1).norm(dim=1).mean() / output.flatten(1).norm(dim=1).mean()
            e = 2 * (self.snr * share) ** 2
            return replace(state, x=x + e * output + (2 * e).sqrt() * z, estimate=x0)
        spread = call.level.sigma**2 - call.target.sigma**2
        last = state.index + 1 == len(self.schedule)
        x = x + spread * output + (0 if last else math.sqrt(spread)) * z
        return replace(state, x=x, estimate=x0)


class ScoreSdeVeScheduler(Scheduler):
    """Predictor and corrector for score models; the network is told the noise level, `space.k(t)`."""

    noises: ClassVar[tuple[str, ...]] = ("levels of a score model",)
    defaults: ClassVar[Mapping[str, Any]] = {
        "num_train_timesteps": 2000,
        "snr": 0.15,
        "sigma_min": 0.01,
        "sigma_max": 1348.0,
        "sampling_eps": 1e-5,
        "correct_steps": 1,
    }
    run_options: ClassVar[tuple[str, ...]] = ("sampling_eps",)
    solver_class = PredictorCorrector
    timestep_dtype: ClassVar[torch.dtype] = torch.float32
    space: GeometricVE

    @property
    def order(self) -> int:  # type: ignore[override]
        """Calls a step."""
        return self.config.correct_steps + 1

    @property
    def top(self) -> float:
        return 1.0

    def make_space(self) -> GeometricVE:
        c = self.config
        return GeometricVE(c.sigma_min, c.sigma_max, c.num_train_timesteps)

    def make_prediction(self) -> Prediction:
        return Prediction("score")

    def make_solver(self, schedule: Schedule, prediction: Prediction) -> PredictorCorrector:
        return PredictorCorrector(schedule, prediction, self.config.snr, self.config.correct_steps)

    def init_noise(self, largest: float) -> float:
        return self.config.sigma_max

    def nodes(self, request: Request) -> Nodes:
        """Timesteps even in [sampling_eps, 1]; the step from each leads down the n levels even in log k, then to 0."""
        if request.timesteps is not None or request.sigmas is not None:
            refuse("this scheduler lays its own levels", where=type(self).__name__, fix="give the number of steps")
        n, c = request.n, self.config
        t = np.linspace(1, request.options.get("sampling_eps", c.sampling_eps), n).astype(np.float32)
        rungs = np.append(0.0, np.geomspace(c.sigma_min, c.sigma_max, n))
        index = (t * np.float32(n - 1)).astype(int)
        levels = tuple(Level(1.0, rungs[i + 1]) for i in index)
        targets = tuple(Level(1.0, rungs[i]) for i in index)
        return Nodes(t, levels, targets, np.append([self.space.k(one) for one in t], 0.0))

    def nodes_of_training(self) -> Nodes:
        """As many steps as timesteps."""
        return self.nodes(Request(self.config.num_train_timesteps))

    def calls(self, nodes: Nodes) -> Iterator[Eval]:
        """The corrections of each step, then its prediction."""
        for t, level, target in zip(nodes.timesteps.tolist(), nodes.levels, nodes.targets, strict=True):
            for stage in range(self.config.correct_steps):
                yield Eval(t, level, level, stage)
            yield Eval(t, level, target, self.config.correct_steps)
