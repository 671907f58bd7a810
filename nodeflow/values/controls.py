"""What steers a denoiser besides words: control pictures, and pictures as prompts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .base import Value
from .networks import Autoencoder
from .weights import Weights

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class ControlNetwork(Weights):
    """A network that steers a denoiser by a picture."""


@dataclass(frozen=True)
class Control(Value):
    """A picture that steers a denoiser, through a network of its own.

    Args:
        network: What reads the picture.
        image: [B, 3, H, W], 0..1; B = 1, or as many as there are latents.
        strength: Multiplies what is added.
        start: From which share of the steps on, 0..1.
        end: Up to which share of the steps.
        guess: Steer the positive prompt alone, finer features less (Zhang et al. 2023, section 3.4).
        mode: Which kind of picture it is, for networks that know several.
        autoencoder: Of the denoiser's model, for networks that are shown latents.
        latent: What such a network is shown in a run, [B, C, H, W].
    """

    network: ControlNetwork
    image: Tensor
    strength: float = 1.0
    start: float = 0.0
    end: float = 1.0
    guess: bool = False
    mode: int = 0
    autoencoder: Autoencoder | None = None
    latent: Tensor | None = None


@dataclass(frozen=True)
class ImageStates(Value):
    """What an image encoder says of N pictures.

    Args:
        pooled: Each in one vector, [N, P].
        states: Of every patch, before the last layer, [N, T, D].
        nothing: The same of no picture, [1, T, D].
    """

    pooled: Tensor
    states: Tensor
    nothing: Tensor


@dataclass(frozen=True)
class IPAdapter(Weights):
    """Layers through which a denoiser reads pictures beside its text."""


@dataclass(frozen=True)
class PicturePrompt(Value):
    """Pictures that a denoiser reads beside its text.

    Args:
        network: What the denoiser reads them through.
        picture: What is seen in them; several are read together.
        strength: How much of what is read.
        start: From which share of the steps on, 0..1.
        end: Up to which share of the steps.
        blocks: How much in which blocks of the denoiser, by published names; empty = all of it in all.
    """

    network: IPAdapter
    picture: ImageStates
    strength: float = 1.0
    start: float = 0.0
    end: float = 1.0
    blocks: Mapping[str, float] = field(default_factory=dict)
