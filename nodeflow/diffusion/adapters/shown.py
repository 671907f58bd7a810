"""What control networks are shown of their pictures: the pictures themselves, or their latents."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

from torch import Tensor

from nodeflow.errors import NodeflowError
from nodeflow.values import Control, Image, Latent, PicturePrompt, Weights

from ..calling import Question
from ..imaging import fit
from ..latents import to_latent

LATENT = ("FluxControlNetModel", "SD3ControlNetModel")
"""Class names of control networks that are shown latents."""
Borrow = Callable[[Weights], AbstractContextManager[Any]]


def picture(control: Control, net: Any, latent: Latent) -> Tensor:
    """A control's pictures as large as the pictures of a latent, or as its network wants them, [B, 3, f H, f W].

    Raises:
        NodeflowError: NF414, they are neither one nor as many as the latents.
    """
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


def encoded(control: Control | PicturePrompt, latent: Latent, borrow: Borrow) -> Control | PicturePrompt:
    """The control with the latent of its pictures, where its network is shown that; else the same.

    Args:
        control: A picture that steers a denoiser.
        latent: Where the run starts; its size counts.
        borrow: Lends the autoencoder while the picture is encoded.

    Raises:
        NodeflowError: NF203, it has no autoencoder; and as `picture` and `to_latent`.
    """
    if not isinstance(control, Control) or control.network.kind not in LATENT:
        return control
    if control.autoencoder is None:
        what = "this ControlNet is shown its picture as a latent, and there is no autoencoder"
        fix = "wire the model's autoencoder into Apply ControlNet"
        raise NodeflowError("NF203", what, where="autoencoder", fix=fix)
    shown = Image(picture(control, None, latent))
    with borrow(control.autoencoder) as codec:
        return replace(control, latent=to_latent(codec, shown, latent.space).data)


def picture_latent(control: Control, net: Any, latent: Latent) -> Tensor:
    """The latent of a control's pictures as `encoded` left it, [B, C, H, W].

    Raises:
        NodeflowError: NF414, it is not there, or not of the size of the run's latent.
    """
    if control.latent is None or control.latent.shape[1:] != latent.data.shape[1:]:
        have = "no latent" if control.latent is None else f"a latent of {list(control.latent.shape)}"
        raise NodeflowError("NF414", f"the control picture has {have}, the run's is {list(latent.data.shape)}")
    return control.latent.to(latent.data)


def repeated(pictures: Tensor, question: Question, prompts: Sequence[str]) -> Tensor:
    """Pictures, one or as many as there are latents, for each row of a batch of all prompts."""
    each = len(question.x) // len(prompts)
    return pictures.expand(each, *[-1] * (pictures.ndim - 1)).repeat(len(prompts), *[1] * (pictures.ndim - 1))
