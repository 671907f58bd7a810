"""UNet2DModel: the U-net without a text: DDPM (Ho et al. 2020), ADM (Dhariwal & Nichol 2021)."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from .attention import AttentionBlock
from .base import Count, Levels, Probability, Width
from .blocks import MidBlock
from .embeddings import ClassEmbedType, TimestepEmbedding, class_embedding
from .perturbation import Changes
from .unet import UNet, UNetConfig

DownType = Literal["DownBlock2D", "AttnDownBlock2D", "ResnetDownsampleBlock2D"]
UpType = Literal["UpBlock2D", "AttnUpBlock2D", "ResnetUpsampleBlock2D"]


class UNet2DConfig(UNetConfig, frozen=True, kw_only=True):
    """Published keys of `UNet2DModel`."""

    sample_size: int | tuple[int, ...] | None = None
    in_channels: Width = 3
    out_channels: Width = 3
    down_block_types: tuple[DownType, ...] = ("DownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D")
    mid_block_type: Literal["UNetMidBlock2D"] | None = "UNetMidBlock2D"
    up_block_types: tuple[UpType, ...] = ("AttnUpBlock2D", "AttnUpBlock2D", "AttnUpBlock2D", "UpBlock2D")
    block_out_channels: Levels = (224, 448, 672, 896)
    layers_per_block: Count = 2
    center_input_sample: bool = False
    dropout: Probability = 0.0
    time_embedding_type: Literal["positional"] = "positional"
    time_embedding_dim: Width | None = None
    downsample_type: Literal["conv", "resnet"] = "conv"
    upsample_type: Literal["conv", "resnet"] = "conv"
    attention_head_dim: Width | None = 8
    attn_norm_num_groups: Count | None = None
    add_attention: bool = True
    class_embed_type: ClassEmbedType | None = None
    num_train_timesteps: int | None = None

    def check(self) -> None:
        super().check()
        levels = self.levels_with("Attn")
        if self.mid_block_type and self.add_attention:
            levels |= {self.levels - 1}
        if any(width % self.head_channels(width) for width in (self.block_out_channels[level] for level in levels)):
            raise self.refuse("attention_head_dim", "which does not divide the channels of a level with attention")
        if self.block_out_channels[-1] % (self.attn_norm_num_groups or 1):
            raise self.refuse("attn_norm_num_groups", "which does not divide the channels of the lowest level")
        if self.class_embed_type in ("projection", "simple_projection"):
            raise self.refuse("class_embed_type", "which only UNet2DConditionModel knows")

    def head_channels(self, width: int) -> int:
        """Channels of one attention head: really that here, all of them where the key is null."""
        return self.attention_head_dim or width

    def resamples_by_resnet(self, block_type: str) -> bool:
        sampler = self.downsample_type if "Down" in block_type else self.upsample_type
        return block_type.startswith("Resnet") or (block_type.startswith("Attn") and sampler == "resnet")


class UNet2DModel(UNet):
    """The U-net of DDPM: what it predicts (noise, sample, v) is the scheduler's affair."""

    Config = UNet2DConfig
    _c: UNet2DConfig

    def __init__(self, config: UNet2DConfig) -> None:
        c, first = config, config.block_out_channels[0]
        super().__init__(c, c.time_channels, c.out_channels)
        self.time_embedding = TimestepEmbedding(first, c.time_channels)
        self.class_embedding = class_embedding(c.class_embed_type, c.num_class_embeds, first, c.time_channels)

    def forward(
        self,
        sample: Tensor,
        timestep: Tensor | float | int,
        class_labels: Tensor | None = None,
        changes: Changes | None = None,
    ) -> Tensor:
        """Predict from a noisy sample.

        Args:
            sample: [B, C_in, H, W].
            timestep: A number, a scalar tensor or [B].
            class_labels: [B]: integers for learned classes, numbers for `timestep`, [B, D] for `identity`.
            changes: What is to be done inside the attention blocks; see `perturbation.touched`.

        Returns:
            [B, C_out, H, W].

        Raises:
            NodeflowError: NF414, the sample has another number of channels, or labels are missing or not wanted.
        """
        self._require_map(sample, self._c.in_channels)
        emb = self.time_embedding(self._position(timestep, sample))
        labels = self._class_vector(class_labels, sample)
        return self._walk(sample, emb if labels is None else emb + labels, changes=changes)

    def _attention(self, block_type: str, level: int, layer: int, up: bool) -> nn.Module | None:
        c, width = self._c, self._c.block_out_channels[level]
        if not block_type.startswith("Attn"):
            return None
        return AttentionBlock(width, c.head_channels(width), c.norm_num_groups, c.norm_eps)

    def _mid_block(self) -> MidBlock | None:
        c, width = self._c, self._c.block_out_channels[-1]
        if c.mid_block_type is None:
            return None
        scale = c.mid_block_scale_factor
        own_groups = c.norm_num_groups if c.resnet_time_scale_shift == "default" else None
        groups = c.attn_norm_num_groups or own_groups
        attention = (
            AttentionBlock(width, c.head_channels(width), groups, c.norm_eps, scale) if c.add_attention else None
        )
        resnets = [self._resnet(width, width, output_scale=scale) for _ in range(2)]
        return MidBlock(resnets, [attention] if attention else [])
