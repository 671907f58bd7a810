"""Stable Audio reads T5's states, 0 behind the end of the prompt, and brings along how seconds are said.

How long the sound is stands in the latent, which is not there yet; `calling.stable_audio` says it when a run begins.
"""

from __future__ import annotations

from pathlib import Path

import torch

from ...errors import NodeflowError
from ...values import Conditioning, TextEncoder
from ..checkpoints.files import read_json
from .base import Borrow, Prompts
from .t5 import t5_masked

LENGTH = 128
"""Tokens that are read where the tokenizer does not say it."""
_MOST = 1024


@torch.no_grad()
def stable_audio(encoder: TextEncoder, prompts: Prompts, borrow: Borrow) -> Conditioning:
    """States [B, T, D] and, in `more`, the tables of `NumberRule` for where a sound begins and how long it is.

    An empty prompt is told as zeros, the seconds behind it too (`told` is 0), as in training; `prompts.empty` may ask
    for what the encoder says of it.

    Raises:
        NodeflowError: NF404, the model has no projection; and as `t5_masked`.
    """
    if not encoder.more:
        what = "a model of the family stable-audio needs its projection_model, which is not here"
        raise NodeflowError("NF404", what, where=encoder.folder, fix="download the whole model")
    states, kept = t5_masked(encoder, prompts.texts, prompts, borrow, _length(encoder))
    silent = [prompts.empty == "zeros" or (prompts.empty == "auto" and not text) for text in prompts.texts]
    with borrow(encoder.more[0]) as net:
        weights = next(net.parameters())
        states = net(states.to(weights)).text_hidden_states.float() * kept.to(weights.device, torch.float32)[..., None]
        rules = [part.rule() for part in (net.start_number_conditioner, net.end_number_conditioner)]
        limits = torch.tensor(net.limits)
    told = torch.tensor([[0.0 if one else 1.0] for one in silent], device=states.device)
    batch = len(states)
    more = {
        "seconds_waves": torch.stack([rule.omega for rule in rules]).expand(batch, -1, -1),
        "seconds_matrix": torch.stack([rule.matrix for rule in rules]).expand(batch, -1, -1, -1),
        "seconds_limits": limits.expand(batch, -1),
        "told": told,
    }
    return Conditioning(states * told[..., None], more=more)


def _length(encoder: TextEncoder) -> int:
    """How many tokens the model's texts are."""
    path = Path(encoder.tokenizer) / "tokenizer_config.json"
    said = read_json(path).get("model_max_length") if path.is_file() else None
    return said if isinstance(said, int) and 1 < said <= _MOST else LENGTH
