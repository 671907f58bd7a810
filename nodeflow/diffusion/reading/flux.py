"""Flux: the states of T5, and the pooled state of CLIP ViT-L."""

from __future__ import annotations

from ...errors import NodeflowError
from ...values import Conditioning, TextEncoder
from .base import Borrow, Prompts
from .clip import clip
from .t5 import t5_states

LENGTH, SHORT = 512, 256
"""Tokens that T5 reads; the version for few steps, which is not told a guidance, was trained with fewer."""


def flux(encoder: TextEncoder, prompts: Prompts, borrow: Borrow) -> Conditioning:
    """States [B, 512 or 256, 4096] and the pooled state [B, 768].

    Raises:
        NodeflowError: NF404, an encoder is missing; and as `text.encode` and `t5_states`.
    """
    if len(encoder.all) != 2:
        raise NodeflowError("NF404", "a CLIP and a T5 text encoder are needed", where=encoder.folder)
    pooled = clip(encoder, prompts, borrow).pooled
    length = LENGTH if encoder.options.get("guidance_embeds", True) else SHORT
    states = t5_states(encoder.more[0], prompts.said(1), prompts, borrow, length)
    return Conditioning(states, None if pooled is None else pooled.to(states.device))
