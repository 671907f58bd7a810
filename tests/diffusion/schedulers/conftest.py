"""Gaussian data, for which everything is known in closed form: x0 ~ N(0, SPREAD²)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from nodeflow.diffusion.schedulers import Level, Prediction, Schedule, Solver, State
from nodeflow.diffusion.schedulers.prediction import PRECONDITIONED

SPREAD = 0.8


class Gaussian:
    """The exact denoiser of N(0, SPREAD²) and the exact solutions of its equations."""

    @staticmethod
    def deviation(level: Level) -> float:
        """Standard deviation of x at a level."""
        return math.hypot(level.alpha * SPREAD, level.sigma)

    @classmethod
    def output(cls, x: Tensor, level: Level, kind: str = "epsilon") -> Tensor:
        """What a perfect network of that kind says."""
        x0 = level.alpha * SPREAD**2 / cls.deviation(level) ** 2 * x
        return cls.said(x0, level.sigma / cls.deviation(level) ** 2 * x, level, kind)

    @classmethod
    def jump(cls, x: Tensor, level: Level, land: Level, kind: str = "epsilon") -> Tensor:
        """What a perfect consistency model says: x at another level is where the differential equation carries it."""
        there = cls.carried(x, level, land)
        eps = (land.alpha * x - level.alpha * there) / (land.alpha * level.sigma - level.alpha * land.sigma)
        return cls.said((there - land.sigma * eps) / land.alpha, eps, level, kind)

    @staticmethod
    def said(x0: Tensor, eps: Tensor, level: Level, kind: str) -> Tensor:
        """Data and noise in the words of a prediction type."""
        if kind == "sample":
            return x0
        if kind == "flow_prediction":
            return eps - x0
        if kind == "inverted_flow":
            return x0 - eps
        if kind == "score":
            return -eps / level.sigma
        if kind == "trigflow":
            sine = math.sqrt(1 - level.alpha**2)
            return level.alpha * (level.sigma / sine) * eps - sine * x0
        return eps if kind == "epsilon" else (level.alpha * eps - level.sigma * x0) / level.norm

    @classmethod
    def carried(cls, x: Tensor, begin: Level, end: Level) -> Tensor:
        """Where the ordinary differential equation carries x."""
        return x * (cls.deviation(end) / cls.deviation(begin))

    @classmethod
    def run(cls, solver: Solver, x: Tensor, noise: Callable[[Tensor], Tensor] | None = None, until: int = -1) -> State:
        """A run from x to the end, or to a call."""
        state = solver.start(x)
        while not solver.done(state) and state.index != until:
            level = solver.schedule.level(state.index)
            state = solver.step(state, cls.answer(state.x, level, solver.prediction), noise)
        return state

    @classmethod
    def answer(cls, x: Tensor, level: Level, prediction: Prediction) -> Tensor:
        """What a perfect network says that predicts so; a preconditioned one sees more than data and noise."""
        if prediction.kind not in PRECONDITIONED:
            return cls.output(x, level, prediction.kind)
        (alpha, sigma), s = level, prediction.deviation
        r, x0 = math.hypot(alpha * s, sigma), alpha * SPREAD**2 / cls.deviation(level) ** 2 * x
        return PRECONDITIONED[prediction.kind] * (r * x0 - alpha * s**2 / r * x) / (sigma * s)

    @classmethod
    def error(cls, solver: Solver, schedule: Schedule, until: int | None = None) -> float:
        """How far a run of the ordinary differential equation ends from the exact solution."""
        x = torch.tensor([[cls.deviation(schedule.level(0))]], dtype=torch.float64)
        end = len(schedule) if until is None else until
        exact = cls.carried(x, schedule.level(0), schedule.level(end))
        return float((cls.run(solver, x, torch.zeros_like, until=end).x - exact).abs())


@pytest.fixture
def gaussian() -> type[Gaussian]:
    return Gaussian


def network(x: Tensor, t: Any) -> Tensor:
    """A smooth function that stands for a network."""
    return 0.8 * torch.tanh(0.7 * x + float(t) / 1e4) + 0.05 * x.roll(1, -1)


@pytest.fixture
def model() -> Callable[[Tensor, Any], Tensor]:
    return network
