"""Noise levels as lists: from a schedule, edited, and back into one (the input `levels` of a schedule)."""

from typing import Annotated, NamedTuple

from nodeflow import Range, Schedule, node
from nodeflow.diffusion import levels


class Parts(NamedTuple):
    """Two parts of one run; they meet at the level they share.

    Args:
        high: The noisy part.
        low: The rest, down to the picture.
    """

    high: list[float]
    low: list[float]


class Numbers(NamedTuple):
    """The numbers of a schedule.

    Args:
        sigmas: The noise levels, from noise to picture.
        timesteps: What the denoiser is told at each call.
    """

    sigmas: list[float]
    timesteps: list[float]


@node("sigmas/list", title="Sigmas")
def written(sigmas: list[float]) -> list[float]:
    """Noise levels written down by hand.

    Args:
        sigmas: The levels, falling; the last one mostly 0.

    Returns:
        The same list.
    """
    return sigmas


@node("sigmas/of-schedule", title="Sigmas of schedule")
def of_schedule(schedule: Schedule) -> Numbers:
    """Take the noise levels out of a schedule.

    Args:
        schedule: The schedule.
    """
    return Numbers(list(schedule.sigmas), list(schedule.timesteps))


@node("sigmas/split", title="Split sigmas")
def split(sigmas: list[float], step: Annotated[int, Range(0, 10_000)] = 10) -> Parts:
    """Cut noise levels in two at a step, for two samplers.

    Args:
        sigmas: The levels.
        step: How many steps the first part has.
    """
    return Parts(*levels.split_at_step(sigmas, step))


@node("sigmas/split-at", title="Split sigmas at level")
def split_at(sigmas: list[float], sigma: Annotated[float, Range(0, 1000)] = 1.0) -> Parts:
    """Cut noise levels in two at a level, for two samplers.

    Args:
        sigmas: The levels.
        sigma: The first part ends at the first level that is not above this.
    """
    return Parts(*levels.split_at_level(sigmas, sigma))


@node("sigmas/join", title="Join sigmas")
def join(first: list[float], second: list[float]) -> list[float]:
    """Put noise levels one after the other; a level at which they meet stands once.

    Args:
        first: The noisy part.
        second: What follows.

    Returns:
        The whole.
    """
    return levels.joined(first, second)


@node("sigmas/flip", title="Flip sigmas")
def flip(sigmas: list[float]) -> list[float]:
    """Turn noise levels round, from picture to noise.

    Args:
        sigmas: The levels.

    Returns:
        The same levels from the last to the first.
    """
    return sigmas[::-1]


@node("sigmas/scale", title="Scale sigmas")
def scale(sigmas: list[float], factor: Annotated[float, Range(0.01, 100, log=True)] = 1.0) -> list[float]:
    """Multiply noise levels.

    Args:
        sigmas: The levels.
        factor: Above 1 begins with more noise; slightly below 1 sharpens.

    Returns:
        The new levels.
    """
    return levels.scaled(sigmas, factor)


@node("sigmas/shift", title="Shift sigmas")
def shift(sigmas: list[float], shift: Annotated[float, Range(0.01, 100, log=True)] = 3.0) -> list[float]:
    """Move the noise levels of a flow, 0 to 1, towards noise or picture.

    Args:
        sigmas: The levels.
        shift: Above 1 spends more steps in noise, below 1 more on details.

    Returns:
        The new levels.
    """
    return levels.shifted(sigmas, shift)


@node("sigmas/resample", title="Resample sigmas")
def resample(sigmas: list[float], steps: Annotated[int, Range(1, 1000)] = 20) -> list[float]:
    """Lay the curve of noise levels in another number of steps.

    Args:
        sigmas: The levels.
        steps: How many.

    Returns:
        The new levels.
    """
    return levels.resampled(sigmas, steps)
