"""The node editor for diffusion.

    flow = nodeflow.load("graphs/text-to-image.json")
    flow(prompt="a red heart", seed=3).image.save("heart.png")

The names that node authors and scripts use are here. Each arrives on first touch, so that `import nodeflow` costs
nothing and a node file costs no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    ".declaration": ("Choice", "Color", "Cosmetic", "Lazy", "Options", "Path", "Range", "Run", "Seed", "Text", "node"),
    ".values": (
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
        "PicturePrompt",
        "Schedule",
        "SchedulerConfig",
        "TextEncoder",
        "Upscaler",
        "Value",
        "Weights",
    ),
    ".errors": ("Cancelled", "Fault", "NodeflowError"),
    ".graph": ("Graph",),
    ".flow": ("Flow", "load"),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}

if TYPE_CHECKING:
    from .declaration import Choice, Color, Cosmetic, Lazy, Options, Path, Range, Run, Seed, Text, node
    from .errors import Cancelled, Fault, NodeflowError
    from .flow import Flow, load
    from .graph import Graph
    from .values import (
        Audio,
        Autoencoder,
        Conditioning,
        Control,
        ControlNetwork,
        Denoiser,
        Guidance,
        Image,
        ImageEncoder,
        ImageStates,
        IPAdapter,
        Latent,
        LatentSpace,
        Mask,
        PicturePrompt,
        Schedule,
        SchedulerConfig,
        TextEncoder,
        Upscaler,
        Value,
        Weights,
    )

__all__ = [
    "Audio",
    "Autoencoder",
    "Cancelled",
    "Choice",
    "Color",
    "Conditioning",
    "Control",
    "ControlNetwork",
    "Cosmetic",
    "Denoiser",
    "Fault",
    "Flow",
    "Graph",
    "Guidance",
    "IPAdapter",
    "Image",
    "ImageEncoder",
    "ImageStates",
    "Latent",
    "LatentSpace",
    "Lazy",
    "Mask",
    "NodeflowError",
    "Options",
    "Path",
    "PicturePrompt",
    "Range",
    "Run",
    "Schedule",
    "SchedulerConfig",
    "Seed",
    "Text",
    "TextEncoder",
    "Upscaler",
    "Value",
    "Weights",
    "load",
    "node",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'nodeflow' has no attribute {name!r}")
    value = getattr(import_module(_HOME[name], __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
