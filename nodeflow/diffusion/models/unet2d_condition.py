"""UNet2DConditionModel: the U-net that reads a text.

Stable Diffusion (Rombach et al. 2022) and SDXL (Podell et al. 2023).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from torch import Tensor, nn

from .base import Probability, Width
from .layers import Activation, activation
from .perturbation import Changes
from .text_unet import Depth, TextConfig, TextReader
from .unet import UNet

UpType = Literal["UpBlock2D", "CrossAttnUpBlock2D"]


class UNet2DConditionConfig(TextConfig, frozen=True, kw_only=True):
    """Published keys of `UNet2DConditionModel`."""

    sample_size: int | tuple[int, ...] | None = None
    out_channels: Width = 4
    up_block_types: tuple[UpType, ...] = (
        "UpBlock2D",
        "CrossAttnUpBlock2D",
        "CrossAttnUpBlock2D",
        "CrossAttnUpBlock2D",
    )
    center_input_sample: bool = False
    dropout: Probability = 0.0
    time_embedding_type: Literal["positional"] = "positional"
    time_embedding_dim: Width | None = None
    reverse_transformer_layers_per_block: tuple[Depth, ...] | None = None
    dual_cross_attention: bool = False
    resnet_skip_time_act: bool = False
    resnet_out_scale_factor: float = 1.0
    time_embedding_act_fn: Activation | None = None
    timestep_post_act: Activation | None = None
    time_cond_proj_dim: Width | None = None
    conv_in_kernel: Literal[3] = 3
    conv_out_kernel: Literal[3] = 3
    attention_type: Literal["default"] = "default"
    class_embeddings_concat: bool = False
    mid_block_only_cross_attention: bool | None = None
    cross_attention_norm: None = None

    def check(self) -> None:
        super().check()
        self.require_levels("reverse_transformer_layers_per_block")
        for key in ("dual_cross_attention", "resnet_skip_time_act"):
            if getattr(self, key):
                raise self.refuse(key, "which is not supported")
        if self.resnet_out_scale_factor != 1:
            raise self.refuse("resnet_out_scale_factor", "but only 1 is supported")
        self._check_depths()

    def _check_depths(self) -> None:
        depths = self.transformer_layers_per_block
        nested = isinstance(depths, tuple) and any(isinstance(depth, tuple) for depth in depths)
        if nested and self.reverse_transformer_layers_per_block is None:
            raise self.refuse("transformer_layers_per_block", "but reverse_transformer_layers_per_block is missing")
        for key, more in (("transformer_layers_per_block", 0), ("reverse_transformer_layers_per_block", 1)):
            self._check_layers(key, more)

    def _check_layers(self, key: str, more: int) -> None:
        """Where `key` has one entry a layer, it needs as many as layers_per_block and `more`."""
        depths = getattr(self, key)
        for level, depth in enumerate(depths[:: -1 if more else 1] if isinstance(depths, tuple) else ()):
            layers = self.at_level("layers_per_block", level) + more
            if isinstance(depth, tuple) and len(depth) < layers:
                raise self.refuse(key, f"but level {level} has {layers} layers")

    def depth(self, level: int, layer: int, up: bool) -> int:
        reverse = self.reverse_transformer_layers_per_block
        if not up or reverse is None:
            return super().depth(level, layer, up)
        depth = reverse[-1 - level]
        return depth[layer] if isinstance(depth, tuple) else depth


class UNet2DConditionModel(TextReader, UNet):
    """The U-net of Stable Diffusion 1, 2 and XL, with published parameter names."""

    Config = UNet2DConditionConfig
    _c: UNet2DConditionConfig

    def __init__(self, config: UNet2DConditionConfig) -> None:
        c, width = config, config.time_channels
        super().__init__(c, 2 * width if c.class_embeddings_concat else width, c.out_channels)
        self._make_embeddings(c.timestep_post_act, c.time_cond_proj_dim)
        self.time_embed_act = activation(c.time_embedding_act_fn) if c.time_embedding_act_fn else nn.Identity()
        self.conv_act = activation(c.act_fn)

    def forward(
        self,
        sample: Tensor,
        timestep: Tensor | float | int,
        encoder_hidden_states: Tensor,
        class_labels: Tensor | None = None,
        added_cond_kwargs: Mapping[str, Tensor] | None = None,
        encoder_attention_mask: Tensor | None = None,
        timestep_cond: Tensor | None = None,
        down_block_additional_residuals: Sequence[Tensor] | None = None,
        mid_block_additional_residual: Tensor | None = None,
        changes: Changes | None = None,
        down_intrablock_additional_residuals: Sequence[Tensor] = (),
    ) -> Tensor:
        """Predict noise or velocity from a noisy latent and a text.

        Args:
            sample: Noisy latent, [B, C_in, H, W]; any H and W.
            timestep: A number, a scalar tensor or [B].
            encoder_hidden_states: Tokens of the text, [B, T, D].
            class_labels: [B] integers, or [B, D'] vectors, where the configuration has classes.
            added_cond_kwargs: SDXL: `text_embeds` [B, P] and `time_ids` [B, 6].
            encoder_attention_mask: True (or 1) where a token may be read, [B, T].
            timestep_cond: The guidance embedding of a distilled model, [B, G].
            down_block_additional_residuals: From a ControlNet, one for each skip.
            mid_block_additional_residual: From a ControlNet.
            changes: What is to be done inside the attention blocks; see `perturbation.touched`.
            down_intrablock_additional_residuals: From a T2I-Adapter, one for each block on the way down.

        Returns:
            [B, C_out, H, W].

        Raises:
            NodeflowError: NF414, the tensors do not fit the network or each other.
        """
        self._require_map(sample, self._c.in_channels)
        beside = self._c.class_embeddings_concat
        emb = self._vector(timestep, sample, class_labels, added_cond_kwargs, timestep_cond, beside)
        emb = self.time_embed_act(emb)
        context = self._context(encoder_hidden_states, sample)
        mask = None if encoder_attention_mask is None else encoder_attention_mask.bool()[:, None, None, :]
        residuals = (down_block_additional_residuals, mid_block_additional_residual)
        return self._walk(sample, emb, context, mask, *residuals, changes, down_intrablock_additional_residuals)
