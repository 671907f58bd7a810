"""What exponential integrators share: exact in the linear part, steps counted in lambda = log(alpha / sigma).

Lu et al. 2022, arXiv 2206.00927 (noise form) and 2211.01095 (data form); Zhao et al. 2023, arXiv 2302.04867. With
h = lambda' - lambda and m the network's data or noise prediction, a step is

    x' = carry x - gain ((e^g - 1) m + …) + noise z

    form     carry                gain         g             noise
    data     (s' / s) e^(-eta h)  a'           -(1 + eta) h  s' sqrt(1 - e^(-2 eta h))
    noise    a' / a               (1 + eta) s'  h            s' sqrt(eta (e^2h - 1))

eta is how stochastic the step is: 0 follows the ordinary differential equation, 1 the reverse stochastic one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from torch import Tensor

from .prediction import noise_of
from .solver import Solver, State
from .space import Level


class Kernel(NamedTuple):
    """The numbers of one step."""

    carry: float
    gain: float
    g: float
    noise: float = 0.0


def kernel(here: Level, target: Level, *, data: bool, eta: float = 0.0) -> Kernel:
    """The numbers of a step between two levels with noise in both."""
    (a, s), (a2, s2), h = here, target, target.lam - here.lam
    if data:
        spread = math.sqrt(-math.expm1(-2 * eta * h))
        return Kernel(s2 / s * math.exp(-eta * h), a2, -(1 + eta) * h, s2 * spread)
    return Kernel(a2 / a, (1 + eta) * s2, h, s2 * math.sqrt(eta * math.expm1(2 * h)))


class Point(NamedTuple):
    """A remembered output and where it was made."""

    lam: float
    m: Tensor


def moment(i: int, g: float) -> float:
    """M_i, g times the integral of u^i e^(g (1 - u)) over 0 … 1: M_0 = e^g - 1, M_i = i M_(i-1) / g - 1."""
    if abs(g) < 1:  # where the recursion cancels
        return sum(g**k * math.factorial(i) / math.factorial(i + k) for k in range(1, 20))
    return i * moment(i - 1, g) / g - 1 if i else math.expm1(g)


def through(points: list[Point], begin: float, h: float, moments: Sequence[float]) -> Tensor:
    """The integral over a step from lambda = begin, h long, of the polynomial through as many outputs, [B, ...].

    Each output counts c_j: sum_j c_j r_j^i = M_i for i = 0, 1, …, where r = (lambda - begin) / h.
    """
    powers = np.vander([(point.lam - begin) / h for point in points], increasing=True).T
    counts = np.linalg.solve(powers, np.array(moments)).tolist()
    first, *rest = (count * point.m for count, point in zip(counts, points, strict=True))
    return sum(rest, start=first)


@dataclass(frozen=True)
class Exponential(Solver):
    """The base of the exponential integrators.

    Args:
        data: Whether they step in the data prediction x0, or in the noise eps.
    """

    data: bool = True

    def read(self, x: Tensor, output: Tensor, level: Level) -> tuple[Tensor, Tensor]:
        """The prediction the solver steps in, and the clean sample, each [B, C, ...]."""
        x0 = self.prediction.x0(x, output, level)
        if self.data:
            return x0, x0
        return (noise_of(x, x0, level) if self.prediction.bounded else self.prediction.eps(x, output, level)), x0

    def points(self, state: State, history: tuple[Tensor, ...], first: int, count: int) -> list[Point]:
        """The newest outputs, newest first, made `first` and more calls ago; of equal levels only the newest.

        A schedule may hold a level twice (rounding, a repeated last level); a divided difference there has no value.
        """
        found: list[Point] = []
        for j, m in enumerate(reversed(history)):
            lam = self.back(state, first + j).lam
            if len(found) < count and all(lam != point.lam for point in found):
                found.append(Point(lam, m))
        return found

    def stepped(
        self,
        x: Tensor,
        here: Level,
        target: Level,
        m: Tensor,
        other: Point | None = None,
        *,
        midpoint: bool = False,
        eta: float = 0.0,
    ) -> Tensor:
        """x at the target, without noise, [B, ...]; of order 2 with another output beside the one made here:

            x' = carry x - gain (F m + c (m_r - m) / r),  c = F / 2 (midpoint) or F / g - 1

        where r = (lambda_r - lambda) / h: negative for an earlier step, inside 0 … 1 for a stage of this one.
        """
        if target.sigma == 0:
            return self.clean(x, m, here, target)
        step = kernel(here, target, data=self.data, eta=eta)
        F = math.expm1(step.g)
        slope = F * m
        if other is not None:
            r = (other.lam - here.lam) / (target.lam - here.lam)
            slope = slope + (F / 2 if midpoint else F / step.g - 1) / r * (other.m - m)
        return step.carry * x - step.gain * slope

    def clean(self, x: Tensor, m: Tensor, here: Level, target: Level) -> Tensor:
        """x at a level without noise, the limit of every form of the step, [B, ...]."""
        return target.alpha * (m if self.data else (x - here.sigma * m) / here.alpha)
