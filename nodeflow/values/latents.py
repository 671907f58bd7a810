"""What a denoiser works on and is told: latents, and what to paint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .base import Value

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class LatentSpace(Value):
    """What the numbers of a latent mean; latents of different spaces do not mix.

    Args:
        name: Known spaces have names ("sd1", "sdxl", "pixels", "waves-44100"); others the digest of their autoencoder.
        channels: Channels of a latent.
        factor: Pixels a latent cell, along one edge; of waves, samples.
        scale: Latents are multiplied by this after encoding.
        shift: Latents are shifted down by this before scaling.
        rate: Samples a second of the sounds that they stand for; 0 = pictures, or not said.
    """

    name: str
    channels: int
    factor: int
    scale: float = 1.0
    shift: float = 0.0
    rate: int = 0


@dataclass(frozen=True)
class Latent(Value):
    """A point in a latent space, scaled for the denoiser.

    Args:
        data: [B, C, H, W] float32; [B, C, N] of waves.
        space: What the numbers mean.
        mask: [B, 1, H, W], 1 = repaint here; None = everywhere.
        masked: [B, C, H, W], the picture with the masked part blanked, for denoisers that were trained to repaint.
        beside: [B, C, H, W], what a denoiser was trained to see beside the latent: a picture to edit as its autoencoder
            gives it, unscaled, or a picture to enlarge, which may be smaller, in -1..1.
        fine: [B, f², H, W], the mask of every pixel in a cell, row by row, for those that see it so.
        seconds: How long the sound is, where what follows it is silence; 0 = as long as the latent.
    """

    data: Tensor
    space: LatentSpace
    mask: Tensor | None = None
    masked: Tensor | None = None
    beside: Tensor | None = None
    fine: Tensor | None = None
    seconds: float = 0.0


@dataclass(frozen=True)
class Conditioning(Value):
    """What to paint.

    Args:
        states: Text states, [B, T, D]; of no width, [B, 0, 0], for denoisers that know classes instead.
        pooled: One vector a prompt, [B, D'], where the denoiser wants it.
        labels: Numbers of classes, [B], where the denoiser knows classes.
        more: What else a denoiser is told, by name, [B, ...] each: "original_size", "aesthetic_score", …; see
            `nodeflow.diffusion.calling` for the names that it knows.
    """

    states: Tensor
    pooled: Tensor | None = None
    labels: Tensor | None = None
    more: Mapping[str, Tensor] = field(default_factory=dict)
