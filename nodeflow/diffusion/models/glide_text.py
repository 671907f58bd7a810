"""GlideTextModel: the text transformer of GLIDE (Nichol et al. 2021, arXiv 2112.10741, section 2.3).

It was trained together with its denoiser and lies in the same file; parameter names are those of that file. Every
token reads every other. Where a prompt has no token stands a vector learnt for that place.
"""

from __future__ import annotations

from typing import Annotated

import torch
import torch.nn.functional as F
from msgspec import Meta
from torch import Tensor, nn

from nodeflow.errors import NodeflowError

from .attending import attend
from .base import Config, Count, Model, Width
from .clip_text import TextStates
from .kernels import Linear


class GlideTextConfig(Config, frozen=True, kw_only=True):
    """What GLIDE's text transformer is built from.

    Args:
        n_vocab: Tokens that it knows.
        text_ctx: Tokens that it reads.
        xf_width: Width of its states.
        xf_layers: How many layers.
        xf_heads: Heads of a layer.
        pooled_width: Width of the pooled state, four times the `model_channels` of its denoiser.
    """

    n_vocab: Annotated[int, Meta(ge=1, le=1 << 20)] = 50257
    text_ctx: Annotated[int, Meta(ge=1, le=1 << 16)] = 128
    xf_width: Width = 512
    xf_layers: Count = 16
    xf_heads: Count = 8
    pooled_width: Width = 768

    def check(self) -> None:
        if self.xf_width % self.xf_heads:
            raise self.refuse("xf_heads", f"which does not divide xf_width = {self.xf_width}")


class GlideTextModel(Model):
    """Tokens to states, and a pooled state for the denoiser's time embedding."""

    Config = GlideTextConfig

    def __init__(self, config: GlideTextConfig) -> None:
        super().__init__()
        c = config
        self.transformer = Transformer(c.xf_width, c.xf_layers, c.xf_heads)
        self.final_ln = nn.LayerNorm(c.xf_width)
        self.token_embedding = nn.Embedding(c.n_vocab, c.xf_width)
        self.positional_embedding = nn.Parameter(torch.zeros(c.text_ctx, c.xf_width))
        self.padding_embedding = nn.Parameter(torch.zeros(c.text_ctx, c.xf_width))
        self.transformer_proj = nn.Linear(c.xf_width, c.pooled_width)

    @property
    def final_layer_norm(self) -> nn.LayerNorm:
        """Normalises the states of an earlier layer when the last ones are skipped."""
        return self.final_ln

    def forward(self, input_ids: Tensor, mask: Tensor, output_hidden_states: bool = True) -> TextStates:
        """Encode prompts.

        Args:
            input_ids: Tokens, [B, text_ctx].
            mask: True where a token is the prompt's, [B, text_ctx]; the others are not looked at.
            output_hidden_states: Accepted as transformers' models do; ours cost nothing.

        Returns:
            `pooler_output` is the projected state of the last place, [B, pooled_width].

        Raises:
            NodeflowError: NF414, the prompts are of another length.
        """
        self._require_weights(input_ids)
        length = len(self.positional_embedding)
        if input_ids.shape[-1] != length:
            raise NodeflowError(
                "NF414", f"a prompt of {input_ids.shape[-1]} tokens, but the text encoder reads {length}"
            )
        x = torch.where(
            mask[..., None], self.token_embedding(input_ids) + self.positional_embedding, self.padding_embedding
        )
        states = self.transformer(x)
        last = self.final_ln(states[-1])
        return TextStates(last, self.transformer_proj(last[:, -1]), states)


class Transformer(nn.Module):
    """Layers, one after the other."""

    def __init__(self, width: int, layers: int, heads: int) -> None:
        super().__init__()
        self.resblocks = nn.ModuleList(ResidualAttentionBlock(width, heads) for _ in range(layers))

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """[B, T, D] -> it and the states after every layer, [B, T, D] each."""
        states = [x]
        for block in self.resblocks:
            states.append(block(states[-1]))
        return tuple(states)


class ResidualAttentionBlock(nn.Module):
    """Attention and perceptron, each normalised before."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attn = FusedAttention(width, heads)
        self.ln_1 = nn.LayerNorm(width)
        self.mlp = Perceptron(width)
        self.ln_2 = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        """[B, T, D] -> [B, T, D]."""
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))


class FusedAttention(nn.Module):
    """Self-attention; Q, K and V of one head lie together in the fused projection, head after head."""

    attend = staticmethod(attend)

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.c_qkv = Linear(width, 3 * width)
        self.c_proj = Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """[B, T, D] -> [B, T, D]."""
        q, k, v = self.c_qkv(x).unflatten(-1, (self.heads, -1)).transpose(1, 2).chunk(3, -1)
        return self.c_proj(self.attend(q, k, v).transpose(1, 2).flatten(2))


class Perceptron(nn.Module):
    """Two linear layers around a GELU, four times wider inside."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.c_fc = Linear(width, 4 * width)
        self.c_proj = Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """[B, T, D] -> [B, T, D]."""
        return self.c_proj(F.gelu(self.c_fc(x)))
