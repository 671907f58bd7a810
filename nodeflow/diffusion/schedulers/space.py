"""Noise spaces: how much signal and how much noise there is in x at a level, and where the levels lie in time.

A noisy sample is x = alpha x0 + sigma eps, eps ~ N(0, I). A schedule walks along one number k, the noise level that
people call sigma: k = sigma / alpha in spaces that come from a table of betas, k = sigma where alpha = 1 - sigma.

    VP    alpha = 1 / sqrt(1 + k²), sigma = k alpha    Ho et al. 2020, arXiv 2006.11239
    VE    alpha = 1,                sigma = k          Karras et al. 2022, arXiv 2206.00364
    Flow  alpha = 1 - k,            sigma = k          Lipman et al. 2022, arXiv 2210.02747
    Trig  alpha = cos k,            sigma = s sin k    Lu and Song 2024, arXiv 2410.11081
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

ALMOST_ZERO_SNR = 2.0**-24
"""The last alpha² where a zero SNR has to stay finite: the smallest positive half-precision number."""


class Level(NamedTuple):
    """What is in x: alpha x0 + sigma eps."""

    alpha: float
    sigma: float

    @property
    def k(self) -> float:
        """Noise over signal, sigma / alpha."""
        return self.sigma / self.alpha if self.alpha > 0 else math.inf

    @property
    def lam(self) -> float:
        """Half the log signal-to-noise ratio, lambda = log(alpha / sigma), which the DPM-Solver papers step in."""
        if self.sigma == 0:
            return math.inf
        return math.log(self.alpha) - math.log(self.sigma) if self.alpha > 0 else -math.inf

    @property
    def norm(self) -> float:
        """sqrt(alpha² + sigma²): 1 in a variance-preserving space."""
        return math.hypot(self.alpha, self.sigma)


CLEAN = Level(1.0, 0.0)
"""A clean sample, without noise."""


class Space(Protocol):
    """What a schedule needs to know of a noise space."""

    steps: int

    @property
    def ks(self) -> np.ndarray:
        """The noise levels of training, rising, [T]."""

    def level(self, k: float) -> Level:
        """The level with noise k."""

    def k(self, t: float) -> float:
        """Noise at timestep t."""

    def t(self, k: float) -> float:
        """Timestep with noise k."""

    def input_scale(self, level: Level) -> float:
        """The factor on x before it enters the network."""


class Table:
    """Noise levels read from a table of betas, one for each timestep 0 … T - 1.

    Args:
        alphas_cumprod: alpha² of the variance-preserving process at each timestep, float32, [T].
    """

    def __init__(self, alphas_cumprod: Tensor) -> None:
        self.alphas_cumprod = alphas_cumprod
        self.steps = len(alphas_cumprod)

    @cached_property
    def ks(self) -> np.ndarray:
        """k at each timestep, rising, float32, [T]."""
        return np.array(((1 - self.alphas_cumprod) / self.alphas_cumprod) ** 0.5)

    @cached_property
    def log_ks(self) -> np.ndarray:
        """log k at each timestep, float32, [T]."""
        return np.log(self.ks)

    def k(self, t: float) -> float:
        """Noise at timestep t, linear between the entries."""
        return float(np.interp(t, np.arange(self.steps), self.ks))

    def t(self, k: float) -> float:
        """Timestep with noise k, linear in log k, inside [0, T - 1].

        The table stays in float32 and k in its own format: classes that cut t down to an integer stand on the edge.
        """
        log_k = np.log(np.maximum(k, 1e-10))
        low = int(np.clip(np.searchsorted(self.log_ks, log_k, side="right") - 1, 0, self.steps - 2))
        here, there = self.log_ks[low], self.log_ks[low + 1]
        share = np.clip((here - log_k) / (here - there), 0, 1)
        return float((1 - share) * low + share * (low + 1))


class VP(Table):
    """Variance preserving: alpha² + sigma² = 1."""

    def level(self, k: float) -> Level:
        if math.isinf(k):
            return Level(0.0, 1.0)
        return Level(1 / math.hypot(1, k), k / math.hypot(1, k))

    def at(self, t: int) -> Level:
        """The level of an integer timestep, straight from the table: exact, zero SNR included."""
        alpha2 = float(self.alphas_cumprod[t])
        return Level(math.sqrt(alpha2), math.sqrt(1 - alpha2))

    def input_scale(self, level: Level) -> float:
        return 1.0


class VE(Table):
    """Variance exploding: x = x0 + k eps; the network, trained in VP, sees x / sqrt(1 + k²)."""

    def level(self, k: float) -> Level:
        return Level(1.0, k)

    def input_scale(self, level: Level) -> float:
        return 1 / level.norm


class GeometricVE:
    """Variance exploding over continuous time t in [0, 1]: x = x0 + k eps, k = k_min (k_max / k_min)^t.

    Song et al. 2021, arXiv 2011.13456, appendix C.

    Args:
        smallest: k at t = 0.
        largest: k at t = 1.
        steps: How many levels `ks` lists.
    """

    def __init__(self, smallest: float, largest: float, steps: int) -> None:
        self.smallest, self.largest, self.steps = smallest, largest, steps

    @cached_property
    def ks(self) -> np.ndarray:
        """k even in time, rising, float64, [T]."""
        return np.geomspace(self.smallest, self.largest, self.steps)

    def level(self, k: float) -> Level:
        return Level(1.0, k)

    def k(self, t: float) -> float:
        return self.smallest * (self.largest / self.smallest) ** t

    def t(self, k: float) -> float:
        return math.log(k / self.smallest) / math.log(self.largest / self.smallest)

    def input_scale(self, level: Level) -> float:
        return 1.0


class EDM:
    """Variance exploding without a table: x = x0 + k eps; the network sees x / sqrt(k² + s²).

    Args:
        ks: The noise levels of training, rising, float64, [T].
        deviation: s, the standard deviation of the data.
        told: What the network is told of a level.
        level_of: The level that it is told so.
    """

    def __init__(
        self, ks: np.ndarray, deviation: float, told: Callable[[float], float], level_of: Callable[[float], float]
    ) -> None:
        self.ks, self.deviation, self.steps = ks, deviation, len(ks)
        self.t, self.k = told, level_of

    def level(self, k: float) -> Level:
        return Level(1.0, k)

    def input_scale(self, level: Level) -> float:
        return 1 / math.hypot(level.sigma, self.deviation)


class Flow:
    """Rectified flow: a straight line from data to noise, x = (1 - k) x0 + k eps; t counts k in `steps`.

    Networks are told t, or k = `k(t)` itself, or 1 - k: that is the network's affair.

    Args:
        steps: T.
        inverted: k counts the signal instead: it rises from noise at 0 to data at 1 (Mochi).
    """

    def __init__(self, steps: int, *, inverted: bool = False) -> None:
        self.steps = steps
        self.inverted = inverted

    @cached_property
    def ks(self) -> np.ndarray:
        """k at each timestep 1 … T, rising, float64, [T]."""
        return np.arange(1, self.steps + 1) / self.steps

    def level(self, k: float) -> Level:
        return Level(k, 1.0 - k) if self.inverted else Level(1.0 - k, k)

    def k(self, t: float) -> float:
        return t / self.steps

    def t(self, k: float) -> float:
        return k * self.steps

    def input_scale(self, level: Level) -> float:
        return 1.0


class Cosine(VP):
    """VP over continuous time t in [0, 1]: alpha² = cos²(theta) / cos²(theta_0), kept inside [0.0001, 0.9999], with

    theta = (u + s) / (1 + s) pi / 2,  u = 1 - (1 - t)^scaler where scaler > 1, t^scaler elsewhere

    Nichol and Dhariwal 2021, arXiv 2102.09672, eq. 17; Pernias et al. 2023, Würstchen, arXiv 2306.00637.

    Args:
        s: Keeps the noise of small t from vanishing.
        scaler: Moves levels towards noise (> 1) or data (< 1).
    """

    def __init__(self, s: float, scaler: float) -> None:
        self.s, self.scaler = s, scaler
        super().__init__(torch.tensor([self.alpha2(t) for t in np.linspace(0, 1, 1000)]))

    def alpha2(self, t: float) -> float:
        """alpha² at time t."""
        u = 1 - (1 - t) ** self.scaler if self.scaler > 1 else t**self.scaler
        cosines = [math.cos((one + self.s) / (1 + self.s) * math.pi / 2) for one in (u, 0.0)]
        return min(max((cosines[0] / cosines[1]) ** 2, 0.0001), 0.9999)

    def k(self, t: float) -> float:
        alpha2 = self.alpha2(t)
        return math.sqrt((1 - alpha2) / alpha2)

    def t(self, k: float) -> float:
        ratio = math.cos(self.s / (1 + self.s) * math.pi / 2) / math.hypot(1, k)
        u = max((1 + self.s) * math.acos(ratio) * 2 / math.pi - self.s, 0.0)
        return 1 - (1 - u) ** (1 / self.scaler) if self.scaler > 1 else u ** (1 / self.scaler)


class Trig:
    """A quarter of a circle from data to noise: x = cos(k) x0 + sin(k) sigma_data eps, k the angle.

    Lu and Song 2024, TrigFlow, arXiv 2410.11081, section 3.

    Args:
        unit: Timesteps a radian.
        sigma_data: Standard deviation of the data, in which noise is counted.
    """

    steps = 1000

    def __init__(self, unit: float = 1.0, sigma_data: float = 1.0) -> None:
        self.unit, self.sigma_data = unit, sigma_data

    @cached_property
    def ks(self) -> np.ndarray:
        """The quarter, rising, float64, [1000]."""
        return np.arange(1, self.steps + 1) / self.steps * (math.pi / 2)

    def level(self, k: float) -> Level:
        return Level(math.cos(k), math.sin(k) * self.sigma_data)

    def k(self, t: float) -> float:
        return t / self.unit

    def t(self, k: float) -> float:
        return k * self.unit

    def input_scale(self, level: Level) -> float:
        return 1.0


def alphas_cumprod(betas: Tensor, *, zero_snr: bool = False, floor: float = 0.0) -> Tensor:
    """alpha² at each timestep, the running product of 1 - beta, [T].

    Args:
        betas: Variance added at each timestep, float32, [T].
        zero_snr: Stretch the table so that the last timestep is pure noise.
        floor: What the last entry becomes where it may not be 0.
    """
    table = torch.cumprod(1.0 - betas, dim=0)
    if zero_snr:
        table = zero_terminal_snr(table)
        # by way of the betas, as published: float32 rounds them, and near zero SNR that shows
        table = torch.cumprod(1 - (1 - torch.cat([table[:1], table[1:] / table[:-1]])), dim=0)
        table[-1] = floor
    return table


def betas(
    kind: str,
    start: float,
    end: float,
    steps: int,
    trained: Sequence[float] | None = None,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """The variance added at each timestep, [T].

    Args:
        kind: A name of `config.BETAS`.
        start: The first beta (linear, scaled_linear, sigmoid).
        end: The last beta (linear, scaled_linear, sigmoid).
        steps: T.
        trained: The betas themselves, instead of a formula.
        dtype: The number format of scaled_linear; all others are float32.
    """
    if trained is not None:
        return torch.as_tensor(trained, dtype=torch.float32)
    if kind == "linear":
        return torch.linspace(start, end, steps, dtype=torch.float32)
    if kind == "scaled_linear":
        return torch.linspace(start**0.5, end**0.5, steps, dtype=dtype) ** 2
    if kind == "sigmoid":
        return torch.sigmoid(torch.linspace(-6, 6, steps)) * (end - start) + start
    return _betas_of(ALPHA_BAR[kind], steps)


def _cosine(u: float) -> float:
    return math.cos((u + 0.008) / 1.008 * math.pi / 2) ** 2


def _laplace(u: float) -> float:
    log_snr = -0.5 * math.copysign(1, 0.5 - u) * math.log(1 - 2 * abs(0.5 - u) + 1e-6)
    return math.sqrt(1 / (1 + math.exp(-log_snr)))


ALPHA_BAR: dict[str, Callable[[float], float]] = {
    "squaredcos_cap_v2": _cosine,
    "laplace": _laplace,
    "exp": lambda u: math.exp(-12 * u),
}
"""alpha²(u) over training time u in [0, 1]; the cosine: Nichol and Dhariwal 2021, arXiv 2102.09672, eq. 17."""


def _betas_of(alpha_bar: Callable[[float], float], steps: int, largest: float = 0.999) -> Tensor:
    ratios = [alpha_bar((i + 1) / steps) / alpha_bar(i / steps) for i in range(steps)]
    return torch.tensor([min(1 - ratio, largest) for ratio in ratios], dtype=torch.float32)


def zero_terminal_snr(table: Tensor) -> Tensor:
    """Shift and stretch sqrt(alpha²) so that it ends at 0 and begins where it did, [T].

    Lin et al. 2023, "Common Diffusion Noise Schedules and Sample Steps are Flawed", arXiv 2305.08891, algorithm 1.
    """
    root = table.sqrt()
    first, last = root[0].clone(), root[-1].clone()
    return ((root - last) * (first / (first - last))) ** 2


def snr_shifted(table: Tensor, shift: float) -> Tensor:
    """alpha² with the signal-to-noise ratio divided by a shift, [T]. Yang et al. 2024, CogVideoX, arXiv 2408.06072."""
    return table / (shift + (1 - shift) * table)
