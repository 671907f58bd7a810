"""Noise levels as plain lists: cut, joined, turned and stretched. A list of n steps has n + 1 levels, falling.

Two lists that meet, the one ending at the level the other begins with, are two parts of one run.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..errors import NodeflowError

Levels = Sequence[float]


def split_at_step(levels: Levels, step: int) -> tuple[list[float], list[float]]:
    """The first `step` steps and the rest; the level between them stands in both.

    Raises:
        NodeflowError: NF410, the list has fewer steps.
    """
    if not 0 <= step < len(levels):
        what = f"step {step} is outside 0 … {max(len(levels) - 1, 0)}"
        raise NodeflowError("NF410", what, where="step", fix="stay within the list")
    return list(levels[: step + 1]), list(levels[step:])


def split_at_level(levels: Levels, level: float) -> tuple[list[float], list[float]]:
    """The steps down to the first level that is not above `level`, and the rest.

    Raises:
        NodeflowError: NF410, all levels are above it.
    """
    found = next((place for place, one in enumerate(levels) if one <= level), None)
    if found is None:
        what = f"no level lies at or below {level:g}"
        raise NodeflowError("NF410", what, where="sigma", fix="name one between the first and the last")
    return split_at_step(levels, found)


def joined(first: Levels, second: Levels) -> list[float]:
    """One list after another; a level at which they meet stands once."""
    meet = bool(first) and bool(second) and first[-1] == second[0]
    return [*first, *second[1 if meet else 0 :]]


def scaled(levels: Levels, factor: float) -> list[float]:
    """Every level times a factor."""
    return [level * factor for level in levels]


def shifted(levels: Levels, shift: float) -> list[float]:
    """Levels of a flow, 0..1, moved towards noise (shift > 1): s k / (1 + (s - 1) k).

    Esser et al. 2024, arXiv 2403.03206, eq. 23.

    Raises:
        NodeflowError: NF410, a level is no level of a flow.
    """
    if wrong := [level for level in levels if not 0 <= level <= 1 + 1e-6]:
        what = f"{wrong[0]:g} is no noise level of a flow, which lie in 0 … 1"
        raise NodeflowError("NF410", what, where="sigmas", fix="scale the levels of other models")
    return [min(shift * level / (1 + (shift - 1) * level), 1.0) for level in levels]


def resampled(levels: Levels, steps: int) -> list[float]:
    """The same curve in another number of steps, linear in log k; a clean end stays the end.

    Raises:
        NodeflowError: NF410, fewer than two levels above 0, or a level below 0.
    """
    clean = bool(levels) and levels[-1] == 0
    body = levels[:-1] if clean else levels
    if len(body) < 2 or min(body) <= 0:
        raise NodeflowError("NF410", "a curve needs two levels above 0", where="sigmas", fix="give more levels")
    logs, points = [math.log(level) for level in body], steps if clean else steps + 1
    found = []
    for point in range(points):
        place = point / (points - 1) * (len(logs) - 1) if points > 1 else 0.0
        low = min(int(place), len(logs) - 2)
        found.append(math.exp(logs[low] + (place - low) * (logs[low + 1] - logs[low])))
    return [*found, *([0.0] if clean else [])]
