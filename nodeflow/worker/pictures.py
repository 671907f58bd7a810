"""Values as pictures to look at: images as they are, masks in grey, latents decoded where that is cheap.

A latent whose autoencoder is small is decoded; else its channels are mixed to colours. One of waves is drawn.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from ..media.images import encode
from ..values import Audio, Image, Latent, Mask
from .messages import Picture

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

PREVIEW_SIDE = 256
"""Pixels of a preview's longer side; latents are far smaller and stay as they are."""


Decode = Callable[[Latent], "Image | None"]
"""A latent as a picture, or None where that would cost too much."""


def preview(value: object, decode: Decode | None = None) -> Picture | None:
    """A small picture of the first of a batch; None for a value that has none."""
    if isinstance(value, Latent) and decode is not None:
        value = decode(value) or value
    pixels = _pixels(value)
    if pixels is None:
        return None
    stride = max(1, -(-max(pixels.shape[:2]) // PREVIEW_SIDE))
    made = _picture(pixels[::stride, ::stride], "JPEG" if max(pixels.shape) > 128 else "PNG")
    unknown = isinstance(value, Latent) and value.data.ndim == 4 and value.space.name not in (*COLOURS, "pixels")
    return msgspec.structs.replace(made, note=COMPONENTS) if unknown else made


def whole(value: object, graph: str) -> tuple[Picture, ...]:
    """All pictures of a batch, without loss, each with the graph inside."""
    if not isinstance(value, Image):
        found = preview(value)
        return (found,) if found else ()
    return tuple(_picture(pixels, "PNG", graph) for pixels in value.numpy())


def _picture(pixels: np.ndarray, format: str, graph: str | None = None) -> Picture:
    height, width = pixels.shape[:2]
    return Picture(encode(_contiguous(pixels), format, graph=graph, quality=90), width, height, format)


def _contiguous(pixels: np.ndarray) -> np.ndarray:
    import numpy as np

    return np.ascontiguousarray(pixels)


def _pixels(value: object) -> np.ndarray | None:
    """[H, W, 3] uint8."""
    if isinstance(value, Image):
        return value.numpy()[0]
    if isinstance(value, Mask):
        return Image(value.data[:1].expand(-1, 3, -1, -1)).numpy()[0]
    if isinstance(value, Latent) and value.data.ndim == 3:
        return _waveform(value).numpy()[0]
    if isinstance(value, Latent):
        return Image(_colours(value.data[:1], value.space.name)).numpy()[0]
    return None


def _waveform(latent: Latent) -> Image:
    """Waves drawn as they are; what is louder than full scale, as noise is, touches the edge."""
    from ..diffusion.sounds import waveform

    return waveform(Audio(latent.data[:1].detach().float().cpu(), 1), PREVIEW_SIDE, PREVIEW_SIDE // 2)


def _colours(data: Tensor, space: str) -> Tensor:
    """RGB of a latent, [1, 3, H, W] in 0..1.

    Colours are nearly linear in the channels: rgb = (latent @ M + 1) / 2. For a space whose M is not known, it is not
    colours that are shown, but the three principal components of the latent's own channels.
    """
    data = data.detach().float()
    if space == "pixels":
        return data[:, :3] * 0.5 + 0.5
    if space in COLOURS:
        mixed = data.movedim(1, -1) @ data.new_tensor(COLOURS[space])
        return mixed.movedim(-1, 1) * 0.5 + 0.5
    return _components(data[0])[None]


COMPONENTS = "principal components of the latent"
"""Told on the picture: no colours are fitted to this space."""


def _components(x: Tensor) -> Tensor:
    """The three directions in which the channels vary most, ± 2.5 standard deviations from dark to light.

    The sign of a component is arbitrary: its largest weight is positive, so that steps of one run look alike.

    Args:
        x: [C, H, W].

    Returns:
        [3, H, W] in 0..1; components that are not there are grey.
    """
    import torch

    flat = x.flatten(1) - x.flatten(1).mean(1, keepdim=True)
    u, s, _ = torch.linalg.svd(flat @ flat.T)
    u = u[:, :3]
    u = u * u.gather(0, u.abs().argmax(0, keepdim=True)).sign()
    deviation = (s[:3] / flat.shape[1]).sqrt().clamp_min(1e-6)
    shares = (u.T @ flat) / (5 * deviation[:, None]) + 0.5
    grey = shares.new_full((3 - len(shares), shares.shape[1]), 0.5)
    return torch.cat([shares, grey]).clamp(0, 1).view(3, *x.shape[1:])


COLOURS = {
    # K. Turner, "Decoding latents to RGB without upscaling", Hugging Face forum, 2022: a fit to decoded pictures
    "sd1": ((0.298, 0.207, 0.208), (0.187, 0.286, 0.173), (-0.158, 0.189, 0.264), (-0.184, -0.271, -0.473)),
}
"""Red, green and blue of each channel, by latent space."""
