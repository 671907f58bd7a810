"""What control networks add to a call of a denoiser: how they are asked, when, and how much of it counts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from nodeflow.errors import NodeflowError
from nodeflow.values import Control, Latent, PicturePrompt

from ..calling import Question
from ..calling.unet import said
from ..guidance.base import POSITIVE, Call
from ..models.perturbation import Hand
from ..windows import Box
from . import control_flow, ip_adapter
from .shown import picture, picture_latent, repeated

Shown = Any
"""What a control's network is shown of its picture, once a run."""


@dataclass(frozen=True)
class Steering:
    """The controls of one denoiser in one run; what several add is summed.

    Args:
        controls: Each with its network and what that is shown.
    """

    controls: Sequence[tuple[Control | PicturePrompt, Any, Shown]]

    @classmethod
    def of(cls, controls: Sequence[tuple[Control | PicturePrompt, Any]], latent: Latent) -> Steering:
        """Pictures are scaled until they cover the latent, and what overhangs is cut off.

        Args:
            controls: Each with its network.
            latent: Where the run starts; its size counts.

        Raises:
            NodeflowError: NF414, the pictures are neither one nor as many as the latents, or they do not fit the
                network.
        """
        return cls([(one, net, KINDS[one.network.kind].show(one, net, latent)) for one, net in controls])

    def __call__(self, question: Question, call: Call, prompts: Sequence[str]) -> Hand:
        """What is done inside the denoiser's network; nothing where no control is at work.

        Args:
            question: What the denoiser is asked, of a batch of all prompts, one after the other.
            call: Where in the run this is.
            prompts: What each part of the batch is for.
        """
        done = Hand()
        for control, net, shown in self.controls:
            if control.strength and at_work(control, call):
                done = _sum(done, KINDS[control.network.kind].ask(control, net, question, shown, prompts))
        return done

    def within(self, box: Box, height: int, width: int) -> Steering:
        """The same for a rectangle of the latent, which has height × width cells: pictures are cut as it is."""
        return Steering([(one, net, _cut(one, shown, box, height)) for one, net, shown in self.controls])


def _cut(control: Control | PicturePrompt, shown: Shown, box: Box, height: int) -> Shown:
    """What a control is shown of a rectangle; what prompts by pictures is shown all of them."""
    if not isinstance(control, Control) or not isinstance(shown, Tensor):
        return shown
    return box.of(shown, shown.shape[-2] // height)


@dataclass(frozen=True)
class Kind:
    """How the control networks of a class are asked.

    Args:
        show: (control, net, the run's latent) -> what it is shown.
        ask: (control, net, what the denoiser is asked, what it was shown, prompts) -> what is done inside the denoiser.
    """

    show: Callable[[Any, Any, Latent], Shown]
    ask: Callable[[Any, Any, Question, Shown, Sequence[str]], Hand]


def at_work(control: Control | PicturePrompt, call: Call) -> bool:
    """Whether a control counts at a call: where the whole call lies between its start and its end."""
    return control.start <= call.index / call.total and (call.index + 1) / call.total <= control.end


def _control_net(control: Control, net: Any, question: Question, shown: Tensor, prompts: Sequence[str]) -> Hand:
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
    down, mid = net(x, asked.t, states, repeated(shown, question, prompts).to(weights), **options, **told)
    if control.guess or net.config["global_pool_conditions"]:
        steered = torch.tensor([float(prompt == POSITIVE) for prompt in prompts]).to(weights)
        rows = steered.repeat_interleave(len(x) // len(prompts)).view(-1, 1, 1, 1)
        down, mid = [one * rows for one in down], mid * rows
    return Hand(inputs={"down_block_additional_residuals": down, "mid_block_additional_residual": mid})


def _adapter(control: Control, net: Any, question: Question, shown: Tensor, prompts: Sequence[str]) -> Hand:
    """A T2I-Adapter's features (Mou et al. 2023, arXiv 2302.08453)."""
    found = net(repeated(shown, question, prompts).to(next(net.parameters())))
    return Hand(inputs={"down_intrablock_additional_residuals": [one * control.strength for one in found]})


def _sum(a: Hand, b: Hand) -> Hand:
    """What two controls do: what they add is summed by the names of arguments."""
    inputs = {name: _added(a.inputs.get(name), b.inputs.get(name)) for name in {**a.inputs, **b.inputs}}
    return Hand(inputs=inputs, readings=[*a.readings, *b.readings])


def _added(a: Any, b: Any) -> Any:
    if a is None or b is None:
        return b if a is None else a
    if isinstance(a, Tensor):
        return a + b.to(a)
    if len(a) != len(b):
        what = f"control networks of {len(a)} and {len(b)} blocks cannot steer together"
        raise NodeflowError("NF414", what, fix="use control networks of one make")
    return [x + y.to(x) for x, y in zip(a, b, strict=True)]


KINDS: dict[str, Kind] = {
    "ControlNetModel": Kind(picture, _control_net),
    "T2IAdapter": Kind(picture, _adapter),
    "IPAdapter": Kind(ip_adapter.show, ip_adapter.ask),
    "FluxControlNetModel": Kind(picture_latent, control_flow.flux),
    "SD3ControlNetModel": Kind(control_flow.sd3_picture, control_flow.sd3),
}
"""By the class name of the control network."""
