"""The identity between sounds and latents, beside networks that work on the waves themselves."""

from __future__ import annotations

from torch import Tensor

from .base import Config, Model, Width


class WavesConfig(Config, frozen=True, kw_only=True):
    """What a network on waves takes: channels, and samples a second."""

    in_channels: Width = 2
    sample_rate: Width = 44_100


class Waves(Model):
    """Waves as their own latents; it has no weights."""

    Config = WavesConfig

    def __init__(self, config: WavesConfig) -> None:
        super().__init__()
        self.channels, self.rate = config.in_channels, config.sample_rate

    def encode(self, wave: Tensor) -> Tensor:
        """[B, C, N] as it is."""
        return wave

    def decode(self, latent: Tensor) -> Tensor:
        """[B, C, N], clipped to -1..1."""
        return latent.clamp(-1, 1)
