"""ControlNetModel: a copy of a U-net's way down that reads a picture and adds what it sees to the skips.

Zhang, Rao & Agrawala 2023, "Adding conditional control to text-to-image diffusion models", arXiv 2302.05543.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Annotated, Literal, NamedTuple

import torch.nn.functional as F
from msgspec import Meta
from torch import Tensor, nn

from nodeflow.errors import NodeflowError

from .base import Width
from .text_unet import TextConfig, TextReader

Widths = Annotated[tuple[Width, ...], Meta(min_length=1, max_length=16)]


class ControlNetConfig(TextConfig, frozen=True, kw_only=True):
    """Published keys of `ControlNetModel`."""

    conditioning_channels: Width = 3
    controlnet_conditioning_channel_order: Literal["rgb", "bgr"] = "rgb"
    conditioning_embedding_out_channels: Widths = (16, 32, 96, 256)
    global_pool_conditions: bool = False

    def check(self) -> None:
        super().check()
        if self.encoder_hid_dim:
            raise self.refuse("encoder_hid_dim", "but no published control network projects its text")


class Residuals(NamedTuple):
    """What a U-net adds.

    Args:
        down: To its skips, one for each, [B, C, H, W] each.
        mid: After its middle, [B, C, H, W].
    """

    down: list[Tensor]
    mid: Tensor


class ConditioningEmbedding(nn.Module):
    """A picture as features of a latent's size: convolutions, every second one of stride 2 (section 3.2, E(·)).

    Args:
        channels: Of the features.
        conditioning_channels: Of the picture.
        widths: Channels on the way, finest first; each after the first halves the picture.
    """

    def __init__(self, channels: int, conditioning_channels: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.conv_in = nn.Conv2d(conditioning_channels, widths[0], 3, padding=1)
        self.blocks = nn.ModuleList()
        for before, after in pairwise(widths):
            self.blocks.append(nn.Conv2d(before, before, 3, padding=1))
            self.blocks.append(nn.Conv2d(before, after, 3, padding=1, stride=2))
        self.conv_out = zero(nn.Conv2d(widths[-1], channels, 3, padding=1))

    def forward(self, picture: Tensor) -> Tensor:
        """[B, C, f H, f W], 0..1 -> [B, C', H, W]."""
        x = F.silu(self.conv_in(picture))
        for block in self.blocks:
            x = F.silu(block(x))
        return self.conv_out(x)


class ControlNetModel(TextReader):
    """The network that steers a `UNet2DConditionModel`, with published parameter names."""

    Config = ControlNetConfig
    _c: ControlNetConfig

    def __init__(self, config: ControlNetConfig) -> None:
        c, widths = config, config.block_out_channels
        super().__init__(c, c.time_channels)
        self._make_embeddings()
        self.controlnet_cond_embedding = ConditioningEmbedding(
            widths[0], c.conditioning_channels, c.conditioning_embedding_out_channels
        )
        skips = [widths[0]]
        for level, width in enumerate(widths):
            skips += [width] * (c.at_level("layers_per_block", level) + (level < c.levels - 1))
        self.controlnet_down_blocks = nn.ModuleList(zero(nn.Conv2d(width, width, 1)) for width in skips)
        self.controlnet_mid_block = zero(nn.Conv2d(widths[-1], widths[-1], 1))

    @property
    def picture_factor(self) -> int:
        """Pixels of the picture a latent cell, along one edge."""
        return 2 ** (len(self._c.conditioning_embedding_out_channels) - 1)

    def forward(
        self,
        sample: Tensor,
        timestep: Tensor | float | int,
        encoder_hidden_states: Tensor,
        controlnet_cond: Tensor,
        conditioning_scale: float = 1.0,
        class_labels: Tensor | None = None,
        timestep_cond: Tensor | None = None,
        attention_mask: Tensor | None = None,
        added_cond_kwargs: Mapping[str, Tensor] | None = None,
        guess_mode: bool = False,
    ) -> Residuals:
        """What to add inside the U-net.

        Args:
            sample: Noisy latent, [B, C_in, H, W].
            timestep: A number, a scalar tensor or [B].
            encoder_hidden_states: Tokens of the text, [B, T, D].
            controlnet_cond: The picture, [B, 3, f H, f W], 0..1.
            conditioning_scale: Multiplies all that is added.
            class_labels: [B] integers, where the configuration has classes.
            timestep_cond: The guidance embedding of a distilled model, [B, G].
            attention_mask: True (or 1) where a token may be read, [B, T].
            added_cond_kwargs: SDXL: `text_embeds` [B, P] and `time_ids` [B, 6].
            guess_mode: Weaken the finer residuals, from 0.1 at the finest to 1 at the middle (section 3.4).

        Raises:
            NodeflowError: NF414, the tensors do not fit the network or each other.
        """
        self._require_map(sample, self._c.in_channels)
        self._require_picture(controlnet_cond, sample)
        picture = controlnet_cond.flip(1) if self._c.controlnet_conditioning_channel_order == "bgr" else controlnet_cond
        temb = self.temb_act(self._vector(timestep, sample, class_labels, added_cond_kwargs, timestep_cond))
        context = self._context(encoder_hidden_states, sample)
        mask = None if attention_mask is None else attention_mask.bool()[:, None, None, :]
        x, skips = self._descend(sample, temb, context, mask, beside=self.controlnet_cond_embedding(picture))
        if self.mid_block is not None:
            x = self.mid_block(x, temb, context, mask)
        found = [conv(skip) for conv, skip in zip(self.controlnet_down_blocks, skips, strict=True)]
        found.append(self.controlnet_mid_block(x))
        scales = [conditioning_scale] * len(found)
        if self._c.global_pool_conditions:
            found = [one.mean((2, 3), keepdim=True) for one in found]
        elif guess_mode:
            scales = [conditioning_scale * 10 ** (i / (len(found) - 1) - 1) for i in range(len(found))]
        *down, mid = (one * scale for one, scale in zip(found, scales, strict=True))
        return Residuals(down, mid)

    def _require_picture(self, picture: Tensor, sample: Tensor) -> None:
        height, width = (side * self.picture_factor for side in sample.shape[-2:])
        wanted = [len(sample), self._c.conditioning_channels, height, width]
        if list(picture.shape) != wanted:
            raise NodeflowError("NF414", f"the control network wants a picture {wanted}, but got {list(picture.shape)}")


def zero(conv: nn.Conv2d) -> nn.Conv2d:
    """The convolution with all its weights 0, so that a training begins where nothing is added (equation 3)."""
    for parameter in conv.parameters():
        nn.init.zeros_(parameter)
    return conv
