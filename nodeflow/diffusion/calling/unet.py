"""The U-nets that read texts. SDXL's are also told sizes (Podell et al. 2023, arXiv 2307.01952, section 2.2).

What they are told of sizes stands in `Conditioning.more`, in pixels, height before width:

    original_size     [B, 2]   of the picture before it was scaled for training; small ones look blurred
    crop              [B, 2]   top and left of what was cut out of it; 0, 0 is a thing in the middle
    target_size       [B, 2]   of the picture to paint
    aesthetic_score   [B, 1]   1 to 10, in place of the target size, where the network (the refiner) was told it

    beside            [B, C, H, W]  the picture that InstructPix2Pix's networks edit (arXiv 2211.09800, section 3.2)

What is not there is filled in once a run: sizes are those of the latent, the crop is 0, the score is 6, and 2.5 for
what to steer away from; the picture is that of the latent.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from ...errors import NodeflowError
from ...values import Conditioning, Latent
from .base import Question, Way, picture_beside

SCORE, LOW_SCORE = 6.0, 2.5


def ask(net: Any, question: Question) -> Tensor:
    """The prediction, [B, C', H, W].

    Raises:
        NodeflowError: NF414, the network is to be told pooled states or sizes and the conditioning has none.
    """
    told, x = question.conditioning, question.x
    if told is not None and "beside" in told.more:
        x = torch.cat([x, told.more["beside"].to(x)], 1)
    return net(x, question.t, **said(net, told), **question.inside(net))


def said(net: Any, told: Conditioning | None) -> dict[str, Any]:
    """A conditioning as the keywords of a network that reads texts: a U-net, or one that steers it.

    Raises:
        NodeflowError: As `ask`.
    """
    if told is None:
        return {}
    more = {}
    if net.config.get("addition_embed_type") == "text_time":
        more["added_cond_kwargs"] = _added(told, _told(net, told.pooled))
    return {"encoder_hidden_states": told.states, "class_labels": told.labels, **more}


def complete(net: Any, name: str, given: Conditioning | None, latent: Latent) -> Conditioning | None:
    """The conditioning with all sizes that the network is told, and the picture that it edits.

    Raises:
        NodeflowError: NF414, the pooled text states are of another model, or there is no picture to edit.
    """
    if given is None:
        return None
    height, width = (side * latent.space.factor for side in latent.data.shape[-2:])
    size, score = [float(height), float(width)], [LOW_SCORE if name == "negative" else SCORE]
    usual = {"original_size": size, "crop": [0.0, 0.0], "target_size": size, "aesthetic_score": score}
    batch = len(given.states)
    lacking = {
        key: given.states.new_tensor([usual[key]] * batch) for key in _told(net, given.pooled) if key not in given.more
    }
    if net.config["in_channels"] == 2 * latent.data.shape[1]:
        lacking["beside"] = picture_beside(latent)
    return replace(given, more={**given.more, **lacking}) if lacking else given


def told_sizes(
    given: Conditioning, original: tuple[int, int], crop: tuple[int, int], target: tuple[int, int], score: float = 0
) -> Conditioning:
    """The conditioning with sizes in pixels, height before width; what is 0 stays unsaid.

    Args:
        given: For one sample or more; all are told the same.
        original: Of the picture before it was scaled.
        crop: Top and left of what was cut out of it.
        target: Of the picture to paint.
        score: 1 to 10.

    Raises:
        NodeflowError: NF205, one side of a size is 0 and the other is not.
    """
    for name, size in (("original", original), ("target", target)):
        if any(size) and not all(size):
            raise NodeflowError("NF205", f"the {name} size has one side only", fix="give both sides, or none")
    said = {"crop": crop}
    said |= {name: size for name, size in (("original_size", original), ("target_size", target)) if all(size)}
    more = {name: given.states.new_tensor([list(map(float, size))] * len(given.states)) for name, size in said.items()}
    if score:
        more["aesthetic_score"] = given.states.new_tensor([[score]] * len(given.states))
    return replace(given, more={**given.more, **more})


def _told(net: Any, pooled: Tensor | None) -> tuple[str, ...]:
    """The sizes that a network is told beside a pooled text, in their order; none for SD 1 and 2.

    How many numbers it takes tells the refiner, which takes five, from the base, which takes six.
    """
    config = net.config
    if config.get("addition_embed_type") != "text_time" or pooled is None:
        return ()
    numbers, rest = divmod(
        config["projection_class_embeddings_input_dim"] - pooled.shape[-1], config["addition_time_embed_dim"]
    )
    if rest or numbers not in (5, 6):
        what = f"the pooled text states are {pooled.shape[-1]} wide, which the denoiser cannot take"
        raise NodeflowError("NF414", what, fix="use the text encoders of the denoiser's own model")
    return ("original_size", "crop", "target_size" if numbers == 6 else "aesthetic_score")


def _added(told: Conditioning, names: tuple[str, ...]) -> dict[str, Tensor]:
    missing = [name for name in names if name not in told.more]
    if told.pooled is None or missing:
        lacks = "pooled text states" if told.pooled is None else " and ".join(missing)
        raise NodeflowError("NF414", f"the denoiser is to be told {lacks}, and the conditioning has none",
                            fix="use the text encoders of the denoiser's own model")  # fmt: skip
    return {"text_embeds": told.pooled, "time_ids": torch.cat([told.more[name] for name in names], -1)}


UNET = Way(ask, complete)
