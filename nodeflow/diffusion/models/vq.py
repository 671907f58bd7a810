"""VQModel: an autoencoder whose decoder reads words of a learnt codebook (van den Oord et al. 2017, arXiv 1711.00937).

In latent diffusion (Rombach et al. 2022, section 3.1, "VQ-reg.") the words are chosen in the decoder, so that the
diffusion works on what the encoder says, before it is rounded.
"""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from msgspec import Meta
from torch import Tensor, nn

from .autoencoder_kl import AutoencoderKLConfig, Decoder, Encoder, require_multiple
from .base import Model, Width


class VQConfig(AutoencoderKLConfig, frozen=True, kw_only=True):
    """Published keys of `VQModel`."""

    latent_channels: Width = 3
    num_vq_embeddings: Annotated[int, Meta(ge=1, le=1 << 20)] = 256
    vq_embed_dim: Width | None = None
    norm_type: Literal["group"] = "group"


class Exact:
    """What an encoder says that is certain of the latent: each draw is the same.

    Args:
        moments: The latent, [B, C, H, W].
    """

    def __init__(self, moments: Tensor) -> None:
        self.moments = moments

    def mode(self) -> Tensor:
        """The latent, [B, C, H, W]."""
        return self.moments

    def sample(self, generator: torch.Generator | None = None) -> Tensor:
        """The latent, [B, C, H, W]; nothing is drawn."""
        return self.moments


class VQModel(Model):
    """Pictures to latents and, through the codebook, back."""

    Config = VQConfig

    def __init__(self, config: VQConfig) -> None:
        super().__init__()
        self._c = c = config
        width = c.vq_embed_dim or c.latent_channels
        self.encoder = Encoder(c, c.latent_channels)
        self.quant_conv = nn.Conv2d(c.latent_channels, width, 1)
        self.quantize = Codebook(c.num_vq_embeddings, width)
        self.post_quant_conv = nn.Conv2d(width, c.latent_channels, 1)
        self.decoder = Decoder(c)
        self.downsampling = 2 ** (len(c.block_out_channels) - 1)

    def encode(self, x: Tensor) -> Exact:
        """The latent of a picture, before it is rounded.

        Args:
            x: Pictures, [B, C_in, H, W], −1..1; height and width multiples of `downsampling`.

        Raises:
            NodeflowError: NF414, the picture has other channels, or its size is no multiple.
        """
        self._require_map(x, self._c.in_channels)
        require_multiple(x, self.downsampling)
        return Exact(self.quant_conv(self.encoder(x)))

    def decode(self, z: Tensor) -> Tensor:
        """The picture of a latent, each of whose cells is first replaced by the nearest word.

        Args:
            z: Latents, [B, C, H, W], not scaled.

        Returns:
            Pictures, [B, C_out, f H, f W], about −1..1, not clipped.

        Raises:
            NodeflowError: NF414, the latent has other channels.
        """
        self._require_map(z, self.quant_conv.out_channels)
        return self.decoder(self.post_quant_conv(self.quantize(z)))

    def forward(self, x: Tensor) -> Tensor:
        """Pictures [B, C_in, H, W] to latents and back."""
        return self.decode(self.encode(x).moments)


class Codebook(nn.Module):
    """So many words of so many numbers."""

    def __init__(self, words: int, width: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(words, width)

    def forward(self, z: Tensor) -> Tensor:
        """Each cell of [B, C, H, W] as the word nearest to it, argmin_j ‖z − e_j‖."""
        cells = z.permute(0, 2, 3, 1).flatten(0, 2)
        words = self.embedding(torch.arange(self.embedding.num_embeddings, device=z.device))
        nearest = torch.cdist(cells.float(), words.float()).argmin(1)
        chosen = self.embedding(nearest).to(z.dtype)
        return chosen.unflatten(0, (z.shape[0], *z.shape[2:])).permute(0, 3, 1, 2)
