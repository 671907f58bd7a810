"""Picture arithmetic on tensors: [B, 3, H, W] float32 in 0..1, masks [B, 1, H, W].

Every function takes and gives values, leaves its inputs untouched, and works on whole batches.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import NodeflowError
from ..values import Image, Mask

Filter = Literal["bicubic", "bilinear", "area", "nearest"]
Anchor = Literal["center", "top left", "top", "top right", "left", "right", "bottom left", "bottom", "bottom right"]
MAX_SIDE = 16384


def from_pixels(pixels: Sequence, alpha: Sequence | None = None) -> tuple[Image, Mask | None]:
    """8-bit arrays ([H, W, 3], [H, W]) as a picture of batch 1 and a mask of its transparent part (1 = transparent)."""
    data = torch.tensor(pixels).permute(2, 0, 1)[None].float() / 255
    if alpha is None:
        return Image(data.contiguous()), None
    return Image(data.contiguous()), Mask(1 - torch.tensor(alpha)[None, None].float() / 255)


def resize(image: Image, width: int, height: int, filter: Filter = "bicubic") -> Image:
    """Change the size in pixels; 0 for one side keeps the proportions. Shrinking is antialiased."""
    return Image(resized(image.data, *_target(image, width, height), filter))


def resized(data: Tensor, width: int, height: int, filter: Filter = "bicubic") -> Tensor:
    """[B, C, H, W] to [B, C, height, width], kept in 0..1."""
    if max(width, height) > MAX_SIDE:
        raise NodeflowError("NF602", f"{width}×{height} is too large; the limit is {MAX_SIDE} a side")
    if data.shape[-2:] == (height, width):
        return data
    if filter in ("area", "nearest"):
        return F.interpolate(data, (height, width), mode="nearest-exact" if filter == "nearest" else "area")
    return F.interpolate(data, (height, width), mode=filter, antialias=True).clamp(0, 1)


def fit(image: Image, width: int, height: int, how: Literal["cover", "contain", "stretch"], color: str) -> Image:
    """Bring to width × height: "cover" cuts what overhangs, "contain" adds borders in `color`, "stretch" distorts."""
    if how == "stretch":
        return resize(image, width, height)
    pick = max if how == "cover" else min
    scale = pick(width / image.size[0], height / image.size[1])
    inner = resize(image, max(1, round(image.size[0] * scale)), max(1, round(image.size[1] * scale)))
    return canvas(inner, width, height, "center", color)[0]


def canvas(image: Image, width: int, height: int, anchor: Anchor, color: str) -> tuple[Image, Mask]:
    """Place the picture on a canvas of another size, cutting or padding; the mask is 1 where the canvas shows."""
    left, top = _offset(image.size, (width, height), anchor)
    batch, _, h, w = image.data.shape
    data = _color(color, image.data).expand(batch, 3, height, width).clone()
    mask = torch.ones(batch, 1, height, width)
    x0, y0, x1, y1 = max(left, 0), max(top, 0), min(left + w, width), min(top + h, height)
    if x1 > x0 and y1 > y0:
        data[..., y0:y1, x0:x1] = image.data[..., y0 - top : y1 - top, x0 - left : x1 - left]
        mask[..., y0:y1, x0:x1] = 0
    return Image(data), Mask(mask)


def pad(image: Image, left: int, top: int, right: int, bottom: int, color: str) -> tuple[Image, Mask]:
    """Add borders, in pixels; the mask is 1 on them, so that a sampler can paint them (outpainting)."""
    data = F.pad(image.data, (left, right, top, bottom))
    mask = F.pad(torch.zeros_like(image.data[:, :1]), (left, right, top, bottom), value=1.0)
    return Image(torch.where(mask > 0, _color(color, image.data), data)), Mask(mask)


def crop(image: Image, x: int, y: int, width: int, height: int) -> Image:
    """Cut out width × height pixels whose upper left corner is (x, y).

    Raises:
        NodeflowError: NF205 when the rectangle is not inside the picture.
    """
    w, h = image.size
    if x + width > w or y + height > h:
        raise NodeflowError("NF205", f"the cut {width}×{height} at ({x}, {y}) leaves the picture of {w}×{h}")
    return Image(image.data[..., y : y + height, x : x + width].contiguous())


def composite(below: Image, above: Image, mask: Mask | None, opacity: float = 1.0) -> Image:
    """Lay one picture over another: above · m + below · (1 - m), m = mask · opacity. Batches of 1 repeat."""
    _same_size(below, above)
    m = opacity if mask is None else _mask_for(mask, below) * opacity
    return Image(above.data * m + below.data * (1 - m))


def blend(a: Image, b: Image, amount: float) -> Image:
    """a · (1 - amount) + b · amount."""
    _same_size(a, b)
    return Image(torch.lerp(a.data, b.data, amount))


def adjust(image: Image, brightness: float, contrast: float, saturation: float, gamma: float) -> Image:
    """Brightness is added, contrast scales about mid-grey, saturation about the luma, then x^(1/gamma)."""
    data = (image.data - 0.5) * contrast + 0.5 + brightness
    luma = (data * torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)).sum(1, keepdim=True)
    return Image(torch.lerp(luma, data, saturation).clamp(0, 1) ** (1 / gamma))


def flip(image: Image, axis: Literal["horizontal", "vertical", "both"]) -> Image:
    dims = {"horizontal": (-1,), "vertical": (-2,), "both": (-2, -1)}[axis]
    return Image(image.data.flip(dims))


def rotate(image: Image, quarters: int) -> Image:
    """Turn clockwise by quarter turns."""
    return Image(torch.rot90(image.data, -quarters, (-2, -1)).contiguous())


def mask_from_color(image: Image, color: str, tolerance: float) -> Mask:
    """1 where every channel is within `tolerance` (0..1) of the colour."""
    near = (image.data - _color(color, image.data)).abs().amax(1, keepdim=True) <= tolerance
    return Mask(near.float())


def mask_from_luma(image: Image) -> Mask:
    """The brightness of a black and white picture as a mask: white = change."""
    return Mask(image.data.mean(1, keepdim=True))


def mask_rectangle(width: int, height: int, x: float, y: float, w: float, h: float) -> Mask:
    """1 inside the rectangle, given in fractions of the picture's sides."""
    columns = (torch.arange(width) + 0.5) / width
    rows = (torch.arange(height) + 0.5) / height
    inside = ((rows >= y) & (rows < y + h))[:, None] & ((columns >= x) & (columns < x + w))[None]
    return Mask(inside.float()[None, None])


def mask_invert(mask: Mask) -> Mask:
    return Mask(1 - mask.data)


def mask_grow(mask: Mask, pixels: int) -> Mask:
    """Grow by a square of `pixels` on each side; shrink when negative."""
    size = 2 * abs(pixels) + 1
    sign = 1 if pixels >= 0 else -1
    return Mask(sign * F.max_pool2d(sign * mask.data, size, 1, abs(pixels)))


def mask_feather(mask: Mask, pixels: float) -> Mask:
    """Soften the edge by a Gaussian of standard deviation `pixels`."""
    if pixels <= 0:
        return mask
    radius = max(1, math.ceil(3 * pixels))
    x = torch.arange(-radius, radius + 1, dtype=torch.float32)
    kernel = torch.exp(-(x**2) / (2 * pixels**2))
    kernel = kernel / kernel.sum()
    data = F.pad(mask.data, (radius,) * 4, mode="replicate")
    data = F.conv2d(F.conv2d(data, kernel.view(1, 1, 1, -1)), kernel.view(1, 1, -1, 1))
    return Mask(data.clamp(0, 1))


def mask_combine(a: Mask, b: Mask, how: Literal["union", "intersection", "difference"]) -> Mask:
    combine = {"union": torch.maximum, "intersection": torch.minimum, "difference": lambda p, q: (p - q).clamp(0, 1)}
    return Mask(combine[how](a.data, b.data))


def fit_mask(mask: Mask, width: int, height: int, how: Literal["cover", "contain", "stretch"]) -> Mask:
    """Bring a mask to the size that `fit` brings its picture to; borders stay unmasked."""
    return Mask(fit(mask_picture(mask), width, height, how, "#000000").data[:, :1].contiguous())


def mask_picture(mask: Mask) -> Image:
    """A mask as a black and white picture."""
    return Image(mask.data.expand(-1, 3, -1, -1).contiguous())


def contact_sheet(images: Sequence[Image], columns: int = 0, gap: int = 4, color: str = "#ffffff") -> Image:
    """All pictures side by side in one: [1, 3, H, W].

    Args:
        images: Any number of batches of any size; smaller ones are centred in the cell of the largest.
        columns: Pictures a row; 0 makes the sheet about square.
        gap: Pixels between and around them.
        color: What shows between them.
    """
    pictures = [Image(item[None]) for image in images for item in image.data]
    if not pictures:
        raise NodeflowError("NF503", "a contact sheet needs at least one picture")
    width, height = max(p.size[0] for p in pictures), max(p.size[1] for p in pictures)
    columns = min(columns or math.ceil(math.sqrt(len(pictures))), len(pictures))
    rows = math.ceil(len(pictures) / columns)
    shape = (1, 3, rows * (height + gap) + gap, columns * (width + gap) + gap)
    sheet = _color(color, pictures[0].data).expand(shape).clone()
    for index, picture in enumerate(pictures):
        top, left = gap + index // columns * (height + gap), gap + index % columns * (width + gap)
        sheet[..., top : top + height, left : left + width] = canvas(picture, width, height, "center", color)[0].data
    return Image(sheet)


def batch(images: Sequence[Image]) -> Image:
    """Pictures of one size as one batch."""
    sizes = sorted({image.size for image in images})
    if len(sizes) != 1:
        raise NodeflowError("NF414", f"pictures of {len(sizes)} sizes cannot be one batch: {sizes}", fix="resize first")
    return Image(torch.cat([image.data for image in images]))


def _target(image: Image, width: int, height: int) -> tuple[int, int]:
    w, h = image.size
    if not width and not height:
        return w, h
    return width or max(1, round(w * height / h)), height or max(1, round(h * width / w))


def _offset(size: tuple[int, int], room: tuple[int, int], anchor: Anchor) -> tuple[int, int]:
    words = anchor.split()
    x = 0 if "left" in words else 2 if "right" in words else 1
    y = 0 if "top" in words else 2 if "bottom" in words else 1
    return (room[0] - size[0]) * x // 2, (room[1] - size[1]) * y // 2


def _color(text: str, like: Tensor) -> Tensor:
    """ "#rrggbb" as [1, 3, 1, 1] in 0..1."""
    try:
        if len(text) != 7 or text[0] != "#":
            raise ValueError
        parts = [int(text[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    except ValueError:
        raise NodeflowError("NF205", f"{text!r} is not a colour", fix='write it as "#rrggbb"') from None
    return torch.tensor(parts, dtype=like.dtype).view(1, 3, 1, 1)


def _same_size(a: Image, b: Image) -> None:
    if a.size != b.size:
        raise NodeflowError("NF414", f"the pictures are {a.size[0]}×{a.size[1]} and {b.size[0]}×{b.size[1]}",
                            fix="resize one of them")  # fmt: skip


def _mask_for(mask: Mask, image: Image) -> Tensor:
    return resized(mask.data, *image.size, "bilinear")
