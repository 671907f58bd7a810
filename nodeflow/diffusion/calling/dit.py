"""The transformers that know classes. Beside the noise they may predict a step's variance; samplers set their own."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ...errors import NodeflowError
from .base import Question, Way


def ask(net: Any, question: Question) -> Tensor:
    """The predicted noise, [B, C, H, W].

    Raises:
        NodeflowError: NF414, no class is given.
    """
    told = question.conditioning
    if told is None or told.labels is None:
        raise NodeflowError("NF414", "the denoiser paints classes, and is told none", fix='wire the node "Class"')
    said = net(question.x, question.t, told.labels, **question.inside(net))
    return said[:, : question.x.shape[1]]


DIT = Way(ask)
