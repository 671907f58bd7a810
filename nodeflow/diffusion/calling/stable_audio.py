"""Stable Audio is told where its sound begins and how many seconds it lasts, among the text and beside it.

What stands in `Conditioning.more`, as `reading.stable_audio` puts it there:

    seconds_waves, seconds_matrix   [B, 2, K], [B, 2, D, 2 K + 2]   how the beginning and the length are said
    seconds_limits                  [B, 2]                          the least and the most that can be said
    told                            [B, 1]                          0 for an empty prompt, which keeps silent on them
    seconds                         [B, 2]                          the numbers; what nobody said is the latent's length

A run begins by saying them: the states get two more, and `more` becomes `seconds_said`, [B, 1, 2 D].
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from ...errors import NodeflowError
from ...values import Conditioning, Latent
from ..models.stable_audio_texts import NumberRule
from .base import Question, Way

_TABLES = ("seconds_waves", "seconds_matrix", "seconds_limits", "told", "seconds")


def ask(net: Any, question: Question) -> Tensor:
    """The prediction, [B, C, N].

    Raises:
        NodeflowError: NF414, the conditioning says nothing of seconds.
    """
    told = question.conditioning
    if told is None or "seconds_said" not in told.more:
        raise _unsaid()
    seconds = told.more["seconds_said"].to(question.x)
    return net(question.x, question.t, told.states, seconds, **question.inside(net))


def complete(net: Any, name: str, given: Conditioning | None, latent: Latent) -> Conditioning | None:
    """The conditioning with the seconds said.

    Raises:
        NodeflowError: NF414, it is of another model, or the model cannot say so many seconds.
    """
    if given is None or "seconds_said" in given.more:
        return given
    if "seconds_matrix" not in given.more:
        raise _unsaid()
    seconds = given.more.get("seconds")
    if seconds is None:
        seconds = given.states.new_tensor([[0.0, _length(latent)]] * len(given.states))
    least, most = given.more["seconds_limits"].to(seconds).unbind(1)
    if bool((seconds < least[:, None]).any() or (seconds > most[:, None]).any()):
        what = f"{float(seconds.max()):g} s were asked, but the model knows {float(least[0]):g} to {float(most[0]):g} s"
        raise NodeflowError("NF414", what, where="seconds", fix="ask for a length between")
    shares = (seconds - least[:, None]) / (most - least)[:, None]
    said = [
        NumberRule(given.more["seconds_waves"][:, i], given.more["seconds_matrix"][:, i])(shares[:, i])[:, None]
        for i in range(2)
    ]
    heard = given.more["told"][..., None]
    states = torch.cat([given.states, *(one.to(given.states) * heard.to(given.states) for one in said)], 1)
    more = {key: value for key, value in given.more.items() if key not in _TABLES}
    return replace(given, states=states, more={**more, "seconds_said": torch.cat(said, -1)})


def _length(latent: Latent) -> float:
    """Seconds of the sound that a latent will be."""
    rate = latent.space.rate
    if not rate:
        raise NodeflowError("NF414", "the latent does not say how many samples a second it stands for",
                            fix='make it with "Empty sound latent"')  # fmt: skip
    return latent.seconds or latent.data.shape[-1] * latent.space.factor / rate


def _unsaid() -> NodeflowError:
    return NodeflowError("NF414", "the denoiser is to be told seconds, and the conditioning cannot say them",
                         fix="use the text encoder of the denoiser's own model")  # fmt: skip


STABLE_AUDIO = Way(ask, complete)
