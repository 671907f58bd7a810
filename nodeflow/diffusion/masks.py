"""Make and change masks: [B, 1, H, W] float32 in 0..1, 1 = change here, 0 = keep.

Every function takes and gives values, leaves its inputs untouched, and works on whole batches.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
import torch.nn.functional as F

from ..values import Image, Mask
from .imaging import check_same, rgb


def from_color(image: Image, color: str, tolerance: float) -> Mask:
    """1 where every channel is within `tolerance` (0..1) of the colour."""
    near = (image.data - rgb(color, image.data)).abs().amax(1, keepdim=True) <= tolerance
    return Mask(near.float())


def from_luma(image: Image) -> Mask:
    """The brightness of a black and white picture as a mask: white = change."""
    return Mask(image.data.mean(1, keepdim=True))


def rectangle(width: int, height: int, x: float, y: float, w: float, h: float) -> Mask:
    """1 inside the rectangle, given in fractions of the picture's sides."""
    columns = (torch.arange(width) + 0.5) / width
    rows = (torch.arange(height) + 0.5) / height
    inside = ((rows >= y) & (rows < y + h))[:, None] & ((columns >= x) & (columns < x + w))[None]
    return Mask(inside.float()[None, None])


def invert(mask: Mask) -> Mask:
    """1 - mask."""
    return Mask(1 - mask.data)


def grow(mask: Mask, pixels: int) -> Mask:
    """Grow by a square of `pixels` on each side; shrink when negative."""
    size, sign = 2 * abs(pixels) + 1, 1 if pixels >= 0 else -1
    rows = F.max_pool2d(sign * mask.data, (1, size), 1, (0, abs(pixels)))
    return Mask(sign * F.max_pool2d(rows, (size, 1), 1, (abs(pixels), 0)))


def feather(mask: Mask, pixels: float) -> Mask:
    """Soften the edge by a Gaussian of standard deviation `pixels`."""
    if pixels <= 0:
        return mask
    radius = max(1, math.ceil(3 * pixels))
    x = torch.arange(-radius, radius + 1, dtype=torch.float32, device=mask.data.device)
    kernel = torch.exp(-(x**2) / (2 * pixels**2))
    kernel = kernel / kernel.sum()
    data = F.pad(mask.data, (radius,) * 4, mode="replicate")
    data = F.conv2d(F.conv2d(data, kernel.view(1, 1, 1, -1)), kernel.view(1, 1, -1, 1))
    return Mask(data.clamp(0, 1))


def combine(a: Mask, b: Mask, how: Literal["union", "intersection", "difference"]) -> Mask:
    """The larger, the smaller, or a without b, at each pixel; NF414 when sizes or batches differ."""
    check_same(a.data, b.data)
    rules = {"union": torch.maximum, "intersection": torch.minimum, "difference": lambda p, q: (p - q).clamp(0, 1)}
    return Mask(rules[how](a.data, b.data))


def picture(mask: Mask) -> Image:
    """A mask as a black and white picture."""
    return Image(mask.data.expand(-1, 3, -1, -1).contiguous())
