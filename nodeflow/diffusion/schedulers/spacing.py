"""Which timesteps a run of n steps visits: three ways to space them over training time.

Lin et al. 2023, arXiv 2305.08891, table 2. With T = 1000 and n = 4:

    linspace  999 666 333 0      both ends
    leading   750 500 250 0      whole strides from the bottom, then an offset
    trailing  999 749 499 249    whole strides from the top
"""

from __future__ import annotations

import numpy as np


def spaced(kind: str, n: int, last: int, train: int, offset: int = 0, beyond: int = 0) -> np.ndarray:
    """n falling timesteps, float64, [n]; linspace is not rounded.

    Args:
        kind: linspace, leading or trailing.
        n: How many.
        last: One past the noisiest timestep that may be visited.
        train: T, which gives trailing its stride.
        offset: Added to leading timesteps.
        beyond: Points laid below the lowest and left out (exponential integrators count the clean end as a point).
    """
    points = n + beyond
    if kind == "linspace":
        return np.linspace(0, last - 1, points)[::-1][:n]
    if kind == "leading":
        return (np.arange(points) * (last // points))[::-1][:n].astype(float) + offset
    # a stride that is not a binary fraction can lay one point too many, below zero
    return np.arange(last, 0, -train / n).round()[:n] - 1
