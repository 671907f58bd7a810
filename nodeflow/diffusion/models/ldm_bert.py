"""LDMBertModel: the text encoder of the first text-to-image latent diffusion (Rombach et al. 2022, section 4.3.1).

A transformer that was trained together with the denoiser: every token reads every other, padding too.
"""

from __future__ import annotations

from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from msgspec import Meta
from torch import Tensor, nn

from nodeflow.errors import NodeflowError

from .attending import attend
from .base import Config, Count, Model, Width
from .clip_text import TextStates
from .kernels import Linear


class LDMBertConfig(Config, frozen=True, kw_only=True):
    """Published keys of `LDMBertModel`."""

    vocab_size: Annotated[int, Meta(ge=1, le=1 << 20)] = 30522
    max_position_embeddings: Annotated[int, Meta(ge=1, le=1 << 16)] = 77
    encoder_layers: Count = 32
    encoder_ffn_dim: Width = 5120
    encoder_attention_heads: Count = 8
    head_dim: Width = 64
    activation_function: Literal["gelu"] = "gelu"
    d_model: Width = 1280


class LDMBertModel(Model):
    """Tokens to states."""

    Config = LDMBertConfig

    def __init__(self, config: LDMBertConfig) -> None:
        super().__init__()
        self.model = LDMBertEncoder(config)
        self.to_logits = nn.Linear(config.d_model, config.vocab_size)

    @property
    def final_layer_norm(self) -> nn.LayerNorm:
        """Normalises the states of an earlier layer when the last ones are skipped."""
        return self.model.layer_norm

    def forward(self, input_ids: Tensor, output_hidden_states: bool = True) -> TextStates:
        """Encode prompts.

        Args:
            input_ids: Tokens, [B, T], T at most `max_position_embeddings`.
            output_hidden_states: Accepted as transformers' models do; ours cost nothing.

        Returns:
            `pooler_output` is the state of the first token.

        Raises:
            NodeflowError: NF414, the prompts are too long.
        """
        states = self.model(input_ids)
        last = self.model.layer_norm(states[-1])
        return TextStates(last, last[:, 0], states)


class LDMBertEncoder(nn.Module):
    """Embeddings and layers, and the normalisation that follows them."""

    def __init__(self, c: LDMBertConfig) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(c.vocab_size, c.d_model)
        self.embed_positions = nn.Embedding(c.max_position_embeddings, c.d_model)
        self.layers = nn.ModuleList(LDMBertLayer(c) for _ in range(c.encoder_layers))
        self.layer_norm = nn.LayerNorm(c.d_model)

    def forward(self, input_ids: Tensor) -> tuple[Tensor, ...]:
        """[B, T] -> the embeddings and the states after every layer, [B, T, D] each."""
        length, most = input_ids.shape[-1], self.embed_positions.num_embeddings
        if length > most:
            raise NodeflowError("NF414", f"a prompt of {length} tokens, but the text encoder reads {most}")
        x = self.embed_tokens(input_ids) + self.embed_positions(torch.arange(length, device=input_ids.device))
        states = [x]
        for layer in self.layers:
            states.append(layer(states[-1]))
        return tuple(states)


class LDMBertLayer(nn.Module):
    """Attention and perceptron, each normalised before."""

    def __init__(self, c: LDMBertConfig) -> None:
        super().__init__()
        self.self_attn = LDMBertAttention(c.d_model, c.encoder_attention_heads, c.head_dim)
        self.self_attn_layer_norm = nn.LayerNorm(c.d_model)
        self.fc1 = Linear(c.d_model, c.encoder_ffn_dim)
        self.fc2 = Linear(c.encoder_ffn_dim, c.d_model)
        self.final_layer_norm = nn.LayerNorm(c.d_model)

    def forward(self, x: Tensor) -> Tensor:
        """[B, T, D] -> [B, T, D]."""
        x = x + self.self_attn(self.self_attn_layer_norm(x))
        y = x + self.fc2(F.gelu(self.fc1(self.final_layer_norm(x))))
        if y.dtype == torch.float16:
            most = torch.finfo(y.dtype).max - 1000
            y = y.clamp(-most, most)
        return y


class LDMBertAttention(nn.Module):
    """Multi-head attention whose heads together may be narrower than the states."""

    attend = staticmethod(attend)

    def __init__(self, width: int, heads: int, head_width: int) -> None:
        super().__init__()
        self.heads = heads
        self.q_proj, self.k_proj, self.v_proj = (Linear(width, heads * head_width, bias=False) for _ in range(3))
        self.out_proj = Linear(heads * head_width, width)

    def forward(self, x: Tensor) -> Tensor:
        """[B, T, D] -> [B, T, D]."""
        q, k, v = (
            project(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for project in (self.q_proj, self.k_proj, self.v_proj)
        )
        return self.out_proj(self.attend(q, k, v).transpose(1, 2).flatten(2))
