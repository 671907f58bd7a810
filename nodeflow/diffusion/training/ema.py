"""The moving average of the weights, which is what one samples from (Polyak & Juditsky 1992)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class Ema:
    """θ̄ ← β θ̄ + (1 − β) θ, with β warmed up as min(decay, (1 + n) / (10 + n)) after n updates.

    Args:
        model: The network whose trained parameters are followed.
        decay: β in the limit, 0..1; 0 follows the weights themselves.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.weights: dict[str, Tensor] = {}
        if decay:
            self.weights = {name: p.detach().clone() for name, p in trained(model)}

    def beta(self, n: int) -> float:
        """The weight of the past at update `n`, counted from 0."""
        return min(self.decay, (1 + n) / (10 + n))

    @torch.no_grad()
    def update(self, model: nn.Module, n: int) -> None:
        """Draw the average towards the model's present weights."""
        share = 1 - self.beta(n)
        for name, p in trained(model):
            if name in self.weights:
                self.weights[name].lerp_(p, share)

    @contextmanager
    def lent_to(self, model: nn.Module) -> Iterator[None]:
        """The model has the averaged weights inside the block, and its own again after it."""
        own = {name: p.data for name, p in trained(model) if name in self.weights}
        try:
            for name, p in trained(model):
                p.data = self.weights.get(name, p.data)
            yield
        finally:
            for name, p in trained(model):
                p.data = own.get(name, p.data)


def trained(model: nn.Module) -> list[tuple[str, nn.Parameter]]:
    """The parameters that are trained, by name."""
    return [(name, p) for name, p in model.named_parameters() if p.requires_grad]
