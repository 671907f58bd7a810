"""The loss over the steps as a picture."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from nodeflow.media.plots import Line, Panel, plot
from nodeflow.values import Image

WIDTH, HEIGHT = 640, 320
SHARE = 20
"""The running mean goes over one so manieth of all steps."""


def curve(losses: Tensor) -> Image:
    """The running mean of the loss over every single one, on a logarithmic scale, [1, 3, 320, 640].

    Args:
        losses: One number a step, [N], N at least 1.
    """
    values = losses.double().numpy()
    steps = np.arange(1, len(values) + 1)
    width = max(1, len(values) // SHARE)
    smooth = np.convolve(values, np.ones(width) / width, "valid")
    middle = steps[: len(smooth)] + (width - 1) / 2
    lines = [Line(steps.tolist(), values.tolist(), "loss"), Line(middle.tolist(), smooth.tolist(), "running mean")]
    pixels = plot([Panel(lines, x="step", log=True)], WIDTH, HEIGHT)
    return Image(torch.tensor(pixels).permute(2, 0, 1)[None].float() / 255)
