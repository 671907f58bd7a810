"""Which models an adapter fits, told from its header: before anything is loaded, without torch."""

from __future__ import annotations

from pathlib import Path

from ..checkpoints.headers import read_header
from . import names

_CROSS = ("attn2.to_k", "attn2_to_k")
"""The layer that reads text states, in both spellings of its name."""


def states_read(path: Path) -> int | None:
    """How wide the text states are that the denoisers of a LoRA attend to; None = it does not change that layer.

    Raises:
        NodeflowError: As `read_header`.
    """
    for key, info in read_header(path).tensors.items():
        name = names.read(key)
        if name and (name.part, name.role) == ("unet", "down") and name.module.endswith(_CROSS):
            return info.shape[1]
    return None


def word_width(path: Path) -> int | None:
    """How wide the vectors of the learnt words in a file are; None for a file of another kind.

    Raises:
        NodeflowError: As `read_header`.
    """
    shapes = {name: tuple(info.shape) for name, info in read_header(path).tensors.items()}
    words = names.words_in(shapes, path)
    return next(iter(shapes.values()))[-1] if words else None
