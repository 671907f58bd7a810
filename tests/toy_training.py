"""A host for trainings without a graph, and folders of toy pictures and sounds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nodeflow.diffusion.checkpoints.load import load_weights
from nodeflow.errors import Cancelled
from nodeflow.media import images, sounds
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


def two_tones(folder: Path, count: int = 8, rate: int = 8000, seconds: float = 0.1, channels: int = 1) -> Path:
    """Fading low and high tones, in a folder each."""
    time = np.arange(round(rate * seconds)) / rate
    for i in range(count):
        kind = ("low", "high")[i % 2]
        wave = 0.7 * np.sin(2 * np.pi * (400, 1600)[i % 2] * time + 0.1 * i) * np.exp(-8 * time)
        hear(folder / kind / f"{i}.wav", np.tile(wave, (channels, 1)), rate)
    return folder


def hear(path: Path, samples: Any, rate: int = 8000) -> None:
    """Write [channels, samples] as a sound, its folder made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sounds.write(path, np.asarray(samples, dtype=np.float32), rate)
