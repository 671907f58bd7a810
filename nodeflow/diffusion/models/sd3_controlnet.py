"""SD3ControlNetModel: some blocks of Stable Diffusion 3 that read a picture's latent and add what they see to its own.

Zhang, Rao & Agrawala 2023, arXiv 2302.05543, for the MMDiT of Esser et al. 2024, arXiv 2403.03206.
"""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from nodeflow.errors import NodeflowError

from .kernels import Linear
from .patches import PatchEmbed
from .sd3 import SD3TransformerConfig, SD3Trunk


class SD3ControlNetConfig(SD3TransformerConfig, frozen=True, kw_only=True):
    """Published keys of `SD3ControlNetModel`."""

    extra_conditioning_channels: Literal[0] = 0
    pos_embed_type: Literal["sincos"] | None = "sincos"
    use_pos_embed: bool = True
    force_zeros_for_pooled_projection: bool = True

    def check(self) -> None:
        super().check()
        if not self.use_pos_embed or self.pos_embed_type is None:
            raise self.refuse("use_pos_embed", "but only networks that read texts and places are supported")


class SD3ControlNetModel(SD3Trunk):
    """The network that steers an `SD3Transformer2DModel`, with published parameter names."""

    Config = SD3ControlNetConfig
    _c: SD3ControlNetConfig

    def __init__(self, config: SD3ControlNetConfig) -> None:
        super().__init__(config, ends=False)
        c = config
        self.controlnet_blocks = nn.ModuleList(Linear(c.width, c.width) for _ in range(c.num_layers))
        self.pos_embed_input = PatchEmbed(c.in_channels, c.width, c.patch_size, 0, side=0)
        for parameter in (*self.controlnet_blocks.parameters(), *self.pos_embed_input.parameters()):
            nn.init.zeros_(parameter)

    def forward(
        self,
        hidden_states: Tensor,
        controlnet_cond: Tensor,
        encoder_hidden_states: Tensor,
        pooled_projections: Tensor,
        timestep: Tensor | float,
        conditioning_scale: float = 1.0,
    ) -> list[Tensor]:
        """What to add inside the transformer, [B, N, C] each; spread over its blocks.

        Args:
            hidden_states: Noisy latent, [B, C_in, H, W]; H and W multiples of `patch_size`.
            controlnet_cond: The picture's latent, [B, C_in, H, W].
            encoder_hidden_states: Tokens of the text, [B, T, D].
            pooled_projections: The pooled text, [B, P].
            timestep: 0..1000, a number, a scalar tensor or [B].
            conditioning_scale: Multiplies all that is added.

        Raises:
            NodeflowError: NF414, the tensors do not fit the network or each other.
        """
        if controlnet_cond.shape != hidden_states.shape:
            what = f"a control picture of {list(controlnet_cond.shape)} meets a latent of {list(hidden_states.shape)}"
            raise NodeflowError("NF414", what)
        x, text, c = self._begin(hidden_states, encoder_hidden_states, pooled_projections, timestep)
        x = x + self.pos_embed_input(controlnet_cond)
        found = []
        for block, out in zip(self.transformer_blocks, self.controlnet_blocks, strict=True):
            x, text = block(x, text, c)
            found.append(conditioning_scale * out(x))
        return found
