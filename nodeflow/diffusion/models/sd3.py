"""SD3Transformer2DModel: the MMDiT of Stable Diffusion 3 and 3.5 (Esser et al. 2024, arXiv 2403.03206)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from msgspec import Meta
from torch import Tensor, nn

from .base import Config, Count, Model, Width
from .embeddings import timestep_vector
from .joint import JointTransformerBlock
from .kernels import Linear
from .modulation import Condition, FinalModulation
from .patches import PatchEmbed, unpatched
from .perturbation import Changes
from .transformer import require_texts

Side = Annotated[int, Meta(ge=1, le=4096)]


class SD3TransformerConfig(Config, frozen=True, kw_only=True):
    """Published keys of `SD3Transformer2DModel`."""

    sample_size: Side = 128
    patch_size: Annotated[int, Meta(ge=1, le=64)] = 2
    in_channels: Width = 16
    num_layers: Count = 18
    attention_head_dim: Width = 64
    num_attention_heads: Count = 18
    joint_attention_dim: Width = 4096
    caption_projection_dim: Width = 1152
    pooled_projection_dim: Width = 2048
    out_channels: Width | None = 16
    pos_embed_max_size: Side = 96
    dual_attention_layers: tuple[int, ...] = ()
    qk_norm: Literal["rms_norm"] | None = None

    @property
    def width(self) -> int:
        """Channels of a token."""
        return self.num_attention_heads * self.attention_head_dim

    def check(self) -> None:
        if self.caption_projection_dim != self.width:
            raise self.refuse("caption_projection_dim", f"but the tokens of the picture are {self.width} wide")
        if self.width % 4:
            raise self.refuse("attention_head_dim", "so that the width is no multiple of 4")


class SD3Trunk(Model):
    """What the transformer and the networks that steer it have in common: embeddings and blocks.

    Args:
        ends: Whether the text ends in the last block.
    """

    Config = SD3TransformerConfig

    def __init__(self, config: SD3TransformerConfig, ends: bool) -> None:
        super().__init__()
        self._c = c = config
        base = c.sample_size // c.patch_size
        self.pos_embed = PatchEmbed(c.in_channels, c.width, c.patch_size, base, c.pos_embed_max_size)
        self.time_text_embed = Condition(c.pooled_projection_dim, c.width)
        self.context_embedder = Linear(c.joint_attention_dim, c.width)
        self.transformer_blocks = nn.ModuleList(
            JointTransformerBlock(
                c.width,
                c.num_attention_heads,
                c.qk_norm is not None,
                dual=i in c.dual_attention_layers,
                last=ends and i == c.num_layers - 1,
            )
            for i in range(c.num_layers)
        )

    def _begin(
        self, sample: Tensor, states: Tensor, pooled: Tensor, timestep: Tensor | float
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Tokens of the picture [B, N, C] and of the text [B, T, C], and what steers the blocks [B, C]."""
        self._require_map(sample, self._c.in_channels)
        require_texts(len(sample), states, pooled, self._c.joint_attention_dim, self._c.pooled_projection_dim)
        x = self.pos_embed(sample)
        return x, self.context_embedder(states), self.time_text_embed(timestep_vector(timestep, sample), pooled)


class SD3Transformer2DModel(SD3Trunk):
    """Predicts the velocity of a latent from its noisy state, the time and a text."""

    def __init__(self, config: SD3TransformerConfig) -> None:
        super().__init__(config, ends=True)
        c = config
        self.norm_out = FinalModulation(c.width)
        self.proj_out = Linear(c.width, c.patch_size**2 * (c.out_channels or c.in_channels))

    def forward(
        self,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor,
        pooled_projections: Tensor,
        timestep: Tensor | float,
        block_controlnet_hidden_states: Sequence[Tensor] | None = None,
        changes: Changes | None = None,
    ) -> Tensor:
        """Predict the velocity ε − x0.

        Args:
            hidden_states: Noisy latent, [B, C_in, H, W]; H and W multiples of `patch_size`.
            encoder_hidden_states: Tokens of the text, [B, T, D].
            pooled_projections: The pooled text, [B, P].
            timestep: 0..1000, a number, a scalar tensor or [B].
            block_controlnet_hidden_states: From a ControlNet, [B, N, C] each; spread over the blocks.
            changes: Which blocks are left out; see `perturbation.touched`.

        Returns:
            [B, C_out, H, W].

        Raises:
            NodeflowError: NF414, the tensors do not fit the network or each other.
        """
        x, text, c = self._begin(hidden_states, encoder_hidden_states, pooled_projections, timestep)
        rows, columns = self.pos_embed.grid(hidden_states)
        hints, blocks = block_controlnet_hidden_states or (), len(self.transformer_blocks)
        for i, block in enumerate(self.transformer_blocks):
            x, text = block(x, text, c, change=None if changes is None else changes.get(block))
            if hints and not block.last:
                x = x + hints[i * len(hints) // blocks]
        return unpatched(self.proj_out(self.norm_out(x, c)), rows, columns, self._c.patch_size)
