"""Sounds to look at: their outline in columns, and their spectrum as a picture. numpy only, so that an editor may."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

COLUMNS = 480
WINDOW = 1024
"""Samples of one column of a spectrum."""
RANGE = 80.0
"""Decibels from dark to light."""
_HEAT = ((0.0, 8, 8, 20), (0.25, 60, 20, 90), (0.5, 170, 40, 90), (0.75, 245, 130, 50), (1.0, 255, 250, 200))


def outline(samples: np.ndarray, columns: int = COLUMNS) -> bytes:
    """The lowest and the highest sample of each column, all channels together.

    Args:
        samples: [channels, samples] float, -1..1.
        columns: How many, at most; a sound shorter than that has one a sample.

    Returns:
        Two signed bytes a column, low and high, 127 = full scale.
    """
    import numpy as np

    count = samples.shape[1]
    columns = max(1, min(columns, count))
    edges = np.linspace(0, count, columns + 1).astype(int)[:-1]
    low = np.minimum.reduceat(samples.min(0), edges) if count else np.zeros(1)
    high = np.maximum.reduceat(samples.max(0), edges) if count else np.zeros(1)
    pairs = np.stack([low, high], 1).clip(-1, 1) * 127
    return np.round(pairs).astype(np.int8).tobytes()


def spectrum(samples: np.ndarray, rate: int, width: int = 800, height: int = 240) -> np.ndarray:
    """Loudness over time (to the right) and frequency (upwards, on the mel scale), 80 dB dark to light.

    Args:
        samples: [channels, samples] float, -1..1.
        rate: Samples a second.
        width: Columns, at most.
        height: Rows.

    Returns:
        [height, ≤ width, 3] uint8.
    """
    import numpy as np

    wave = samples.mean(0)
    wave = np.pad(wave, (WINDOW // 2, WINDOW // 2 + max(0, WINDOW - len(wave))))
    starts = np.unique(np.linspace(0, len(wave) - WINDOW, width).astype(int))
    frames = np.lib.stride_tricks.sliding_window_view(wave, WINDOW)[starts] * np.hanning(WINDOW)
    power = np.abs(np.fft.rfft(frames)).T
    mel = np.linspace(np.log10(1 + rate / 2 / 700), 0, height)  # O'Shaughnessy, Speech Communication, 1987
    rows = (700 * (10**mel - 1) / (rate / 2) * (len(power) - 1)).round().astype(int)
    level = 20 * np.log10(power[rows] + 1e-6)
    share = ((level - level.max()) / RANGE + 1).clip(0, 1)
    stops = [stop for stop, *_ in _HEAT]
    return np.stack([np.interp(share, stops, [each[i] for each in _HEAT]) for i in (1, 2, 3)], -1).astype(np.uint8)
