"""What a network predicts, turned into the clean sample x0 and the noise eps.

With x = alpha x0 + sigma eps and r² = alpha² + sigma²:

    epsilon      m = eps                       x0 = (x - sigma m) / alpha
    sample       m = x0                        x0 = m
    v_prediction m = (alpha eps - sigma x0)/r  x0 = (alpha x / r - sigma m) / r    arXiv 2202.00512
    flow         m = eps - x0                  x0 = (x - sigma m) / (alpha + sigma)
    inverted     m = x0 - eps, a flow whose time runs towards data
    trigflow     m = dx / dk on a circle       x0 = alpha x - sqrt(1 - alpha²) m    arXiv 2410.11081
    score        m = -eps / sigma              x0 = (x + sigma² m) / alpha          arXiv 2011.13456

and with data of deviation s and r² = (alpha s)² + sigma², preconditioned as in `edm.py`:

    edm_epsilon  x0 = (alpha s² x / r + sigma s m) / r
    edm_v        x0 = (alpha s² x / r - sigma s m) / r, v_prediction where s = 1
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from .space import Level

PRECONDITIONED = {"edm_epsilon": 1, "edm_v": -1}
"""The sign of c_out."""


@dataclass(frozen=True)
class Prediction:
    """How to read a model's output.

    Args:
        kind: epsilon, sample, v_prediction, flow_prediction, inverted_flow, trigflow, score, edm_epsilon or edm_v.
        clip: Bound on |x0|, where x0 is clipped.
        quantile: Share of pixels that decides the bound of dynamic thresholding, where it is on.
        largest: The highest bound dynamic thresholding may choose.
        deviation: s, of the data of a preconditioned model.
    """

    kind: str
    clip: float | None = None
    quantile: float | None = None
    largest: float = 1.0
    deviation: float = 1.0

    @property
    def bounded(self) -> bool:
        """Whether x0 is kept inside bounds."""
        return self.clip is not None or self.quantile is not None

    def x0(self, x: Tensor, output: Tensor, level: Level) -> Tensor:
        """The clean sample, clipped or thresholded as asked, [B, ...]."""
        return self.bound(self.raw_x0(x, output, level))

    def raw_x0(self, x: Tensor, output: Tensor, level: Level) -> Tensor:
        """The clean sample before any bound, [B, ...]."""
        alpha, sigma = level
        if self.kind == "sample":
            return output
        if self.kind == "v_prediction":
            return (alpha / level.norm**2) * x - (sigma / level.norm) * output
        if self.kind == "flow_prediction":
            return (x - sigma * output) / (alpha + sigma)
        if self.kind == "inverted_flow":
            return (x + sigma * output) / (alpha + sigma)
        if self.kind == "trigflow":
            return alpha * x - math.sqrt(1 - alpha**2) * output
        if self.kind == "score":
            return (x + sigma**2 * output) / alpha
        if self.kind in PRECONDITIONED:
            s, r = self.deviation, math.hypot(alpha * self.deviation, sigma)
            return (alpha * s**2 / r**2) * x + (PRECONDITIONED[self.kind] * sigma * s / r) * output
        return (x - sigma * output) / alpha

    def eps(self, x: Tensor, output: Tensor, level: Level) -> Tensor:
        """The noise, untouched by any bound on x0, [B, ...]."""
        if self.kind == "epsilon":
            return output
        if self.kind == "v_prediction":
            return (level.alpha / level.norm) * output + (level.sigma / level.norm**2) * x
        return noise_of(x, self.raw_x0(x, output, level), level)

    def slope(self, level: Level) -> float:
        """How much the model's output grows with x0 while x stays."""
        if self.kind == "sample":
            return 1.0
        if self.kind == "v_prediction":
            return -level.norm / level.sigma
        if self.kind == "flow_prediction":
            return -(level.alpha + level.sigma) / level.sigma
        if self.kind == "inverted_flow":
            return (level.alpha + level.sigma) / level.sigma
        if self.kind in PRECONDITIONED:
            r = math.hypot(level.alpha * self.deviation, level.sigma)
            return PRECONDITIONED[self.kind] * r / (level.sigma * self.deviation)
        if self.kind == "trigflow":
            return -1 / math.sqrt(1 - level.alpha**2)
        if self.kind == "score":
            return level.alpha / level.sigma**2
        return -level.alpha / level.sigma

    def output(self, x0: Tensor, eps: Tensor, level: Level) -> Tensor:
        """What a model of this kind answers where the clean sample and the noise are these, [B, ...]."""
        if self.kind == "sample":
            return x0
        if self.kind == "v_prediction":
            return (level.alpha * eps - level.sigma * x0) / level.norm
        if self.kind == "flow_prediction":
            return eps - x0
        return x0 - eps if self.kind == "inverted_flow" else eps

    def bound(self, x0: Tensor) -> Tensor:
        """x0 inside its bounds, [B, ...]."""
        if self.quantile is not None:
            return thresholded(x0, self.quantile, self.largest)
        return x0 if self.clip is None else x0.clamp(-self.clip, self.clip)


def noise_of(x: Tensor, x0: Tensor, level: Level) -> Tensor:
    """The noise in x when x0 is its clean sample, eps = (x - alpha x0) / sigma, [B, ...]."""
    return (x - level.alpha * x0) / level.sigma


def thresholded(x0: Tensor, quantile: float, largest: float) -> Tensor:
    """Dynamic thresholding: clamp each sample to a quantile s of its own |x0|, 1 <= s <= largest, and divide by s.

    Saharia et al. 2022, Imagen, arXiv 2205.11487, section 2.3.
    """
    # one at a time: torch refuses the quantile of more than 16 million numbers
    s = torch.stack([row.quantile(quantile) for row in x0.abs().flatten(1)]).clamp(1, largest)
    s = s.view(-1, *[1] * (x0.ndim - 1))
    return x0.clamp(-s, s) / s
