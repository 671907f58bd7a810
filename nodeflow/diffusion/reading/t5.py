"""T5: the states of a fixed number of tokens, filled up behind the end of the prompt.

The encoder reads the padding too, as the denoisers were trained. Weights change states as those of CLIP do (see
`text`): "a1111" rescales to the former mean, "comfy" moves away from the empty prompt.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ...values import TextEncoder
from ..checkpoints.t5_tokenizer import T5Tokenizer, load_t5_tokenizer
from ..prompts import Weighting, parse
from ..text import require_finite_weight, weighed
from .base import Borrow, Prompts


class Row(NamedTuple):
    """A prompt's token numbers and their weights, as many as are read."""

    ids: list[int]
    weights: list[float]
    used: int
    """How many of them are the prompt's, its end included."""


@torch.no_grad()
def t5_states(encoder: TextEncoder, texts: Sequence[str], how: Prompts, borrow: Borrow, length: int) -> Tensor:
    """What a T5 encoder says of prompts, float32.

    Args:
        encoder: The encoder.
        texts: One prompt a sample.
        how: How to read them.
        borrow: Lends its network.
        length: How many tokens it reads, end and padding included; what a prompt has more is left off.

    Returns:
        [B, length, D].

    Raises:
        NodeflowError: NF408, the tokenizer is missing or another model's; NF413, a weight is not finite.
    """
    tokenizer = load_t5_tokenizer(encoder)
    rows = [_row(text, tokenizer, how.weighting, length) for text in texts]
    return _said(encoder, rows, how, borrow, tokenizer)


@torch.no_grad()
def t5_masked(
    encoder: TextEncoder, texts: Sequence[str], how: Prompts, borrow: Borrow, length: int
) -> tuple[Tensor, Tensor]:
    """As `t5_states`, but the padding is not read, and 0.

    Returns:
        The states, [B, length, D], and which of them are the prompt's, [B, length].
    """
    tokenizer = load_t5_tokenizer(encoder)
    rows = [_row(text, tokenizer, how.weighting, length) for text in texts]
    states = _said(encoder, rows, how, borrow, tokenizer, masked=True)
    kept = _kept(rows, states)
    return states * kept[..., None], kept


def _said(
    encoder: TextEncoder,
    rows: list[Row],
    how: Prompts,
    borrow: Borrow,
    tokenizer: T5Tokenizer,
    masked: bool = False,
) -> Tensor:
    weights, length = torch.tensor([row.weights for row in rows])[..., None], len(rows[0].ids)
    relative = how.weighting == "comfy" and bool((weights != 1).any())
    asked = [*rows, *([_filled([], [], tokenizer, length)] if relative else [])]
    with borrow(encoder) as net:
        ids = torch.tensor([row.ids for row in asked], device=next(net.parameters()).device)
        said = net(ids, _kept(asked, ids) if masked else None).last_hidden_state.float()
    states, weights = said[: len(rows)], weights.to(said.device)
    return weighed(states, weights, how.weighting, said[-1:] if relative else states)


def _row(text: str, tokenizer: T5Tokenizer, weighting: Weighting, length: int) -> Row:
    ids: list[int] = []
    weights: list[float] = []
    for piece in (piece for section in parse(text, weighting) for piece in section):
        require_finite_weight(piece)
        read = tokenizer.encode(piece.text, add_special_tokens=False)
        ids += read
        weights += [piece.weight] * len(read)
    return _filled(ids, weights, tokenizer, length)


def _filled(ids: list[int], weights: list[float], tokenizer: T5Tokenizer, length: int) -> Row:
    kept = length - 1
    ids, weights = [*ids[:kept], tokenizer.eos_token_id], [*weights[:kept], 1.0]
    empty = length - len(ids)
    return Row(ids + [tokenizer.pad_token_id] * empty, weights + [1.0] * empty, len(ids))


def _kept(rows: Sequence[Row], like: Tensor) -> Tensor:
    """Which tokens are a prompt's, [B, T]."""
    used = torch.tensor([[row.used] for row in rows], device=like.device)
    return torch.arange(len(rows[0].ids), device=like.device) < used
