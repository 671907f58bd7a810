"""The moving average of the weights, which is what one samples from (Polyak & Juditsky 1992)."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Ema:
    """θ̄ ← β θ̄ + (1 − β) θ, with β warmed up as min(decay, (1 + n) / (10 + n)) after n updates.

    Args:
        model: The network whose parameters are followed.
        decay: β in the limit, 0..1.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.weights: dict[str, Tensor] = {name: p.detach().clone() for name, p in model.named_parameters()}

    def beta(self, n: int) -> float:
        """The weight of the past at update `n`, counted from 0."""
        return min(self.decay, (1 + n) / (10 + n))

    @torch.no_grad()
    def update(self, model: nn.Module, n: int) -> None:
        """Draw the average towards the model's present weights."""
        share = 1 - self.beta(n)
        for name, p in model.named_parameters():
            self.weights[name].lerp_(p, share)
