"""The networks beside a denoiser: between pictures, texts and what it reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .latents import LatentSpace
from .weights import Weights


@dataclass(frozen=True)
class Autoencoder(Weights):
    """A network between pictures or sounds and latents; kinds "Pixels" and "Waves" are the identity, for models
    without one.

    Args:
        space: The space of its latents.
        media: What it encodes, "image" or "audio".
    """

    space: LatentSpace = field(default_factory=lambda: LatentSpace("pixels", 3, 1))
    media: str = "image"


@dataclass(frozen=True)
class TextEncoder(Weights):
    """A text encoder, and those that read the same prompt beside it.

    Args:
        tokenizer: Its tokenizer's folder.
        reading: How what all of them say becomes a conditioning; a name in `nodeflow.diffusion.reading`.
        more: The others, in their order.
        options: What the model's index says about texts, such as `force_zeros_for_empty_prompt`, and what its reading
            wants to know of the denoiser.
    """

    tokenizer: str = ""
    reading: str = "clip"
    more: tuple[TextEncoder, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def all(self) -> tuple[TextEncoder, ...]:
        """Every encoder that reads the prompt, this one first."""
        return (self, *self.more)


@dataclass(frozen=True)
class ImageEncoder(Weights):
    """A network that says what is seen in a picture."""


@dataclass(frozen=True)
class Upscaler(Weights):
    """A network that enlarges pictures by a factor of its own."""
