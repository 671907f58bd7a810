"""How time and prompt steer a transformer's block: as a shift, a scale and a gate for each channel.

Adaptive layer normalisation (Peebles & Xie 2022, arXiv 2212.09748, section 3.2, "adaLN-Zero"), in the form of the
MMDiT (Esser et al. 2024, arXiv 2403.03206, figure 2).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .embeddings import TimestepEmbedding, timestep_embedding
from .kernels import Linear

EPS = 1e-6
_WAVES = 256
"""Length of the sinusoidal position of a timestep."""
_HALF_MAX = 65504.0


class Modulation(nn.Module):
    """From the condition of a block to so many vectors, W SiLU(c) + b.

    Args:
        width: Channels of the tokens and of the condition.
        vectors: How many; in the published order shift, scale, gate of the attention, the same of the perceptron.
    """

    def __init__(self, width: int, vectors: int) -> None:
        super().__init__()
        self.vectors = vectors
        self.linear = Linear(width, vectors * width)

    def forward(self, c: Tensor) -> tuple[Tensor, ...]:
        """[B, C] -> `vectors` times [B, 1, C]."""
        return self.linear(F.silu(c))[:, None].chunk(self.vectors, dim=-1)


class FinalModulation(Modulation):
    """The normalisation before the last layer, whose scale comes before its shift in the published weights."""

    def __init__(self, width: int) -> None:
        super().__init__(width, 2)

    def forward(self, x: Tensor, c: Tensor) -> Tensor:  # type: ignore[override]
        """Tokens [B, N, C] and the condition [B, C] -> [B, N, C]."""
        scale, shift = super().forward(c)
        return modulated(normalised(x), shift, scale)


def normalised(x: Tensor, eps: float = EPS) -> Tensor:
    """Each token with mean 0 and variance 1 over its channels, [B, N, C]."""
    return F.layer_norm(x, x.shape[-1:], eps=eps)


def modulated(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """x (1 + scale) + shift, [B, N, C] with [B, 1, C] each."""
    return torch.addcmul(shift, x, 1 + scale)


def gated(x: Tensor, gate: Tensor, branch: Tensor) -> Tensor:
    """x + gate branch, [B, N, C] with [B, 1, C]; in float16 kept within its range, which some texts leave."""
    y = torch.addcmul(x, gate, branch)
    return y.clamp_(-_HALF_MAX, _HALF_MAX) if y.dtype == torch.float16 else y


class Condition(nn.Module):
    """What steers every block: the time, the pooled text and, where a model was distilled so, the guidance.

    Args:
        pooled: Width of the pooled text.
        guidance: Whether the guidance scale is told (Meng et al. 2022, arXiv 2210.03142, section 3.1).
    """

    def __init__(self, pooled: int, width: int, guidance: bool = False) -> None:
        super().__init__()
        self.timestep_embedder = TimestepEmbedding(_WAVES, width)
        self.guidance_embedder = TimestepEmbedding(_WAVES, width) if guidance else None
        self.text_embedder = TimestepEmbedding(pooled, width)

    def forward(self, t: Tensor, pooled: Tensor, guidance: Tensor | None = None) -> Tensor:
        """Times [B] (0..1000), pooled texts [B, P] and guidance [B] (in thousandths) -> [B, C]."""
        c = self.timestep_embedder(_position(t, pooled))
        if self.guidance_embedder is not None and guidance is not None:
            c = c + self.guidance_embedder(_position(guidance, pooled))
        return c + self.text_embedder(pooled)


def _position(t: Tensor, like: Tensor) -> Tensor:
    return timestep_embedding(t, _WAVES, flip_sin_to_cos=True, freq_shift=0).to(like)
