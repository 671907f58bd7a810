"""DEIS in log rho: the outputs of several steps, integrated exactly. Zhang and Chen 2022, arXiv 2204.13902."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from .config import FLOWING, SPACED, THRESHOLDING, TRAINING, WARPED
from .dpm import DPM
from .exponential import Kernel, Point, moment, through
from .families import ExponentialScheduler
from .prediction import Prediction
from .schedule import Schedule


@dataclass(frozen=True)
class DEIS(DPM):
    """x' = carry x - gain g integral of P(u) e^(g (1 - u)) over 0 … 1, in the noise form; as many orders as outputs.

    P is the polynomial in u = (lambda - lambda_0) / h through the last outputs eps, and lambda = -log rho (eq. 15).
    """

    data: bool = False

    def slope(self, step: Kernel, h: float, points: list[Point]) -> Tensor:
        return through(points, points[0].lam, h, [moment(i, step.g) for i in range(len(points))])


class DEISMultistepScheduler(ExponentialScheduler):
    """Diffusion exponential integrator sampler: the noise form at its best, from 10 steps."""

    defaults: ClassVar[Mapping[str, Any]] = {
        **TRAINING,
        **THRESHOLDING,
        "solver_order": 2,
        "algorithm_type": "deis",
        "solver_type": "logrho",
        "lower_order_final": True,
        **WARPED,
        **FLOWING,
        **SPACED,
    }
    menus: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        **ExponentialScheduler.menus,
        "algorithm_type": ("deis",),
        "solver_type": ("logrho",),
        "solver_order": (1, 2, 3),
    }
    aliases: ClassVar[Mapping[str, Mapping[str, str]]] = {
        "algorithm_type": dict.fromkeys(
            ("dpmsolver", "dpmsolver++", "sde-dpmsolver", "sde-dpmsolver++", "data_prediction", "noise_prediction"),
            "deis",
        ),
        "solver_type": dict.fromkeys(("midpoint", "heun", "bh1", "bh2"), "logrho"),
    }
    repeats: ClassVar[bool] = True
    solver_class = DEIS

    def make_solver(self, schedule: Schedule, prediction: Prediction) -> DEIS:
        c = self.config
        return DEIS(schedule, prediction, solver_order=c.solver_order, lower_order_final=c.lower_order_final)
