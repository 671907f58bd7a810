"""Guidance away from what the same network predicts when it is hampered: no negative prompt is needed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from ..models.perturbation import MIDDLE, Perturbation, Watch, blurred
from .around import also
from .base import POSITIVE, Around, Ask, Call, Inside, Seen


@dataclass(frozen=True)
class AwayFrom(Around):
    """Add s (ε₊ - ε̂₊) to another guidance, where ε̂₊ is the positive prediction of the network perturbed.

    Args:
        scale: s.
        layers: The published names of the blocks to perturb, or of what contains them.
        start: The share of the schedule at which it begins, 0..1.
        end: The share before which it ends.
    """

    scale: float = 3.0
    layers: tuple[str, ...] = MIDDLE
    start: float = 0.0
    end: float = 1.0

    @property
    def perturbation(self) -> Perturbation:
        """What is done to the network."""
        raise NotImplementedError

    def wants(self, call: Call) -> tuple[Ask, ...]:
        if not self._works(call):
            return self.inner.wants(call)
        return also(self.inner.wants(call), POSITIVE, Inside(POSITIVE, self.perturbation))

    def combine(self, seen: Seen, call: Call) -> Tensor:
        guided = self.inner.combine(seen, call)
        if not self._works(call):
            return guided
        return guided + self.scale * (seen[POSITIVE] - seen[Inside(POSITIVE, self.perturbation)])

    def _works(self, call: Call) -> bool:
        return self.scale != 0 and self.start <= call.share < self.end


@dataclass(frozen=True)
class PerturbedAttention(AwayFrom):
    """Perturbed-attention guidance: away from a network whose pixels attend to themselves alone.

    Ahn et al. 2024, arXiv 2403.17377. Its perturbed layers are the middle block's.
    """

    @property
    def perturbation(self) -> Perturbation:
        return Perturbation("identity", self.layers)


@dataclass(frozen=True)
class SkipLayers(AwayFrom):
    """Skip-layer guidance: away from a network with blocks left out, in the first part of the run.

    Published with Stable Diffusion 3.5 (scale 2.8, from 0.01 to 0.2 of the steps, blocks 7, 8 and 9 of its 24); in a
    U-net the transformer blocks of these names are left out.
    """

    scale: float = 2.8
    start: float = 0.01
    end: float = 0.2

    @property
    def perturbation(self) -> Perturbation:
        return Perturbation("skip", self.layers)


@dataclass(frozen=True)
class SmoothedEnergy(AwayFrom):
    """Smoothed energy guidance: away from a network whose attention is flattened by blurring its queries.

    Hong 2024, arXiv 2408.00760.

    Args:
        sigma: Standard deviation of the blur in pixels of the feature map; infinite takes the mean.
    """

    sigma: float = math.inf

    @property
    def perturbation(self) -> Perturbation:
        return Perturbation("blur", self.layers, self.sigma)


@dataclass(frozen=True)
class SelfAttention(Around):
    """Self-attention guidance: away from a sample that is blurred where the network looks.

    With the clean sample x0 and the noise ε of the unconditional prediction (of the positive one, where no other is
    computed), M = 1 where a pixel receives more than ψ of the middle block's self-attention, and G a blur:

        x̂ = α (M G(x0) + (1 - M) x0) + σ ε,   add s (ε - ε(x̂))

    Hong et al. 2022, arXiv 2210.00939, algorithm 2.

    Args:
        scale: s.
        threshold: ψ; the attention a pixel receives is 1 on average.
        sigma: Standard deviation of the blur in pixels of the latent; its kernel is 9 wide, as published.
    """

    scale: float = 0.75
    threshold: float = 1.0
    sigma: float = 1.0
    layers: tuple[str, ...] = MIDDLE

    def wants(self, call: Call) -> tuple[Ask, ...]:
        inner = self.inner.wants(call)
        if not self.scale:
            return inner
        prompt = self._prompt(call)
        return also(inner, prompt, Inside(prompt, Watch(self.layers)))

    def further(self, seen: Seen, call: Call) -> Mapping[str, tuple[str, Tensor]]:
        others = self.inner.further(seen, call)
        if not self.scale:
            return others
        prompt = self._prompt(call)
        clean, eps = call.x0(seen[prompt]), call.eps(seen[prompt])
        attention = seen[Inside(prompt, Watch(self.layers))]
        where = F.interpolate((attention > self.threshold).to(clean), clean.shape[-2:])
        degraded = clean + where * (blurred(clean, self.sigma, 9) - clean)
        return {**others, "degraded": (prompt, call.noised(degraded, eps))}

    def combine(self, seen: Seen, call: Call) -> Tensor:
        guided = self.inner.combine(seen, call)
        return guided + self.scale * (seen[self._prompt(call)] - seen["degraded"]) if self.scale else guided

    def _prompt(self, call: Call) -> str:
        return self.unconditional if self.unconditional in self.inner.wants(call) else POSITIVE
