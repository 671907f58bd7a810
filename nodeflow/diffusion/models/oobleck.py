"""AutoencoderOobleck: between stereo sound and the latents of Stable Audio, 2048 samples a cell.

Evans et al. 2024, arXiv 2407.14358, section 2.1, after the Descript Audio Codec (Kumar et al. 2023, arXiv 2306.06546):
strided convolutions with dilated residual units between them, periodic activations, weights as direction and length.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

import torch
import torch.nn.functional as F
from msgspec import Meta
from torch import Tensor, nn

from nodeflow.errors import NodeflowError

from .base import Config, Model, Width

_DILATIONS = (1, 3, 9)
_LEAST = 1e-4
"""Added to every standard deviation."""
_TINY = 1e-9

Factors = Annotated[tuple[Annotated[int, Meta(ge=1, le=64)], ...], Meta(min_length=1, max_length=16)]


class AutoencoderOobleckConfig(Config, frozen=True, kw_only=True):
    """Published keys of `AutoencoderOobleck`."""

    encoder_hidden_size: Width = 128
    downsampling_ratios: Factors = (2, 4, 4, 8, 8)
    channel_multiples: Factors = (1, 2, 4, 8, 16)
    decoder_channels: Width = 128
    decoder_input_channels: Width = 64
    audio_channels: Annotated[int, Meta(ge=1, le=64)] = 2
    sampling_rate: Annotated[int, Meta(ge=1, le=1 << 20)] = 44_100

    @property
    def hop(self) -> int:
        """Samples a latent cell."""
        return math.prod(self.downsampling_ratios)

    def check(self) -> None:
        if len(self.channel_multiples) != len(self.downsampling_ratios):
            raise self.refuse("channel_multiples", "not one for each of downsampling_ratios")
        if any(ratio % 2 for ratio in self.downsampling_ratios):
            raise self.refuse("downsampling_ratios", "not all even, so that no sound comes back as long as it was")
        if self.encoder_hidden_size != 2 * self.decoder_input_channels:
            raise self.refuse("encoder_hidden_size", "but a mean and a deviation of each latent channel are needed")


@dataclass(frozen=True)
class SoundDistribution:
    """What the encoder says of a sound: a normal distribution of each number of its latent.

    Args:
        mean: [B, C, N].
        deviation: [B, C, N], positive.
    """

    mean: Tensor
    deviation: Tensor

    def mode(self) -> Tensor:
        """The most probable latent, [B, C, N]."""
        return self.mean

    def sample(self, generator: torch.Generator) -> Tensor:
        """A latent drawn on the CPU, so that every device draws alike, [B, C, N]."""
        noise = torch.randn(self.mean.shape, generator=generator, dtype=torch.float32)
        return self.mean + self.deviation * noise.to(self.mean)


class AutoencoderOobleck(Model):
    """Sound to latent and back."""

    Config = AutoencoderOobleckConfig

    def __init__(self, config: AutoencoderOobleckConfig) -> None:
        super().__init__()
        self.channels, self.rate, self.hop = config.audio_channels, config.sampling_rate, config.hop
        self.encoder, self.decoder = Encoder(config), Decoder(config)

    def distribution(self, wave: Tensor) -> SoundDistribution:
        """What the encoder says, [B, channels, samples], filled up with silence to whole cells -> [B, C, N] each.

        Raises:
            NodeflowError: NF414, the sound has other channels, or none of its samples is there.
        """
        self._require_weights(wave)
        if wave.ndim != 3 or wave.shape[1] != self.channels or not wave.shape[2]:
            raise NodeflowError("NF414", f"sounds are [B, {self.channels}, samples] here, but got {list(wave.shape)}")
        wave = F.pad(wave, (0, -wave.shape[2] % self.hop))
        mean, scale = self.encoder(wave.to(self.dtype)).chunk(2, dim=1)
        return SoundDistribution(mean, F.softplus(scale) + _LEAST)

    def encode(self, wave: Tensor) -> Tensor:
        """The most probable latent of a sound, [B, channels, samples] -> [B, C, ⌈samples / hop⌉]; as `distribution`."""
        return self.distribution(wave).mode()

    def decode(self, latent: Tensor) -> Tensor:
        """[B, C, N] -> float32, [B, channels, N · hop], not clipped."""
        self._require_weights(latent)
        return self.decoder(latent).float()


class Snake(nn.Module):
    """x + sin²(α x) / β for each channel, both learnt as logarithms (Ziyin et al. 2020, arXiv 2006.08195)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.alpha, self.beta = (nn.Parameter(torch.zeros(1, channels, 1)) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, N] -> [B, C, N]."""
        return x + torch.sin(self.alpha.exp() * x).square() / (self.beta.exp() + _TINY)


class NormedConv(nn.Module):
    """A convolution whose kernels are g v / ‖v‖ (Salimans & Kingma 2016, arXiv 1602.07868).

    Args:
        up: Whether it enlarges: a transposed one, whose lengths are those of its input channels.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int,
        *,
        stride: int = 1,
        padding: int = 0,
        dilation: int = 1,
        bias: bool = True,
        up: bool = False,
    ) -> None:
        super().__init__()
        self.stride, self.padding, self.dilation, self.up = stride, padding, dilation, up
        first, second = (in_channels, out_channels) if up else (out_channels, in_channels)
        direction = torch.empty(first, second, kernel)
        nn.init.kaiming_uniform_(direction, a=math.sqrt(5))
        self.weight_g = nn.Parameter(torch.linalg.vector_norm(direction, dim=(1, 2), keepdim=True))
        self.weight_v = nn.Parameter(direction)
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, N] -> [B, C', N']."""
        length = torch.linalg.vector_norm(self.weight_v, dim=(1, 2), keepdim=True)
        weight = self.weight_v * (self.weight_g / length)
        if self.up:
            return F.conv_transpose1d(x, weight, self.bias, self.stride, self.padding)
        return F.conv1d(x, weight, self.bias, self.stride, self.padding, self.dilation)


class ResidualUnit(nn.Module):
    """Two activated convolutions, over seven samples so far apart and over one, residual."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.snake1, self.snake2 = Snake(channels), Snake(channels)
        self.conv1 = NormedConv(channels, channels, 7, dilation=dilation, padding=3 * dilation)
        self.conv2 = NormedConv(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, N] -> [B, C, N]."""
        return x + self.conv2(self.snake2(self.conv1(self.snake1(x))))


class EncoderBlock(nn.Module):
    """Residual units, then a step down."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.res_unit1, self.res_unit2, self.res_unit3 = (ResidualUnit(in_channels, d) for d in _DILATIONS)
        self.snake1 = Snake(in_channels)
        self.conv1 = NormedConv(in_channels, out_channels, 2 * stride, stride=stride, padding=-(-stride // 2))

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, N] -> [B, C', N / stride]."""
        return self.conv1(self.snake1(self.res_unit3(self.res_unit2(self.res_unit1(x)))))


class DecoderBlock(nn.Module):
    """A step up, then residual units."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.snake1 = Snake(in_channels)
        pad = -(-stride // 2)
        self.conv_t1 = NormedConv(in_channels, out_channels, 2 * stride, stride=stride, padding=pad, up=True)
        self.res_unit1, self.res_unit2, self.res_unit3 = (ResidualUnit(out_channels, d) for d in _DILATIONS)

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, N] -> [B, C', N · stride]."""
        return self.res_unit3(self.res_unit2(self.res_unit1(self.conv_t1(self.snake1(x)))))


class Encoder(nn.Module):
    """Sound to the mean and deviation of its latent."""

    def __init__(self, c: AutoencoderOobleckConfig) -> None:
        super().__init__()
        widths = [c.encoder_hidden_size * multiple for multiple in (1, *c.channel_multiples)]
        self.conv1 = NormedConv(c.audio_channels, widths[0], 7, padding=3)
        steps = zip(widths, widths[1:], c.downsampling_ratios, strict=False)
        self.block = nn.ModuleList(EncoderBlock(i, o, stride) for i, o, stride in steps)
        self.snake1 = Snake(widths[-1])
        self.conv2 = NormedConv(widths[-1], c.encoder_hidden_size, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """[B, channels, N · hop] -> [B, 2 C, N]."""
        x = self.conv1(x)
        for block in self.block:
            x = block(x)
        return self.conv2(self.snake1(x))


class Decoder(nn.Module):
    """Latent to sound."""

    def __init__(self, c: AutoencoderOobleckConfig) -> None:
        super().__init__()
        widths = [c.decoder_channels * multiple for multiple in reversed((1, *c.channel_multiples))]
        self.conv1 = NormedConv(c.decoder_input_channels, widths[0], 7, padding=3)
        steps = zip(widths, widths[1:], reversed(c.downsampling_ratios), strict=False)
        self.block = nn.ModuleList(DecoderBlock(i, o, stride) for i, o, stride in steps)
        self.snake1 = Snake(widths[-1])
        self.conv2 = NormedConv(widths[-1], c.audio_channels, 7, padding=3, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, N] -> [B, channels, N · hop]."""
        x = self.conv1(x)
        for block in self.block:
            x = block(x)
        return self.conv2(self.snake1(x))
