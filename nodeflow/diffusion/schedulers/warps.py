"""Warps: where the noise levels lie between the largest and the smallest, once spacing in time is given up.

Each takes (largest, smallest, n) and gives n falling levels, float64.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np


def karras(largest: float, smallest: float, n: int, rho: float = 7.0) -> np.ndarray:
    """Evenly spaced in k^(1/rho). Karras et al. 2022, arXiv 2206.00364, eq. 5."""
    return karras_at(np.linspace(0, 1, n), largest, smallest, rho)


def karras_at(u: np.ndarray, largest: float, smallest: float, rho: float = 7.0) -> np.ndarray:
    """The levels at shares u in [0, 1] of the way down in k^(1/rho), [n]."""
    top, bottom = largest ** (1 / rho), smallest ** (1 / rho)
    return (top + u * (bottom - top)) ** rho


def exponential(largest: float, smallest: float, n: int) -> np.ndarray:
    """Evenly spaced in log k."""
    return np.exp(np.linspace(math.log(largest), math.log(smallest), n))


def lu(largest: float, smallest: float, n: int) -> np.ndarray:
    """Evenly spaced in lambda. Lu et al. 2022, DPM-Solver, arXiv 2206.00927, section 3.4."""
    top, bottom = float(np.log(np.float32(largest))), float(np.log(np.float32(smallest)))
    return np.exp(top + np.linspace(0, 1, n) * (bottom - top))


def beta(largest: float, smallest: float, n: int, shape: float = 0.6) -> np.ndarray:
    """At the quantiles of a Beta(0.6, 0.6) distribution: dense at both ends. Lee et al. 2024, arXiv 2407.12173."""
    return smallest + beta_quantile(1 - np.linspace(0, 1, n), shape) * (largest - smallest)


WARPS: dict[str, Callable[[float, float, int], np.ndarray]] = {
    "use_karras_sigmas": karras,
    "use_exponential_sigmas": exponential,
    "use_beta_sigmas": beta,
    "use_lu_lambdas": lu,
}
"""The warps by the configuration key that asks for them."""


def shifted(k: np.ndarray, shift: float) -> np.ndarray:
    """Levels of a flow moved towards noise (shift > 1). Esser et al. 2024, arXiv 2403.03206, eq. 23."""
    return shift * k / (1 + (shift - 1) * k)


def shift_of(mu: float, kind: str) -> float:
    """The shift that a dynamic schedule's mu stands for: e^mu (exponential), or mu itself (linear)."""
    return math.exp(mu) if kind == "exponential" else mu


def stretched(k: np.ndarray, terminal: float) -> np.ndarray:
    """Levels of a flow stretched so that the last one is `terminal`; a single level at pure noise stays."""
    return k if k[-1] == 1 else 1 - (1 - k) / ((1 - k[-1]) / (1 - terminal))


def beta_quantile(p: np.ndarray, a: float) -> np.ndarray:
    """The quantiles of the symmetric Beta(a, a) distribution, [n], by bisection to the last bit.

    Its distribution function for x <= 1/2 is x^a sum_j (1 - a)_j / j! x^j / (a + j) / B(a, a); the other half mirrors.
    """
    j = np.arange(60)
    falling = np.cumprod(np.concatenate([[1.0], (j[:-1] + 1 - a) / (j[:-1] + 1)])) / (a + j)
    normaliser = math.gamma(a) ** 2 / math.gamma(2 * a)
    tail = np.minimum(p, 1 - p)
    low, high = np.zeros_like(tail), np.full_like(tail, 0.5)
    for _ in range(60):
        x = (low + high) / 2
        mass = x**a * (x[:, None] ** j @ falling) / normaliser
        low, high = np.where(mass < tail, x, low), np.where(mass < tail, high, x)
    x = np.where(tail > 0, high, 0.0)
    return np.where(p <= 0.5, x, 1 - x)
