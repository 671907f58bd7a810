"""Guidance along what a prompt adds: classifier-free guidance and its kin, on the predictions as they are."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ...errors import NodeflowError
from .base import EMPTY, NEGATIVE, POSITIVE, Ask, Call, Guidance, Seen, along, dot, norm


@dataclass(frozen=True)
class Contrast(Guidance):
    """A guidance that goes on from the negative prediction ε₋ towards the positive one ε₊ and beyond.

    Args:
        scale: w. At 1 it is ε₊, and the negative prediction is not computed.
    """

    scale: float = 7.5

    def wants(self, call: Call) -> tuple[Ask, ...]:
        return (POSITIVE,) if self.scale == 1 else (NEGATIVE, POSITIVE)

    def combine(self, seen: Seen, call: Call) -> Tensor:
        return seen[POSITIVE] if self.scale == 1 else self.mixed(seen[POSITIVE], seen[NEGATIVE], call)

    def mixed(self, positive: Tensor, negative: Tensor, call: Call) -> Tensor:
        """The prediction to follow where w is not 1, [B, C, H, W]."""
        raise NotImplementedError


@dataclass(frozen=True)
class ClassifierFree(Contrast):
    """Classifier-free guidance, ε = ε₋ + w (ε₊ - ε₋). Ho & Salimans 2022, arXiv 2207.12598, eq. 6.

    Solvers of the CFG++ kind (Chung et al. 2024, arXiv 2406.08070) take the same formula with their λ as w, between 0
    and 1: x0 from ε, the noise put back from ε₋. Their 0.6 is about as strong as 7.5 is otherwise.

    Args:
        scale: w. At 1 the negative prediction is not computed, at 0 the positive one is not.
    """

    def wants(self, call: Call) -> tuple[Ask, ...]:
        return (NEGATIVE,) if self.scale == 0 else super().wants(call)

    def combine(self, seen: Seen, call: Call) -> Tensor:
        return seen[NEGATIVE] if self.scale == 0 else super().combine(seen, call)

    def mixed(self, positive: Tensor, negative: Tensor, call: Call) -> Tensor:
        return negative + self.scale * (positive - negative)


@dataclass(frozen=True)
class ZeroStar(Contrast):
    """CFG-Zero*, ε = s* ε₋ + w (ε₊ - s* ε₋) with s* = ⟨ε₊, ε₋⟩ / ‖ε₋‖². Fan et al. 2025, arXiv 2503.18886.

    s* is the multiple of the negative prediction that lies nearest to the positive one.

    Args:
        zero_steps: At so many first calls of the schedule the velocity is taken to be 0 and nothing moves; published
            with 1 for flow models. Only for networks that predict a velocity.
    """

    zero_steps: int = 0

    def wants(self, call: Call) -> tuple[Ask, ...]:
        return (POSITIVE,) if self._stands(call) else super().wants(call)

    def combine(self, seen: Seen, call: Call) -> Tensor:
        if not self._stands(call):
            return super().combine(seen, call)
        kind = call.prediction.kind if call.prediction else "an unknown quantity"
        if kind not in ("flow_prediction", "v_prediction"):
            raise NodeflowError(
                "NF414",
                f"zero steps need a model that predicts a velocity, and this one predicts {kind}",
                fix="set the zero steps to 0",
            )
        return torch.zeros_like(seen[POSITIVE])

    def mixed(self, positive: Tensor, negative: Tensor, call: Call) -> Tensor:
        nearest = along(positive, negative)
        return nearest + self.scale * (positive - nearest)

    def _stands(self, call: Call) -> bool:
        return call.index < self.zero_steps


@dataclass(frozen=True)
class PerpNeg(Guidance):
    """Perp-Neg: of what the negative prompt adds, only the part perpendicular to the positive one is taken away.

    With e₊ = ε₊ - ε₀ and e₋ = ε₋ - ε₀, ε = ε₀ + w (e₊ - n (e₋ - ⟨e₋, e₊⟩ / ‖e₊‖² e₊)).
    Armandpour et al. 2023, arXiv 2304.04968.

    Args:
        scale: w.
        strength: n, how much of it to take away.
    """

    scale: float = 7.5
    strength: float = 1.0

    @property
    def unconditional(self) -> str:
        return EMPTY

    def wants(self, call: Call) -> tuple[Ask, ...]:
        return (EMPTY, NEGATIVE, POSITIVE) if self.strength else (EMPTY, POSITIVE)

    def combine(self, seen: Seen, call: Call) -> Tensor:
        towards = seen[POSITIVE] - seen[EMPTY]
        if self.strength:
            away = seen[NEGATIVE] - seen[EMPTY]
            return seen[EMPTY] + self.scale * (towards - self.strength * (away - along(away, towards)))
        return seen[EMPTY] + self.scale * towards


@dataclass(frozen=True)
class Tangential(Contrast):
    """Tangential damping: ε₋ keeps only its part along the first singular vector of (ε₊, ε₋), then as usual.

    Kwon et al. 2025, TCFG, arXiv 2503.18137.
    """

    def mixed(self, positive: Tensor, negative: Tensor, call: Call) -> Tensor:
        both = torch.stack([positive, negative], 1).flatten(2)
        _, _, directions = torch.linalg.svd(both, full_matrices=False)
        damped = along(negative, directions[:, 0].view_as(negative))
        return damped + self.scale * (positive - damped)


@dataclass(frozen=True)
class MagnitudeAware(Contrast):
    """Weaker guidance where it would change much: w' = 1 + (w - 1) exp(-a ‖ε₊ - ε₋‖ / ‖ε₋‖), then as usual.

    Known as MAMBO-G, arXiv 2508.03442.

    Args:
        damping: a.
    """

    scale: float = 10.0
    damping: float = 8.0

    def mixed(self, positive: Tensor, negative: Tensor, call: Call) -> Tensor:
        change = positive - negative
        strength = 1 + (self.scale - 1) * torch.exp(-self.damping * norm(change) / norm(negative))
        return negative + strength * change


def agreement(a: Tensor, b: Tensor) -> Tensor:
    """The cosine between two predictions of each sample, float64, [B, 1, 1, 1]."""
    return dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
