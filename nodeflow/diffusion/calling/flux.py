"""Flux sees latents in tokens of 2×2 cells, each with its place, and is told times from 0 to 1.

What it may be told besides stands in `Conditioning.more`:

    guidance    [B]             how strongly to follow the prompt: distilled into the network, which is asked once
    reference   [B, C, h, w]    the latent of a picture to look at (Kontext): tokens behind those of the picture to
                                paint, whose places say that they belong to another one
    beside      [B, C, H, W]    the latent of the edges or depths that a structural version follows; by default that of
                                the picture beside the run's latent
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from ...errors import NodeflowError
from ...values import Conditioning, Latent
from .base import Question, Way, picture_beside
from .sd3 import pooled_text

GUIDANCE = 3.5
"""What the network is told where nobody says how strongly to follow."""
_EDGE = 2
_THOUSAND = 1000


def ask(net: Any, question: Question) -> Tensor:
    """The prediction, [B, C, H, W].

    Raises:
        NodeflowError: NF414, the latent has an odd side, or the conditioning has no pooled text.
    """
    told = pooled_text(question.conditioning)
    x = question.x
    if "beside" in told.more:
        x = torch.cat([x, told.more["beside"].to(x)], 1)
    rows, columns = grid(x)
    tokens, ids = [packed(x)], [places(rows, columns, 0)]
    reference = told.more.get("reference")
    if reference is not None:
        tokens.append(packed(reference.to(x)))
        ids.append(places(*grid(reference), 1))
    where = torch.cat(ids).to(x.device)
    said = net(torch.cat(tokens, 1), img_ids=where, **words(question), **question.inside(net))
    return unpacked(said[:, : rows * columns], rows, columns)


def words(question: Question) -> dict[str, Any]:
    """Text, time and guidance as the keywords of Flux and of the networks that steer it.

    Raises:
        NodeflowError: NF414, the conditioning has no pooled text.
    """
    told = pooled_text(question.conditioning)
    return {
        "encoder_hidden_states": told.states,
        "pooled_projections": told.pooled,
        "timestep": question.t.float() / _THOUSAND,
        "txt_ids": torch.zeros(told.states.shape[1], 3, device=question.x.device),
        "guidance": told.more.get("guidance"),
    }


def complete(net: Any, name: str, given: Conditioning | None, latent: Latent) -> Conditioning | None:
    """The conditioning with a guidance, where the network was distilled with one, and a picture to follow.

    Raises:
        NodeflowError: NF414, there is no picture to follow.
    """
    if given is None:
        return None
    lacking = {}
    if net.config.get("guidance_embeds") and "guidance" not in given.more:
        lacking["guidance"] = given.states.new_full((len(given.states),), GUIDANCE)
    if _channels(net) == 2 * latent.data.shape[1] and "beside" not in given.more:
        lacking["beside"] = (picture_beside(latent) - latent.space.shift) * latent.space.scale
    return replace(given, more={**given.more, **lacking}) if lacking else given


def packed(x: Tensor) -> Tensor:
    """Tokens of 2×2 cells, [B, C, 2 h, 2 w] -> [B, h w, 4 C]."""
    cells = x.unflatten(3, (-1, _EDGE)).unflatten(2, (-1, _EDGE))
    return cells.permute(0, 2, 4, 1, 3, 5).flatten(3).flatten(1, 2)


def unpacked(tokens: Tensor, rows: int, columns: int) -> Tensor:
    """The cells of tokens, [B, h w, 4 C] -> [B, C, 2 h, 2 w]."""
    cells = tokens.unflatten(2, (-1, _EDGE, _EDGE)).unflatten(1, (rows, columns))
    return cells.permute(0, 3, 1, 4, 2, 5).flatten(4).flatten(2, 3)


def places(rows: int, columns: int, picture: int) -> Tensor:
    """Picture, row and column of each token, [h w, 3]."""
    where = torch.cartesian_prod(torch.arange(rows), torch.arange(columns))
    return torch.nn.functional.pad(where, (1, 0), value=picture).float()


def grid(x: Tensor) -> tuple[int, int]:
    """Rows and columns of tokens.

    Raises:
        NodeflowError: NF414, a side is odd.
    """
    height, width = x.shape[-2:]
    if height % _EDGE or width % _EDGE:
        raise NodeflowError(
            "NF414",
            f"a latent of {height} × {width} cells does not fit the denoiser, which sees two by two",
            fix="make both sides of the picture multiples of 16",
        )
    return height // _EDGE, width // _EDGE


def _channels(net: Any) -> int:
    return net.config["in_channels"] // _EDGE**2


FLUX = Way(ask, complete, _channels)
