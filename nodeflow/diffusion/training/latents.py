"""Latents as training material: encoded once, of zero mean and unit variance in every channel."""

from __future__ import annotations

import torch
from torch import Tensor

from nodeflow.diffusion.models.autoencoder_kl import AutoencoderKL
from nodeflow.errors import NodeflowError


@torch.no_grad()
def encode_all(net: AutoencoderKL, images: Tensor, batch: int = 64) -> Tensor:
    """The most probable latents of pictures [N, 3, H, W], −1..1: [N, C, H/f, W/f]."""
    return torch.cat([net.encode(part).mode() for part in images.split(batch)])


@torch.no_grad()
def standardise(net: AutoencoderKL, images: Tensor, least: float = 0.0) -> None:
    """Make every latent channel of these pictures of mean 0 and variance 1, leaving what is decoded unchanged.

    With channel means μ and deviations s, z' = (z − μ) / s is folded into the 1 × 1 convolution behind the encoder
    and its inverse into the one before the decoder, so that `scaling_factor` is 1 and nothing is said elsewhere.

    Args:
        net: The autoencoder, changed in place.
        images: Pictures that stand for all, [N, 3, H, W], −1..1.
        least: Channels that deviate less than this are divided by this: what says little stays small.

    Raises:
        NodeflowError: NF406, the network has no 1 × 1 convolutions around its latents.
    """
    inner, outer = net.quant_conv, net.post_quant_conv
    if inner is None or outer is None or inner.bias is None or outer.bias is None:
        raise NodeflowError("NF406", "the autoencoder has no quant_conv and post_quant_conv to fold statistics into")
    z = encode_all(net, images)
    mean, std = z.mean((0, 2, 3)), z.std((0, 2, 3)).clamp_min(least)
    inner.weight[: len(mean)] /= std[:, None, None, None]
    inner.bias[: len(mean)] = (inner.bias[: len(mean)] - mean) / std
    inner.bias[len(mean) :] -= 2 * std.log()
    outer.bias += outer.weight[:, :, 0, 0] @ mean
    outer.weight *= std[None, :, None, None]
