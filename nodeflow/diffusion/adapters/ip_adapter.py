"""What IP-Adapters let a denoiser read: the picture for the positive prompt, no picture for all others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from nodeflow.values import Latent, PicturePrompt

from ..calling import Question
from ..guidance.base import POSITIVE
from ..models.perturbation import Hand, Reading

Layers = list[tuple[Tensor, Tensor]]


@torch.no_grad()
def show(prompt: PicturePrompt, net: Any, latent: Latent) -> Layers:
    """Keys and values of each block, [2, M, C]: of no picture, then of the picture; once a run is enough.

    No picture is a vector of zeros for adapters that read one vector, and what the encoder says of an empty picture
    for those that read all patches.

    Raises:
        NodeflowError: NF414, the image encoder is not the one that the adapter was trained with.
    """
    weights, seen = next(net.parameters()), prompt.picture
    states = net.config["reads"] == "states"
    picture = (seen.states if states else seen.pooled).to(weights)
    nothing = seen.nothing.to(weights).expand_as(picture) if states else torch.zeros_like(picture)
    return [
        (torch.cat([k0, k1]), torch.cat([v0, v1]))
        for (k0, v0), (k1, v1) in zip(net(nothing), net(picture), strict=True)
    ]


def ask(prompt: PicturePrompt, net: Any, question: Question, layers: Layers, prompts: Sequence[str]) -> Hand:
    """What the denoiser reads besides, for a batch of these prompts, one after the other."""
    each = len(question.x) // len(prompts)
    rows = torch.tensor([int(name == POSITIVE) for name in prompts]).repeat_interleave(each)
    chosen = [(keys[rows.to(keys.device)], values[rows.to(values.device)]) for keys, values in layers]
    return Hand(readings=[Reading(chosen, prompt.strength, prompt.blocks)])
