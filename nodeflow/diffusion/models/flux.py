"""FluxTransformer2DModel: the transformer of Flux.1, its Fill, Kontext and structural versions.

An MMDiT (Esser et al. 2024, arXiv 2403.03206) with rotary positions (Su et al. 2021, arXiv 2104.09864), whose later
blocks treat text and picture alike and run attention and perceptron in parallel (Dehghani et al. 2023, arXiv
2302.05442, section 2). Written from the published weights and these papers; Flux has none of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch
import torch.nn.functional as F
from msgspec import Meta
from torch import Tensor, nn

from nodeflow.errors import NodeflowError

from .base import Config, Count, Model, Width
from .embeddings import timestep_vector
from .joint import JointTransformerBlock, SelfAttention, require_skip
from .kernels import Linear
from .modulation import Condition, FinalModulation, Modulation, gated, modulated, normalised
from .perturbation import Change, Changes
from .rotary import rotations
from .transformer import require_texts

Blocks = Annotated[int, Meta(ge=0, le=256)]
_THOUSAND = 1000


class FluxTransformerConfig(Config, frozen=True, kw_only=True):
    """Published keys of `FluxTransformer2DModel`."""

    patch_size: Annotated[int, Meta(ge=1, le=64)] = 1
    in_channels: Width = 64
    out_channels: Width | None = None
    num_layers: Blocks = 19
    num_single_layers: Blocks = 38
    attention_head_dim: Width = 128
    num_attention_heads: Count = 24
    joint_attention_dim: Width = 4096
    pooled_projection_dim: Width = 768
    guidance_embeds: bool = False
    axes_dims_rope: tuple[Width, Width, Width] = (16, 56, 56)

    def check(self) -> None:
        if sum(self.axes_dims_rope) != self.attention_head_dim or any(width % 2 for width in self.axes_dims_rope):
            raise self.refuse("axes_dims_rope", f"which are not even shares of {self.attention_head_dim} channels")

    @property
    def width(self) -> int:
        """Channels of a token."""
        return self.num_attention_heads * self.attention_head_dim


class FluxTrunk(Model):
    """What the transformer and the networks that steer it have in common: embeddings and blocks."""

    Config = FluxTransformerConfig

    def __init__(self, config: FluxTransformerConfig) -> None:
        super().__init__()
        self._c = c = config
        heads = c.num_attention_heads
        self.time_text_embed = Condition(c.pooled_projection_dim, c.width, c.guidance_embeds)
        self.context_embedder = Linear(c.joint_attention_dim, c.width)
        self.x_embedder = Linear(c.in_channels, c.width)
        self.transformer_blocks = nn.ModuleList(
            JointTransformerBlock(c.width, heads, qk_norm=True) for _ in range(c.num_layers)
        )
        self.single_transformer_blocks = nn.ModuleList(
            FluxSingleTransformerBlock(c.width, heads) for _ in range(c.num_single_layers)
        )

    def _condition(self, timestep: Tensor | float, pooled: Tensor, guidance: Tensor | None) -> Tensor:
        t = timestep_vector(timestep, pooled).float() * _THOUSAND
        told = None if guidance is None else timestep_vector(guidance, pooled).float() * _THOUSAND
        return self.time_text_embed(t, pooled, told)

    def _require(
        self,
        x: Tensor,
        text: Tensor,
        pooled: Tensor,
        img_ids: Tensor,
        txt_ids: Tensor,
        guidance: Tensor | None,
    ) -> None:
        """Raise NF414 unless these fit the network and each other."""
        self._require_weights(x)
        require_texts(len(x), text, pooled, self._c.joint_attention_dim, self._c.pooled_projection_dim)
        if x.ndim != 3 or x.shape[2] != self._c.in_channels or img_ids.shape != (x.shape[1], 3) or txt_ids.ndim != 2:
            raise NodeflowError(
                "NF414",
                f"this network takes [B, N, {self._c.in_channels}] with [N, 3] places, but got {list(x.shape)} "
                f"with {list(img_ids.shape)}",
            )
        if self._c.guidance_embeds and guidance is None:
            raise NodeflowError("NF414", "this network needs to be told the guidance scale")


class FluxTransformer2DModel(FluxTrunk):
    """Predicts the velocity of a packed latent from its noisy state, the time and a text."""

    def __init__(self, config: FluxTransformerConfig) -> None:
        super().__init__(config)
        c = config
        self.norm_out = FinalModulation(c.width)
        self.proj_out = Linear(c.width, c.patch_size**2 * (c.out_channels or c.in_channels))

    def forward(
        self,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor,
        pooled_projections: Tensor,
        timestep: Tensor | float,
        img_ids: Tensor,
        txt_ids: Tensor,
        guidance: Tensor | None = None,
        controlnet_block_samples: Sequence[Tensor] | None = None,
        controlnet_single_block_samples: Sequence[Tensor] | None = None,
        controlnet_blocks_repeat: bool = False,
        changes: Changes | None = None,
    ) -> Tensor:
        """Predict the velocity ε − x0.

        Args:
            hidden_states: Noisy latent, packed, [B, N, C_in].
            encoder_hidden_states: Tokens of the text, [B, T, D].
            pooled_projections: The pooled text, [B, P].
            timestep: 0..1, a number, a scalar tensor or [B].
            img_ids: Picture, row and column of each patch, [N, 3].
            txt_ids: The same of the text's tokens, mostly zeros, [T, 3].
            guidance: The guidance scale, [B], for models that were distilled with it.
            controlnet_block_samples: From a ControlNet, [B, N, C] each; spread over the double blocks.
            controlnet_single_block_samples: The same for the single blocks.
            controlnet_blocks_repeat: Take them in turn, instead of each for a run of blocks.
            changes: Which blocks are left out; see `perturbation.touched`.

        Returns:
            [B, N, C_out].

        Raises:
            NodeflowError: NF414, the tensors do not fit the network or each other.
        """
        self._require(hidden_states, encoder_hidden_states, pooled_projections, img_ids, txt_ids, guidance)
        tokens = len(txt_ids)
        c = self._condition(timestep, pooled_projections, guidance)
        turn = rotations(torch.cat([txt_ids, img_ids]), self._c.axes_dims_rope)
        x, text = self.x_embedder(hidden_states), self.context_embedder(encoder_hidden_states)
        hints = _spread(controlnet_block_samples, len(self.transformer_blocks), controlnet_blocks_repeat)
        for i, block in enumerate(self.transformer_blocks):
            x, text = block(x, text, c, turn, None if changes is None else changes.get(block))
            x = x + hints[i] if hints else x
        x = torch.cat([text, x], dim=1)
        hints = _spread(controlnet_single_block_samples, len(self.single_transformer_blocks))
        for i, block in enumerate(self.single_transformer_blocks):
            x = block(x, c, turn, None if changes is None else changes.get(block))
            if hints:
                x[:, tokens:] += hints[i]
        return self.proj_out(self.norm_out(x[:, tokens:], c))


class FluxSingleTransformerBlock(nn.Module):
    """Attention and perceptron side by side over text and picture, one modulation and one output layer for both."""

    attends_to_itself = True

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm = Modulation(width, 3)
        self.attn = SelfAttention(width, heads, qk_norm=True, out=False)
        self.proj_mlp = Linear(width, 4 * width)
        self.proj_out = Linear(5 * width, width)

    def forward(self, x: Tensor, c: Tensor, turn: Tensor, change: Change | None = None) -> Tensor:
        """Text and picture [B, T + N, C], steered by c [B, C], turned by [T + N, d / 2] -> the same."""
        if change is not None:
            require_skip(change)
        shift, scale, gate = self.norm(c)
        h = modulated(normalised(x), shift, scale)
        branches = torch.cat([self.attn(h, turn), F.gelu(self.proj_mlp(h), approximate="tanh")], dim=-1)
        y = gated(x, gate, self.proj_out(branches))
        return y if change is None else change.passed(x, y)


def _spread(hints: Sequence[Tensor] | None, blocks: int, repeat: bool = False) -> list[Tensor]:
    """The residual of each block: of few residuals, each serves a run of blocks, or all take turns."""
    if not hints:
        return []
    run = -(-blocks // len(hints))
    return [hints[i % len(hints) if repeat else i // run] for i in range(blocks)]
