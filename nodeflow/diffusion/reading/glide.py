"""GLIDE: the states of 128 places, in those behind the prompt's last token a learnt vector, and a pooled state.

Weights change states as those of CLIP do (see `text`): "a1111" rescales to the former mean, "comfy" moves away from the
empty prompt.
"""

from __future__ import annotations

import torch

from ...values import Conditioning, TextEncoder
from ..checkpoints.gpt2 import load_gpt2_tokenizer
from ..prompts import parse
from ..text import layer_states, require_finite_weight, weighed
from .base import Borrow, Prompts


@torch.no_grad()
def glide(encoder: TextEncoder, prompts: Prompts, borrow: Borrow) -> Conditioning:
    """States [B, 128, D] and pooled states [B, D'], float32; what a prompt has more than 128 tokens is left off.

    Raises:
        NodeflowError: NF408, the tokenizer is missing or another model's; NF413, a weight is not finite; NF205, so
            many layers cannot be skipped.
    """
    tokenizer, length = load_gpt2_tokenizer(encoder), encoder.config["text_ctx"]
    rows = []
    for text in prompts.texts:
        pieces = [piece for section in parse(text, prompts.weighting) for piece in section]
        for piece in pieces:
            require_finite_weight(piece)
        rows.append(tokenizer.read(pieces)[:length])
    ids = torch.full((len(rows) + 1, length), tokenizer.pad_token_id)
    weights, mask = torch.ones(len(rows) + 1, length, 1), torch.zeros(len(rows) + 1, length, dtype=torch.bool)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = torch.tensor([token.id for token in row])
        weights[i, : len(row), 0] = torch.tensor([token.weight for token in row])
        mask[i, : len(row)] = True
    with borrow(encoder) as net:
        device = net.device
        said = net(ids.to(device), mask.to(device))
        states = layer_states(net, said, prompts.skip, normalised=True).float()
    changed = weighed(states[:-1], weights[:-1].to(device), prompts.weighting, states[-1:])
    return Conditioning(changed, said.pooler_output[:-1].float())
