"""Ways to lay noise levels by the names that people know, for any scheduler that takes a list of sigmas.

Each takes the noise levels a model was trained at, `ks`, rising, [T], and n, and gives n falling levels, float64; the
clean end 0 follows. Most come without a paper, from k-diffusion and the node editors; all are told by their formula.
With `at(t)` the level of a real timestep t in 0 … T - 1 and i = 0 … n - 1:

    simple            ks[T - 1 - floor(i T / n)]                  whole timesteps, evenly from the top
    ddim_uniform      ks[1 + j (T // n)], j = n - 1 … 0           whole strides from the bottom (2010.02502)
    normal            at((T - 1) (1 - i / (n - 1)))               both ends, then the clean end
    sgm_uniform       at((T - 1) (1 - i / n))                     the clean end is one of n + 1 even points
    beta_timesteps    ks at the quantiles of Beta(0.6, 0.6) over time (2407.12173); `beta` is over levels

The others lie between the largest and the smallest level, however training time runs between them.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from difflib import get_close_matches
from functools import partial

import numpy as np

from .config import refuse
from .tables import AYS_BOTTOM, GITS, AysSchedules
from .warps import beta, beta_quantile, exponential, karras, lu

Lay = Callable[..., np.ndarray]


def names() -> tuple[str, ...]:
    """The schedules that are known here, sorted."""
    return tuple(sorted(SCHEDULES))


def sigmas(name: str, ks: np.ndarray, n: int, **parameters: float) -> np.ndarray:
    """Noise levels of n steps, falling, with the clean end, float64, [n + 1].

    Args:
        name: One of `names()`.
        ks: The noise levels of training, rising, [T]; see `Scheduler.trained_levels`.
        n: How many steps, from 1.
        parameters: What the schedule can be told (rho, mu, spread, threshold, shape).

    Raises:
        ScheduleError: NF410 where the name or a parameter is unknown, n does not fit, or the model was not trained up
            to these levels.
    """
    if name not in SCHEDULES:
        near = get_close_matches(name, SCHEDULES, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]}? " if near else ""
        refuse(f"there is no schedule named {name!r}", fix=f"{hint}known are {', '.join(names())}")
    if n < 1:
        refuse(f"{n} steps are too few", where=name, fix="take at least one")
    lay = SCHEDULES[name]
    known = {one.name for one in inspect.signature(lay).parameters.values() if one.kind is one.KEYWORD_ONLY}
    if unknown := sorted(set(parameters) - known):
        fix = f"it knows {', '.join(sorted(known)) or 'none'}"
        refuse(f"unknown parameter {', '.join(unknown)}", where=name, fix=fix)
    k = lay(ks, n, **parameters) if n <= len(ks) else np.zeros(n)
    if not np.isfinite(k).all():
        refuse("the model's noise has no largest level", where=name, fix="switch rescale_betas_zero_snr off")
    if k[-1] <= 0 or (np.diff(k) >= 0).any():
        what = f"it does not lay {n} different levels between {ks[0]:g} and {ks[-1]:g} in {len(ks)} timesteps"
        refuse(what, where=name, fix="take fewer steps or another schedule")
    if k[0] > 1.01 * ks[-1]:
        what = f"the schedule begins at noise {k[0]:g} and the model's ends at {ks[-1]:g}"
        refuse(what, where=name, fix="choose the schedule of this model, or one without a table")
    return np.append(k, 0.0)


def at(ks: np.ndarray, t: np.ndarray) -> np.ndarray:
    """The levels of real timesteps in 0 … T - 1, linear between the whole ones, [n]."""
    return np.interp(t, np.arange(len(ks)), ks)


def simple(ks: np.ndarray, n: int) -> np.ndarray:
    """Every (T / n)th training level from the top, rounded to a whole timestep."""
    return ks[len(ks) - 1 - (np.arange(n) * (len(ks) / n)).astype(int)]


def ddim_uniform(ks: np.ndarray, n: int) -> np.ndarray:
    """n strides of T // n timesteps from timestep 1 upwards. Song et al. 2020, arXiv 2010.02502."""
    return ks[np.minimum(1 + np.arange(n) * (len(ks) // n), len(ks) - 1)][::-1]


def normal(ks: np.ndarray, n: int) -> np.ndarray:
    """Evenly in training time from its top to its bottom."""
    return at(ks, np.linspace(len(ks) - 1, 0, n))


def sgm_uniform(ks: np.ndarray, n: int) -> np.ndarray:
    """Evenly in training time, the bottom left to the clean end."""
    return at(ks, np.linspace(len(ks) - 1, 0, n + 1)[:n])


def beta_timesteps(ks: np.ndarray, n: int, *, shape: float = 0.6) -> np.ndarray:
    """At the quantiles of a Beta distribution over training time. Lee et al. 2024, arXiv 2407.12173.

    Rounded to whole timesteps, as published, while that keeps them apart.
    """
    t = beta_quantile(1 - np.arange(n) / n, shape) * (len(ks) - 1)
    whole = t.round()
    return at(ks, whole if (np.diff(whole) < 0).all() else t)


def linear_quadratic(ks: np.ndarray, n: int, *, threshold: float = 0.025) -> np.ndarray:
    """Slow, then fast: k = k_max (1 - p), with m = n // 2 and c = threshold,

    p(i) = c i / m + (1 - c n / m) (max(i - m, 0) / (n - m))²

    So the first half of the steps removes the share c of the noise. Genmo 2024, Mochi 1.
    """
    if n == 1:
        return ks[-1:]
    i, m = np.arange(n), n // 2
    removed = threshold * i / m + (1 - threshold * n / m) * (np.maximum(i - m, 0) / (n - m)) ** 2
    return ks[-1] * (1 - removed)


def kl_optimal(ks: np.ndarray, n: int) -> np.ndarray:
    """Evenly in arctan k, which is optimal for Gaussian data N(0, 1). Sabour et al. 2024, arXiv 2404.14507."""
    return np.tan(np.linspace(math.atan(ks[-1]), math.atan(ks[0]), n))


def laplace(ks: np.ndarray, n: int, *, mu: float = 0.0, spread: float = 0.5) -> np.ndarray:
    """At the quantiles of a Laplace(mu, spread) distribution of log k, kept inside the ends.

    Hang et al. 2024, arXiv 2407.03297, table 1.
    """
    half = np.linspace(0, 1, n) - 0.5
    log_k = mu + spread * np.sign(half) * np.log(1 - 2 * np.abs(half) + 1e-5)
    return np.exp(log_k).clip(ks[0], ks[-1])


def gits(ks: np.ndarray, n: int) -> np.ndarray:
    """The table of `GITS`; beyond its 20 steps, evenly in log k along the last row. From 2 steps."""
    if n < 2:
        refuse("the table begins at 2 steps", where="gits", fix="take at least 2")
    row = at(ks, np.array([*GITS[min(n, len(GITS) + 1) - 2], 0]) / 100 * (len(ks) - 1))
    return log_linear(row, n)


def ays(ks: np.ndarray, n: int, *, table: str) -> np.ndarray:
    """A table of `AysSchedules`, evenly in log k along it for other numbers of steps than 10 (2404.14507)."""
    return log_linear(np.array([*AysSchedules[table][:-1], AYS_BOTTOM[table]]), n)


def log_linear(k: np.ndarray, n: int) -> np.ndarray:
    """n falling levels along a table that ends where the clean end takes over, linear in log k."""
    return np.exp(np.interp(np.linspace(0, 1, n + 1), np.linspace(0, 1, len(k)), np.log(k)))[:n]


def polyexponential(ks: np.ndarray, n: int, *, rho: float = 1.0) -> np.ndarray:
    """log k falls as u^rho, u from 1 to 0: the exponential schedule at rho = 1."""
    return ks[0] * (ks[-1] / ks[0]) ** (np.linspace(1, 0, n) ** rho)


def karras_between_ends(ks: np.ndarray, n: int, *, rho: float = 7.0) -> np.ndarray:
    """Evenly in k^(1/rho); see `warps.karras`."""
    return karras(float(ks[-1]), float(ks[0]), n, rho)


def _between_ends(warp: Lay) -> Lay:
    return lambda ks, n: warp(float(ks[-1]), float(ks[0]), n)


WARPS = {
    "karras": "use_karras_sigmas",
    "exponential": "use_exponential_sigmas",
    "beta": "use_beta_sigmas",
    "lu": "use_lu_lambdas",
}
"""The options that ask a scheduler to lay its own levels by the warp of that name."""

TIMESTEPS = {
    "ays_sd": AysSchedules["StableDiffusionTimesteps"],
    "ays_sdxl": AysSchedules["StableDiffusionXLTimesteps"],
}
"""Published timesteps by name."""

SCHEDULES: dict[str, Lay] = {
    "simple": simple,
    "normal": normal,
    "sgm_uniform": sgm_uniform,
    "ddim_uniform": ddim_uniform,
    "beta_timesteps": beta_timesteps,
    "linear_quadratic": linear_quadratic,
    "kl_optimal": kl_optimal,
    "laplace": laplace,
    "gits": gits,
    "ays_sd": partial(ays, table="StableDiffusionSigmas"),
    "ays_sdxl": partial(ays, table="StableDiffusionXLSigmas"),
    "ays_svd": partial(ays, table="StableDiffusionVideoSigmas"),
    "karras": karras_between_ends,
    "polyexponential": polyexponential,
    "exponential": _between_ends(exponential),
    "beta": _between_ends(beta),
    "lu": _between_ends(lu),
}
"""The schedules by name."""
