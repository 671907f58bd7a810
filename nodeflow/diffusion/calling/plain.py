"""Networks of (x, t), and of (x, t, text states) or (x, t, labels)."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from .base import Question, Way


def ask(net: Any, question: Question) -> Tensor:
    """The prediction, [B, C', H, W]."""
    told = question.conditioning
    third = () if told is None else (told.states if told.labels is None else told.labels,)
    return net(question.x, question.t, *third, **question.inside(net))


PLAIN = Way(ask)
