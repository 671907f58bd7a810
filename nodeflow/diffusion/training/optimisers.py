"""AdamW (Loshchilov & Hutter 2019, arXiv 1711.05101) and its learning rate over time."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from nodeflow.errors import NodeflowError
from nodeflow.training import Optimiser

SCHEDULES = ("constant", "cosine", "linear")


def rate(optimiser: Optimiser, step: int) -> float:
    """The learning rate at a step: linear up to `warmup`, then constant, or down to 0 at `horizon`.

    It does not depend on how long one means to train: a run that is prolonged goes on as if that had been known.
    """
    if step < optimiser.warmup:
        return optimiser.learning_rate * (step + 1) / optimiser.warmup
    if optimiser.schedule == "constant":
        return optimiser.learning_rate
    done = min(1.0, (step - optimiser.warmup) / max(1, optimiser.horizon - optimiser.warmup))
    share = 1 - done if optimiser.schedule == "linear" else 0.5 * (1 + math.cos(math.pi * done))
    return optimiser.learning_rate * share


def require(optimiser: Optimiser, steps: int) -> None:
    """Refuse what cannot train for so many steps.

    Raises:
        NodeflowError: NF205, an unknown schedule, or one that has come to rest before.
    """
    if optimiser.schedule not in SCHEDULES:
        fix = f"choose one of {', '.join(SCHEDULES)}"
        raise NodeflowError("NF205", f"there is no schedule {optimiser.schedule!r}", where="optimiser", fix=fix)
    if optimiser.schedule != "constant" and optimiser.horizon < steps:
        what = f"the {optimiser.schedule} rate is 0 from step {optimiser.horizon} on, but {steps} steps are asked for"
        raise NodeflowError("NF205", what, where="optimiser.horizon", fix=f"set the horizon to {steps}")


def make(optimiser: Optimiser, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    """The optimiser of these parameters.

    Raises:
        NodeflowError: NF205, an unknown kind; NF301, a kind whose library is not installed.
    """
    options: dict[str, Any] = {
        "lr": optimiser.learning_rate,
        "betas": optimiser.betas,
        "weight_decay": optimiser.weight_decay,
    }
    if optimiser.kind == "adamw":
        return torch.optim.AdamW(parameters, fused=True, **options)
    if optimiser.kind != "adamw8bit":
        raise NodeflowError("NF205", f"there is no optimiser {optimiser.kind!r}", fix="choose adamw or adamw8bit")
    try:
        from bitsandbytes.optim import AdamW8bit
    except ImportError:
        what = "adamw8bit needs the package bitsandbytes, which is not installed"
        raise NodeflowError("NF301", what, fix="pip install bitsandbytes, or choose adamw") from None
    return AdamW8bit(parameters, **options)
