"""Published tables of noise levels that were found by optimisation, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

AysSchedules: Mapping[str, tuple[float, ...]] = MappingProxyType(
    {
        "StableDiffusionTimesteps": (999, 850, 736, 645, 545, 455, 343, 233, 124, 24),
        "StableDiffusionSigmas": (14.615, 6.475, 3.861, 2.697, 1.886, 1.396, 0.963, 0.652, 0.399, 0.152, 0.0),
        "StableDiffusionXLTimesteps": (999, 845, 730, 587, 443, 310, 193, 116, 53, 13),
        "StableDiffusionXLSigmas": (14.615, 6.315, 3.771, 2.181, 1.342, 0.862, 0.555, 0.380, 0.234, 0.113, 0.0),
        "StableDiffusionVideoSigmas": (700.0, 54.5, 15.886, 7.977, 4.248, 1.789, 0.981, 0.403, 0.173, 0.034, 0.0),
    }
)
"""Ten steps for three models: timesteps [10], or noise levels with the end [11].

Sabour et al. 2024, "Align Your Steps", arXiv 2404.14507.
"""

AYS_BOTTOM: Mapping[str, float] = MappingProxyType(
    {"StableDiffusionSigmas": 0.029, "StableDiffusionXLSigmas": 0.029, "StableDiffusionVideoSigmas": 0.002}
)
"""The level where each table meets the clean end, which interpolation to other numbers of steps needs."""

GITS: tuple[tuple[int, ...], ...] = (
    (100, 29),
    (100, 49, 18),
    (100, 61, 33, 11),
    (100, 66, 42, 21, 6),
    (100, 83, 57, 34, 15, 3),
    (100, 83, 62, 42, 23, 8, 1),
    (100, 83, 62, 45, 29, 15, 6, 1),
    (100, 83, 66, 50, 34, 21, 11, 4, 1),
    (100, 83, 66, 51, 38, 27, 17, 9, 4, 1),
    (100, 83, 67, 54, 42, 30, 21, 13, 7, 3, 1),
    (100, 83, 68, 56, 45, 34, 25, 17, 11, 6, 3, 1),
    (100, 86, 71, 61, 49, 38, 29, 21, 15, 10, 6, 3, 1),
    (100, 86, 71, 62, 50, 40, 31, 23, 17, 12, 8, 5, 3, 1),
    (100, 88, 78, 68, 58, 48, 38, 30, 23, 17, 12, 8, 5, 3, 1),
    (100, 88, 78, 68, 58, 48, 38, 30, 23, 17, 13, 9, 6, 4, 2, 1),
    (100, 88, 78, 68, 58, 48, 38, 30, 23, 17, 13, 10, 7, 5, 3, 2, 1),
    (100, 88, 78, 68, 59, 50, 41, 33, 26, 20, 15, 11, 8, 6, 4, 3, 2, 1),
    (100, 88, 78, 68, 59, 50, 42, 34, 27, 21, 16, 12, 9, 7, 5, 4, 3, 2, 1),
    (100, 88, 78, 68, 59, 50, 42, 34, 27, 21, 17, 13, 10, 8, 6, 5, 4, 3, 2, 1),
)
"""2 to 20 steps for Stable Diffusion 1.5, in hundredths of training time; the next one after each row is 0.

Chen et al. 2024, "On the Trajectory Regularity of ODE-based Diffusion Sampling", arXiv 2405.11326: the coefficient
1.20 of its search, as other node editors ship it.
"""
