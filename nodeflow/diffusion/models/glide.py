"""Text2ImUNet: the denoiser of GLIDE (Nichol et al. 2021, arXiv 2112.10741), an ADM U-net that reads a text.

The text enters twice: its states stand before the pixels in every attention, and its pooled state is added to the
time. The network that writes both is `glide_text`; in GLIDE's own files it lies beside this one. Parameter names are
those of these files. Beside the noise, three channels say how much of a step's variance to take (Nichol & Dhariwal
2021, arXiv 2102.09672, equation 15).

The networks of the second stage and of inpainting differ in their first convolution alone: they see more channels.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from msgspec import Meta
from torch import Tensor, nn

from nodeflow.errors import NodeflowError

from .attending import attend
from .base import Config, Count, Levels, Model, Width
from .embeddings import timestep_embedding, timestep_vector
from .kernels import Conv3x3, linear

GROUPS = 32
Resample = Literal["up", "down"] | None


class Text2ImConfig(Config, frozen=True, kw_only=True):
    """What GLIDE's network is built from.

    Args:
        in_channels: Of the noisy picture and of all that stands beside it.
        channel_mult: Channels at each resolution, finest first, in multiples of `model_channels`.
        attention_resolutions: By how much a map is smaller than the picture where it has attention.
        encoder_channels: Width of the text states.
        sample_size: Side of the pictures it was trained on.
    """

    in_channels: Width = 3
    model_channels: Width = 192
    out_channels: Width = 6
    num_res_blocks: Count = 3
    channel_mult: Levels = (1, 2, 3, 4)
    attention_resolutions: tuple[Annotated[int, Meta(ge=1, le=1 << 16)], ...] = (2, 4, 8)
    num_head_channels: Width = 64
    encoder_channels: Width = 512
    sample_size: Width = 64

    def check(self) -> None:
        if self.model_channels % GROUPS:
            raise self.refuse("model_channels", f"no multiple of the {GROUPS} groups of a normalisation")
        levels = range(len(self.channel_mult))
        read = [level for level in levels if 2**level in self.attention_resolutions or level == levels[-1]]
        if any(self.width(level) % self.num_head_channels for level in read):
            raise self.refuse("num_head_channels", "which does not divide the channels of a level with attention")

    def width(self, level: int) -> int:
        """Channels at a level."""
        return self.channel_mult[level] * self.model_channels


class Text2ImUNet(Model):
    """Predicts the noise in a picture, and the share of its variance, from a text's states."""

    Config = Text2ImConfig

    def __init__(self, config: Text2ImConfig) -> None:
        super().__init__()
        self._c = c = config
        embedding = 4 * c.model_channels
        self.time_embed = nn.Sequential(
            nn.Linear(c.model_channels, embedding), nn.SiLU(), nn.Linear(embedding, embedding)
        )
        self.input_blocks = nn.ModuleList(self._down())
        middle = c.width(len(c.channel_mult) - 1)
        self.middle_block = nn.ModuleList(
            [self._res(middle, middle), self._attention(middle), self._res(middle, middle)]
        )
        self.output_blocks = nn.ModuleList(self._up())
        first = c.width(0)
        self.out = nn.Sequential(nn.GroupNorm(GROUPS, first), nn.SiLU(), Conv3x3(first, c.out_channels))

    def forward(self, sample: Tensor, timestep: Tensor | float | int, states: Tensor, pooled: Tensor) -> Tensor:
        """Predict from a noisy picture.

        Args:
            sample: The picture and what stands beside it, [B, C_in, H, W], sides multiples of 2^(levels - 1).
            timestep: 0..999: a number, a scalar tensor or [B].
            states: Of the text, [B, T, D].
            pooled: Of the text, [B, 4 `model_channels`].

        Returns:
            The noise and, in as many channels more, the share of the variance in -1..1, [B, C_out, H, W].

        Raises:
            NodeflowError: NF414, the sample has another number of channels or sides that cannot be halved so often,
                or the text is of another model.
        """
        self._require(sample, states, pooled)
        t = timestep_embedding(
            timestep_vector(timestep, sample), self._c.model_channels, flip_sin_to_cos=True, freq_shift=0
        )
        emb = self.time_embed(t.to(sample)) + pooled
        h, skips = sample, []
        for block in self.input_blocks:
            h = _through(block, h, emb, states)
            skips.append(h)
        h = _through(self.middle_block, h, emb, states)
        for block in self.output_blocks:
            h = _through(block, torch.cat([h, skips.pop()], 1), emb, states)
        return self.out(h)

    def _require(self, sample: Tensor, states: Tensor, pooled: Tensor) -> None:
        c = self._c
        self._require_map(sample, c.in_channels)
        cell, (height, width) = 2 ** (len(c.channel_mult) - 1), sample.shape[-2:]
        if height % cell or width % cell:
            raise NodeflowError("NF414", f"{width} × {height} does not fit the denoiser, which halves a picture to "
                                f"cells of {cell} pixels", fix=f"make both sides multiples of {cell}")  # fmt: skip
        if states.shape[-1] != c.encoder_channels or pooled.shape[-1] != 4 * c.model_channels:
            raise NodeflowError("NF414", "the text was read by another model's text encoder",
                                fix="use the text encoder of the denoiser's own file")  # fmt: skip

    def _down(self) -> Iterator[nn.Module]:
        c, channels = self._c, self._c.width(0)
        yield nn.ModuleList([Conv3x3(c.in_channels, channels)])
        for level in range(len(c.channel_mult)):
            for _ in range(c.num_res_blocks):
                yield self._level(channels, level)
                channels = c.width(level)
            if level < len(c.channel_mult) - 1:
                yield nn.ModuleList([self._res(channels, channels, "down")])

    def _up(self) -> Iterator[nn.Module]:
        c, skips = self._c, list(_skips(self._c))
        channels = skips[-1]
        for level in reversed(range(len(c.channel_mult))):
            for index in range(c.num_res_blocks + 1):
                block = self._level(channels + skips.pop(), level)
                channels = c.width(level)
                if level and index == c.num_res_blocks:
                    block.append(self._res(channels, channels, "up"))
                yield block

    def _level(self, channels: int, level: int) -> nn.ModuleList:
        """A residual block and, where the level has it, attention."""
        width = self._c.width(level)
        block = nn.ModuleList([self._res(channels, width)])
        if 2**level in self._c.attention_resolutions:
            block.append(self._attention(width))
        return block

    def _res(self, channels: int, width: int, resample: Resample = None) -> ResBlock:
        return ResBlock(channels, width, 4 * self._c.model_channels, resample)

    def _attention(self, width: int) -> TextAttention:
        return TextAttention(width, self._c.num_head_channels, self._c.encoder_channels)


class ResBlock(nn.Module):
    """Residual block of two 3×3 convolutions, scaled and shifted by the embedding; may halve or double the map.

    Adaptive group normalisation, (1 + s) GroupNorm(h) + b (Dhariwal & Nichol 2021, arXiv 2105.05233, equation 3).
    """

    def __init__(self, channels: int, width: int, embedding: int, resample: Resample) -> None:
        super().__init__()
        self.resample = resample
        self.in_layers = nn.Sequential(nn.GroupNorm(GROUPS, channels), nn.SiLU(), Conv3x3(channels, width))
        self.emb_layers = nn.Sequential(nn.SiLU(), nn.Linear(embedding, 2 * width))
        # the third place is a dropout in training
        self.out_layers = nn.Sequential(nn.GroupNorm(GROUPS, width), nn.SiLU(), nn.Identity(), Conv3x3(width, width))
        self.skip_connection = nn.Identity() if channels == width else nn.Conv2d(channels, width, 1)

    def forward(self, x: Tensor, emb: Tensor) -> Tensor:
        """[B, C, H, W] and [B, E] -> [B, C', H', W']."""
        norm, act, conv = self.in_layers
        h = act(norm(x))
        if self.resample == "up":
            assert isinstance(conv, Conv3x3)
            h, x = conv.of_doubled(h), F.interpolate(x, scale_factor=2.0, mode="nearest")
        elif self.resample == "down":
            h, x = conv(F.avg_pool2d(h, 2)), F.avg_pool2d(x, 2)
        else:
            h = conv(h)
        scale, shift = self.emb_layers(emb)[:, :, None, None].chunk(2, 1)
        h = torch.addcmul(shift, self.out_layers[0](h), 1 + scale)
        return self.skip_connection(x) + self.out_layers[3](F.silu(h, inplace=True))


class TextAttention(nn.Module):
    """Residual attention of all pixels to a text and to each other, softmax(Q [Kₜ K]ᵀ / √d) [Vₜ V].

    Q, K and V of one head lie together in the fused projections, head after head.
    """

    whole = True
    attend = staticmethod(attend)

    def __init__(self, channels: int, head_channels: int, text_channels: int) -> None:
        super().__init__()
        self.heads = channels // head_channels
        self.norm = nn.GroupNorm(GROUPS, channels)
        self.qkv = nn.Conv1d(channels, 3 * channels, 1)
        self.encoder_kv = nn.Conv1d(text_channels, 2 * channels, 1)
        self.proj_out = nn.Conv1d(channels, channels, 1)

    def forward(self, x: Tensor, states: Tensor) -> Tensor:
        """[B, C, H, W] and [B, T, D] -> [B, C, H, W]."""
        pixels = self.norm(x).flatten(2).transpose(1, 2)
        q, k, v = _heads(self.qkv, pixels, self.heads).chunk(3, -1)
        text_k, text_v = _heads(self.encoder_kv, states, self.heads).chunk(2, -1)
        read = self.attend(q, torch.cat([text_k, k], 2), torch.cat([text_v, v], 2))
        h = _matrix(self.proj_out, read.transpose(1, 2).flatten(2))
        return x + h.transpose(1, 2).reshape(x.shape)


def _heads(project: nn.Conv1d, tokens: Tensor, heads: int) -> Tensor:
    """[B, N, C] -> [B, heads, N, d]."""
    return _matrix(project, tokens).unflatten(-1, (heads, -1)).transpose(1, 2)


def _matrix(conv: nn.Conv1d, tokens: Tensor) -> Tensor:
    """A convolution of length 1 over tokens that lie one after the other, [B, N, C] -> [B, N, C']."""
    return linear(tokens, conv.weight.squeeze(-1), conv.bias)


def _skips(c: Text2ImConfig) -> Iterator[int]:
    """Channels of what each input block hands on."""
    yield c.width(0)
    for level in range(len(c.channel_mult)):
        yield from [c.width(level)] * (c.num_res_blocks + (level < len(c.channel_mult) - 1))


def _through(block: nn.Module, h: Tensor, emb: Tensor, states: Tensor) -> Tensor:
    for layer in block.children():
        if isinstance(layer, ResBlock):
            h = layer(h, emb)
        else:
            h = layer(h, states) if isinstance(layer, TextAttention) else layer(h)
    return h
