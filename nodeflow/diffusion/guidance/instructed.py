"""Guidance of denoisers that edit a picture as told: InstructPix2Pix (Brooks et al. 2022, arXiv 2211.09800)."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from .base import NEGATIVE, POSITIVE, Ask, Blind, Call, Guidance, Seen


@dataclass(frozen=True)
class Instructed(Guidance):
    """Two scales, one for the text and one for the picture, eq. 3.

    With I the picture, T the instruction and ∅ nothing of either,
    ε = ε(∅, ∅) + w_I (ε(I, ∅) - ε(∅, ∅)) + w_T (ε(I, T) - ε(I, ∅)).
    Said by prediction, w_T ε(I, T) + (w_I - w_T) ε(I, ∅) + (1 - w_I) ε(∅, ∅): what counts 0 is not computed.

    Args:
        scale: w_T, how strongly to follow the instruction.
        image_scale: w_I, how closely to stay with the picture.
    """

    scale: float = 7.5
    image_scale: float = 1.5

    def wants(self, call: Call) -> tuple[Ask, ...]:
        return tuple(ask for ask, weight in self._weights().items() if weight or ask == POSITIVE)

    def combine(self, seen: Seen, call: Call) -> Tensor:
        mixed = self.scale * seen[POSITIVE]
        for ask, weight in self._weights().items():
            if weight and ask != POSITIVE:
                mixed = mixed + weight * seen[ask]
        return mixed

    def _weights(self) -> dict[Ask, float]:
        return {
            Blind(NEGATIVE): 1 - self.image_scale,
            NEGATIVE: self.image_scale - self.scale,
            POSITIVE: self.scale,
        }
