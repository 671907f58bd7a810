"""GLIDE's networks are told a text's states and its pooled state; what else they see stands beside the noisy picture.

    upscale   the small picture, `Conditioning.more["beside"]`, [B, 3, h, w] in -1..1, enlarged bilinearly
    inpaint   the picture with the masked part at 0, and 1 where it is to stay

Nichol et al. 2021, arXiv 2112.10741, sections 2.4 and 4.1.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ...values import Conditioning, Latent
from .base import Question, Way, small_picture
from .sd3 import pooled_text


def ask(net: Any, question: Question) -> Tensor:
    """The noise and the share of the variance, [B, 2 C, H, W].

    Raises:
        NodeflowError: NF414, the conditioning has no pooled text, or is of another model.
    """
    told, x = pooled_text(question.conditioning), question.x
    if "beside" in told.more:
        small = told.more["beside"].to(x)
        x = torch.cat([x, F.interpolate(small, x.shape[-2:], mode="bilinear", align_corners=False)], 1)
    elif _shown(net) == x.shape[1] and x.shape[1] == 2 * _painted(net) + 1:
        noisy, mask, masked = x.split((_painted(net), 1, _painted(net)), 1)
        x = torch.cat([noisy, masked, 1 - mask], 1)
    return net(x, question.t, told.states, told.pooled, **question.inside(net))


def complete(net: Any, name: str, given: Conditioning | None, latent: Latent) -> Conditioning | None:
    """The conditioning with the small picture, where the network was trained to see one.

    Raises:
        NodeflowError: NF414, there is none.
    """
    if given is None or _shown(net) != 2 * latent.data.shape[1]:
        return given
    return replace(given, more={**given.more, "beside": small_picture(latent)})


def _shown(net: Any) -> int:
    return net.config["in_channels"]


def _painted(net: Any) -> int:
    """Channels of the picture: of what the network says, half is the variance."""
    return net.config["out_channels"] // 2


GLIDE = Way(ask, complete)
