"""AutoencoderKL: pictures to latents and back (Rombach et al. 2022, section 3.1; Kingma & Welling 2014)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn

from nodeflow.errors import NodeflowError

from . import base
from .attention import AttentionBlock
from .base import Count, Levels, Width
from .blocks import DownBlock, MidBlock, UpBlock
from .layers import Activation, Downsample2D, ResnetBlock2D, Upsample2D, activation

_EPS = 1e-6


class AutoencoderKLConfig(base.LevelConfig, frozen=True, kw_only=True):
    """Published keys of `AutoencoderKL`."""

    in_channels: Width = 3
    out_channels: Width = 3
    down_block_types: tuple[Literal["DownEncoderBlock2D"], ...] = ("DownEncoderBlock2D",)
    up_block_types: tuple[Literal["UpDecoderBlock2D"], ...] = ("UpDecoderBlock2D",)
    block_out_channels: Levels = (64,)
    layers_per_block: Count = 1
    act_fn: Activation = "silu"
    latent_channels: Width = 4
    sample_size: int | tuple[int, ...] = 32
    scaling_factor: float = 0.18215
    shift_factor: float | None = None
    latents_mean: tuple[float, ...] | None = None
    latents_std: tuple[float, ...] | None = None
    force_upcast: bool = True
    use_quant_conv: bool = True
    use_post_quant_conv: bool = True
    mid_block_add_attention: bool = True

    def check(self) -> None:
        super().check()
        self.require_levels("down_block_types", "up_block_types")


class DiagonalGaussian:
    """N(μ, diag σ²), what the encoder says about a picture's latent.

    Args:
        moments: μ and log σ² one after the other, [B, 2 C, H, W].
    """

    def __init__(self, moments: Tensor) -> None:
        self.moments = moments
        self.mean, logvar = moments.chunk(2, dim=1)
        self.logvar = logvar.clamp(-30, 20)

    @property
    def std(self) -> Tensor:
        """σ, [B, C, H, W]."""
        return (0.5 * self.logvar).exp()

    def mode(self) -> Tensor:
        """The most probable latent, μ, [B, C, H, W]."""
        return self.mean

    def sample(self, generator: torch.Generator | None = None) -> Tensor:
        """A latent μ + σ ε, [B, C, H, W]; ε is drawn on the generator's device."""
        device = generator.device if generator else self.mean.device
        noise = torch.randn(self.mean.shape, generator=generator, device=device, dtype=self.mean.dtype)
        return self.mean + self.std * noise.to(self.mean.device)

    def kl(self) -> Tensor:
        """KL(N(μ, σ²) ‖ N(0, 1)) = ½ Σ (μ² + σ² − 1 − log σ²) in nats, [B]."""
        return 0.5 * (self.mean**2 + self.logvar.exp() - 1 - self.logvar).sum(dim=(1, 2, 3))


class Encoder(nn.Module):
    """A picture to what is said of its latent, [B, C_in, H, W] -> [B, channels, H/f, W/f]."""

    def __init__(self, c: AutoencoderKLConfig, channels: int) -> None:
        super().__init__()
        widths = c.block_out_channels
        resnet = _resnet(c)
        self.conv_in = nn.Conv2d(c.in_channels, widths[0], 3, padding=1)
        self.down_blocks = nn.ModuleList()
        before = widths[0]
        for level, width in enumerate(widths):
            layers = [resnet(before if i == 0 else width, width) for i in range(c.layers_per_block)]
            last = level == len(widths) - 1
            self.down_blocks.append(DownBlock(layers, (), None if last else Downsample2D(width, padding=0)))
            before = width
        self.mid_block = _mid_block(c)
        self.conv_norm_out = nn.GroupNorm(c.norm_num_groups, widths[-1], _EPS)
        self.conv_act = activation("silu")
        self.conv_out = nn.Conv2d(widths[-1], channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """[B, C_in, H, W] -> [B, channels, H/f, W/f]."""
        x = self.conv_in(x)
        for block in self.down_blocks:
            x = block(x)
        return self.conv_out(self.conv_act(self.conv_norm_out(self.mid_block(x))))


class Decoder(nn.Module):
    """A latent to a picture, [B, C, H, W] -> [B, C_out, f H, f W]."""

    def __init__(self, c: AutoencoderKLConfig) -> None:
        super().__init__()
        widths = c.block_out_channels[::-1]
        resnet = _resnet(c)
        self.conv_in = nn.Conv2d(c.latent_channels, widths[0], 3, padding=1)
        self.mid_block = _mid_block(c)
        self.up_blocks = nn.ModuleList()
        before = widths[0]
        for level, width in enumerate(widths):
            layers = [resnet(before if i == 0 else width, width) for i in range(c.layers_per_block + 1)]
            last = level == len(widths) - 1
            self.up_blocks.append(UpBlock(layers, (), None if last else Upsample2D(width)))
            before = width
        self.conv_norm_out = nn.GroupNorm(c.norm_num_groups, widths[-1], _EPS)
        self.conv_act = activation("silu")
        self.conv_out = nn.Conv2d(widths[-1], c.out_channels, 3, padding=1)

    def forward(self, z: Tensor) -> Tensor:
        """[B, C, H, W] -> [B, C_out, f H, f W]."""
        x = self.mid_block(self.conv_in(z))
        for block in self.up_blocks:
            x = block(x)
        return self.conv_out(self.conv_act(self.conv_norm_out(x)))


class AutoencoderKL(base.Model):
    """The autoencoder whose latents latent diffusion works on.

    Latents are as the network makes them; `scaling_factor` and `shift_factor` of the configuration, which bring
    them to unit variance, are applied by whoever diffuses them: (z − shift_factor) · scaling_factor.
    """

    Config = AutoencoderKLConfig

    def __init__(self, config: AutoencoderKLConfig) -> None:
        super().__init__()
        self._c = c = config
        self.encoder = Encoder(c, 2 * c.latent_channels)
        self.decoder = Decoder(c)
        self.quant_conv = nn.Conv2d(2 * c.latent_channels, 2 * c.latent_channels, 1) if c.use_quant_conv else None
        self.post_quant_conv = nn.Conv2d(c.latent_channels, c.latent_channels, 1) if c.use_post_quant_conv else None
        self.downsampling = 2 ** (len(c.block_out_channels) - 1)

    def encode(self, x: Tensor) -> DiagonalGaussian:
        """The distribution of latents of a picture.

        Args:
            x: Pictures, [B, C_in, H, W], −1..1; height and width multiples of `downsampling`.

        Raises:
            NodeflowError: NF414, the picture has other channels, or its size is no multiple.
        """
        self._require_map(x, self._c.in_channels)
        require_multiple(x, self.downsampling)
        moments = self.encoder(x)
        return DiagonalGaussian(moments if self.quant_conv is None else self.quant_conv(moments))

    def decode(self, z: Tensor) -> Tensor:
        """The picture of a latent.

        Args:
            z: Latents, [B, C, H, W], not scaled.

        Returns:
            Pictures, [B, C_out, f H, f W], about −1..1, not clipped.

        Raises:
            NodeflowError: NF414, the latent has other channels.
        """
        self._require_map(z, self._c.latent_channels)
        return self.decoder(z if self.post_quant_conv is None else self.post_quant_conv(z))

    def forward(self, x: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, DiagonalGaussian]:
        """Pictures [B, C_in, H, W] through a drawn latent and back: (reconstruction, posterior), for training."""
        posterior = self.encode(x)
        return self.decode(posterior.sample(generator)), posterior


def require_multiple(x: Tensor, factor: int) -> None:
    """Raise NF414 unless height and width of [B, C, H, W] are multiples."""
    if any(side % factor for side in x.shape[-2:]):
        raise NodeflowError(
            "NF414",
            f"a picture of {x.shape[-2]} × {x.shape[-1]} cannot be encoded: "
            f"height and width must be multiples of {factor}",
            fix="resize or crop it first",
        )


def _resnet(c: AutoencoderKLConfig) -> Callable[[int, int], ResnetBlock2D]:
    return partial(ResnetBlock2D, temb_channels=None, groups=c.norm_num_groups, eps=_EPS, act=c.act_fn)


def _mid_block(c: AutoencoderKLConfig) -> MidBlock:
    width = c.block_out_channels[-1]
    resnet = _resnet(c)
    attentions = [AttentionBlock(width, width, c.norm_num_groups, _EPS)] if c.mid_block_add_attention else []
    return MidBlock([resnet(width, width), resnet(width, width)], attentions)
