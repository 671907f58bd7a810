"""Processes that train one network together, each on micro-batches of its own; gradients are averaged every step.

    accelerate launch --num_processes 4 -m nodeflow train lora --set folder=pictures

`accelerate` (the extra "training") starts the processes, on one machine or several, gives each its device and carries
the sums between them. All draw the same weights and follow the same average gradient, so they stay alike; the first
one alone writes files. Averaging the gradients of a step, and not wrapping the network, leaves tasks free to call
networks as they like.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from nodeflow.errors import NodeflowError


class Alone:
    """One process."""

    rank = 0
    count = 1
    device = ""
    """Where this process computes; empty = where the run says."""

    @property
    def first(self) -> bool:
        """Whether this is the process that writes files and speaks."""
        return self.rank == 0

    def average(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace every gradient by its mean over all processes, in place."""

    def mean(self, value: float) -> float:
        """The mean of a number over all processes."""
        return value

    def any(self, flag: bool) -> bool:
        """Whether a flag is up in any process."""
        return flag

    def wait(self) -> None:
        """Go on when every process is here."""


class Together(Alone):
    """Several processes, through `accelerate`.

    Args:
        accelerator: An `accelerate.Accelerator`.
    """

    def __init__(self, accelerator: Any) -> None:
        self.accelerator = accelerator
        self.rank, self.count = accelerator.process_index, accelerator.num_processes
        self.device = str(accelerator.device)

    def average(self, parameters: Iterable[nn.Parameter]) -> None:
        for p in parameters:
            if p.grad is not None:
                p.grad.copy_(self.accelerator.reduce(p.grad, reduction="mean"))

    def mean(self, value: float) -> float:
        tensor = torch.tensor(value, dtype=torch.float64, device=self.device if "mps" not in self.device else "cpu")
        return float(self.accelerator.reduce(tensor, reduction="mean"))

    def any(self, flag: bool) -> bool:
        return self.mean(float(flag)) > 0

    def wait(self) -> None:
        self.accelerator.wait_for_everyone()


def found() -> Alone:
    """The processes that this one was started with: several under `accelerate launch` or `torchrun`, else one.

    Raises:
        NodeflowError: NF301, there are several and `accelerate` is not installed.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) < 2:
        return Alone()
    try:
        from accelerate import Accelerator
    except ImportError:
        what = "training on several devices needs the package accelerate, which is not installed"
        raise NodeflowError("NF301", what, fix='pip install "nodeflow[training]"') from None
    return Together(Accelerator())
