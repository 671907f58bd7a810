"""An autoencoder for sound: patches of a log-mel spectrogram under a linear map.

A wave becomes a picture of bands × frames; each patch of it becomes a latent vector, z = E (p - mean), and comes back
as p = D z + mean. The map is the patches' principal components (Pearson 1901), found when the model is made, so there
is nothing to train and nothing to blur. Phases are found again when decoding, see `spectrogram.py`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nodeflow.errors import NodeflowError

from ..spectrogram import Mel
from .base import Config, Count, Model, Width

QUIET = 0.99
"""The highest |x| that decoding gives: a louder clip is turned down as a whole."""


class SpectrogramConfig(Config, frozen=True, kw_only=True):
    """Sound on a mel grid, cut into square patches of `patch_size`; `sample_size` frames make a clip."""

    sampling_rate: Width = 22050
    n_fft: Width = 768
    hop_length: Width = 192
    num_mel_bins: Width = 128
    sample_size: Width = 128
    patch_size: Count = 16
    latent_channels: Width = 64
    scaling_factor: float = 1.0

    def check(self) -> None:
        if self.num_mel_bins % self.patch_size:
            raise self.refuse("num_mel_bins", f"no multiple of patch_size = {self.patch_size}")


class SpectrogramAutoencoder(Model):
    """Mono waves to latents and back."""

    Config = SpectrogramConfig
    channels = 1

    def __init__(self, config: SpectrogramConfig) -> None:
        super().__init__()
        self.mel = Mel(config.sampling_rate, config.n_fft, config.hop_length, config.num_mel_bins)
        patch, channels = config.patch_size, config.latent_channels
        self.encoder = nn.Conv2d(1, channels, patch, stride=patch)
        self.decoder = nn.ConvTranspose2d(channels, 1, patch, stride=patch, bias=False)
        self.mean = nn.Parameter(torch.zeros(patch, patch))

    @property
    def rate(self) -> int:
        """Samples a second of its waves."""
        return self.mel.rate

    def encode(self, wave: Tensor) -> Tensor:
        """Latents of mono waves.

        Args:
            wave: [B, 1, samples], -1..1, at the model's rate; cut to whole patches.

        Returns:
            [B, C, bands / patch, frames / patch], frequency rising downwards.

        Raises:
            NodeflowError: NF414, not mono, or shorter than a patch.
        """
        patch = len(self.mean)
        frames = wave.shape[-1] // self.mel.hop // patch * patch
        if wave.ndim != 3 or wave.shape[1] != 1 or not frames:
            what = (
                f"this autoencoder takes [B, 1, samples] of at least {patch * self.mel.hop}, but got {list(wave.shape)}"
            )
            raise NodeflowError("NF414", what, fix="mix the channels, or lengthen the sound")
        mel = self.mel.of(wave[:, 0, : frames * self.mel.hop].float())
        return self.encoder(mel[:, None].to(self.mean))

    def spectrogram(self, latent: Tensor) -> Tensor:
        """The log-mel spectrogram of latents [B, C, H, W], [B, bands, frames], lowest band first."""
        _, _, h, w = latent.shape
        return (self.decoder(latent) + self.mean.tile(h, w)).squeeze(1)

    def decode(self, latent: Tensor) -> Tensor:
        """Waves of latents [B, C, H, W], [B, 1, samples], |x| <= 0.99."""
        wave = self.mel.wave(self.spectrogram(latent).float())[:, None]
        return wave * (QUIET / wave.abs().amax((1, 2), keepdim=True).clamp(min=QUIET))
