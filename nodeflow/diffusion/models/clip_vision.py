"""CLIPVisionModelWithProjection: the eye of CLIP, which says of a picture what its text encoder says of its caption.

A transformer over patches (Dosovitskiy et al. 2020, arXiv 2010.11929) with a normalisation before its layers
(Radford et al. 2021, arXiv 2103.00020, section 2.4), under the published names and keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, NamedTuple, Self

import torch
from msgspec import Meta
from torch import Tensor, nn

from nodeflow.errors import NodeflowError

from .base import Config, Count, Eps, Model, Width
from .clip_text import CLIPEncoder

_POSITIONS = "vision_model.embeddings.position_ids"


class CLIPVisionConfig(Config, frozen=True, kw_only=True):
    """Published keys of CLIP's picture encoders."""

    hidden_size: Width = 768
    intermediate_size: Width = 3072
    projection_dim: Width = 512
    num_hidden_layers: Count = 12
    num_attention_heads: Count = 12
    num_channels: Annotated[int, Meta(ge=1, le=16)] = 3
    image_size: Annotated[int, Meta(ge=1, le=4096)] = 224
    patch_size: Annotated[int, Meta(ge=1, le=1024)] = 32
    hidden_act: Literal["quick_gelu", "gelu"] = "quick_gelu"
    layer_norm_eps: Eps = 1e-5

    def check(self) -> None:
        if self.hidden_size % self.num_attention_heads:
            heads = self.num_attention_heads
            raise self.refuse("hidden_size", f"which is not divisible by num_attention_heads = {heads}")


class VisionStates(NamedTuple):
    """What an image encoder says of pictures.

    Args:
        image_embeds: Each in one vector, projected, [B, P].
        hidden_states: The embedded patches, one token for the whole before them, and the states after every layer,
            [B, 1 + N, D] each.
    """

    image_embeds: Tensor
    hidden_states: tuple[Tensor, ...]


class CLIPVisionEmbeddings(nn.Module):
    """What each patch shows plus where it is, behind one token for the whole."""

    def __init__(self, config: CLIPVisionConfig) -> None:
        super().__init__()
        width, patch = config.hidden_size, config.patch_size
        self.class_embedding = nn.Parameter(torch.randn(width))
        self.patch_embedding = nn.Conv2d(config.num_channels, width, patch, patch, bias=False)
        self.position_embedding = nn.Embedding((config.image_size // patch) ** 2 + 1, width)

    def forward(self, pixels: Tensor) -> Tensor:
        """[B, C, H, W] -> [B, 1 + N, D]."""
        patches = self.patch_embedding(pixels).flatten(2).transpose(1, 2)
        whole = self.class_embedding.expand(len(pixels), 1, -1)
        return torch.cat([whole, patches], dim=1) + self.position_embedding.weight


class CLIPVisionTransformer(nn.Module):
    """Embeddings, layers, and a normalisation on either side; the first is misspelt where it was published."""

    def __init__(self, config: CLIPVisionConfig) -> None:
        super().__init__()
        width, eps = config.hidden_size, config.layer_norm_eps
        self.embeddings = CLIPVisionEmbeddings(config)
        self.pre_layrnorm = nn.LayerNorm(width, eps)
        self.encoder = CLIPEncoder(config, causal=False)
        self.post_layernorm = nn.LayerNorm(width, eps)

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        """[B, C, H, W] -> the states after every layer, not normalised, [B, 1 + N, D] each."""
        return self.encoder(self.pre_layrnorm(self.embeddings(pixels)), None)


class CLIPVisionModelWithProjection(Model):
    """The image encoder of the IP-Adapters."""

    Config = CLIPVisionConfig

    def __init__(self, config: CLIPVisionConfig) -> None:
        super().__init__()
        self._c = config
        self.vision_model = CLIPVisionTransformer(config)
        self.visual_projection = nn.Linear(config.hidden_size, config.projection_dim, bias=False)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """As `Model.from_config`; the keys of a whole CLIP hold those of its eye."""
        own = config.get("vision_config")
        return super().from_config({**own, "projection_dim": config["projection_dim"]} if own else config)

    def load(self, state: Mapping[str, Tensor]) -> Self:
        """As `Model.load`, without the numbers 0, 1, 2, … that files of 2022 count positions by."""
        return super().load({name: tensor for name, tensor in state.items() if name != _POSITIONS})

    def forward(self, pixel_values: Tensor) -> VisionStates:
        """Look at pictures.

        Args:
            pixel_values: [B, C, S, S], S the published `image_size`, normalised; see `seeing.pixels`.

        Raises:
            NodeflowError: NF414, they are of another size.
        """
        self._require_map(pixel_values, self._c.num_channels)
        size = self._c.image_size
        if pixel_values.shape[-2:] != (size, size):
            what = f"the image encoder looks at {size}×{size} pixels, but got {list(pixel_values.shape)}"
            raise NodeflowError("NF414", what)
        states = self.vision_model(pixel_values)
        return VisionStates(self.visual_projection(self.vision_model.post_layernorm(states[-1][:, 0])), states)
