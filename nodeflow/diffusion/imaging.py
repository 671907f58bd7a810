"""Picture arithmetic on tensors: [B, 3, H, W] float32 in 0..1; `masks.py` makes and changes masks.

Every function takes and gives values, leaves its inputs untouched, and works on whole batches.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import NodeflowError
from ..media.lettering import ink_on, label
from ..values import Image, Mask

Filter = Literal["bicubic", "bilinear", "area", "nearest"]
Anchor = Literal["center", "top left", "top", "top right", "left", "right", "bottom left", "bottom", "bottom right"]
MAX_SIDE = 16384


def from_pixels(pixels: Any, alpha: Any = None) -> tuple[Image, Mask | None]:
    """8-bit arrays ([H, W, 3], [H, W]) as a picture of batch 1 and a mask of its transparent part (1 = transparent)."""
    data = torch.tensor(pixels).permute(2, 0, 1)[None].float() / 255
    if alpha is None:
        return Image(data.contiguous()), None
    return Image(data.contiguous()), Mask(1 - torch.tensor(alpha)[None, None].float() / 255)


def resize(image: Image, width: int, height: int, filter: Filter = "bicubic") -> Image:
    """Change the size in pixels; 0 for one side keeps the proportions. Shrinking is antialiased."""
    return Image(resized(image.data, *_target(image, width, height), filter))


def resized(data: Tensor, width: int, height: int, filter: Filter = "bicubic") -> Tensor:
    """[B, C, H, W] to [B, C, height, width], kept in 0..1.

    Raises:
        NodeflowError: NF205 for a side of nothing, NF602 for one above `MAX_SIDE`.
    """
    _bounded(width, height)
    if data.shape[-2:] == (height, width):
        return data
    if filter in ("area", "nearest"):
        return F.interpolate(data, (height, width), mode="nearest-exact" if filter == "nearest" else "area")
    return F.interpolate(data, (height, width), mode=filter, antialias=True).clamp(0, 1)


def fit(image: Image, width: int, height: int, how: Literal["cover", "contain", "stretch"], color: str) -> Image:
    """Bring to width × height: "cover" cuts what overhangs, "contain" adds borders in `color`, "stretch" distorts."""
    _bounded(width, height)
    if how == "stretch":
        return resize(image, width, height)
    inner = resize(image, *_inner(image.size, (width, height), max if how == "cover" else min))
    return canvas(inner, width, height, "center", color)[0]


def cut_off(size: tuple[int, int], width: int, height: int) -> tuple[int, int]:
    """What `fit` cuts off at the left and above of a picture of `size` (width, height) that covers width × height."""
    left, top = _offset(_inner(size, (width, height), max), (width, height), "center")
    return -left, -top


def _inner(size: tuple[int, int], room: tuple[int, int], pick: Callable[[float, float], float]) -> tuple[int, int]:
    """Width and height of a picture scaled to cover a room (max), or to lie in it (min)."""
    scale = pick(room[0] / size[0], room[1] / size[1])
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def canvas(image: Image, width: int, height: int, anchor: Anchor, color: str) -> tuple[Image, Mask]:
    """Place the picture on a canvas of another size, cutting or padding; the mask is 1 where the canvas shows."""
    _bounded(width, height)
    left, top = _offset(image.size, (width, height), anchor)
    batch, _, h, w = image.data.shape
    data = rgb(color, image.data).expand(batch, 3, height, width).clone()
    mask = image.data.new_ones(batch, 1, height, width)
    x0, y0, x1, y1 = max(left, 0), max(top, 0), min(left + w, width), min(top + h, height)
    if x1 > x0 and y1 > y0:
        data[..., y0:y1, x0:x1] = image.data[..., y0 - top : y1 - top, x0 - left : x1 - left]
        mask[..., y0:y1, x0:x1] = 0
    return Image(data), Mask(mask)


def pad(image: Image, left: int, top: int, right: int, bottom: int, color: str) -> tuple[Image, Mask]:
    """Add borders, in pixels; the mask is 1 on them, so that a sampler can paint them (outpainting)."""
    _bounded(image.size[0] + left + right, image.size[1] + top + bottom)
    data = F.pad(image.data, (left, right, top, bottom))
    mask = F.pad(torch.zeros_like(image.data[:, :1]), (left, right, top, bottom), value=1.0)
    return Image(torch.where(mask > 0, rgb(color, image.data), data)), Mask(mask)


def crop(image: Image, x: int, y: int, width: int, height: int) -> Image:
    """Cut out width × height pixels whose upper left corner is (x, y).

    Raises:
        NodeflowError: NF205 when the rectangle is empty or not inside the picture.
    """
    w, h = image.size
    _bounded(width, height)
    if min(x, y) < 0 or x + width > w or y + height > h:
        raise NodeflowError("NF205", f"the cut {width}×{height} at ({x}, {y}) leaves the picture of {w}×{h}")
    return Image(image.data[..., y : y + height, x : x + width].contiguous())


def composite(below: Image, above: Image, mask: Mask | None, opacity: float = 1.0) -> Image:
    """Lay one picture over another: above · m + below · (1 - m), m = mask · opacity. Batches of 1 repeat.

    Raises:
        NodeflowError: NF414 when sizes or batches differ.
    """
    mask = mask or Mask(below.data.new_ones(1, 1, 1, 1))
    m = resized(mask.data, *below.size, "bilinear") * opacity
    check_same(below.data, above.data)
    check_same(below.data, m)
    check_same(above.data, m)
    return Image(above.data * m + below.data * (1 - m))


def blend(a: Image, b: Image, amount: float) -> Image:
    """a · (1 - amount) + b · amount; NF414 when sizes or batches differ."""
    check_same(a.data, b.data)
    return Image(torch.lerp(a.data, b.data, amount))


def adjust(image: Image, brightness: float, contrast: float, saturation: float, gamma: float) -> Image:
    """Brightness is added, contrast scales about mid-grey, saturation about the luma, then x^(1/gamma)."""
    data = (image.data - 0.5) * contrast + 0.5 + brightness
    luma = (data * data.new_tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)).sum(1, keepdim=True)
    return Image(torch.lerp(luma, data, saturation).clamp(0, 1) ** (1 / gamma))


def flip(image: Image, axis: Literal["horizontal", "vertical", "both"]) -> Image:
    """Mirror: "horizontal" swaps left and right."""
    dims = {"horizontal": (-1,), "vertical": (-2,), "both": (-2, -1)}[axis]
    return Image(image.data.flip(dims))


def rotate(image: Image, quarters: int) -> Image:
    """Turn clockwise by quarter turns."""
    return Image(torch.rot90(image.data, -quarters, (-2, -1)).contiguous())


def fit_mask(mask: Mask, width: int, height: int, how: Literal["cover", "contain", "stretch"]) -> Mask:
    """Bring a mask to the size that `fit` brings its picture to; borders stay unmasked."""
    picture = Image(mask.data.expand(-1, 3, -1, -1))
    return Mask(fit(picture, width, height, how, "#000000").data[:, :1].contiguous())


def contact_sheet(
    images: Sequence[Image],
    columns: int = 0,
    gap: int = 4,
    color: str = "#ffffff",
    labels: Sequence[str] = (),
    text: int = 13,
) -> Image:
    """All pictures side by side in one: [1, 3, H, W].

    Args:
        images: Any number of batches of any size; smaller ones are centred in the cell of the largest.
        columns: Pictures a row; 0 makes the sheet about square.
        gap: Pixels between and around them.
        color: What shows between them.
        labels: What stands under each picture; none, or one a picture.
        text: Size of the letters in pixels; they shrink where a label is too long.
    """
    pictures = [Image(item[None]) for image in images for item in image.data]
    if not pictures:
        raise NodeflowError("NF503", "a contact sheet needs at least one picture")
    if labels and len(labels) != len(pictures):
        what = f"{len(labels)} labels meet {len(pictures)} pictures"
        raise NodeflowError("NF503", what, where="labels", fix="give one label a picture, or none")
    width, height = max(p.size[0] for p in pictures), max(p.size[1] for p in pictures)
    strips = [_label(said, width, text, color) for said in labels]
    below = max((strip.shape[-2] for strip in strips), default=0)
    columns = min(columns or math.ceil(math.sqrt(len(pictures))), len(pictures))
    rows, step = math.ceil(len(pictures) / columns), height + below + gap
    _bounded(columns * (width + gap) + gap, rows * step + gap)
    shape = (1, 3, rows * step + gap, columns * (width + gap) + gap)
    sheet = rgb(color, pictures[0].data).expand(shape).clone()
    for index, picture in enumerate(pictures):
        top, left = gap + index // columns * step, gap + index % columns * (width + gap)
        sheet[..., top : top + height, left : left + width] = canvas(picture, width, height, "center", color)[0].data
        if strips:
            strip = strips[index]
            sheet[..., top + height : top + height + strip.shape[-2], left : left + width] = strip
    return Image(sheet)


def _label(text: str, width: int, size: int, paper: str) -> Tensor:
    """A text in a strip of its own, [3, H, W] in 0..1."""
    return torch.from_numpy(label(text, width, size, ink_on(paper), paper).copy()).permute(2, 0, 1) / 255


def batch(images: Sequence[Image]) -> Image:
    """Pictures of one size as one batch; NF414 when they have several, NF503 when there is none."""
    sizes = sorted({image.size for image in images})
    if not sizes:
        raise NodeflowError("NF503", "a batch needs at least one picture")
    if len(sizes) > 1:
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


def rgb(text: str, like: Tensor) -> Tensor:
    """A colour "#rrggbb" as [1, 3, 1, 1] in 0..1; NF205 for another text."""
    if not re.fullmatch("#[0-9a-fA-F]{6}", text):
        raise NodeflowError("NF205", f"{text!r} is not a colour", fix='write it as "#rrggbb"')
    return like.new_tensor(list(bytes.fromhex(text[1:]))).view(1, 3, 1, 1) / 255


def _bounded(width: int, height: int) -> None:
    if min(width, height) < 1:
        raise NodeflowError("NF205", f"{width}×{height} has no pixels", fix="sides begin at 1")
    if max(width, height) > MAX_SIDE:
        raise NodeflowError("NF602", f"{width}×{height} is too large", fix=f"the limit is {MAX_SIDE} a side")


def check_same(a: Tensor, b: Tensor) -> None:
    """Refuse tensors [B, C, H, W] of different H or W, or of different B that is not 1: NF414."""
    if a.shape[-2:] != b.shape[-2:]:
        sizes = " and ".join(f"{x.shape[-1]}×{x.shape[-2]}" for x in (a, b))
        raise NodeflowError("NF414", f"the pictures are {sizes}", fix="resize one of them")
    if len(a) != len(b) and 1 not in (len(a), len(b)):
        raise NodeflowError("NF414", f"the batches hold {len(a)} and {len(b)}", fix="use equal batches, or one of 1")
