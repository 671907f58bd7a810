"""Schedules to look at: their noise in the measures that papers use, as numbers and as a picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch

from ..errors import NodeflowError
from ..media.plots import DARK, LIGHT, Line, Panel, plot
from ..values import Image, Schedule
from .scheduling import bound


class Curves(NamedTuple):
    """The noise of a schedule step by step, [n + 1]; the last entry is where a run ends.

    Args:
        sigmas: k = sigma / alpha.
        alpha_bars: The signal's share of the power, alpha² / (alpha² + sigma²).
        log_snrs: log(alpha² / sigma²); infinite without noise.
    """

    sigmas: list[float]
    alpha_bars: list[float]
    log_snrs: list[float]


def curves(schedule: Schedule) -> Curves:
    """The noise of a schedule in the three measures that papers use."""
    laid = bound(schedule).schedule
    begins = [index for index, call in enumerate(laid.evals) if not call.stage]
    levels = [laid.level(index) for index in (*begins, len(laid))]
    powers = [(one.alpha**2, one.sigma**2) for one in levels]
    return Curves(
        [math.sqrt(noise / signal) if signal else math.inf for signal, noise in powers],
        [signal / (signal + noise) for signal, noise in powers],
        [
            math.log(signal / noise) if signal and noise else math.copysign(math.inf, signal - noise)
            for signal, noise in powers
        ],
    )


def plotted(
    schedules: Sequence[Schedule], names: Sequence[str] = (), width: int = 960, height: int = 360, dark: bool = False
) -> Image:
    """Noise level, signal share and log SNR of schedules over their steps, as a picture [1, 3, H, W].

    Raises:
        NodeflowError: NF503 where there is no schedule, or not one name for each.
    """
    if not schedules or (names and len(names) != len(schedules)):
        what = f"{len(names)} names meet {len(schedules)} schedules" if names else "a plot needs at least one schedule"
        raise NodeflowError("NF503", what, where="names" if names else "schedules", fix="wire as many")
    called = list(names) or _names(schedules)
    found = [curves(schedule) for schedule in schedules]
    panels = [
        Panel(
            [Line(range(len(of[part])), of[part], name) for of, name in zip(found, called, strict=True)],
            title,
            "step",
            log=part == 0,
        )
        for part, title in enumerate(("Noise level σ", "Signal share ᾱ", "log SNR"))
    ]
    pixels = plot(panels, width, height, DARK if dark else LIGHT)
    return Image(torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None] / 255)


def _names(schedules: Sequence[Schedule]) -> list[str]:
    """The class of each, with a number where it is not the first of its kind."""
    found: list[str] = []
    for schedule in schedules:
        name = str(schedule.config["_class_name"]).removesuffix("Scheduler").removesuffix("Discrete")
        same = sum(other.partition(" #")[0] == name for other in found)
        found.append(f"{name} #{same + 1}" if same else name)
    return found
