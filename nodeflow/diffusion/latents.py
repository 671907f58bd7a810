"""Pictures to latents and back, and what inpainting adds to a latent.

Pictures are 0..1 on wires and -1..1 for networks. A model without autoencoder works on the pixels themselves: its
"latent" is the picture in -1..1, and the autoencoder here is None.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import NodeflowError
from ..values import Image, Latent, LatentSpace, Mask


def seeded(seed: int) -> torch.Generator:
    """Random numbers for the autoencoder's distribution: on the CPU, so that every device draws alike."""
    return torch.Generator("cpu").manual_seed(seed)


def empty(space: LatentSpace, width: int, height: int, batch: int = 1) -> Latent:
    """An empty canvas: zeros, [batch, C, height / factor, width / factor]. A sampler starts it from pure noise.

    Raises:
        NodeflowError: NF414, a side is no multiple of the space's factor.
    """
    require_size(space, width, height)
    return Latent(torch.zeros(batch, space.channels, height // space.factor, width // space.factor), space)


@torch.no_grad()
def to_latent(
    autoencoder: Any | None, image: Image, space: LatentSpace, generator: torch.Generator | None = None
) -> Latent:
    """Encode pictures.

    Args:
        autoencoder: `AutoencoderKL`; None for the pixels themselves.
        image: [B, 3, H, W], 0..1.
        space: The autoencoder's space: latents are (z - shift) · scale.
        generator: Draw z from what the autoencoder says; None takes its most probable z.

    Raises:
        NodeflowError: NF414, a side is no multiple of the space's factor; NF506, the latent is not finite.
    """
    require_size(space, *image.size)
    x = 2 * image.data - 1
    if autoencoder is None:
        return Latent(x, space)
    said = autoencoder.encode(x.to(next(autoencoder.parameters())))
    z = said.mode() if generator is None else said.sample(generator)
    data = (z.float().to(x.device) - space.shift) * space.scale
    _require_finite(data, "encode")
    return Latent(data, space)


@torch.no_grad()
def to_image(autoencoder: Any | None, latent: Latent) -> Image:
    """Decode latents to pictures, [B, 3, H, W] clipped to 0..1; a single channel becomes grey.

    Raises:
        NodeflowError: NF506, the picture is not finite.
    """
    x = latent.data
    if autoencoder is not None:
        z = x / latent.space.scale + latent.space.shift
        x = autoencoder.decode(z.to(next(autoencoder.parameters()))).float().to(x.device)
    _require_finite(x, "decode")
    data = (x / 2 + 0.5).clamp(0, 1)
    return Image(data.expand(-1, 3, -1, -1) if data.shape[1] == 1 else data)


def to_repaint(
    autoencoder: Any | None, image: Image, mask: Mask, space: LatentSpace, generator: torch.Generator | None = None
) -> Latent:
    """Encode pictures of which a part is to be repainted, ready for both kinds of denoisers.

    Ordinary denoisers use `mask`, those with extra channels `mask` and `masked`.

    Raises:
        NodeflowError: NF414, the mask has another size than the picture; and as `to_latent`.
    """
    latent = to_latent(autoencoder, image, space, generator)
    masked = to_latent(autoencoder, blanked(image, mask), space, generator)
    return replace(with_mask(latent, mask), masked=masked.data)


@torch.no_grad()
def to_edit(autoencoder: Any, image: Image, space: LatentSpace) -> Latent:
    """An empty latent with pictures beside it for a denoiser that edits, which was trained to see them unscaled.

    Raises:
        NodeflowError: As `to_latent`.
    """
    seen = to_latent(autoencoder, image, space).data
    return Latent(torch.zeros_like(seen), space, beside=seen / space.scale + space.shift)


def scaled(latent: Latent, factor: float, filter: Literal["nearest", "bilinear", "bicubic"] = "bilinear") -> Latent:
    """The latent with its sides times a factor, rounded; its mask by nearest cell, so that it stays 0 or 1.

    Raises:
        NodeflowError: NF414, nothing is left of a side.
    """
    size = [round(side * factor) for side in latent.data.shape[-2:]]
    if min(size) < 1:
        raise NodeflowError("NF414", f"nothing is left of a latent times {factor:g}", fix="raise the factor")

    def resized(data: Tensor | None, how: str) -> Tensor | None:
        return None if data is None else F.interpolate(data, size, mode=how)

    data = F.interpolate(latent.data, size, mode=filter)
    masked, beside = resized(latent.masked, filter), resized(latent.beside, filter)
    return replace(latent, data=data, mask=resized(latent.mask, "nearest"), masked=masked, beside=beside)


def to_upscale(image: Image, space: LatentSpace, cells: int = 1) -> Latent:
    """An empty latent with the pictures to enlarge beside it, [B, 3, h, w] in -1..1.

    Args:
        image: The pictures.
        space: Of the latent; decoded, a cell is so many pixels.
        cells: How many cells are a pixel of the pictures, along an edge.
    """
    beside = 2 * image.data - 1
    batch, _, height, width = beside.shape
    return Latent(beside.new_zeros(batch, space.channels, cells * height, cells * width), space, beside=beside)


def with_mask(latent: Latent, mask: Mask) -> Latent:
    """The latent with a mask of its own size, 1 where the picture's mask is at least a half, nearest pixel, and with
    that of every pixel.

    Raises:
        NodeflowError: NF414, the mask is of another size than the latent's picture, or of another batch.
    """
    batch, _, h, w = latent.data.shape
    factor = latent.space.factor
    _require_mask(mask, (w * factor, h * factor), batch)
    small, fine = F.interpolate(binary(mask), (h, w), mode="nearest"), F.pixel_unshuffle(binary(mask), factor)
    masks = [part.expand(batch, -1, -1, -1).to(latent.data.device) for part in (small, fine)]
    return replace(latent, mask=masks[0], fine=masks[1])


def blanked(image: Image, mask: Mask) -> Image:
    """The picture with its masked part mid-grey, which is 0 to a network.

    Raises:
        NodeflowError: NF414, picture and mask differ in size or batch.
    """
    _require_mask(mask, image.size, len(image))
    return Image(torch.where(binary(mask).to(image.data.device) == 1, 0.5, image.data))


def binary(mask: Mask) -> Tensor:
    """1 where a mask is at least a half, else 0, [B, 1, H, W]."""
    return (mask.data >= 0.5).float()


def require_size(space: LatentSpace, width: int, height: int) -> None:
    """Raise NF414 unless both sides, in pixels, are multiples of the space's factor; names the nearest that are."""
    factor = space.factor
    if width < 1 or height < 1 or width % factor or height % factor:
        near = " × ".join(str(max(factor, round(side / factor) * factor)) for side in (width, height))
        raise NodeflowError(
            "NF414",
            f"{width} × {height} does not fit the model, whose pictures have sides that are multiples of {factor}",
            fix=f"make it {near}",
        )


def _require_mask(mask: Mask, size: tuple[int, int], batch: int) -> None:
    found = (mask.data.shape[-1], mask.data.shape[-2])
    if found != size:
        raise NodeflowError(
            "NF414",
            f"the mask is {found[0]} × {found[1]} and the picture {size[0]} × {size[1]}",
            fix="resize one of them",
        )
    if len(mask.data) not in (1, batch):
        raise NodeflowError("NF414", f"{len(mask.data)} masks meet {batch} pictures", fix="give one, or one a picture")


def _require_finite(data: Tensor, what: str) -> None:
    if not torch.isfinite(data).all():
        raise NodeflowError(
            "NF506",
            f"not all values are finite after the autoencoder's {what}",
            fix="run the autoencoder in float32; in float16 some overflow",
        )
