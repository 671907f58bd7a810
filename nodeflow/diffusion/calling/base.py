"""A question to a network, and a way to ask it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from ...errors import NodeflowError
from ...values import Conditioning, Latent, moved
from ..models.perturbation import Hand, touched


@dataclass(frozen=True)
class Question:
    """One call of a network.

    Args:
        x: The noisy latent as the network is shown it, [B, C, H, W] or [B, C, N].
        t: The time as the schedule counts it, without dimensions.
        conditioning: Of the same B; None for a network that is told nothing.
        hand: What is done inside the network; None = nothing.
    """

    x: Tensor
    t: Tensor
    conditioning: Conditioning | None = None
    hand: Hand | None = None

    def on(self, weights: Tensor) -> Question:
        """The same on the device of a network's weights; x and text states in their number format too.

        What is in `more` keeps its format: a size in pixels may not be rounded to bfloat16.
        """
        told = self.conditioning and moved(self.conditioning, str(weights.device))
        if told is not None:
            pooled = None if told.pooled is None else told.pooled.to(weights)
            told = replace(told, states=told.states.to(weights), pooled=pooled)
        hand = self.hand and self.hand.on(weights)
        return replace(self, x=self.x.to(weights), t=self.t.to(weights.device), conditioning=told, hand=hand)

    def inside(self, net: Any) -> dict[str, Any]:
        """The keywords of what is done inside a network; none where nothing is to be done."""
        if self.hand is None:
            return {}
        changes = {"changes": touched(net, self.hand)} if self.hand.touches or self.hand.readings else {}
        return {**self.hand.inputs, **changes}


def unchanged(net: Any, name: str, given: Conditioning | None, latent: Latent) -> Conditioning | None:
    """For networks that need no more than they are told."""
    return given


def picture_beside(latent: Latent) -> Tensor:
    """The picture beside a latent for networks that edit, [B, C, H, W], unscaled.

    Raises:
        NodeflowError: NF414, there is none.
    """
    if latent.beside is None:
        fix = 'make the latent with "Encode image for editing"'
        raise NodeflowError("NF414", "the denoiser edits a picture and the latent has none beside it", fix=fix)
    return latent.beside


def small_picture(latent: Latent) -> Tensor:
    """The picture beside a latent for networks that enlarge, [B, 3, h, w] in -1..1.

    Raises:
        NodeflowError: NF414, there is none.
    """
    if latent.beside is None:
        what = "the denoiser enlarges a picture and the latent has none beside it"
        raise NodeflowError("NF414", what, fix='make the latent with "Encode image for upscaling"')
    return latent.beside


def all_channels(net: Any) -> int:
    """For networks that count the channels of a latent as they are."""
    return net.config["in_channels"]


@dataclass(frozen=True)
class Way:
    """How the networks of a class are asked.

    Args:
        ask: (net, question on its device) -> prediction, [B, C', H, W].
        complete: (net, what the prompt is for, the prompt or None, the run's latent) -> it with what nobody said.
        channels: (net) -> how many channels it is shown, those of a latent and what stands beside it.
        patch: (net) -> so many cells of a latent along an edge are one token.
    """

    ask: Callable[[Any, Question], Tensor]
    complete: Callable[[Any, str, Conditioning | None, Latent], Conditioning | None] = unchanged
    channels: Callable[[Any], int] = all_channels
    patch: Callable[[Any], int] = lambda net: 2
