"""What exponential integrators share: exact in the linear part, steps counted in lambda = log(alpha / sigma).

Lu et al. 2022, arXiv 2206.00927 (noise form) and 2211.01095 (data form); Zhao et al. 2023, arXiv 2302.04867. With
h = lambda' - lambda and m the network's data or noise prediction, a step is

    x' = carry x - gain ((e^g - 1) m + …) + noise z

    form               carry            gain   g     noise
    data               s' / s           a'     -h    0
    noise              a' / a           s'     h     0
    data, stochastic   (s' / s) e^-h    a'     -2h   s' sqrt(1 - e^-2h)
    noise, stochastic  a' / a           2 s'   h     s' sqrt(e^2h - 1)
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

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


def kernel(here: Level, target: Level, *, data: bool, stochastic: bool = False) -> Kernel:
    """The numbers of a step between two levels with noise in both."""
    h = target.lam - here.lam
    if data and stochastic:
        return Kernel(
            target.sigma / here.sigma * math.exp(-h),
            target.alpha,
            -2 * h,
            target.sigma * math.sqrt(-math.expm1(-2 * h)),
        )
    if data:
        return Kernel(target.sigma / here.sigma, target.alpha, -h)
    ratio = target.alpha / here.alpha
    if stochastic:
        return Kernel(ratio, 2 * target.sigma, h, target.sigma * math.sqrt(math.expm1(2 * h)))
    return Kernel(ratio, target.sigma, h)


class Point(NamedTuple):
    """A remembered output and where it was made."""

    lam: float
    m: Tensor


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

    def clean(self, x: Tensor, m: Tensor, here: Level, target: Level) -> Tensor:
        """x at a level without noise, the limit of every form of the step, [B, ...]."""
        return target.alpha * (m if self.data else (x - here.sigma * m) / here.alpha)
