"""Stable Diffusion 3: two CLIP encoders and, where it is there, T5 (Esser et al. 2024, arXiv 2403.03206, figure 2a).

The last states but one of both CLIPs stand side by side, are filled up with zeros to the width of T5, and those of T5
stand behind them; the pooled text is that of both CLIPs, projected. A model without T5 reads zeros in its place.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F

from ...errors import NodeflowError
from ...values import Conditioning, TextEncoder
from .base import Borrow, Prompts
from .sdxl import side_by_side
from .t5 import t5_states

LENGTH = 256
"""Tokens that T5 reads."""
WIDTH = 4096
"""Of the states, where no T5 says it."""


def sd3(encoder: TextEncoder, prompts: Prompts, borrow: Borrow) -> Conditioning:
    """States [B, 77 n + 256, 4096] and the pooled state [B, 2048].

    Raises:
        NodeflowError: NF404, an encoder gives no pooled state; and as `text.encode` and `t5_states`.
    """
    clips = [one for one in encoder.all if one.kind != "T5EncoderModel"]
    said = side_by_side(clips, prompts, borrow)
    pooled = [one.pooled for one in said if one.pooled is not None]
    if len(pooled) < len(said):
        raise NodeflowError("NF404", "a text encoder gives no pooled state", where=encoder.folder)
    states = torch.cat([one.states for one in said], -1)
    t5 = next((one for one in encoder.all if one.kind == "T5EncoderModel"), None)
    if t5 is None:
        width = encoder.options.get("joint_attention_dim", WIDTH)
        more = states.new_zeros(len(states), LENGTH, width)
    else:
        more = t5_states(t5, prompts.said(2), prompts, borrow, LENGTH).to(states.device)
    if states.shape[-1] > more.shape[-1]:
        raise NodeflowError(
            "NF404",
            f"the states of the CLIP encoders are {states.shape[-1]} wide together and those of T5 {more.shape[-1]}",
            where=encoder.folder,
            fix="choose text encoders of one model",
        )
    padded = F.pad(states, (0, more.shape[-1] - states.shape[-1]))
    return Conditioning(torch.cat([padded, more], 1), torch.cat(pooled, -1))
