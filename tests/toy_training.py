"""A host for trainings without a graph, and folders of toy pictures."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nodeflow.diffusion.checkpoints.load import load_weights
from nodeflow.errors import Cancelled
from nodeflow.media import images
from nodeflow.values import Weights

torch.set_num_threads(1)


class Host:
    """What a training needs of a run; remembers what it was told, and stops it at a step where asked."""

    device = "cpu"

    def __init__(self, stop_at: int = 0) -> None:
        self.stop_at = stop_at
        self.steps: list[int] = []
        self.notes: list[str] = []
        self.lines: list[str] = []
        self.previews: list[Any] = []

    def progress(self, step: int, total: int, preview: object = None, note: str = "") -> None:
        self.notes.append(note)
        if note.startswith("loss"):
            self.steps.append(step)
            if step == self.stop_at:
                raise Cancelled()
        if preview is not None:
            self.previews.append(preview)

    def log(self, text: str) -> None:
        self.lines.append(text)

    @contextmanager
    def weights(self, handle: Weights) -> Iterator[Any]:
        yield load_weights(handle)


def paint(path: Path, pixels: Any) -> None:
    """Write [H, W, 3], 0..255, as a picture, its folder made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    images.write(path, np.asarray(pixels, dtype=np.uint8))


def two_kinds(folder: Path, count: int = 24, side: int = 8) -> Path:
    """Reddish pictures bright on the left, bluish ones bright on the right, in a folder each."""
    random = np.random.default_rng(0)
    for i in range(count):
        kind = i % 2
        pixels = np.full((side, side, 3), 40.0)
        half = np.s_[:, : side // 2] if kind == 0 else np.s_[:, side // 2 :]
        pixels[half] = (220, 60, 40) if kind == 0 else (40, 60, 220)
        pixels += random.normal(0, 6, pixels.shape)
        paint(folder / ("red", "blue")[kind] / f"{i}.png", pixels.clip(0, 255))
    return folder
