"""T5EncoderModel: the text encoder of Stable Diffusion 3, Flux and many after them.

The encoder of T5 (Raffel et al. 2019, arXiv 1910.10683, section 2.1) in the form of its version 1.1 (Shazeer 2020,
arXiv 2002.05202), under the published names and keys.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Literal, NamedTuple, Self

import torch
import torch.nn.functional as F
from msgspec import Meta
from torch import Tensor, nn

from nodeflow.errors import NodeflowError

from .attending import attend
from .base import Config, Count, Eps, Model, Width
from .kernels import Linear, linear

_TIED = "encoder.embed_tokens.weight"
_OTHERS = ("decoder.", "lm_head.")
"""What a whole T5 has besides its encoder."""


class T5Config(Config, frozen=True, kw_only=True):
    """Published keys of `T5EncoderModel`."""

    vocab_size: Annotated[int, Meta(ge=1, le=1 << 20)] = 32128
    d_model: Width = 512
    d_kv: Width = 64
    d_ff: Width = 2048
    num_layers: Count = 6
    num_heads: Count = 8
    relative_attention_num_buckets: Annotated[int, Meta(ge=4, le=4096)] = 32
    relative_attention_max_distance: Annotated[int, Meta(ge=4, le=1 << 20)] = 128
    layer_norm_epsilon: Eps = 1e-6
    feed_forward_proj: Literal["relu", "gated-gelu"] = "relu"

    def check(self) -> None:
        exact = self.relative_attention_num_buckets // 4
        if self.relative_attention_num_buckets % 4 or self.relative_attention_max_distance <= exact:
            raise self.refuse("relative_attention_num_buckets", "not four shares that reach the largest distance")


class T5States(NamedTuple):
    """What the encoder says about a prompt: the normalised states of its last layer, [B, T, D]."""

    last_hidden_state: Tensor


class T5LayerNorm(nn.Module):
    """x / √(mean x² + ε), times a weight for each channel (Zhang & Sennrich 2019, arXiv 1910.07467)."""

    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """float32 [B, T, D] -> in the format of the weights, [B, T, D]."""
        return F.rms_norm(x, x.shape[-1:], eps=self.eps).to(self.weight.dtype) * self.weight


class T5Attention(nn.Module):
    """Attention whose scores are not divided by √d, but shifted by how far apart two tokens are.

    Args:
        buckets: Kinds of distances that are told apart; None for all layers but the first, whose shifts they share.
    """

    attend = staticmethod(attend)
    relative_attention_bias: nn.Embedding

    def __init__(self, c: T5Config, buckets: int | None) -> None:
        super().__init__()
        inner = c.num_heads * c.d_kv
        self.heads = c.num_heads
        self.q, self.k, self.v = (Linear(c.d_model, inner, bias=False) for _ in range(3))
        self.o = Linear(inner, c.d_model, bias=False)
        if buckets:
            self.relative_attention_bias = nn.Embedding(buckets, c.num_heads)

    def forward(self, x: Tensor, shift: Tensor) -> Tensor:
        """[B, T, D], `shift` of the scores [B or 1, heads, T, T] -> [B, T, D]."""
        q, k, v = (p(x).unflatten(-1, (self.heads, -1)).transpose(1, 2) for p in (self.q, self.k, self.v))
        read = self.attend(q, k, v, shift, scale=1.0)
        return self.o(read.transpose(1, 2).flatten(2))


class WideLinear(Linear):
    """A linear layer that computes in the format of its input."""

    def forward(self, x: Tensor) -> Tensor:
        """[..., C] -> [..., C'], in the format of x."""
        return linear(x, self.weight.to(x.dtype))


class T5Perceptron(nn.Module):
    """W_o (GELU(W_0 x) ⊙ W_1 x), or W_o ReLU(W_i x) in the first version."""

    def __init__(self, c: T5Config) -> None:
        super().__init__()
        self.gated = c.feed_forward_proj == "gated-gelu"
        if self.gated:
            self.wi_0, self.wi_1 = (Linear(c.d_model, c.d_ff, bias=False) for _ in range(2))
        else:
            self.wi = Linear(c.d_model, c.d_ff, bias=False)
        self.wo = WideLinear(c.d_ff, c.d_model, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """[B, T, D] -> [B, T, D], float32 where x is float16: trained in bfloat16, these values leave its range."""
        wide = torch.float32 if x.dtype == torch.float16 else x.dtype
        if self.gated:
            h = F.gelu(self.wi_0(x), approximate="tanh").to(wide) * self.wi_1(x).to(wide)
        else:
            h = F.relu(self.wi(x)).to(wide)
        return self.wo(h)


class T5Layer(nn.Module):
    """One of a block's two residual branches, normalised before.

    Args:
        name: The published name of what it holds.
    """

    def __init__(self, c: T5Config, name: str, branch: nn.Module) -> None:
        super().__init__()
        self.add_module(name, branch)
        self.layer_norm = T5LayerNorm(c.d_model, c.layer_norm_epsilon)
        self._name = name

    def forward(self, x: Tensor, *more: Tensor) -> Tensor:
        """float32 [B, T, D] -> float32 [B, T, D]."""
        return x + getattr(self, self._name)(self.layer_norm(x), *more).float()


class T5Block(nn.Module):
    """Attention and perceptron. The sum that runs through all blocks is float32 in any format of the weights."""

    def __init__(self, c: T5Config, first: bool) -> None:
        super().__init__()
        attention = T5Attention(c, c.relative_attention_num_buckets if first else None)
        layers = [T5Layer(c, "SelfAttention", attention), T5Layer(c, "DenseReluDense", T5Perceptron(c))]
        self.layer = nn.ModuleList(layers)

    def forward(self, x: Tensor, shift: Tensor) -> Tensor:
        """float32 [B, T, D] -> float32 [B, T, D]."""
        return self.layer[1](self.layer[0](x, shift))


class T5Stack(nn.Module):
    """The blocks and the last normalisation."""

    def __init__(self, c: T5Config) -> None:
        super().__init__()
        self._c = c
        self.block = nn.ModuleList(T5Block(c, first=i == 0) for i in range(c.num_layers))
        self.final_layer_norm = T5LayerNorm(c.d_model, c.layer_norm_epsilon)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """Embedded tokens [B, T, D], `mask` [B, T] True where a token may be read -> [B, T, D]."""
        shift = self._shift(x.shape[1], x.dtype, x.device)
        if mask is not None:
            shift = shift.masked_fill(~mask[:, None, None, :], torch.finfo(x.dtype).min)
        x = x.float()
        for block in self.block:
            x = block(x, shift)
        return self.final_layer_norm(x)

    def _shift(self, length: int, dtype: torch.dtype, device: torch.device) -> Tensor:
        """What is added to the scores of tokens by their distance, [1, heads, T, T]."""
        table = self.get_submodule("block.0.layer.0.SelfAttention.relative_attention_bias")
        place = torch.arange(length, device=device)
        buckets, reach = self._c.relative_attention_num_buckets, self._c.relative_attention_max_distance
        return table(bucket(place[None] - place[:, None], buckets, reach)).to(dtype).permute(2, 0, 1)[None]


class T5EncoderModel(Model):
    """The encoder of T5."""

    Config = T5Config

    def __init__(self, config: T5Config) -> None:
        super().__init__()
        self.shared = nn.Embedding(config.vocab_size, config.d_model)
        self.encoder = T5Stack(config)

    def load(self, state: Mapping[str, Tensor]) -> Self:
        """As `Model.load`; the embedding may come under either of its names, and a decoder beside it is left out."""
        own = {name: tensor for name, tensor in state.items() if not name.startswith(_OTHERS) and name != _TIED}
        if _TIED in state:
            own.setdefault("shared.weight", state[_TIED])
        return super().load(own)

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> T5States:
        """Encode prompts.

        Args:
            input_ids: Tokens, [B, T]; any T.
            attention_mask: [B, T], 1 for tokens that may be read, 0 for padding; None = all may.

        Raises:
            NodeflowError: NF408, a token is outside the vocabulary.
        """
        known = self.shared.num_embeddings
        if input_ids.numel() and int(input_ids.max()) >= known:
            raise NodeflowError(
                "NF408",
                f"the tokenizer gives token {int(input_ids.max())}, but the text encoder knows {known} tokens",
                fix="use the tokenizer that belongs to the text encoder",
            )
        mask = None if attention_mask is None else attention_mask.bool()
        return T5States(self.encoder(self.shared(input_ids), mask))


def bucket(distance: Tensor, buckets: int, reach: int) -> Tensor:
    """Which kind of distance each is: half of the buckets look ahead, half of each half is exact, the rest grow.

    With n = buckets / 4, a distance d of n or more falls into n + ⌊n ln(d / n) / ln(reach / n)⌋, at most 2n − 1.

    Args:
        distance: How far ahead the token that is read stands, integers of any shape.
        buckets: A multiple of 4.
        reach: Distances from here on are alike.
    """
    ahead, n = (distance > 0).long() * (buckets // 2), buckets // 4
    d = distance.abs()
    grown = n + (torch.log(d.clamp(min=1).float() / n) / math.log(reach / n) * n).long()
    return ahead + torch.where(d < n, d, grown.clamp(max=2 * n - 1))
