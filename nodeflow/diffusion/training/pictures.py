"""Pictures as training material: drawn by weight, and varied so that few of them teach much."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def to_network(images: Tensor) -> Tensor:
    """Bytes [B, H, W, 3], 0..255, as the autoencoder wants them: [B, 3, H, W] float32, −1..1."""
    return images.permute(0, 3, 1, 2).float() / 127.5 - 1


def vary(x: Tensor, generator: torch.Generator, shift: int = 3, recolour: float = 0.25) -> Tensor:
    """The same pictures mirrored, moved and recoloured at random.

    Half the batch is mirrored, every picture is moved by up to `shift` pixels (the border is repeated), and some have
    their colour channels exchanged.

    Args:
        x: Pictures, [B, 3, H, W].
        generator: Where the chances come from.
        shift: The largest move, pixels.
        recolour: The share of pictures whose colour channels are exchanged, 0..1.
    """
    B, _, H, W = x.shape
    mirrored = torch.rand(B, generator=generator) < 0.5
    recoloured = torch.rand(B, generator=generator) < recolour
    x = torch.where(mirrored[:, None, None, None], x.flip(3), x)
    x = torch.where(recoloured[:, None, None, None], x[:, torch.randperm(3, generator=generator)], x)
    wide = F.pad(x, (shift,) * 4, mode="replicate")
    corners = torch.randint(0, 2 * shift + 1, (B, 2), generator=generator).tolist()
    return torch.stack([wide[i, :, top : top + H, left : left + W] for i, (top, left) in enumerate(corners)])


def psnr(x: Tensor, y: Tensor) -> float:
    """Peak signal-to-noise ratio 10 log₁₀(peak² / MSE) of pictures −1..1 (peak 2), dB, mean over the batch.

    Args:
        x: Pictures, [B, 3, H, W]; clipped to the range.
        y: What they should be, [B, 3, H, W].
    """
    error = (x.clamp(-1, 1) - y).square().flatten(1).mean(1)
    return float((10 * torch.log10(4 / error.clamp_min(1e-10))).mean())
