"""Pictures as control networks know them: edges, lines, strokes, tiles, depth. No weights.

Every function takes and gives pictures [B, 3, H, W], 0..1; what is drawn is white on black.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from ..values import Image
from .imaging import resized
from .models.perturbation import blurred

if TYPE_CHECKING:
    import numpy as np


def canny(image: Image, low: float = 0.05, high: float = 0.15, sigma: float = 1.4) -> Image:
    """Edges, one pixel wide. Canny 1986, "A computational approach to edge detection", IEEE TPAMI 8(6).

    Blurred; the gradient by Sobel's operator, of which a step from black to white has 1, of the channel where it is
    strongest, for yellow on white is an edge although both are bright; kept where it is the largest
    along its own direction; and of what is above `low` that which is connected to something above `high`.

    Args:
        image: The pictures.
        low: 0..1.
        high: 0..1.
        sigma: Of the blur, pixels; 0 = none.
    """
    x, y = _sobel(blurred(image.data, sigma))
    strength, channel = (x.square() + y.square()).sqrt().max(1, keepdim=True)
    x, y = x.gather(1, channel), y.gather(1, channel)
    ridge = strength.where(_is_largest(strength, x, y), strength.new_zeros(()))
    return _grey(_connected(ridge >= high, ridge >= low).float())


def lineart(image: Image, sigma: float = 6.0, floor: float = 0.03) -> Image:
    """Dark lines of a drawing or photograph as soft white ones: how much darker a pixel is than what surrounds it.

    G_σ x − x of the brightness x; the twentieth part of all that is strongest is white.

    Args:
        image: The pictures.
        sigma: Of the surroundings, pixels; about as wide as the widest line.
        floor: What is not darker by this, 0..1, is no line.
    """
    x = luma(image)
    darker = blurred(x, sigma) - x
    darker = darker.where(darker > floor, darker.new_zeros(()))
    white = torch.stack([_strong(one, floor) for one in darker]).view(-1, 1, 1, 1)
    return _grey((darker / white).clamp(0, 1))


def scribble(image: Image, sigma: float = 2.0, width: int = 5, threshold: float = 0.1) -> Image:
    """Broad strokes along the edges, as if scribbled by hand: black or white, nothing between.

    Args:
        image: The pictures.
        sigma: Of the blur, pixels; more leaves only large shapes.
        width: Of the strokes, pixels, odd.
        threshold: How strong an edge must be, 0..1.
    """
    edges = canny(image, threshold / 2, threshold, sigma).data[:, :1]
    return _grey(F.max_pool2d(edges, width, stride=1, padding=width // 2))


def tile(image: Image, factor: int = 8) -> Image:
    """The picture with its details gone, at its own size: averaged over squares, and enlarged again.

    Args:
        image: The pictures.
        factor: Side of the squares, pixels.
    """
    width, height = image.size
    small = resized(image.data, max(1, width // factor), max(1, height // factor), "area")
    return Image(resized(small, width, height, "bicubic"))


def levels(array: np.ndarray) -> Tensor:
    """[H, W] numbers as one map, [1, 1, H, W]."""
    return torch.from_numpy(array)[None, None]


def depth(levels: Tensor, near_is_white: bool = True, cut: float = 0.0) -> Image:
    """A map of depths as a picture, its nearest white.

    Args:
        levels: [B, 1, H, W], in any unit; what is not finite counts as farthest.
        near_is_white: Whether more means nearer in the map, as in disparities; off = as in distances.
        cut: Share of the pixels at each end that may be cut off, 0..0.5: single wild values need not set the range.
    """
    signed = levels if near_is_white else -levels
    finite = signed.isfinite()
    found = []
    for one, known in zip(signed.float(), finite, strict=True):
        if not known.any():
            found.append(torch.zeros_like(one))
            continue
        values = one[known].sort().values
        last = len(values) - 1
        low, high = values[round(cut * last)], values[round((1 - cut) * last)]
        scaled = ((one - low) / (high - low).clamp_min(torch.finfo(one.dtype).tiny)).clamp(0, 1)
        found.append(scaled.where(known, scaled.new_zeros(())))
    return _grey(torch.stack(found))


def invert(image: Image) -> Image:
    """1 − x: black on white becomes white on black."""
    return Image(1 - image.data)


def luma(image: Image) -> Tensor:
    """Brightness as televisions weigh it (ITU-R BT.601), [B, 1, H, W]."""
    weights = image.data.new_tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
    return (image.data * weights).sum(1, keepdim=True)


def _grey(x: Tensor) -> Image:
    return Image(x.expand(-1, 3, -1, -1).contiguous())


def _sobel(x: Tensor) -> tuple[Tensor, Tensor]:
    """The gradient across and down, a quarter of Sobel's, [B, C, H, W] each."""
    across = x.new_tensor([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]).div(4).view(1, 1, 3, 3)
    padded = F.pad(x, (1, 1, 1, 1), mode="replicate")
    both = (across.expand(x.shape[1], -1, -1, -1), across.transpose(2, 3).expand(x.shape[1], -1, -1, -1))
    return F.conv2d(padded, both[0], groups=x.shape[1]), F.conv2d(padded, both[1], groups=x.shape[1])


def _is_largest(strength: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Where no neighbour along the gradient is stronger; of two alike, one. The direction is one of four."""
    angle = torch.atan2(y, x).div(math.pi / 4).round().long() % 4
    padded = F.pad(strength, (1, 1, 1, 1))
    height, width = strength.shape[-2:]
    largest = torch.zeros_like(strength, dtype=torch.bool)
    for sector, (dx, dy) in enumerate(((1, 0), (1, 1), (0, 1), (-1, 1))):
        after = padded[..., 1 + dy : 1 + dy + height, 1 + dx : 1 + dx + width]
        before = padded[..., 1 - dy : 1 - dy + height, 1 - dx : 1 - dx + width]
        largest |= (angle == sector) & (strength > before) & (strength >= after)
    return largest


def _connected(seeds: Tensor, within: Tensor) -> Tensor:
    """All of `within` that touches a seed through itself, also at corners (hysteresis)."""
    found = seeds & within
    while True:
        grown = (F.max_pool2d(found.float(), 3, stride=1, padding=1) > 0) & within
        if torch.equal(grown, found):
            return found
        found = grown


def _strong(x: Tensor, floor: float) -> Tensor:
    """The value that a twentieth of what is above 0 exceeds; at least `floor`."""
    above = x[x > 0].sort().values
    return above[int(0.95 * (len(above) - 1))].clamp_min(floor) if len(above) else x.new_tensor(max(floor, 1e-6))
