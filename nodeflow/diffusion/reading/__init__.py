"""From a prompt to a conditioning: the one table of how families read.

A *reading* borrows a model's text encoders one after the other (they need not be in memory together), and puts what
they say together as the family's denoiser was trained. It is a file of this package and a line in `READINGS`; `text`
has what readings share, tokens and windows and weights.
"""

from __future__ import annotations

from ...errors import NodeflowError
from ...values import Conditioning, TextEncoder
from .base import Borrow, Prompts, Reading
from .bert import bert
from .clip import clip
from .flux import flux
from .glide import glide
from .sd3 import sd3
from .sdxl import refiner, sdxl
from .stable_audio import stable_audio

__all__ = ["READINGS", "Borrow", "Prompts", "Reading", "conditioning"]

READINGS: dict[str, Reading] = {
    "bert": bert,
    "clip": clip,
    "flux": flux,
    "glide": glide,
    "glide-upscale": glide,
    "sd3": sd3,
    "sdxl": sdxl,
    "sdxl-refiner": refiner,
    "stable-audio": stable_audio,
}
"""By the names that `checkpoints.families` uses."""


def conditioning(encoder: TextEncoder, prompts: Prompts, borrow: Borrow) -> Conditioning:
    """What a model's denoiser is told of prompts.

    Args:
        encoder: The model's, with those beside it.
        prompts: What to read, and how.
        borrow: Lends a text encoder's network for the length of a `with`.

    Raises:
        NodeflowError: NF406, no such reading; and as the readings raise.
    """
    if encoder.reading not in READINGS:
        raise NodeflowError("NF406", f"there is no way to read texts called {encoder.reading!r}",
                            fix=f"known are {', '.join(READINGS)}")  # fmt: skip
    return READINGS[encoder.reading](encoder, prompts, borrow)
