"""Blocks of a U-net on waves: residual convolutions, attention over time, resampling by a fixed filter."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .attending import attend

HEAD_CHANNELS = 32
"""Channels of an attention head, where they divide the width; else the least more."""
LAYERS = {"side": 3, "middle": 6}
"""Residual layers of a block of the U's sides, and of the one at its bottom."""


def cubic_kernel() -> Tensor:
    """The low-pass filter of a step between resolutions, [8], of sum 1.

    Cubic convolution with a = -1/2 (Keys 1981, "Cubic convolution interpolation for digital image processing",
    equation 15), stretched over twice the distance and sampled halfway between its cells: k(s) / 2 at
    |s| = 1/4, 3/4, 5/4, 7/4.
    """
    s = torch.arange(-7, 8, 2).abs() / 4
    near = 1.5 * s**3 - 2.5 * s**2 + 1
    far = -0.5 * s**3 + 2.5 * s**2 - 4 * s + 2
    return torch.where(s < 1, near, far) / 2


class Downsample1D(nn.Module):
    """Filter each channel and keep every other sample. The filter is in the published weights."""

    kernel: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("kernel", cubic_kernel())

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, N] -> [B, C, N / 2], N even and at least 4."""
        channels = x.shape[1]
        return F.conv1d(F.pad(x, (3, 3), "reflect"), self.kernel.expand(channels, 1, -1), stride=2, groups=channels)


class Upsample1D(nn.Module):
    """Put a zero after each sample and filter each channel. The filter, of sum 2, is in the published weights."""

    kernel: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("kernel", 2 * cubic_kernel())

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, N] -> [B, C, 2N], N at least 3."""
        channels = x.shape[1]
        padded, kernel = F.pad(x, (2, 2), "reflect"), self.kernel.expand(channels, 1, -1)
        return F.conv_transpose1d(padded, kernel, stride=2, padding=7, groups=channels)


class ResConvBlock(nn.Module):
    """Residual block of two convolutions over five samples, normalised over all channels together.

    Args:
        is_last: Ends in a plain convolution, as the output of the network must.
    """

    def __init__(self, in_channels: int, mid_channels: int, out_channels: int, is_last: bool = False) -> None:
        super().__init__()
        self.conv_skip = nn.Conv1d(in_channels, out_channels, 1, bias=False) if in_channels != out_channels else None
        self.conv_1 = nn.Conv1d(in_channels, mid_channels, 5, padding=2)
        self.group_norm_1 = nn.GroupNorm(1, mid_channels)
        self.conv_2 = nn.Conv1d(mid_channels, out_channels, 5, padding=2)
        self.group_norm_2 = None if is_last else nn.GroupNorm(1, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """[B, C_in, N] -> [B, C_out, N]."""
        h = self.conv_2(F.gelu(self.group_norm_1(self.conv_1(x))))
        if self.group_norm_2 is not None:
            h = F.gelu(self.group_norm_2(h))
        return h + (x if self.conv_skip is None else self.conv_skip(x))


class SelfAttention1D(nn.Module):
    """Residual self-attention between all moments, under its published names of 2022."""

    attend = staticmethod(attend)

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.heads = channels // HEAD_CHANNELS
        self.group_norm = nn.GroupNorm(1, channels)
        self.query = nn.Linear(channels, channels)
        self.key = nn.Linear(channels, channels)
        self.value = nn.Linear(channels, channels)
        self.proj_attn = nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, N] -> [B, C, N]."""
        h = self.group_norm(x).transpose(1, 2)
        q, k, v = (self._split(project(h)) for project in (self.query, self.key, self.value))
        read = self.attend(q, k, v).transpose(1, 2).flatten(2)
        return x + self.proj_attn(read).transpose(1, 2)

    def _split(self, tokens: Tensor) -> Tensor:
        return tokens.unflatten(-1, (self.heads, -1)).transpose(1, 2)


class Block1D(nn.Module):
    """A step down, residual layers with or without attention after each, a step up; either step may be missing.

    Args:
        in_channels: Width of what comes in.
        mid_channels: Width between the layers, and inside them.
        out_channels: Width of what goes out.
        layers: How many.
        attention: Whether each layer is followed by attention.
        down: Whether the block begins by halving the length.
        up: Whether it ends by doubling the length.
        is_last: Whether it is the network's last one.
    """

    def __init__(
        self,
        in_channels: int,
        mid_channels: int,
        out_channels: int,
        *,
        layers: int = LAYERS["side"],
        attention: bool = False,
        down: bool = False,
        up: bool = False,
        is_last: bool = False,
    ) -> None:
        super().__init__()
        ins = [in_channels, *[mid_channels] * (layers - 1)]
        outs = [*[mid_channels] * (layers - 1), out_channels]
        ends = [*[False] * (layers - 1), is_last]
        self.down = Downsample1D() if down else nn.Identity()
        self.resnets = nn.ModuleList(
            ResConvBlock(i, mid_channels, o, end) for i, o, end in zip(ins, outs, ends, strict=True)
        )
        self.attentions = nn.ModuleList((SelfAttention1D(o) if attention else nn.Identity()) for o in outs)
        self.up = Upsample1D() if up else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """[B, C_in, N] -> [B, C_out, N'], N' = N / 2, N or 2N."""
        x = self.down(x)
        for resnet, attention in zip(self.resnets, self.attentions, strict=True):
            x = attention(resnet(x))
        return self.up(x)
