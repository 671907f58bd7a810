"""IPAdapter: what lets a U-net read a picture beside its text.

Ye et al. 2023, "IP-Adapter", arXiv 2308.06721, section 3.2: what an image encoder says of the picture becomes a few
tokens, and each attention to the text gets keys and values of its own for them. Under the published parameter names;
the configuration is not published but told from the shapes of the file.
"""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from msgspec import Meta
from torch import Tensor, nn

from nodeflow.errors import NodeflowError

from .attending import attend
from .base import Config, Count, Model, Width

_HEAD = 64
"""Channels of a head."""


class IPAdapterConfig(Config, frozen=True, kw_only=True):
    """What the shapes of an adapter's file say.

    Args:
        reads: "pooled", the one vector that an encoder says of a picture, or "states", those of all its patches before
            the last layer ("plus").
        image_width: Of these.
        width: Of the tokens, as the text states that the U-net reads.
        tokens: How many a picture becomes.
        layers: Width of each block of the U-net that reads a text.
        hidden_width: Of the resampler of a "plus".
        inner_width: Of its attention.
        depth: Its layers.
    """

    reads: Literal["pooled", "states"] = "pooled"
    image_width: Width = 1024
    width: Width = 768
    tokens: Count = 4
    layers: Annotated[tuple[Width, ...], Meta(min_length=1, max_length=512)] = ()
    hidden_width: Width = 768
    inner_width: Width = 768
    depth: Count = 4

    def check(self) -> None:
        if self.reads == "states" and self.inner_width % _HEAD:
            raise self.refuse("inner_width", f"no multiple of {_HEAD}")


class ImageProjection(nn.Module):
    """One vector as a few tokens."""

    def __init__(self, c: IPAdapterConfig) -> None:
        super().__init__()
        self.tokens = c.tokens
        self.proj = nn.Linear(c.image_width, c.tokens * c.width)
        self.norm = nn.LayerNorm(c.width)

    def forward(self, x: Tensor) -> Tensor:
        """[B, P] -> [B, T, D]."""
        return self.norm(self.proj(x).unflatten(-1, (self.tokens, -1)))


class PerceiverAttention(nn.Module):
    """Learnt tokens read from a picture's patches and from themselves."""

    attend = staticmethod(attend)

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.heads = inner // _HEAD
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.to_q = nn.Linear(width, inner, bias=False)
        self.to_kv = nn.Linear(width, 2 * inner, bias=False)
        self.to_out = nn.Linear(inner, width, bias=False)

    def forward(self, x: Tensor, tokens: Tensor) -> Tensor:
        """Patches [B, N, C], tokens [B, T, C] -> [B, T, C]."""
        tokens = self.norm2(tokens)
        k, v = self.to_kv(torch.cat([self.norm1(x), tokens], dim=1)).chunk(2, dim=-1)
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in (self.to_q(tokens), k, v))
        return self.to_out(self.attend(q, k, v).transpose(1, 2).flatten(2))


class ResamplerLayer(nn.ModuleList):
    """Attention and perceptron, each residual, named by their numbers."""

    def __init__(self, width: int, inner: int) -> None:
        first, second = nn.Linear(width, 4 * width, bias=False), nn.Linear(4 * width, width, bias=False)
        super().__init__(
            [PerceiverAttention(width, inner), nn.Sequential(nn.LayerNorm(width), first, nn.GELU(), second)]
        )

    def forward(self, x: Tensor, tokens: Tensor) -> Tensor:
        """Patches [B, N, C], tokens [B, T, C] -> [B, T, C]."""
        attend, perceive = self
        tokens = tokens + attend(x, tokens)
        return tokens + perceive(tokens)


class Resampler(nn.Module):
    """The states of all patches as a few tokens (Alayrac et al. 2022, arXiv 2204.14198, section 2.1)."""

    def __init__(self, c: IPAdapterConfig) -> None:
        super().__init__()
        width = c.hidden_width
        self.latents = nn.Parameter(torch.randn(1, c.tokens, width) / width**0.5)
        self.proj_in = nn.Linear(c.image_width, width)
        self.proj_out = nn.Linear(width, c.width)
        self.norm_out = nn.LayerNorm(c.width)
        self.layers = nn.ModuleList(ResamplerLayer(width, c.inner_width) for _ in range(c.depth))

    def forward(self, x: Tensor) -> Tensor:
        """[B, N, P] -> [B, T, D]."""
        x, tokens = self.proj_in(x), self.latents.expand(len(x), -1, -1)
        for layer in self.layers:
            tokens = layer(x, tokens)
        return self.norm_out(self.proj_out(tokens))


class Projections(nn.Module):
    """Keys and values of one block."""

    def __init__(self, width: int, channels: int) -> None:
        super().__init__()
        self.to_k_ip = nn.Linear(width, channels, bias=False)
        self.to_v_ip = nn.Linear(width, channels, bias=False)


class IPAdapter(Model):
    """An adapter of Stable Diffusion or SDXL, plain or "plus"."""

    Config = IPAdapterConfig

    def __init__(self, config: IPAdapterConfig) -> None:
        super().__init__()
        self._c = c = config
        self.image_proj = Resampler(c) if c.reads == "states" else ImageProjection(c)
        blocks = {str(2 * i + 1): Projections(c.width, channels) for i, channels in enumerate(c.layers)}
        self.ip_adapter = nn.ModuleDict(blocks)

    def forward(self, x: Tensor) -> list[tuple[Tensor, Tensor]]:
        """What each block reads beside the text.

        Args:
            x: What the encoder says of pictures: pooled [N, P], or states [N, T, P].

        Returns:
            Keys and values of all N pictures together, [1, M, C] each.

        Raises:
            NodeflowError: NF414, it is of another width.
        """
        if x.shape[-1] != self._c.image_width:
            raise NodeflowError(
                "NF414",
                f"this IP-Adapter reads image states {self._c.image_width} wide, and these are {x.shape[-1]} wide",
                fix="use the image encoder that it was trained with",
            )
        tokens = self.image_proj(x).flatten(0, 1)[None]
        return [(block.to_k_ip(tokens), block.to_v_ip(tokens)) for block in self.ip_adapter.values()]  # type: ignore[operator]
