"""The text encoder of the first latent diffusion: BERT's words, all states."""

from __future__ import annotations

from typing import Any

from ...values import Conditioning, TextEncoder
from ..checkpoints.wordpiece import load_wordpieces
from ..text import encode
from .base import Borrow, Prompts


def bert(encoder: TextEncoder, prompts: Prompts, borrow: Borrow) -> Conditioning:
    """States [B, 77 n, D]; raises as `text.encode`."""
    tokenizer = load_wordpieces(encoder)
    with borrow(encoder) as net:
        how: dict[str, Any] = {"weighting": prompts.weighting, "skip": prompts.skip, "windows": prompts.windows}
        return encode(prompts.texts, tokenizer, net, **how)
