"""What may travel a wire.

A value is immutable: a frozen dataclass of tensors, plain data and other values. Nothing here imports torch: an
*array* is whatever has `nbytes`, `device` and `to(device)`, so the executor moves, measures and stores values
without knowing what they are made of.

Conventions: images [B, 3, H, W] float32 in 0..1; masks [B, 1, H, W] float32 in 0..1, 1 = change here; audio
[B, channels, samples] float32 in -1..1. Tensors of one value share B.

Each file stands on those before it: base, contents; media, latents; weights, networks, controls, denoisers, sampling.
"""

from __future__ import annotations

from .base import Value
from .contents import arrays, describe, device_of, is_array, mapped, moved, nbytes, stamp
from .controls import Control, ControlNetwork, ImageStates, IPAdapter, PicturePrompt
from .denoisers import Denoiser
from .latents import Conditioning, Latent, LatentSpace
from .media import Audio, Image, Mask, numbered
from .networks import Autoencoder, ImageEncoder, TextEncoder, Upscaler
from .sampling import Guidance, Schedule, SchedulerConfig
from .weights import IDENTITIES, Mix, Patch, Weights

__all__ = [
    "IDENTITIES",
    "Audio",
    "Autoencoder",
    "Conditioning",
    "Control",
    "ControlNetwork",
    "Denoiser",
    "Guidance",
    "IPAdapter",
    "Image",
    "ImageEncoder",
    "ImageStates",
    "Latent",
    "LatentSpace",
    "Mask",
    "Mix",
    "Patch",
    "PicturePrompt",
    "Schedule",
    "SchedulerConfig",
    "TextEncoder",
    "Upscaler",
    "Value",
    "Weights",
    "arrays",
    "describe",
    "device_of",
    "is_array",
    "mapped",
    "moved",
    "nbytes",
    "numbered",
    "stamp",
]
