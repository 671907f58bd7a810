"""Linear layers that multiply in bfloat16: a quarter faster to train on a CPU that has the instructions.

Autocast would also convert the convolutions of small latents, which costs more than it saves: with 96 and 160 channels
at 8 × 8 a step took 0.72 s in float32, 0.66 s under autocast, 0.57 s with the linear layers alone in bfloat16.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class HalfLinear(nn.Linear):
    """x Wᵀ + b in bfloat16, given back in the input's format; the weights stay as they are."""

    def forward(self, x: Tensor) -> Tensor:
        """[..., C] -> [..., C']."""
        half = torch.bfloat16
        bias = None if self.bias is None else self.bias.to(half)
        return F.linear(x.to(half), self.weight.to(half), bias).to(x.dtype)


def halve_linears(model: nn.Module) -> None:
    """Let every linear layer of a network multiply in bfloat16, in place; parameters and their names do not change."""
    for module in model.modules():
        if isinstance(module, nn.Linear):
            module.__class__ = HalfLinear
