"""Looking at pictures: what an image encoder says of them, and how it is shown them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..values import Image, ImageStates
from .imaging import fit

MEAN = (0.48145466, 0.4578275, 0.40821073)
SPREAD = (0.26862954, 0.26130258, 0.27577711)
"""Of the red, green and blue of CLIP's training pictures."""


def pixels(image: Image, size: int) -> Tensor:
    """Pictures as CLIP is shown them, [B, 3, size, size]: what overhangs a square is cut off; zero mean, unit variance.

    Args:
        image: [B, 3, H, W], 0..1.
        size: Pixels along an edge.
    """
    data = fit(image, size, size, "cover", "#000000").data
    mean, spread = (data.new_tensor(values).view(1, 3, 1, 1) for values in (MEAN, SPREAD))
    return (data - mean) / spread


@torch.no_grad()
def look(encoder: Any, image: Image) -> ImageStates:
    """What an image encoder says of pictures, in float32, and of no picture: the training pictures' mean everywhere.

    Args:
        encoder: A `CLIPVisionModelWithProjection`.
        image: [B, 3, H, W], 0..1.
    """
    weights = next(encoder.parameters())
    shown = pixels(image, encoder.config["image_size"]).to(weights)
    seen, nothing = encoder(shown), encoder(torch.zeros_like(shown[:1]))
    return ImageStates(seen.image_embeds.float(), seen.hidden_states[-2].float(), nothing.hidden_states[-2].float())
