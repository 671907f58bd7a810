"""FluxControlNetModel: some blocks of Flux that read a picture's latent and add what they see to the blocks of Flux.

Zhang, Rao & Agrawala 2023, arXiv 2302.05543, for a transformer; one network may know several kinds of pictures
("union"), and is told which one it is shown by a token before the text.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from nodeflow.errors import NodeflowError

from .base import Width
from .flux import FluxTransformerConfig, FluxTrunk
from .kernels import Linear
from .rotary import rotations


class FluxControlNetConfig(FluxTransformerConfig, frozen=True, kw_only=True):
    """Published keys of `FluxControlNetModel`."""

    num_mode: Width | None = None
    conditioning_embedding_channels: Width | None = None

    def check(self) -> None:
        super().check()
        if self.conditioning_embedding_channels is not None:
            raise self.refuse("conditioning_embedding_channels", "but only networks that read latents are supported")


class FluxResiduals(NamedTuple):
    """What Flux adds, [B, N, C] each.

    Args:
        blocks: Spread over its double blocks.
        single_blocks: Spread over its single blocks.
    """

    blocks: list[Tensor]
    single_blocks: list[Tensor]


class FluxControlNetModel(FluxTrunk):
    """The network that steers a `FluxTransformer2DModel`, with published parameter names."""

    Config = FluxControlNetConfig
    _c: FluxControlNetConfig

    def __init__(self, config: FluxControlNetConfig) -> None:
        super().__init__(config)
        c = config
        self.controlnet_blocks = nn.ModuleList(_zero(c.width, c.width) for _ in range(c.num_layers))
        self.controlnet_single_blocks = nn.ModuleList(_zero(c.width, c.width) for _ in range(c.num_single_layers))
        self.controlnet_mode_embedder = nn.Embedding(c.num_mode, c.width) if c.num_mode else None
        self.controlnet_x_embedder = _zero(c.in_channels, c.width)

    def forward(
        self,
        hidden_states: Tensor,
        controlnet_cond: Tensor,
        encoder_hidden_states: Tensor,
        pooled_projections: Tensor,
        timestep: Tensor | float,
        img_ids: Tensor,
        txt_ids: Tensor,
        guidance: Tensor | None = None,
        controlnet_mode: int | None = None,
        conditioning_scale: float = 1.0,
    ) -> FluxResiduals:
        """What to add inside Flux.

        Args:
            hidden_states: Noisy latent, packed, [B, N, C_in].
            controlnet_cond: The picture's latent, packed, [B, N, C_in].
            encoder_hidden_states: Tokens of the text, [B, T, D].
            pooled_projections: The pooled text, [B, P].
            timestep: 0..1, a number, a scalar tensor or [B].
            img_ids: Picture, row and column of each patch, [N, 3].
            txt_ids: The same of the text's tokens, [T, 3].
            guidance: The guidance scale, [B], for networks that are told it.
            controlnet_mode: Which kind of picture it is, for networks that know several.
            conditioning_scale: Multiplies all that is added.

        Raises:
            NodeflowError: NF414, the tensors do not fit the network or each other, or it knows no such kind.
        """
        self._require(hidden_states, encoder_hidden_states, pooled_projections, img_ids, txt_ids, guidance)
        if controlnet_cond.shape != hidden_states.shape:
            what = f"a control picture of {list(controlnet_cond.shape)} meets a latent of {list(hidden_states.shape)}"
            raise NodeflowError("NF414", what)
        c = self._condition(timestep, pooled_projections, guidance)
        x = self.x_embedder(hidden_states) + self.controlnet_x_embedder(controlnet_cond)
        text = self.context_embedder(encoder_hidden_states)
        if self.controlnet_mode_embedder is not None:
            text = torch.cat([self._mode(controlnet_mode, text), text], dim=1)
            txt_ids = torch.cat([txt_ids[:1], txt_ids])
        turn, tokens = rotations(torch.cat([txt_ids, img_ids]), self._c.axes_dims_rope), len(txt_ids)
        blocks, singles = [], []
        for block, out in zip(self.transformer_blocks, self.controlnet_blocks, strict=True):
            x, text = block(x, text, c, turn)
            blocks.append(conditioning_scale * out(x))
        x = torch.cat([text, x], dim=1)
        for block, out in zip(self.single_transformer_blocks, self.controlnet_single_blocks, strict=True):
            x = block(x, c, turn)
            singles.append(conditioning_scale * out(x[:, tokens:]))
        return FluxResiduals(blocks, singles)

    def _mode(self, mode: int | None, text: Tensor) -> Tensor:
        """The token that says which kind of picture it is, [B, 1, C]."""
        known = self._c.num_mode or 0
        if mode is None or not 0 <= mode < known:
            raise NodeflowError("NF414", f"the control network knows the modes 0 to {known - 1}, and is told {mode}")
        assert self.controlnet_mode_embedder is not None
        return self.controlnet_mode_embedder.weight[mode].to(text).expand(len(text), 1, -1)


def _zero(before: int, after: int) -> Linear:
    """A layer with all its weights 0, so that a training begins where nothing is added."""
    layer = Linear(before, after)
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer
