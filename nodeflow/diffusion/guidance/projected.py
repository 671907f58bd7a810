"""Guidance that takes apart what a prompt changes: by direction, by frequency, by channel."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..models.perturbation import blurred
from .base import NEGATIVE, POSITIVE, Ask, Call, Memory, Seen, along, norm
from .free import Contrast


@dataclass(frozen=True)
class AdaptiveProjected(Contrast):
    """Adaptive projected guidance: strong scales without the oversaturation.

    On clean samples, with Δ = x0₊ - x0₋ + β Δ' where Δ' is the Δ of the call before, shortened to length r:

        x0 = x0₊ + (w - 1) (Δ⊥ + η Δ∥),   Δ∥ parallel to x0₊, Δ⊥ perpendicular to it

    Sadat et al. 2024, arXiv 2410.02416, algorithm 1.

    Args:
        eta: η, how much of the parallel part to keep, which saturates; 1 = all, 0 = none of it.
        momentum: β; negative pushes away from where the calls before went.
        longest: r, the length that Δ may have; 0 = any.
    """

    eta: float = 0.0
    momentum: float = 0.0
    longest: float = 0.0

    def mixed(self, positive: Tensor, negative: Tensor, call: Call) -> Tensor:
        clean, change = call.x0(positive), self._change(positive, negative, call)
        if self.longest:
            change = change * (self.longest / norm(change)).clamp(max=1)
        parallel = along(change, clean)
        update = change - (1 - self.eta) * parallel
        return call.shifted(positive, (self.scale - 1) * update)

    def remember(self, seen: Seen, call: Call) -> Memory:
        if self.scale == 1 or not self.momentum:
            return call.memory
        return {**call.memory, "projected.change": self._change(seen[POSITIVE], seen[NEGATIVE], call)}

    def _change(self, positive: Tensor, negative: Tensor, call: Call) -> Tensor:
        change = call.x0(positive) - call.x0(negative)
        before = call.memory.get("projected.change")
        return change if before is None or not self.momentum else change + self.momentum * before


@dataclass(frozen=True)
class FrequencyDecoupled(Contrast):
    """Guidance of one strength for what is coarse and of another for what is fine in ε₊ - ε₋.

    ε = ε₋ + w_low L(ε₊ - ε₋) + w (1 - L)(ε₊ - ε₋), where L keeps the upper level of a Laplacian pyramid: blurred,
    halved, and enlarged again. Sadat et al. 2025, arXiv 2506.19713.

    Args:
        scale: w, for what is fine.
        low: w_low, for what is coarse; lower than w it keeps colours calm and pictures various.
    """

    scale: float = 10.0
    low: float = 5.0

    def wants(self, call: Call) -> tuple[Ask, ...]:
        return (POSITIVE,) if self.scale == self.low == 1 else (NEGATIVE, POSITIVE)

    def combine(self, seen: Seen, call: Call) -> Tensor:
        if self.scale == self.low == 1:
            return seen[POSITIVE]
        change = seen[POSITIVE] - seen[NEGATIVE]
        coarse = _coarse(change)
        return seen[NEGATIVE] + self.low * coarse + self.scale * (change - coarse)


def _coarse(x: Tensor) -> Tensor:
    size = x.shape[-2:]
    half = [max(1, (length + 1) // 2) for length in size]
    small = F.interpolate(blurred(x, 1.0, 5), half, mode="bilinear", align_corners=False)
    return blurred(F.interpolate(small, size, mode="bilinear", align_corners=False), 1.0, 5)


@dataclass(frozen=True)
class Mimic(Contrast):
    """Strong guidance with the contrast of a weak one: "dynamic thresholding" as node editors know it.

    In each channel of the clean sample guided with w, what exceeds the larger of two bounds is cut, and the rest is
    drawn together about its mean as the smaller scale would have it. With c the channel less its mean, bounds
    m = max |c_mimic| and s = max(m, quantile_p |c_w|):

        x0 = mean_w + clamp(c_w, ±s) m / s

    As published with the extension sd-dynamic-thresholding (its defaults: per channel, about the mean).

    Args:
        mimic: The scale whose contrast to have.
        quantile: p; 1 = the maximum.
    """

    scale: float = 15.0
    mimic: float = 7.0
    quantile: float = 1.0

    def mixed(self, positive: Tensor, negative: Tensor, call: Call) -> Tensor:
        clean, change = call.x0(positive), call.x0(positive) - call.x0(negative)
        guided, like = (clean + (w - 1) * change for w in (self.scale, self.mimic))
        if self.scale != self.mimic:
            guided = self._like(guided, like)
        return call.shifted(positive, guided - clean)

    def _like(self, guided: Tensor, like: Tensor) -> Tensor:
        mean = guided.mean((2, 3), keepdim=True)
        centred, wanted = guided - mean, like - like.mean((2, 3), keepdim=True)
        bound = wanted.abs().amax((2, 3), keepdim=True)
        widest = torch.maximum(bound, centred.abs().flatten(2).quantile(self.quantile, 2)[..., None, None])
        return mean + centred.clamp(-widest, widest) * (bound / widest.where(widest > 0, 1))
