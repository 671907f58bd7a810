"""UNet1DModel: the U-net on waves of Dance Diffusion (Harmonai 2022), github.com/Harmonai-org/sample-generator."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from msgspec import Meta
from torch import Tensor, nn

from nodeflow.errors import NodeflowError

from .base import Config, Count, Levels, Model, Width
from .blocks1d import HEAD_CHANNELS, LAYERS, Block1D
from .embeddings import FourierProjection, timestep_embedding, timestep_vector

DownType = Literal["DownBlock1DNoSkip", "DownBlock1D", "AttnDownBlock1D"]
UpType = Literal["AttnUpBlock1D", "UpBlock1D", "UpBlock1DNoSkip"]


class UNet1DConfig(Config, frozen=True, kw_only=True):
    """Published keys of `UNet1DModel`.

    `act_fn`, `norm_num_groups` and `layers_per_block` are for blocks that waves do not use: here nothing reads them.
    """

    sample_size: Width = 65536
    sample_rate: Width | None = None
    in_channels: Width = 2
    out_channels: Width = 2
    extra_in_channels: Annotated[int, Meta(ge=0, le=1 << 17)] = 0
    time_embedding_type: Literal["fourier", "positional"] = "fourier"
    time_embedding_dim: Width | None = None
    flip_sin_to_cos: bool = True
    use_timestep_embedding: bool = False
    freq_shift: float = 0.0
    down_block_types: tuple[DownType, ...] = ("DownBlock1DNoSkip", "DownBlock1D", "AttnDownBlock1D")
    up_block_types: tuple[UpType, ...] = ("AttnUpBlock1D", "UpBlock1D", "UpBlock1DNoSkip")
    mid_block_type: Literal["UNetMidBlock1D"] = "UNetMidBlock1D"
    out_block_type: None = None
    block_out_channels: Levels = (32, 32, 64)
    act_fn: str | None = None
    norm_num_groups: Count | None = 8
    layers_per_block: Count = 1
    downsample_each_block: bool = False

    def check(self) -> None:
        levels = len(self.block_out_channels)
        for key in ("down_block_types", "up_block_types"):
            if len(getattr(self, key)) != levels:
                raise self.refuse(key, f"but block_out_channels has {levels} levels")
        self._require_ends()
        for key in ("use_timestep_embedding", "downsample_each_block"):
            if getattr(self, key):
                raise self.refuse(key, "which the blocks for waves cannot take")
        if self.time_embedding_type == "fourier" and self.time_channels % 2:
            raise self.refuse("time_embedding_dim", f"which makes {self.time_channels} numbers, not pairs of them")
        if self.extra_in_channels != self.time_channels:
            raise self.refuse(
                "extra_in_channels", f"but the time beside the sample takes {self.time_channels} channels"
            )
        if any(width < HEAD_CHANNELS or width % (width // HEAD_CHANNELS) for width in self._attention_widths()):
            raise self.refuse("block_out_channels", f"where attention cannot have heads of {HEAD_CHANNELS} channels")

    @property
    def time_channels(self) -> int:
        """Width of the time embedding.

        Without `time_embedding_dim`, a key younger than the published models, it is what the first block has room for.
        """
        if self.time_embedding_type == "positional":
            return self.block_out_channels[0]
        return self.time_embedding_dim or self.extra_in_channels or 2 * self.block_out_channels[0]

    def _require_ends(self) -> None:
        """Refuse networks that would never hear of the time, or end at another length."""
        for key, end, kind in (("down_block_types", 0, "DownBlock1DNoSkip"), ("up_block_types", -1, "UpBlock1DNoSkip")):
            kinds = list(getattr(self, key))
            if kinds.count(kind) != 1 or kinds[end] != kind:
                raise self.refuse(key, f"where the {'last' if end else 'first'} block, and no other, must be {kind}")

    def _attention_widths(self) -> list[int]:
        """Channels at each place with attention."""
        widths = self.block_out_channels
        down = [width for width, kind in zip(widths, self.down_block_types, strict=True) if kind.startswith("Attn")]
        outs = [*widths[-2::-1], self.out_channels]
        up = [width for width, kind in zip(outs, self.up_block_types, strict=True) if kind.startswith("Attn")]
        return [*down, widths[-1], *up]


class UNet1DModel(Model):
    """A U-net on waves, told the time by channels beside the sample."""

    Config = UNet1DConfig
    _c: UNet1DConfig

    def __init__(self, config: UNet1DConfig) -> None:
        super().__init__()
        self._c = c = config
        if c.time_embedding_type == "fourier":
            self.time_proj = FourierProjection(c.time_channels, c.flip_sin_to_cos)
        widths = [c.in_channels + c.extra_in_channels, *c.block_out_channels]
        self.down_blocks = nn.ModuleList(
            Block1D(widths[i], widths[i + 1], widths[i + 1], attention=kind.startswith("Attn"), down=i > 0)
            for i, kind in enumerate(c.down_block_types)
        )
        low = widths[-1]
        self.mid_block = Block1D(low, low, low, layers=LAYERS["middle"], attention=True, down=True, up=True)
        widths = [*reversed(c.block_out_channels), c.out_channels]
        self.up_blocks = nn.ModuleList(
            _up_block(kind, widths[i], widths[i + 1]) for i, kind in enumerate(c.up_block_types)
        )

    def forward(self, sample: Tensor, timestep: Tensor | float | int, class_labels: Tensor | None = None) -> Tensor:
        """Predict from noisy waves.

        Args:
            sample: [B, C_in, N]; N a multiple of 2^levels and at least three times that.
            timestep: A number, a scalar tensor or [B]; 0..1 in Dance Diffusion.
            class_labels: None: the network knows no classes.

        Returns:
            [B, C_out, N].

        Raises:
            NodeflowError: NF414, the sample has another number of channels, or a length that does not halve so often;
                or there are labels. NF407, the network has no weights.
        """
        self._require_waves(sample)
        if class_labels is not None:
            raise NodeflowError("NF414", "this UNet1DModel knows neither prompts nor classes, but got some")
        time = self._time(timestep, sample)[..., None].expand(-1, -1, sample.shape[-1])
        x = torch.cat([sample, time], dim=1)
        skips = []
        for down in self.down_blocks:
            x = down(x)
            skips.append(x)
        x = self.mid_block(x)
        for up in self.up_blocks:
            x = up(torch.cat([x, skips.pop()], dim=1))
        return x

    def _time(self, timestep: Tensor | float | int, sample: Tensor) -> Tensor:
        """The time embedding in the sample's number format, [B, D]."""
        c, t = self._c, timestep_vector(timestep, sample)
        if c.time_embedding_type == "fourier":
            return self.time_proj(t).to(sample.dtype)
        return timestep_embedding(t, c.time_channels, c.flip_sin_to_cos, c.freq_shift).to(sample.dtype)

    def _require_waves(self, x: Tensor) -> None:
        self._require_weights(x)
        cell = 2 ** len(self._c.block_out_channels)
        if x.ndim != 3 or x.shape[1] != self._c.in_channels:
            what = f"UNet1DModel takes [B, {self._c.in_channels}, N], but got {list(x.shape)}"
            raise NodeflowError("NF414", what)
        if x.shape[-1] % cell or x.shape[-1] < 3 * cell:
            near = max(3, round(x.shape[-1] / cell)) * cell
            what = f"UNet1DModel takes waves of a multiple of {cell} samples, at least {3 * cell}, not {x.shape[-1]}"
            raise NodeflowError("NF414", what, fix=f"make it {near}")


def _up_block(kind: UpType, in_channels: int, out_channels: int) -> Block1D:
    """A block of the way up, which also takes what the way down had at its resolution."""
    attention, is_last = kind.startswith("Attn"), kind.endswith("NoSkip")
    middle = out_channels if attention else in_channels
    return Block1D(2 * in_channels, middle, out_channels, attention=attention, up=not is_last, is_last=is_last)
