"""Handles on networks, and the changes to their weights: a handle is small, the weights are lent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .base import Value


@dataclass(frozen=True)
class Patch(Value):
    """A change to the weights of a network, such as a LoRA.

    Args:
        path: The file.
        digest: Identifies its content.
        part: The part of the model it changes, as the file names it: "unet" (any denoiser), "text_encoder",
            "text_encoder_2" or "text_encoder_3".
        strength: How much of it.
        blocks: How much of that each block gets, as `nodeflow.diffusion.adapters.blocks` reads it; empty = all.
    """

    path: str
    digest: str
    part: str
    strength: float = 1.0
    blocks: str = ""


@dataclass(frozen=True)
class Mix(Value):
    """Another network's weights B mixed into those of a network, W: (1 − s) W + s B, or W + s (B − C).

    Args:
        plus: B.
        minus: C; None = the network itself.
        strength: s.
        blocks: How much of s each block gets, as in `Patch`.
    """

    plus: Weights
    minus: Weights | None = None
    strength: float = 0.5
    blocks: str = ""


@dataclass(frozen=True)
class Weights(Value):
    """A handle on a network whose weights are borrowed while used: `with run.weights(handle) as net`.

    Args:
        folder: Where its `config.json` and weights are, or the single file that has them.
        kind: The network's class name.
        config: The published configuration.
        digest: Identifies the weight files' content.
        dtype: "float32", "float16" or "bfloat16".
        variant: The variant of the files, such as "fp16"; empty = plain.
        part: Which part of a single file it is, and how names there are read: "map@prefix", see
            `nodeflow.diffusion.checkpoints.originals`; empty = `folder` is a folder.
        patches: Changes to the weights, applied in order.
    """

    folder: str
    kind: str
    config: Mapping[str, Any]
    digest: str
    dtype: str = "float32"
    variant: str = ""
    part: str = ""
    patches: tuple[Patch | Mix, ...] = ()

    @property
    def identity(self) -> bool:
        """Whether it stands for a network that changes nothing, which has neither folder nor weights."""
        return self.kind in IDENTITIES


IDENTITIES = ("Pixels", "Waves")
"""Kinds of autoencoders that change nothing."""
