"""mu: how far the levels of a flow are shifted towards noise for a picture of so many tokens, as its makers published.

A larger picture hides less under the same noise, and so needs more of it (Esser et al. 2024, arXiv 2403.03206, section
5.3.2). A model's pipeline gives mu, and mostly the levels before the shift too (`even`), to a scheduler with
`use_dynamic_shifting`:

    scheduler.schedule(sigmas=even(28), mu=linear(4096, scheduler.config))

    linear      Flux.1, Qwen-Image, Lumina 2, LTX, Krea 2 (its distilled model: always 1.15), …
    root        CogView 4, GLM-Image
    empirical   Flux.2
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

MANY_TOKENS = 4300
"""Above this the steps do not change Flux.2's mu."""


def even(n: int) -> np.ndarray:
    """The levels before the shift: 1, 1 - 1/n, … 1/n, float64, [n]; the clean end follows."""
    return 1 - np.arange(n) / n


def linear(tokens: float, config: Mapping[str, Any] | None = None) -> float:
    """The straight line through (base_image_seq_len, base_shift) and (max_image_seq_len, max_shift).

    Args:
        tokens: Patches of the picture that the network sees.
        config: A scheduler's configuration; what it leaves out is that of Flux.1.
    """
    low, high, small, large = _ends(config, 0.5, 1.15)
    return small + (large - small) * (tokens - low) / (high - low)


def root(tokens: float, config: Mapping[str, Any] | None = None) -> float:
    """base_shift + max_shift sqrt(tokens / base_image_seq_len); what the configuration leaves out is of CogView 4."""
    low, _, base, factor = _ends(config, 0.25, 0.75)
    return base + factor * math.sqrt(tokens / low)


def empirical(tokens: float, steps: int) -> float:
    """Two lines in the tokens, fitted for 10 and for 200 steps, and between them a line in the steps."""
    ten, two_hundred = 8.73809524e-05 * tokens + 1.89833333, 0.00016927 * tokens + 0.45666666
    if tokens > MANY_TOKENS:
        return two_hundred
    return ten + (two_hundred - ten) * (steps - 10) / 190


def _ends(config: Mapping[str, Any] | None, base: float, largest: float) -> tuple[float, float, float, float]:
    known = config or {}
    tokens = known.get("base_image_seq_len", 256), known.get("max_image_seq_len", 4096)
    return (*tokens, known.get("base_shift", base), known.get("max_shift", largest))
