"""Convolutional layers that the U-nets and the autoencoder share: residual block, down- and upsampling."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from .kernels import Conv3x3

Activation = Literal["silu", "swish", "mish", "gelu", "relu"]

_ACTIVATIONS: dict[str, type[nn.Module]] = {
    "silu": nn.SiLU,
    "swish": nn.SiLU,
    "mish": nn.Mish,
    "gelu": nn.GELU,
    "relu": nn.ReLU,
}


def activation(name: Activation) -> nn.Module:
    """The nonlinearity of this published name; it may write into what it is given."""
    kind = _ACTIVATIONS[name]
    return kind(inplace=True) if kind is nn.SiLU else kind()


class ResnetBlock2D(nn.Module):
    """Residual block of two 3×3 convolutions, shifted (or scaled and shifted) by the time embedding.

    Wide ResNet as in DDPM (Ho et al. 2020, appendix B); `scale_shift` is the adaptive group normalisation
    of Dhariwal & Nichol 2021, equation 3: AdaGN(h, y) = y_s GroupNorm(h) + y_b.

    Args:
        temb_channels: Width of the time embedding; None for a block without time.
        output_scale: What the sum of both branches is divided by.
        resample: Halve or double height and width on the way.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        temb_channels: int | None,
        groups: int,
        eps: float,
        act: Activation = "silu",
        dropout: float = 0.0,
        scale_shift: bool = False,
        output_scale: float = 1.0,
        resample: Literal["up", "down"] | None = None,
    ) -> None:
        super().__init__()
        self.scale_shift, self.output_scale, self.resample = scale_shift, output_scale, resample
        self.norm1 = nn.GroupNorm(groups, in_channels, eps)
        self.conv1 = Conv3x3(in_channels, out_channels)
        if temb_channels is not None:
            self.time_emb_proj = nn.Linear(temb_channels, (1 + scale_shift) * out_channels)
        self.norm2 = nn.GroupNorm(groups, out_channels, eps)
        self.dropout = nn.Dropout(dropout)
        self.conv2 = Conv3x3(out_channels, out_channels)
        self.act = activation(act)
        self.conv_shortcut = nn.Conv2d(in_channels, out_channels, 1) if in_channels != out_channels else None

    def forward(self, x: Tensor, temb: Tensor | None = None, size: Sequence[int] | None = None) -> Tensor:
        """Transform features.

        Args:
            x: Features, [B, C_in, H, W].
            temb: Time embedding after its activation, [B, D].
            size: Height and width to reach when this block upsamples; None doubles them.

        Returns:
            Features, [B, C_out, H', W'].
        """
        h = self.act(self.norm1(x))
        if self.resample == "up":
            x, h = upsample(x, size), upsample(h, size)
        elif self.resample == "down":
            x, h = F.avg_pool2d(x, 2), F.avg_pool2d(h, 2)
        h = self.conv1(h)
        y = None if temb is None else self.time_emb_proj(temb)[:, :, None, None]
        h = self.conv2(self.dropout(self.act(self._normalise(h, y))))
        if self.conv_shortcut is not None:
            x = self.conv_shortcut(x)
        return x + h if self.output_scale == 1 else (x + h) / self.output_scale

    def _normalise(self, h: Tensor, y: Tensor | None) -> Tensor:
        if y is None:
            return self.norm2(h)
        if self.scale_shift:
            y_s, y_b = y.chunk(2, dim=1)
            return self.norm2(h) * (1 + y_s) + y_b
        return self.norm2(h + y)


class Downsample2D(nn.Module):
    """Halve height and width by a 3×3 convolution of stride 2.

    Args:
        padding: 1 pads all sides; 0 pads the right and the bottom only, as the autoencoders were trained.
    """

    def __init__(self, channels: int, padding: int = 1) -> None:
        super().__init__()
        self.padding = padding
        self.conv = nn.Conv2d(channels, channels, 3, stride=2, padding=padding)

    def forward(self, x: Tensor, temb: Tensor | None = None) -> Tensor:
        """[B, C, H, W] -> [B, C, ⌈H/2⌉, ⌈W/2⌉] (⌊·⌋ where `padding` is 0)."""
        return self.conv(x if self.padding else F.pad(x, (0, 1, 0, 1)))


class Upsample2D(nn.Module):
    """Double height and width by repetition, then smooth by a 3×3 convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = Conv3x3(channels, channels)

    def forward(self, x: Tensor, temb: Tensor | None = None, size: Sequence[int] | None = None) -> Tensor:
        """[B, C, H, W] -> [B, C, 2H, 2W], or [B, C, *size]."""
        doubled = [2 * side for side in x.shape[-2:]]
        return self.conv.of_doubled(x) if size is None or list(size) == doubled else self.conv(upsample(x, size))


def upsample(x: Tensor, size: Sequence[int] | None = None) -> Tensor:
    """Nearest-neighbour enlargement of [B, C, H, W] to `size` (height, width), by default twice as large."""
    return F.interpolate(x, size=size, scale_factor=None if size else 2.0, mode="nearest")
