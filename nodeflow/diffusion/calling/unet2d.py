"""The U-nets without texts: asked with nothing, with classes, or with a small picture beside the latent.

The last is the super-resolution of Rombach et al. 2022, arXiv 2112.10752, section 4.4: each cell of the latent sees the
pixel of the small picture that stands where it does, `Conditioning.more["beside"]`, [B, 3, H, W] in -1..1.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from ...values import Conditioning, Latent
from .base import Question, Way, small_picture


def ask(net: Any, question: Question) -> Tensor:
    """The prediction, [B, C, H, W]."""
    told, x = question.conditioning, question.x
    if told is not None and "beside" in told.more:
        x = torch.cat([x, told.more["beside"].to(x)], 1)
    labels = () if told is None or told.labels is None else (told.labels,)
    return net(x, question.t, *labels, **question.inside(net))


def complete(net: Any, name: str, given: Conditioning | None, latent: Latent) -> Conditioning | None:
    """The conditioning with the small picture, where the network was trained to see one.

    Raises:
        NodeflowError: NF414, there is none.
    """
    if net.config["in_channels"] != 2 * latent.data.shape[1]:
        return given
    told = given or Conditioning(latent.data.new_zeros(len(latent.data), 0, 0))
    return replace(told, more={**told.more, "beside": small_picture(latent)})


UNET2D = Way(ask, complete)
