"""ER-SDE: extended reverse-time stochastic equations. Cui et al. 2023, arXiv 2309.06169."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from .prediction import Prediction
from .schedule import Schedule
from .sigmas import SigmaScheduler
from .solver import NoiseSource, Solver, State, remembered

SCALES: Mapping[str, Callable[[np.ndarray, float], np.ndarray]] = {
    "er_sde": lambda k, eta: k * (np.exp(k**0.3) + 10) ** eta,
    "reverse_sde": lambda k, eta: k ** (1 + eta),
}
"""How noise falls, phi(k): ER-SDE 5 of the paper's table 1, and the usual reverse equation; at eta 0 no noise, k."""

POINTS, WEIGHTS = np.polynomial.legendre.leggauss(32)


@dataclass(frozen=True)
class ERSDE(Solver):
    """In k-space, y = x / alpha, with r = phi(k') / phi(k) and h = k' - k (eq. 17, 21; algorithms 3 to 5):

        y' = r y + (1 - r) x0 + (h + phi(k') I_0) D1 + (h² / 2 + phi(k') I_1) D2 + sqrt(k'² - r² k²) z

        I_p = integral from k' to k of (u - k)^p / phi(u) du
        D1 = (x0 - x0_1) / (k - k_1),  D2 = (D1 - D1_1) / ((k - k_2) / 2),  older answers at k_1, k_2

    As published, D1 is one-sided and not corrected by D2, so that the third order is the second with less error.

    Args:
        solver_order: How many answers are used, 1 to 3.
        solver_type: A name of `SCALES`.
        eta: How much noise, 0 for none.
        s_noise: Factor on its standard deviation.
    """

    solver_order: int = 3
    solver_type: str = "er_sde"
    eta: float = 1.0
    s_noise: float = 1.0

    def advance(self, state: State, output: Tensor, noise: NoiseSource) -> State:
        call, x = self.here(state), state.x
        x0 = self.prediction.x0(x, output, call.level)
        history = remembered(state.history, x0, self.solver_order)
        target, k, k2 = call.target, call.level.k, call.target.k
        if k2 == 0:
            return replace(state, x=target.alpha * x0, estimate=x0, history=history)
        r = self.phi(k2) / self.phi(k)
        y = r / call.level.alpha * x + (1 - r) * x0
        for order, difference in enumerate(self.differences(state, history), start=1):
            y = y + self.weight(k, k2, order) * difference
        if self.eta > 0:
            y = y + self.s_noise * math.sqrt(max(k2**2 - (r * k) ** 2, 0)) * noise(x)
        return replace(state, x=target.alpha * y, estimate=x0, history=history)

    def phi(self, k: float) -> float:
        """How noise falls."""
        return float(SCALES[self.solver_type](np.array(k), self.eta))

    def weight(self, k: float, k2: float, order: int) -> float:
        """h^p / p! + phi(k') I_(p-1), by quadrature in log u, where 1 / phi is smooth."""
        middle, half = math.log(k * k2) / 2, math.log(k / k2) / 2
        u = np.exp(middle + half * POINTS)
        integrand = u * (u - k) ** (order - 1) / SCALES[self.solver_type](u, self.eta)
        return (k2 - k) ** order / math.factorial(order) + self.phi(k2) * half * float(integrand @ WEIGHTS)

    def differences(self, state: State, history: tuple[Tensor, ...]) -> list[Tensor]:
        """D1 and D2, as many as there are answers for."""
        ks = [self.back(state, j).k for j in range(len(history))]
        x0 = history[::-1]
        first = [(x0[j] - x0[j + 1]) / (ks[j] - ks[j + 1]) for j in range(len(x0) - 1)]
        if len(first) < 2:
            return first
        return [first[0], (first[0] - first[1]) / ((ks[0] - ks[2]) / 2)]


class ERSDEScheduler(SigmaScheduler):
    """ER-SDE: one call a step, stochastic, with less noise than the reverse equation where it would harm."""

    defaults: ClassVar[Mapping[str, Any]] = {
        **SigmaScheduler.defaults,
        "solver_order": 3,
        "solver_type": "er_sde",
        "eta": 1.0,
        "s_noise": 1.0,
    }
    menus: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        **SigmaScheduler.menus,
        "solver_order": (1, 2, 3),
        "solver_type": tuple(SCALES),
    }
    aliases: ClassVar[Mapping[str, Mapping[str, str]]] = {
        **SigmaScheduler.aliases,
        "solver_type": dict.fromkeys(("midpoint", "heun", "logrho", "bh1", "bh2"), "er_sde"),
    }
    solver_class = ERSDE

    def make_solver(self, schedule: Schedule, prediction: Prediction) -> ERSDE:
        c = self.config
        return ERSDE(schedule, prediction, c.solver_order, c.solver_type, c.eta, c.s_noise)
