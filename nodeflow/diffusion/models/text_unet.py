"""What the U-net that reads a text and the networks that steer it have in common: time, text, and attention to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import torch
from msgspec import Meta
from torch import Tensor, nn

from nodeflow.errors import NodeflowError

from .attention import Transformer2DModel
from .base import Width
from .blocks import MidBlock
from .embeddings import TimestepEmbedding, class_embedding, timestep_embedding
from .layers import Activation
from .unet import HalfUNet, UNetConfig

DownType = Literal["DownBlock2D", "CrossAttnDownBlock2D"]
Blocks = Annotated[int, Meta(ge=0, le=256)]
Depth = Blocks | tuple[Blocks, ...]


class TextConfig(UNetConfig, frozen=True, kw_only=True):
    """Published keys of a way down that reads a text."""

    down_block_types: tuple[DownType, ...] = (
        "CrossAttnDownBlock2D",
        "CrossAttnDownBlock2D",
        "CrossAttnDownBlock2D",
        "DownBlock2D",
    )
    mid_block_type: Literal["UNetMidBlock2DCrossAttn", "UNetMidBlock2D"] | None = "UNetMidBlock2DCrossAttn"
    only_cross_attention: bool | tuple[bool, ...] = False
    cross_attention_dim: Width | tuple[Width, ...] = 1280
    transformer_layers_per_block: Blocks | tuple[Depth, ...] = 1
    encoder_hid_dim: Width | None = None
    encoder_hid_dim_type: Literal["text_proj"] | None = None
    attention_head_dim: Width | tuple[Width, ...] = 8
    num_attention_heads: Width | tuple[Width, ...] | None = None
    use_linear_projection: bool = False
    addition_embed_type: Literal["text_time"] | None = None
    addition_time_embed_dim: Width | None = None
    upcast_attention: bool = False
    projection_class_embeddings_input_dim: Width | None = None
    addition_embed_type_num_heads: int = 64

    def check(self) -> None:
        super().check()
        self.require_levels("only_cross_attention", "cross_attention_dim", "attention_head_dim", "num_attention_heads")
        self.require_levels("transformer_layers_per_block")
        levels = self.levels_with("CrossAttn") | ({self.levels - 1} if self.mid_block_type else set())
        if any(self.block_out_channels[level] % self.heads(level) for level in levels):
            raise self.refuse(self._heads_key, "which does not divide the channels of a level with attention")
        self._check_embeddings()

    def _check_embeddings(self) -> None:
        if self.encoder_hid_dim_type and not self.encoder_hid_dim:
            raise self.refuse("encoder_hid_dim", "but encoder_hid_dim_type is set")
        if self.encoder_hid_dim and isinstance(self.cross_attention_dim, tuple):
            raise self.refuse("cross_attention_dim", "but with encoder_hid_dim it must be one number")
        needs_width = self.addition_embed_type or self.class_embed_type in ("projection", "simple_projection")
        if needs_width and not self.projection_class_embeddings_input_dim:
            raise self.refuse("projection_class_embeddings_input_dim", "but an embedding that projects needs it")
        if self.addition_embed_type and not self.addition_time_embed_dim:
            raise self.refuse("addition_time_embed_dim", "but addition_embed_type is set")

    @property
    def _heads_key(self) -> str:
        return "attention_head_dim" if self.num_attention_heads is None else "num_attention_heads"

    def heads(self, level: int) -> int:
        """Number of attention heads: what the published key `attention_head_dim` really holds."""
        return self.at_level(self._heads_key, level)

    def depth(self, level: int, layer: int, up: bool) -> int:
        """Number of transformer blocks after a residual block."""
        depth = self.at_level("transformer_layers_per_block", level)
        return depth[layer] if isinstance(depth, tuple) else depth


class TextReader(HalfUNet):
    """Half a U-net, or the half of a whole one, that is told the time and reads a text."""

    _c: TextConfig

    def _make_embeddings(self, post_act: Activation | None = None, cond_channels: int | None = None) -> None:
        """Make what turns time, class and sizes into one vector, and texts into the width that is read."""
        c, first, width = self._c, self._c.block_out_channels[0], self._c.time_channels
        self.time_embedding = TimestepEmbedding(first, width, c.act_fn, post_act, cond_channels)
        projected = c.projection_class_embeddings_input_dim
        self.class_embedding = class_embedding(
            c.class_embed_type, c.num_class_embeds, first, width, in_channels=projected, act=c.act_fn
        )
        self.add_embedding = TimestepEmbedding(projected, width) if c.addition_embed_type and projected else None
        self.encoder_hid_proj = (
            nn.Linear(c.encoder_hid_dim, c.at_level("cross_attention_dim", 0)) if c.encoder_hid_dim else None
        )

    def _vector(
        self,
        timestep: Tensor | float | int,
        sample: Tensor,
        class_labels: Tensor | None,
        added: Mapping[str, Tensor] | None,
        timestep_cond: Tensor | None = None,
        beside: bool = False,
    ) -> Tensor:
        """Time, class and sizes as one vector, [B, D]; a class `beside` time makes it longer."""
        emb = self.time_embedding(self._position(timestep, sample), timestep_cond)
        labels = self._class_vector(class_labels, sample)
        if labels is not None:
            emb = torch.cat([emb, labels], dim=-1) if beside else emb + labels
        if self.add_embedding is not None:
            emb = emb + self.add_embedding(self._size_vector(added or {}, emb))
        return emb

    def _context(self, tokens: Tensor, sample: Tensor) -> Tensor:
        width = self._c.encoder_hid_dim or self._c.cross_attention_dim
        fits = tokens.ndim == 3 and tokens.shape[0] == sample.shape[0]
        if not fits or (isinstance(width, int) and tokens.shape[-1] != width):
            raise NodeflowError(
                "NF414",
                f"the text is {list(tokens.shape)}, but this network reads [{sample.shape[0]}, T, {width}]",
                fix="use the text encoder that belongs to this model",
            )
        return tokens if self.encoder_hid_proj is None else self.encoder_hid_proj(tokens)

    def _size_vector(self, added: Mapping[str, Tensor], emb: Tensor) -> Tensor:
        """SDXL's micro-conditioning (section 2.2): pooled text beside the embedded sizes, [B, P + 6 D]."""
        if not {"text_embeds", "time_ids"} <= added.keys():
            raise NodeflowError("NF414", "this network needs added_cond_kwargs with text_embeds and time_ids")
        c, ids = self._c, added["time_ids"]
        sizes = timestep_embedding(ids.flatten(), c.addition_time_embed_dim or 0, c.flip_sin_to_cos, c.freq_shift)
        return torch.cat([added["text_embeds"], sizes.view(ids.shape[0], -1)], dim=-1).to(emb.dtype)

    def _transformer(self, level: int, layer: int, up: bool, only_cross: bool) -> Transformer2DModel:
        c = self._c
        return Transformer2DModel(
            c.block_out_channels[level],
            c.heads(level),
            c.depth(level, layer, up),
            c.at_level("cross_attention_dim", level),
            groups=c.norm_num_groups,
            use_linear_projection=c.use_linear_projection,
            only_cross_attention=only_cross,
        )

    def _attention(self, block_type: str, level: int, layer: int, up: bool) -> nn.Module | None:
        if not block_type.startswith("CrossAttn"):
            return None
        return self._transformer(level, layer, up, bool(self._c.at_level("only_cross_attention", level)))

    def _mid_block(self) -> MidBlock | None:
        c, width, last = self._c, self._c.block_out_channels[-1], self._c.levels - 1
        if c.mid_block_type is None:
            return None
        attentions = [self._transformer(last, 0, False, False)] if "CrossAttn" in c.mid_block_type else []
        resnets = [
            self._resnet(width, width, output_scale=c.mid_block_scale_factor) for _ in range(1 + len(attentions))
        ]
        return MidBlock(resnets, attentions)
