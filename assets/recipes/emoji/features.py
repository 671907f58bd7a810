"""What a picture looks like, as numbers that a small shift or a soft edge hardly changes.

Three descriptions, each scaled so that pictures differ by 1 in the mean of squares, and joined:

    layout     the colours of 8 × 8 fields after a blur, in opponent colours (brightness, red−green, blue−yellow)
    edges      for 8 × 8 fields, how much contrast runs in each of 8 directions, relative to its neighbourhood
               (histograms of oriented gradients, Dalal & Triggs 2005)
    palette    the share of each of 6 × 6 × 6 colours among what is not white, wherever it stands

The distance of two pictures is the Euclidean one. There is nothing learnt in it, so it favours no model.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

FIELDS, DIRECTIONS, SHADES = 8, 8, 6
OPPONENT = torch.tensor([[0.3, 0.59, 0.11], [0.7, -0.7, 0.0], [-0.35, -0.35, 0.7]])


class Features:
    """Describes pictures, on the scale of a reference set.

    Args:
        reference: Pictures whose differences set the scale of each description, [N, 3, 64, 64], 0..1.
    """

    def __init__(self, reference: Tensor) -> None:
        self.scales = [_spread(part) for part in _parts(reference)]

    def __call__(self, images: Tensor) -> Tensor:
        """[N, 3, 64, 64], 0..1 -> [N, D]."""
        return torch.cat([part / scale for part, scale in zip(_parts(images), self.scales, strict=True)], 1)


def nearest(queries: Tensor, references: Tensor) -> Tensor:
    """The number of the nearest reference [M, D] of every query [N, D], [N]."""
    return torch.cdist(queries, references).argmin(1)


def _parts(images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    opponent = torch.einsum("oc,nchw->nohw", OPPONENT, images)
    return _layout(opponent), _edges(opponent[:, 0]), _palette(images)


def _spread(x: Tensor) -> Tensor:
    """Root mean square distance of two rows, a scalar."""
    return (2 * x.var(0).sum()).sqrt()


def _layout(opponent: Tensor) -> Tensor:
    side = opponent.shape[-1] // FIELDS
    return F.avg_pool2d(opponent, 2 * side, side, padding=side // 2, count_include_pad=False).flatten(1)


def _edges(brightness: Tensor) -> Tensor:
    soft = F.avg_pool2d(F.pad(brightness[:, None], (1,) * 4, mode="replicate"), 3, 1)
    padded = F.pad(soft, (1,) * 4, mode="replicate")
    dx = padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]
    dy = padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]
    angles = torch.arange(DIRECTIONS) * torch.pi / DIRECTIONS
    along = (dx * angles.cos().view(-1, 1, 1) + dy * angles.sin().view(-1, 1, 1)).square()
    strength = (dx.square() + dy.square() + 1e-8).sqrt()
    share = (along / (dx.square() + dy.square() + 1e-8)).square()  # cos⁴ of the angle between: narrow, yet smooth
    side = brightness.shape[-1] // FIELDS
    fields = F.avg_pool2d(strength * share, 2 * side, side, padding=side // 2)
    around = F.avg_pool2d(fields.square().sum(1, keepdim=True), 3, 1, padding=1, count_include_pad=False)
    return (fields / (around + 1e-3).sqrt()).flatten(1)


def _palette(images: Tensor) -> Tensor:
    pixels = F.avg_pool2d(images, 2).clamp(0, 1).flatten(2) * (SHADES - 1)
    levels = torch.arange(SHADES).view(1, 1, 1, -1)
    near = (1 - (pixels[..., None] - levels).abs()).clamp_min(0)  # a pixel between two shades counts for both
    shares = torch.einsum("npr,npg,npb->nrgb", *near.unbind(1))
    shares[:, -1, -1, -1] = 0
    return (shares.flatten(1) / shares.sum((1, 2, 3)).clamp_min(1)[:, None]).sqrt()
