"""DiTTransformer2DModel: a transformer on the patches of a latent, steered by time and class.

Peebles & Xie 2022, arXiv 2212.09748, in the form adaLN-Zero (section 3.2, figure 3). Each block has its own embedding
of time and class; the last layer takes that of the first block.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import torch.nn.functional as F
from msgspec import Meta
from torch import Tensor, nn

from nodeflow.errors import NodeflowError

from .attention import FeedForward
from .base import Config, Count, Eps, Model, Probability, Width
from .embeddings import TimestepEmbedding, timestep_embedding, timestep_vector
from .joint import SelfAttention, require_skip
from .kernels import Linear
from .modulation import gated, modulated, normalised
from .patches import PatchEmbed, unpatched
from .perturbation import Change, Changes

_WAVES = 256
"""Length of the sinusoidal position of a timestep."""


class DiTConfig(Config, frozen=True, kw_only=True):
    """Published keys of `DiTTransformer2DModel`."""

    num_attention_heads: Count = 16
    attention_head_dim: Width = 72
    in_channels: Width = 4
    out_channels: Width | None = None
    num_layers: Count = 28
    dropout: Probability = 0.0
    attention_bias: bool = True
    sample_size: Annotated[int, Meta(ge=1, le=4096)] = 32
    patch_size: Annotated[int, Meta(ge=1, le=64)] = 2
    activation_fn: Literal["gelu-approximate"] = "gelu-approximate"
    num_embeds_ada_norm: Annotated[int, Meta(ge=1, le=1 << 20)] = 1000
    norm_type: Literal["ada_norm_zero"] = "ada_norm_zero"
    norm_elementwise_affine: bool = False
    norm_eps: Eps = 1e-5

    @property
    def width(self) -> int:
        """Channels of a token."""
        return self.num_attention_heads * self.attention_head_dim

    def check(self) -> None:
        if self.width % 4:
            raise self.refuse("attention_head_dim", "so that the width is no multiple of 4")
        if not self.attention_bias:
            raise self.refuse("attention_bias", "but no published model is without")
        if self.norm_elementwise_affine:
            raise self.refuse("norm_elementwise_affine", "but the condition scales already")


class DiTTransformer2DModel(Model):
    """Predicts the noise in a latent, and the variance of a step where it was trained so, from time and class."""

    Config = DiTConfig

    def __init__(self, config: DiTConfig) -> None:
        super().__init__()
        self._c = c = config
        self.pos_embed = PatchEmbed(c.in_channels, c.width, c.patch_size, c.sample_size // c.patch_size)
        self.transformer_blocks = nn.ModuleList(DiTBlock(c) for _ in range(c.num_layers))
        self.proj_out_1 = Linear(c.width, 2 * c.width)
        self.proj_out_2 = Linear(c.width, c.patch_size**2 * (c.out_channels or c.in_channels))

    def forward(
        self, hidden_states: Tensor, timestep: Tensor | float, class_labels: Tensor, changes: Changes | None = None
    ) -> Tensor:
        """Predict the noise.

        Args:
            hidden_states: Noisy latent, [B, C_in, H, W]; H and W multiples of `patch_size`.
            timestep: A number, a scalar tensor or [B].
            class_labels: Numbers of classes, [B]; `num_embeds_ada_norm` is any class.
            changes: Which blocks are left out; see `perturbation.touched`.

        Returns:
            [B, C_out, H, W].

        Raises:
            NodeflowError: NF414, the tensors do not fit the network or each other.
        """
        self._require_map(hidden_states, self._c.in_channels)
        self._require_classes(hidden_states, class_labels)
        rows, columns = self.pos_embed.grid(hidden_states)
        x, t = self.pos_embed(hidden_states), timestep_vector(timestep, hidden_states)
        first: Any = self.transformer_blocks[0]
        condition = first.norm1.emb(t, class_labels)
        for block in self.transformer_blocks:
            x = block(x, t, class_labels, change=None if changes is None else changes.get(block))
        shift, scale = self.proj_out_1(F.silu(condition))[:, None].chunk(2, dim=-1)
        return unpatched(self.proj_out_2(modulated(normalised(x), shift, scale)), rows, columns, self._c.patch_size)

    def _require_classes(self, x: Tensor, labels: Tensor) -> None:
        most = self._c.num_embeds_ada_norm
        if labels.shape != x.shape[:1] or not (int(labels.min()) >= 0 and int(labels.max()) <= most):
            what = f"the classes are {labels.flatten().tolist()[:8]}, but there are {most} and {most} for any"
            raise NodeflowError("NF414", what, fix="choose one class a sample")


class TimeAndClass(nn.Module):
    """The condition of a block, the time's embedding plus the class's."""

    def __init__(self, classes: int, width: int) -> None:
        super().__init__()
        self.timestep_embedder = TimestepEmbedding(_WAVES, width)
        self.class_embedder = nn.ModuleDict({"embedding_table": nn.Embedding(classes + 1, width)})

    def forward(self, t: Tensor, labels: Tensor) -> Tensor:
        """Times and classes, [B] each -> [B, C]."""
        named = self.class_embedder["embedding_table"](labels)
        return self.timestep_embedder(timestep_embedding(t, _WAVES, flip_sin_to_cos=True).to(named)) + named


class ClassModulation(nn.Module):
    """Shift, scale and gate of the attention and of the perceptron."""

    def __init__(self, classes: int, width: int) -> None:
        super().__init__()
        self.emb = TimeAndClass(classes, width)
        self.linear = Linear(width, 6 * width)

    def forward(self, t: Tensor, labels: Tensor) -> tuple[Tensor, ...]:
        """Times and classes, [B] each -> six times [B, 1, C]."""
        return self.linear(F.silu(self.emb(t, labels)))[:, None].chunk(6, dim=-1)


class DiTBlock(nn.Module):
    """Attention and perceptron, each modulated before and gated after."""

    attends_to_itself = True

    def __init__(self, c: DiTConfig) -> None:
        super().__init__()
        self.eps = c.norm_eps
        self.norm1 = ClassModulation(c.num_embeds_ada_norm, c.width)
        self.attn1 = SelfAttention(c.width, c.num_attention_heads, qk_norm=False)
        self.ff = FeedForward(c.width, gated=False)

    def forward(self, x: Tensor, t: Tensor, labels: Tensor, change: Change | None = None) -> Tensor:
        """Tokens [B, N, C], steered by times and classes [B] -> [B, N, C]."""
        if change is not None:
            require_skip(change)
        shift, scale, gate, shift_ff, scale_ff, gate_ff = self.norm1(t, labels)
        y = gated(x, gate, self.attn1(modulated(normalised(x), shift, scale)))
        y = gated(y, gate_ff, self.ff(modulated(normalised(y, self.eps), shift_ff, scale_ff)))
        return y if change is None else change.passed(x, y)


Transformer2DModel = DiTTransformer2DModel
"""What the first published configurations call it."""
