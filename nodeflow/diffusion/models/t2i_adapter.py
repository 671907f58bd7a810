"""T2IAdapter: a small network that turns a picture into features which a U-net adds on its way down.

Mou et al. 2023, "T2I-Adapter", arXiv 2302.08453, section 3.2. It knows neither time nor text: once a run is enough.
"""

from __future__ import annotations

from typing import Annotated, Literal

import torch.nn.functional as F
from msgspec import Meta
from torch import Tensor, nn

from nodeflow.errors import NodeflowError

from .base import Config, Count, Levels, Model, Width


class T2IAdapterConfig(Config, frozen=True, kw_only=True):
    """Published keys of `T2IAdapter`."""

    in_channels: Width = 3
    channels: Levels = (320, 640, 1280, 1280)
    num_res_blocks: Count = 2
    downscale_factor: Annotated[int, Meta(ge=1, le=64)] = 8
    adapter_type: Literal["full_adapter", "full_adapter_xl"] = "full_adapter"

    def check(self) -> None:
        if self.adapter_type == "full_adapter_xl" and len(self.channels) != 4:
            raise self.refuse("channels", "but a full_adapter_xl has four")

    def halves(self, level: int) -> bool:
        """Whether features are halved before this level."""
        return level > 0 if self.adapter_type == "full_adapter" else level == 2


class Residual(nn.Module):
    """x + a 1×1 convolution of a rectified 3×3 one."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.block1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.block2 = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] -> [B, C, H, W]."""
        return x + self.block2(F.relu(self.block1(x)))


class Level(nn.Module):
    """Features of one resolution."""

    def __init__(self, before: int, channels: int, layers: int, halve: bool) -> None:
        super().__init__()
        self.halve = halve
        self.in_conv = nn.Conv2d(before, channels, 1) if before != channels else None
        self.resnets = nn.Sequential(*(Residual(channels) for _ in range(layers)))

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] -> [B, C', ⌈H/2⌉, ⌈W/2⌉], or of the same size."""
        x = F.avg_pool2d(x, 2, ceil_mode=True) if self.halve else x
        return self.resnets(x if self.in_conv is None else self.in_conv(x))


class Body(nn.Module):
    """Squares of pixels as channels (pixel unshuffle), then level after level."""

    def __init__(self, c: T2IAdapterConfig) -> None:
        super().__init__()
        self.factor = c.downscale_factor
        self.conv_in = nn.Conv2d(c.in_channels * c.downscale_factor**2, c.channels[0], 3, padding=1)
        befores = (c.channels[0], *c.channels)
        self.body = nn.ModuleList(
            Level(befores[i], width, c.num_res_blocks, c.halves(i)) for i, width in enumerate(c.channels)
        )

    def forward(self, picture: Tensor) -> list[Tensor]:
        """[B, C, f H, f W] -> the features of each level."""
        x = self.conv_in(F.pixel_unshuffle(picture, self.factor))
        found = []
        for level in self.body:
            x = level(x)
            found.append(x)
        return found


class T2IAdapter(Model):
    """The adapter of SD 1 and SDXL, with published parameter names."""

    Config = T2IAdapterConfig

    def __init__(self, config: T2IAdapterConfig) -> None:
        super().__init__()
        self._c = config
        self.adapter = Body(config)

    def forward(self, x: Tensor) -> list[Tensor]:
        """What a U-net adds on its way down, one a level.

        Args:
            x: The picture, [B, C, H, W], 0..1; H and W multiples of `downscale_factor`.

        Raises:
            NodeflowError: NF414, the picture does not fit.
        """
        self._require_map(x, self._c.in_channels)
        if any(side % self._c.downscale_factor for side in x.shape[-2:]):
            what = f"a picture of {list(x.shape)} cannot be cut into squares of {self._c.downscale_factor} pixels"
            raise NodeflowError("NF414", what, fix="take sides that are multiples of it")
        return self.adapter(x)
