"""Linear multistep in k-space: Adams-Bashforth on uneven levels. k-diffusion; Liu et al. 2022, arXiv 2202.09778."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from .config import SPACED, TRAINING, WARPED
from .families import KScheduler
from .prediction import noise_of
from .solver import NoiseSource, Solver, State, remembered
from .warps import karras


@dataclass(frozen=True)
class LMS(Solver):
    """x' = x + sum_j c_j d_j: the slopes d = (x - x0) / k of the last calls, joined by a polynomial in k that is
    integrated from k to k'.

    Args:
        order: How many slopes.
    """

    order: int = 4

    def advance(self, state: State, output: Tensor, noise: NoiseSource) -> State:
        call = self.here(state)
        x0 = self.prediction.x0(state.x, output, call.level)
        slopes = remembered(state.history, noise_of(state.x, x0, call.level), self.order)
        # counted from the schedule's first call, not from this run's: an image-to-image run begins with the weights
        # of a full history and the slopes it has, as in every published picture
        known = min(state.index + 1, self.order)
        levels = [self.back(state, j).k for j in range(known)]
        weights = lagrange_integrals(levels, call.level.k, call.target.k)
        x = state.x + sum(weight * slope for weight, slope in zip(weights, reversed(slopes), strict=False))
        return replace(state, x=x, estimate=x0, history=slopes)


def lagrange_integrals(nodes: Sequence[float], start: float, end: float) -> list[float]:
    """The integrals from start to end of the Lagrange polynomials on these nodes, exactly."""
    weights = []
    for j, node in enumerate(nodes):
        others = np.array([*nodes[:j], *nodes[j + 1 :]])
        integral = np.polyint(np.atleast_1d(np.poly(others - start)) / np.prod(node - others))
        weights.append(float(np.polyval(integral, end - start) - np.polyval(integral, 0)))
    return weights


class LMSDiscreteScheduler(KScheduler):
    """Linear multistep: the slopes of four steps for the price of one call."""

    defaults: ClassVar[Mapping[str, Any]] = {
        **TRAINING,
        **WARPED,
        **SPACED,
    }
    solver_class = LMS

    def warped(self, largest: float, smallest: float, n: int) -> np.ndarray:
        """As published, Karras levels alone ignore ends that are kept from another class."""
        return karras(largest, smallest, n) if self.config.use_karras_sigmas else super().warped(largest, smallest, n)
