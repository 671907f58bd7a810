"""Stable Diffusion 3 is told the pooled texts beside the states, and times from 0 to 1000."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ...errors import NodeflowError
from ...values import Conditioning
from .base import Question, Way


def ask(net: Any, question: Question) -> Tensor:
    """The prediction, [B, C, H, W].

    Raises:
        NodeflowError: NF414, the conditioning has no pooled text.
    """
    told = pooled_text(question.conditioning)
    return net(question.x, told.states, told.pooled, question.t, **question.inside(net))


def pooled_text(told: Conditioning | None) -> Conditioning:
    """A conditioning with a pooled text.

    Raises:
        NodeflowError: NF414, it has none.
    """
    if told is None or told.pooled is None:
        raise NodeflowError(
            "NF414",
            "the denoiser is to be told pooled text states, and the conditioning has none",
            fix="use the text encoders of the denoiser's own model",
        )
    return told


def patch(net: Any) -> int:
    """The edge of a patch in cells of a latent."""
    return net.config["patch_size"]


SD3 = Way(ask, patch=patch)
