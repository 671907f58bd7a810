"""What control networks add to a call of a denoiser: how they are asked, when, and how much of it counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from nodeflow.errors import NodeflowError
from nodeflow.values import Control, Image, Latent

from ..calling import Question
from ..calling.unet import said
from ..guidance.base import POSITIVE, Call
from ..imaging import fit

Inputs = dict[str, Any]
"""Keyword arguments of a denoiser's network."""


@dataclass(frozen=True)
class Steering:
    """The controls of one denoiser in one run; what several add is summed.

    Args:
        controls: Each with its network and its pictures, [B, 3, f H, f W], B = 1 or as many as there are latents.
    """

    controls: Sequence[tuple[Control, Any, Tensor]]

    @classmethod
    def of(cls, controls: Sequence[tuple[Control, Any]], latent: Latent) -> Steering:
        """Pictures are scaled until they cover the latent, and what overhangs is cut off.

        Args:
            controls: Each with its network.
            latent: Where the run starts; its size counts.

        Raises:
            NodeflowError: NF414, the pictures are neither one nor as many as the latents.
        """
        return cls([(control, net, _picture(control, net, latent)) for control, net in controls])

    def __call__(self, question: Question, call: Call, prompts: Sequence[str]) -> Inputs:
        """What the denoiser's network is told besides; nothing where no control is at work.

        Args:
            question: What the denoiser is asked, of a batch of all prompts, one after the other.
            call: Where in the run this is.
            prompts: What each part of the batch is for.
        """
        added: Inputs = {}
        for control, net, picture in self.controls:
            if control.strength and at_work(control, call):
                pictures = picture.expand(len(question.x) // len(prompts), -1, -1, -1).repeat(len(prompts), 1, 1, 1)
                ask = ASKED[control.network.kind]
                added = _sum(added, ask(control, net, question, pictures, prompts))
        return added


def at_work(control: Control, call: Call) -> bool:
    """Whether a control counts at a call: where the whole call lies between its start and its end."""
    return control.start <= call.index / call.total and (call.index + 1) / call.total <= control.end


def _control_net(control: Control, net: Any, question: Question, pictures: Tensor, prompts: Sequence[str]) -> Inputs:
    """A ControlNet's residuals (Zhang et al. 2023, arXiv 2302.05543).

    The latent alone is shown to it, not what an inpainting denoiser sees beside it. Where it guesses (section 3.4),
    and where its residuals are pooled, it steers the positive prompt only.
    """
    weights = next(net.parameters())
    asked = question.on(weights)
    told = said(net, asked.conditioning)
    states = told.pop("encoder_hidden_states")
    x = asked.x[:, : net.config["in_channels"]]
    options = {"conditioning_scale": control.strength, "guess_mode": control.guess}
    down, mid = net(x, asked.t, states, pictures.to(weights), **options, **told)
    if control.guess or net.config["global_pool_conditions"]:
        steered = torch.tensor([float(prompt == POSITIVE) for prompt in prompts]).to(weights)
        rows = steered.repeat_interleave(len(x) // len(prompts)).view(-1, 1, 1, 1)
        down, mid = [one * rows for one in down], mid * rows
    return {"down_block_additional_residuals": down, "mid_block_additional_residual": mid}


def _adapter(control: Control, net: Any, question: Question, pictures: Tensor, prompts: Sequence[str]) -> Inputs:
    """A T2I-Adapter's features (Mou et al. 2023, arXiv 2302.08453)."""
    found = net(pictures.to(next(net.parameters())))
    return {"down_intrablock_additional_residuals": [one * control.strength for one in found]}


ASKED = {"ControlNetModel": _control_net, "T2IAdapter": _adapter}
"""How a control network is asked, by its class name."""


def _sum(a: Mapping[str, Any], b: Mapping[str, Any]) -> Inputs:
    """What two controls add, by the names of arguments."""
    return {name: _added(a.get(name), b.get(name)) for name in {**a, **b}}


def _added(a: Any, b: Any) -> Any:
    if a is None or b is None:
        return b if a is None else a
    return a + b.to(a) if isinstance(a, Tensor) else [x + y.to(x) for x, y in zip(a, b, strict=True)]


def _picture(control: Control, net: Any, latent: Latent) -> Tensor:
    count, batch = len(control.image), len(latent.data)
    if count not in (1, batch):
        raise NodeflowError(
            "NF414",
            f"{count} control pictures meet {batch} latents",
            fix="give one picture, or as many as there are latents",
        )
    factor = getattr(net, "picture_factor", latent.space.factor)
    height, width = (side * factor for side in latent.data.shape[-2:])
    return fit(Image(control.image.to(latent.data.device)), width, height, "cover", "#000000").data
