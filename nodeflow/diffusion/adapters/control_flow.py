"""How the control networks of Flux and Stable Diffusion 3 are asked: they are shown latents and the whole prompt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from nodeflow.errors import NodeflowError
from nodeflow.values import Control, Latent

from ..calling import Question
from ..calling.flux import grid, packed, places, words
from ..calling.sd3 import pooled_text
from ..models.perturbation import Hand
from .shown import picture_latent, repeated


def flux(control: Control, net: Any, question: Question, shown: Tensor, prompts: Sequence[str]) -> Hand:
    """The residuals of a ControlNet of Flux.

    Raises:
        NodeflowError: NF414, the denoiser looks at another picture, whose tokens the network does not know.
    """
    asked = question.on(next(net.parameters()))
    if asked.conditioning is not None and {"reference", "beside"} & asked.conditioning.more.keys():
        what = "a ControlNet cannot steer a model that looks at another picture"
        raise NodeflowError("NF414", what, fix="use it with a Flux.1 dev or schnell")
    mode = {"controlnet_mode": control.mode} if net.config["num_mode"] else {}
    found = net(
        packed(asked.x),
        packed(repeated(shown, question, prompts).to(asked.x)),
        img_ids=places(*grid(asked.x), 0).to(asked.x.device),
        conditioning_scale=control.strength,
        **words(asked),
        **mode,
    )
    inputs = {"controlnet_block_samples": found.blocks, "controlnet_single_block_samples": found.single_blocks}
    return Hand(inputs={name: added for name, added in inputs.items() if added})


def sd3_picture(control: Control, net: Any, latent: Latent) -> Tensor:
    """The latent of a control's pictures, [B, C, H, W]; without the shift for networks trained so (InstantX)."""
    found = picture_latent(control, net, latent)
    trained_without = net.config["force_zeros_for_pooled_projection"]
    return found + latent.space.shift * latent.space.scale if trained_without else found


def sd3(control: Control, net: Any, question: Question, shown: Tensor, prompts: Sequence[str]) -> Hand:
    """The residuals of a ControlNet of Stable Diffusion 3; some were trained with no pooled text."""
    asked = question.on(next(net.parameters()))
    told = pooled_text(asked.conditioning)
    assert told.pooled is not None
    pooled = torch.zeros_like(told.pooled) if net.config["force_zeros_for_pooled_projection"] else told.pooled
    pictures = repeated(shown, question, prompts).to(asked.x)
    x = asked.x[:, : pictures.shape[1]]
    found = net(x, pictures, told.states, pooled, asked.t, conditioning_scale=control.strength)
    return Hand(inputs={"block_controlnet_hidden_states": found})
