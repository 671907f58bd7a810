"""One CLIP text encoder, its last states: Stable Diffusion 1 and 2."""

from __future__ import annotations

from typing import Any

from ...values import Conditioning, TextEncoder
from ..checkpoints.tokenizer import load_tokenizer
from ..text import encode
from .base import Borrow, Prompts


def clip(encoder: TextEncoder, prompts: Prompts, borrow: Borrow) -> Conditioning:
    """States [B, 77 n, D], and the pooled state [B, D']; raises as `text.encode`."""
    tokenizer = load_tokenizer(encoder)
    with borrow(encoder) as net:
        how: dict[str, Any] = {"weighting": prompts.weighting, "skip": prompts.skip, "windows": prompts.windows}
        return encode(prompts.texts, tokenizer, net, **how)
