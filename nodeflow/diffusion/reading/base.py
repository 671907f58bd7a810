"""What a reading gets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Literal

from ...values import Conditioning, TextEncoder
from ..prompts import Weighting

Borrow = Callable[[TextEncoder], AbstractContextManager[Any]]
"""Lends a text encoder's network for the length of a `with`."""

Empty = Literal["auto", "zeros", "text"]


@dataclass(frozen=True)
class Prompts:
    """What to read, and how.

    Args:
        texts: One prompt a sample.
        others: What the encoders after the first read instead; none = the same.
        windows: Of 77 tokens that CLIP reads at most, the rest left off; None = all.
        weighting: The dialect of the prompts.
        skip: Layers to leave out at the end of an encoder, besides those that the family leaves out anyway.
        empty: What an empty prompt becomes: "zeros", what the encoder says of an empty "text", or "auto", what the
            model was trained with.
    """

    texts: Sequence[str]
    weighting: Weighting = "a1111"
    skip: int = 0
    empty: Empty = "auto"
    others: Sequence[str] = ()
    windows: int | None = None

    def said(self, encoder: int) -> Sequence[str]:
        """What the encoder of this number, from 0, reads."""
        return self.others if encoder and self.others else self.texts


Reading = Callable[[TextEncoder, Prompts, Borrow], Conditioning]
