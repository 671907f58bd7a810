"""Guidances that change what another one brings: how loud it is, when it works, how far it may go."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ..schedulers.prediction import thresholded
from .base import POSITIVE, Around, Ask, Call, Memory, Other, Seen
from .free import agreement


def also(asks: tuple[Ask, ...], *more: Ask) -> tuple[Ask, ...]:
    """The predictions asked for and more, each once."""
    return tuple(dict.fromkeys((*asks, *more)))


@dataclass(frozen=True)
class Rescaled(Around):
    """Bring the deviation of the guided prediction back to that of ε₊: ε' = φ ε σ(ε₊) / σ(ε) + (1 - φ) ε.

    Lin et al. 2023, arXiv 2305.08891, eq. 15-16.

    Args:
        share: φ, how much of it to bring back, 0..1.
    """

    share: float = 0.7

    def wants(self, call: Call) -> tuple[Ask, ...]:
        return also(self.inner.wants(call), POSITIVE) if self.share else self.inner.wants(call)

    def combine(self, seen: Seen, call: Call) -> Tensor:
        guided = self.inner.combine(seen, call)
        if not self.share:
            return guided
        sides = tuple(range(1, guided.ndim))
        ratio = seen[POSITIVE].std(sides, keepdim=True) / guided.std(sides, keepdim=True)
        return guided * (1 - self.share + self.share * ratio)


@dataclass(frozen=True)
class Interval(Around):
    """Guide in the middle of the run only; outside it, ε₊ alone. Kynkäänniemi et al. 2024, arXiv 2404.07724.

    Args:
        start: The share of the schedule at which guidance begins, 0..1.
        end: The share before which it ends.
        low: The noise level σ/α down to which it works; the paper takes 0.28 for SDXL.
        high: The noise level up to which it works; the paper takes 5.42 for SDXL.
    """

    start: float = 0.0
    end: float = 1.0
    low: float = 0.0
    high: float = math.inf

    def inside(self, call: Call) -> bool:
        """Whether guidance works at this call."""
        bounded = self.low > 0 or math.isfinite(self.high)
        return self.start <= call.share < self.end and (not bounded or self.low < call.noise <= self.high)

    def wants(self, call: Call) -> tuple[Ask, ...]:
        return self.inner.wants(call) if self.inside(call) else (POSITIVE,)

    def further(self, seen: Seen, call: Call) -> dict[str, tuple[str, Tensor]]:
        return dict(self.inner.further(seen, call)) if self.inside(call) else {}

    def combine(self, seen: Seen, call: Call) -> Tensor:
        return self.inner.combine(seen, call) if self.inside(call) else seen[POSITIVE]

    def remember(self, seen: Seen, call: Call) -> Memory:
        return self.inner.remember(seen, call) if self.inside(call) else call.memory


@dataclass(frozen=True)
class Adaptive(Around):
    """Stop computing the negative prediction once it agrees with the positive one; from then on, ε₊ alone.

    Each sample of a batch for itself; the negative is computed until all have agreed. Castillo et al. 2023,
    arXiv 2312.12487. The cosine is taken between the clean samples: it rises towards 1 along a run whatever a network
    predicts, while that between the noises begins there, because at first both are nearly x.

    Args:
        agree: The cosine that is enough.
    """

    agree: float = 0.991

    def wants(self, call: Call) -> tuple[Ask, ...]:
        return (POSITIVE,) if self._all_agree(call) else also(self.inner.wants(call), POSITIVE)

    def further(self, seen: Seen, call: Call) -> dict[str, tuple[str, Tensor]]:
        return {} if self._all_agree(call) else dict(self.inner.further(seen, call))

    def combine(self, seen: Seen, call: Call) -> Tensor:
        if self._all_agree(call):
            return seen[POSITIVE]
        guided, agreed = self.inner.combine(seen, call), call.memory.get("adaptive.agreed")
        return guided if agreed is None else torch.where(agreed, seen[POSITIVE], guided)

    def remember(self, seen: Seen, call: Call) -> Memory:
        if self._all_agree(call) or self.inner.unconditional not in self.inner.wants(call):
            return call.memory
        cosine = agreement(call.x0(seen[POSITIVE]), call.x0(seen[self.inner.unconditional]))
        agreed = cosine > self.agree
        before = call.memory.get("adaptive.agreed")
        agreed = agreed if before is None else agreed | before
        return {**self.inner.remember(seen, call), "adaptive.agreed": agreed}

    def _all_agree(self, call: Call) -> bool:
        agreed = call.memory.get("adaptive.agreed")
        return agreed is not None and bool(agreed.all())


@dataclass(frozen=True)
class Auto(Around):
    """Autoguidance: add s (ε₊ - ε₊'), where ε₊' is what a weaker network predicts for the same prompt.

    Around the prompt alone it is ε₊' + w (ε₊ - ε₊') with w = 1 + s. Karras et al. 2024, arXiv 2406.02507, eq. 3.

    Args:
        scale: s.
    """

    scale: float = 1.0

    def wants(self, call: Call) -> tuple[Ask, ...]:
        inner = self.inner.wants(call)
        return also(inner, POSITIVE, Other(POSITIVE, "weak")) if self.scale else inner

    def combine(self, seen: Seen, call: Call) -> Tensor:
        guided = self.inner.combine(seen, call)
        return guided + self.scale * (seen[POSITIVE] - seen[Other(POSITIVE, "weak")]) if self.scale else guided


@dataclass(frozen=True)
class Thresholded(Around):
    """Dynamic thresholding of the guided clean sample: clamp it to a quantile s of its own |x0| and bring s to a limit.

    x0' = clamp(x0, ±s) limit / s with s at least the limit. Saharia et al. 2022, Imagen, arXiv 2205.11487, section
    2.3, where samples are pixels and the limit is 1.

    Args:
        quantile: The share of numbers that stay below s, 0..1.
        limit: How large a clean sample may be.
    """

    quantile: float = 0.995
    limit: float = 1.0

    def combine(self, seen: Seen, call: Call) -> Tensor:
        guided = self.inner.combine(seen, call)
        clean = call.x0(guided)
        bounded = self.limit * thresholded(clean / self.limit, self.quantile, math.inf)
        return call.shifted(guided, bounded - clean)
