"""Attention over tokens, over pixels, and the transformer that lets pixels read a text."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping

import torch.nn.functional as F
from torch import Tensor, nn

from .attending import attend
from .kernels import Linear, linear
from .perturbation import Beside, Change, Changes, change_of


class Attention(nn.Module):
    """Multi-head attention, softmax(Q Kᵀ / √d) V (Vaswani et al. 2017, equation 1).

    The scores are computed in float32 whatever the number format: every kernel of torch's fused attention does,
    which is all that the published option `upcast_attention` asks for.

    Args:
        channels: Width of the queries' tokens.
        context_channels: Width of the tokens that are read; None for self-attention.
        bias: Whether the projections to Q, K and V have a bias.
    """

    attend = staticmethod(attend)

    def __init__(
        self,
        channels: int,
        heads: int,
        context_channels: int | None = None,
        bias: bool = False,
    ) -> None:
        super().__init__()
        self.heads = heads
        self.to_q = Linear(channels, channels, bias)
        self.to_k = Linear(context_channels or channels, channels, bias)
        self.to_v = Linear(context_channels or channels, channels, bias)
        self.to_out = nn.ModuleList([Linear(channels, channels)])

    def forward(
        self,
        x: Tensor,
        context: Tensor | None = None,
        mask: Tensor | None = None,
        change: Change | Beside | None = None,
    ) -> Tensor:
        """Let tokens read from a context.

        Args:
            x: Tokens, [B, N, C].
            context: Tokens to read, [B, M, D]; None reads `x` itself.
            mask: Added to the scores or, boolean, True where reading is allowed; broadcasts to [B, heads, N, M].
            change: What is to be done inside self-attention, or read beside the context.

        Returns:
            Tokens, [B, N, C].
        """
        context = x if context is None else context
        q, k, v = (self._split(p) for p in (self.to_q(x), self.to_k(context), self.to_v(context)))
        read = self.attend(q, k, v, mask) if change is None else change.attention(q, k, v, mask, self.attend)
        return self.to_out[0](read.transpose(1, 2).flatten(2))

    def _split(self, tokens: Tensor) -> Tensor:
        return tokens.unflatten(-1, (self.heads, -1)).transpose(1, 2)


class AttentionBlock(Attention):
    """Residual self-attention between all pixels of a feature map (DDPM, appendix B).

    Args:
        groups: Groups of the normalisation before; None for none.
        output_scale: What the sum of both branches is divided by.
    """

    attends_to_itself = True

    def __init__(
        self, channels: int, head_channels: int, groups: int | None, eps: float, output_scale: float = 1.0
    ) -> None:
        super().__init__(channels, channels // head_channels, bias=True)
        self.output_scale = output_scale
        self.group_norm = nn.GroupNorm(groups, channels, eps) if groups else None

    def forward(  # type: ignore[override]
        self, x: Tensor, context: Tensor | None = None, mask: Tensor | None = None, changes: Changes | None = None
    ) -> Tensor:
        """[B, C, H, W] -> [B, C, H, W]; `context` and `mask` are not read."""
        change = change_of(changes, self, x)
        h = x if self.group_norm is None else self.group_norm(x)
        h = to_pixels(super().forward(to_tokens(h), change=change), x)
        y = x + h if self.output_scale == 1 else (x + h) / self.output_scale
        return y if change is None else change.passed(x, y)


class GEGLU(nn.Module):
    """Gated GELU, (x W + b) ⊙ GELU(x V + c) (Shazeer 2020, equation 6)."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.proj = Linear(channels, 2 * hidden)

    def forward(self, x: Tensor) -> Tensor:
        """[B, N, C] -> [B, N, hidden]."""
        h, gate = self.proj(x).chunk(2, dim=-1)
        return h * F.gelu(gate)


class TanhGELU(nn.Module):
    """GELU(x W + b), in its approximation by a hyperbolic tangent (Hendrycks & Gimpel 2016, section 2)."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.proj = Linear(channels, hidden)

    def forward(self, x: Tensor) -> Tensor:
        """[B, N, C] -> [B, N, hidden]."""
        return F.gelu(self.proj(x), approximate="tanh")


class FeedForward(nn.Module):
    """Two linear layers around a GELU, four times wider inside.

    The place between them is a dropout in the published networks, never used but counted in the names.

    Args:
        gated: Around a gated GELU; else a plain one.
    """

    def __init__(self, channels: int, gated: bool = True) -> None:
        super().__init__()
        hidden = 4 * channels
        first = (GEGLU if gated else TanhGELU)(channels, hidden)
        self.net = nn.Sequential(first, nn.Identity(), Linear(hidden, channels))

    def forward(self, x: Tensor) -> Tensor:
        """[B, N, C] -> [B, N, C]."""
        return self.net(x)


class BasicTransformerBlock(nn.Module):
    """Self-attention, attention to a text, feed-forward; each residual and normalised before.

    Latent diffusion (Rombach et al. 2022), appendix E.2.1.

    Args:
        context_channels: Width of the text's tokens; None leaves the attention to a text out.
        only_cross_attention: The first attention reads the text too.
    """

    reads_text = True

    def __init__(
        self,
        channels: int,
        heads: int,
        context_channels: int | None,
        only_cross_attention: bool = False,
    ) -> None:
        super().__init__()
        self.only_cross_attention = only_cross_attention
        self.attends_to_itself = not only_cross_attention
        self.norm1 = nn.LayerNorm(channels)
        self.attn1 = Attention(channels, heads, context_channels if only_cross_attention else None)
        self.norm2 = nn.LayerNorm(channels)
        self.attn2 = Attention(channels, heads, context_channels)
        self.norm3 = nn.LayerNorm(channels)
        self.ff = FeedForward(channels)

    def forward(
        self, x: Tensor, context: Tensor | None = None, mask: Tensor | None = None, change: Change | None = None
    ) -> Tensor:
        """[B, N, C], reading `context` [B, M, D] where `mask` allows -> [B, N, C]."""
        first = (context, mask) if self.only_cross_attention else (None, None)
        y = x + self.attn1(self.norm1(x), *first, change)
        y = y + self.attn2(self.norm2(y), context, mask, change and change.beside)
        y = y + self.ff(self.norm3(y))
        return y if change is None else change.passed(x, y)


class PointwiseConv(nn.Conv2d):
    """A 1×1 convolution applied to tokens [B, N, C]: a linear layer whose weight is stored as [C', C, 1, 1]."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """[B, N, C] -> [B, N, C']."""
        return linear(x, self.weight.flatten(1), self.bias)


class Transformer2DModel(nn.Module):
    """A transformer over the pixels of a feature map, residual.

    Args:
        layers: Number of transformer blocks.
        use_linear_projection: How the projections in and out store their weights: SD 2 and SDXL as matrices,
            SD 1 as 1×1 convolutions.
    """

    def __init__(
        self,
        channels: int,
        heads: int,
        layers: int,
        context_channels: int | None,
        *,
        groups: int = 32,
        use_linear_projection: bool = False,
        only_cross_attention: bool = False,
    ) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(groups, channels, eps=1e-6)
        self.proj_in, self.proj_out = (
            Linear(channels, channels) if use_linear_projection else PointwiseConv(channels) for _ in range(2)
        )
        self.transformer_blocks = nn.ModuleList(
            BasicTransformerBlock(channels, heads, context_channels, only_cross_attention) for _ in range(layers)
        )

    def forward(
        self, x: Tensor, context: Tensor | None = None, mask: Tensor | None = None, changes: Changes | None = None
    ) -> Tensor:
        """[B, C, H, W], reading `context` [B, M, D] where `mask` allows -> [B, C, H, W]."""
        tokens = self.proj_in(to_tokens(self.norm(x)))
        for block in self.transformer_blocks:
            tokens = block(tokens, context, mask, change_of(changes, block, x))
        return x + to_pixels(self.proj_out(tokens), x)


def to_tokens(x: Tensor) -> Tensor:
    """[B, C, H, W] -> [B, H W, C], a view."""
    return x.flatten(2).transpose(1, 2)


def to_pixels(tokens: Tensor, like: Tensor) -> Tensor:
    """[B, H W, C] -> [B, C, H, W], a view, with height and width of `like`."""
    return tokens.transpose(1, 2).unflatten(2, like.shape[-2:])


def current_names(state: Mapping[str, Tensor], known: Container[str] = ()) -> dict[str, Tensor]:
    """Weights under today's names of the attention's projections.

    Repositories of 2022 call them `query`, `key`, `value`, `proj_attn`.

    Args:
        state: Tensors by name.
        known: Names that stay: networks for waves are still published under those of 2022.
    """
    return {name if name in known else ".".join(_current(name.split("."))): tensor for name, tensor in state.items()}


def _current(parts: list[str]) -> Iterable[str]:
    renamed = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}
    return (*parts[:-2], renamed.get(parts[-2], parts[-2]), parts[-1]) if len(parts) > 1 else parts
