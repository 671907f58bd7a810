"""The loss over the steps as a picture."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image as Picture
from PIL import ImageDraw
from torch import Tensor

from nodeflow.values import Image

WIDTH, HEIGHT, LEFT, BOTTOM = 640, 320, 64, 24
_PAPER, _INK, _FAINT, _LINE = "#ffffff", "#202020", "#c8d4e4", "#1f5fb4"


def curve(losses: Tensor) -> Image:
    """Every loss, pale, and their running mean, on a logarithmic scale, [1, 3, 320, 640].

    Args:
        losses: One number a step, [N], N at least 1, all positive.
    """
    values = losses.double().clamp_min(1e-12).log10().numpy()
    page = Picture.new("RGB", (WIDTH, HEIGHT), _PAPER)
    pen = ImageDraw.Draw(page)
    low, high = float(values.min()), float(values.max())
    high = high if high > low else low + 1

    def point(step: float, value: float) -> tuple[float, float]:
        across = step / max(1, len(values) - 1)
        up = (value - low) / (high - low)
        return LEFT + across * (WIDTH - LEFT - 8), HEIGHT - BOTTOM - up * (HEIGHT - BOTTOM - 8)

    for value in np.linspace(low, high, 5):
        _, y = point(0, value)
        pen.line([(LEFT, y), (WIDTH - 8, y)], fill="#ececec")
        pen.text((4, y - 6), f"{10**value:.3g}", fill=_INK)
    pen.line([point(i, v) for i, v in enumerate(values)] * (1 if len(values) > 1 else 2), fill=_FAINT)
    width = max(1, len(values) // 20)
    smooth = np.convolve(values, np.ones(width) / width, "valid")
    pen.line([point(i + (width - 1) / 2, v) for i, v in enumerate(smooth)] * (1 if len(smooth) > 1 else 2), _LINE, 2)
    pen.text((LEFT, HEIGHT - 18), "1", fill=_INK)
    pen.text((WIDTH - 8, HEIGHT - 18), f"step {len(values)}", fill=_INK, anchor="ra")
    return Image(torch.from_numpy(np.array(page)).permute(2, 0, 1)[None].float() / 255)
