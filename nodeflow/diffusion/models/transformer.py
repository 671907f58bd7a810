"""What transformers that read a text beside a picture ask of their inputs."""

from __future__ import annotations

from torch import Tensor

from nodeflow.errors import NodeflowError


def require_texts(batch: int, states: Tensor, pooled: Tensor, width: int, pooled_width: int) -> None:
    """Raise NF414 unless there is a text, [B, T, width], and its pooled state, [B, pooled_width], for each sample."""
    if (
        states.ndim == 3
        and (states.shape[0], states.shape[2]) == (batch, width)
        and (tuple(pooled.shape) == (batch, pooled_width))
    ):
        return
    raise NodeflowError(
        "NF414",
        f"the text is {list(states.shape)} with {list(pooled.shape)} pooled, but this network reads "
        f"[{batch}, T, {width}] with [{batch}, {pooled_width}]",
        fix="use the text encoders that belong to this model",
    )
