"""The U that both published U-nets are: down through the resolutions, a middle, and up again with skips.

Ronneberger et al. 2015; with time and attention as in DDPM (Ho et al. 2020, appendix B).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from functools import partial
from itertools import zip_longest
from typing import Annotated, Literal

from msgspec import Meta
from torch import Tensor, nn

from nodeflow.errors import NodeflowError

from . import base
from .base import Count, Eps, Levels, Width
from .blocks import DownBlock, MidBlock, UpBlock
from .embeddings import ClassEmbedType, timestep_embedding, timestep_vector
from .layers import Activation, Downsample2D, ResnetBlock2D, Upsample2D, activation
from .perturbation import Changes


class UNetConfig(base.LevelConfig, frozen=True, kw_only=True):
    """Published keys of the way down and the middle; a network with a way up has more."""

    in_channels: Width = 4
    block_out_channels: Levels = (320, 640, 1280, 1280)
    down_block_types: tuple[str, ...]
    flip_sin_to_cos: bool = True
    freq_shift: float = 0
    layers_per_block: Count | tuple[Count, ...] = 2
    downsample_padding: Annotated[int, Meta(ge=0, le=1)] = 1
    mid_block_scale_factor: float = 1
    act_fn: Activation = "silu"
    norm_eps: Eps = 1e-5
    resnet_time_scale_shift: Literal["default", "scale_shift"] = "default"
    class_embed_type: ClassEmbedType | None = None
    num_class_embeds: Width | None = None

    def check(self) -> None:
        super().check()
        self.require_levels("down_block_types", "up_block_types", "layers_per_block")

    @property
    def up_block_types(self) -> tuple[str, ...] | None:
        """None without a way up."""
        return None

    @property
    def time_embedding_dim(self) -> int | None:
        """Width of the time embedding, where it is not four times that of the first level."""
        return None

    @property
    def center_input_sample(self) -> bool:
        """Whether samples of 0..1 are brought to −1..1."""
        return False

    @property
    def dropout(self) -> float:
        """Inside the residual blocks."""
        return 0.0

    @property
    def levels(self) -> int:
        """Number of resolutions."""
        return len(self.block_out_channels)

    @property
    def time_channels(self) -> int:
        """Width of the time embedding."""
        return self.time_embedding_dim or 4 * self.block_out_channels[0]

    def at_level(self, key: str, level: int) -> int:
        """The entry of a level, where one value may stand for all."""
        value = getattr(self, key)
        return value[level] if isinstance(value, tuple) else value

    def levels_with(self, word: str) -> set[int]:
        """The levels that have a block whose type contains this word, on the way down or up."""
        ways = (self.down_block_types, (self.up_block_types or ())[::-1])
        return {level for way in ways for level, kind in enumerate(way) if word in kind}

    def resamples_by_resnet(self, block_type: str) -> bool:
        """Whether a residual block, and not a convolution, changes the resolution."""
        return False


class HalfUNet(base.Model):
    """The way down and the middle, without the question what conditions them: a subclass brings attention.

    Args:
        config: Its configuration.
        temb_channels: Width of the embedding that the residual blocks take.
    """

    def __init__(self, config: UNetConfig, temb_channels: int) -> None:
        super().__init__()
        self._c = c = config
        self._resnet = partial(
            ResnetBlock2D,
            temb_channels=temb_channels,
            groups=c.norm_num_groups,
            eps=c.norm_eps,
            act=c.act_fn,
            dropout=c.dropout,
            scale_shift=c.resnet_time_scale_shift == "scale_shift",
        )
        widths = c.block_out_channels
        self.conv_in = nn.Conv2d(c.in_channels, widths[0], 3, padding=1)
        self.down_blocks = nn.ModuleList(self._down_block(level) for level in range(len(widths)))
        self.mid_block = self._mid_block()
        self.temb_act = activation(c.act_fn)
        self.class_embedding: nn.Module | None = None

    @abstractmethod
    def _attention(self, block_type: str, level: int, layer: int, up: bool) -> nn.Module | None:
        """What follows a residual block, or None."""

    @abstractmethod
    def _mid_block(self) -> MidBlock | None:
        """The block at the lowest resolution."""

    def _down_block(self, level: int) -> DownBlock:
        c, kind, width = self._c, self._c.down_block_types[level], self._c.block_out_channels[level]
        before = c.block_out_channels[max(level - 1, 0)]
        layers = c.at_level("layers_per_block", level)
        resnets = [self._resnet(before if i == 0 else width, width) for i in range(layers)]
        sampler: nn.Module | None = None
        if level < c.levels - 1:
            by_resnet = c.resamples_by_resnet(kind)
            sampler = (
                self._resnet(width, width, resample="down") if by_resnet else Downsample2D(width, c.downsample_padding)
            )
        return DownBlock(resnets, self._attentions(kind, level, layers, up=False), sampler)

    def _attentions(self, kind: str, level: int, layers: int, up: bool) -> list[nn.Module]:
        found = (self._attention(kind, level, layer, up) for layer in range(layers))
        return [module for module in found if module is not None]

    def _position(self, timestep: Tensor | float | int, sample: Tensor) -> Tensor:
        """Sinusoidal position of the timesteps in the sample's number format, [B, first width]."""
        c, t = self._c, timestep_vector(timestep, sample)
        return timestep_embedding(t, c.block_out_channels[0], c.flip_sin_to_cos, c.freq_shift).to(sample.dtype)

    def _class_vector(self, labels: Tensor | None, sample: Tensor) -> Tensor | None:
        """The embedding of class labels, [B, D]; None for a network without classes."""
        if self.class_embedding is None and labels is None:
            return None
        if self.class_embedding is None or labels is None:
            wants = "needs class labels, but got none" if labels is None else "knows no class labels, but got some"
            raise NodeflowError("NF414", f"this {type(self).__name__} {wants}")
        if self._c.class_embed_type == "timestep":
            labels = self._position(labels, sample)
        return self.class_embedding(labels).to(sample.dtype)

    def _descend(
        self,
        x: Tensor,
        temb: Tensor,
        context: Tensor | None = None,
        mask: Tensor | None = None,
        changes: Changes | None = None,
        beside: Tensor | None = None,
        inner: Sequence[Tensor] = (),
    ) -> tuple[Tensor, list[Tensor]]:
        """The way down, without the middle.

        Args:
            x: Noisy sample, [B, C_in, H, W].
            temb: Activated embedding of time and all else that is a vector, [B, D].
            context: Tokens of the text, [B, M, D'].
            mask: Which tokens may be read, boolean, [B, 1, 1, M].
            changes: What is to be done inside the attention blocks.
            beside: Added to the first features, [B, C_0, H, W].
            inner: Added inside the blocks, one each.

        Returns:
            The lowest features, and those of every layer.
        """
        x = self.conv_in(x)
        if beside is not None:
            x = x + beside
        skips = [x]
        for block, added in zip_longest(self.down_blocks, inner[: len(self.down_blocks)]):
            x = block(x, temb, context, mask, skips, changes, added)
        return x, skips


class UNet(HalfUNet):
    """A U-net without the question what conditions it: a subclass brings attention and the middle.

    Args:
        config: Its configuration.
        temb_channels: Width of the embedding that the residual blocks take.
        out_channels: Of the prediction.
    """

    def __init__(self, config: UNetConfig, temb_channels: int, out_channels: int) -> None:
        super().__init__(config, temb_channels)
        c, first = config, config.block_out_channels[0]
        self.up_blocks = nn.ModuleList(self._up_block(level) for level in reversed(range(c.levels)))
        self.conv_norm_out = nn.GroupNorm(c.norm_num_groups, first, c.norm_eps)
        self.conv_act: nn.Module = activation("silu")
        self.conv_out = nn.Conv2d(first, out_channels, 3, padding=1)

    def _up_block(self, level: int) -> UpBlock:
        c, kind, width = self._c, (self._c.up_block_types or ())[-1 - level], self._c.block_out_channels[level]
        below, above = c.block_out_channels[min(level + 1, c.levels - 1)], c.block_out_channels[max(level - 1, 0)]
        layers = c.at_level("layers_per_block", level) + 1
        skips = [width] * (layers - 1) + [above]
        resnets = [self._resnet((below if i == 0 else width) + skip, width) for i, skip in enumerate(skips)]
        sampler: nn.Module | None = None
        if level > 0:
            sampler = self._resnet(width, width, resample="up") if c.resamples_by_resnet(kind) else Upsample2D(width)
        return UpBlock(resnets, self._attentions(kind, level, layers, up=True), sampler)

    def _walk(
        self,
        x: Tensor,
        emb: Tensor,
        context: Tensor | None = None,
        mask: Tensor | None = None,
        down_residuals: Sequence[Tensor] | None = None,
        mid_residual: Tensor | None = None,
        changes: Changes | None = None,
        inner: Sequence[Tensor] = (),
    ) -> Tensor:
        """Down, middle and up.

        Args:
            x: Noisy sample, [B, C_in, H, W].
            emb: Embedding of time and all else that is a vector, [B, D]; activated once here for all blocks.
            context: Tokens of the text, [B, M, D'].
            mask: Which tokens may be read, boolean, [B, 1, 1, M].
            down_residuals: Added to the skips, one for each (Zhang et al. 2023, ControlNet).
            mid_residual: Added after the middle.
            changes: What is to be done inside the attention blocks.
            inner: Added inside the blocks on the way down, one each; one more after the middle, where it fits
                (Mou et al. 2023, T2I-Adapter).

        Returns:
            [B, C_out, H, W].
        """
        temb = self.temb_act(emb)
        x = 2 * x - 1 if self._c.center_input_sample else x
        x, skips = self._descend(x, temb, context, mask, changes, inner=inner)
        if down_residuals is not None:
            skips = _sums(skips, down_residuals)
        if self.mid_block is not None:
            x = self.mid_block(x, temb, context, mask, changes)
        for more in inner[len(self.down_blocks) :]:
            x = x + more if more.shape == x.shape else x
        if mid_residual is not None:
            x = x + mid_residual
        for block in self.up_blocks:
            x = block(x, temb, context, mask, skips, changes)
        return self.conv_out(self.conv_act(self.conv_norm_out(x)))


def _sums(skips: Sequence[Tensor], residuals: Sequence[Tensor]) -> list[Tensor]:
    if [skip.shape for skip in skips] != [residual.shape for residual in residuals]:
        raise NodeflowError(
            "NF414",
            f"the {len(residuals)} residuals do not fit the {len(skips)} skips of this network in number or shape",
            fix="use a ControlNet made for this model, and an image of the same size",
        )
    return [skip + residual for skip, residual in zip(skips, residuals, strict=True)]
