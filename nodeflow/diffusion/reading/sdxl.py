"""SDXL: the last states but one of two CLIP text encoders side by side (Podell et al. 2023, section 2.1).

The states of CLIP ViT-L, 768 wide, and of OpenCLIP ViT-bigG, 1280 wide, are joined to 2048; the pooled text is that of
the last encoder, projected. The refiner reads with bigG alone. Both were trained with zeros where nothing is said.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch

from ...values import Conditioning, TextEncoder
from ..checkpoints.tokenizer import load_tokenizer
from ..text import Tokenizer, encode, read
from .base import Borrow, Prompts


def sdxl(encoder: TextEncoder, prompts: Prompts, borrow: Borrow) -> Conditioning:
    """States [B, 77 n, 2048] and the pooled state [B, 1280]; raises as `text.encode`."""
    said = side_by_side(encoder.all, prompts, borrow)
    states = torch.cat([one.states for one in said], -1)
    return _silent(Conditioning(states, said[-1].pooled), encoder, prompts)


def side_by_side(encoders: Sequence[TextEncoder], prompts: Prompts, borrow: Borrow) -> list[Conditioning]:
    """The last states but one of several CLIP text encoders, as many windows of each; raises as `text.encode`."""
    tokenizers = [load_tokenizer(one) for one in encoders]
    least = max(
        len(read(text, tokenizer, prompts.weighting)[: prompts.windows])
        for number, tokenizer in enumerate(tokenizers)
        for text in prompts.said(number)
    )
    return [
        _before_last(one, tokenizer, prompts.said(number), prompts, borrow, least)
        for number, (one, tokenizer) in enumerate(zip(encoders, tokenizers, strict=True))
    ]


def refiner(encoder: TextEncoder, prompts: Prompts, borrow: Borrow) -> Conditioning:
    """States [B, 77 n, 1280] and the pooled state [B, 1280]; raises as `text.encode`."""
    said = _before_last(encoder, load_tokenizer(encoder), prompts.texts, prompts, borrow)
    return _silent(said, encoder, prompts)


def _before_last(
    encoder: TextEncoder, tokenizer: Tokenizer, texts: Sequence[str], how: Prompts, borrow: Borrow, least: int = 1
) -> Conditioning:
    with borrow(encoder) as net:
        part: dict[str, Any] = {"skip": 1 + how.skip, "normalised": False, "windows": how.windows, "least": least}
        return encode(texts, tokenizer, net, weighting=how.weighting, **part)


def _silent(said: Conditioning, encoder: TextEncoder, prompts: Prompts) -> Conditioning:
    """Zeros for the prompts that are empty, if that is what the model was trained with."""
    zeros = encoder.options.get("force_zeros_for_empty_prompt", True) if prompts.empty == "auto" else prompts.empty
    if zeros not in (True, "zeros"):
        return said
    both = zip(prompts.texts, prompts.said(1), strict=True)
    spoken = torch.tensor([[any(text.strip() for text in texts)] for texts in both]).to(said.states)
    pooled = None if said.pooled is None else said.pooled * spoken
    return replace(said, states=said.states * spoken[..., None], pooled=pooled)
