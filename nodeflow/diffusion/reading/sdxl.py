"""SDXL: the last states but one of two CLIP text encoders side by side (Podell et al. 2023, section 2.1).

The states of CLIP ViT-L, 768 wide, and of OpenCLIP ViT-bigG, 1280 wide, are joined to 2048; the pooled text is that of
the last encoder, projected. The refiner reads with bigG alone. Both were trained with zeros where nothing is said.
"""

from __future__ import annotations

from dataclasses import replace

import torch

from ...values import Conditioning, TextEncoder
from ..checkpoints.tokenizer import load_tokenizer
from ..text import encode
from .base import Borrow, Prompts


def sdxl(encoder: TextEncoder, prompts: Prompts, borrow: Borrow) -> Conditioning:
    """States [B, 77 n, 2048] and the pooled state [B, 1280]; raises as `text.encode`."""
    said = [_before_last(one, prompts, borrow) for one in encoder.all]
    states = torch.cat([one.states for one in said], -1)
    return _silent(Conditioning(states, said[-1].pooled), encoder, prompts)


def refiner(encoder: TextEncoder, prompts: Prompts, borrow: Borrow) -> Conditioning:
    """States [B, 77 n, 1280] and the pooled state [B, 1280]; raises as `text.encode`."""
    return _silent(_before_last(encoder, prompts, borrow), encoder, prompts)


def _before_last(encoder: TextEncoder, prompts: Prompts, borrow: Borrow) -> Conditioning:
    tokenizer = load_tokenizer(encoder)
    with borrow(encoder) as net:
        return encode(
            prompts.texts, tokenizer, net, weighting=prompts.weighting, skip=1 + prompts.skip, normalised=False
        )


def _silent(said: Conditioning, encoder: TextEncoder, prompts: Prompts) -> Conditioning:
    """Zeros for the prompts that are empty, if that is what the model was trained with."""
    zeros = encoder.options.get("force_zeros_for_empty_prompt", True) if prompts.empty == "auto" else prompts.empty
    if zeros not in (True, "zeros"):
        return said
    spoken = torch.tensor([[bool(text.strip())] for text in prompts.texts]).to(said.states)
    pooled = None if said.pooled is None else said.pooled * spoken
    return replace(said, states=said.states * spoken[..., None], pooled=pooled)
