"""What sets some classes apart, said once for all laws."""

from __future__ import annotations

from typing import Any

from nodeflow.diffusion import schedulers

NAMES = schedulers.names()

OWN_LEVELS = {
    "DPMFastScheduler",
    "DPMSolverMultistepInverseScheduler",
    "DDIMInverseScheduler",
    "IPNDMScheduler",
    "PNDMScheduler",
    "RePaintScheduler",
    "ScoreSdeVeScheduler",
}
"""They lay their levels themselves, and take no sigmas."""

NEEDS_A_PICTURE = {"RePaintScheduler"}
"""Their step repaints a picture, and must be given it."""

CHOOSES_ITS_STEPS = {"DPMAdaptiveScheduler"}
"""Nobody knows their timesteps beforehand."""

AVERAGES_THE_BATCH = {"ScoreSdeVeScheduler", *CHOOSES_ITS_STEPS}
"""As published, the length of their corrections or steps is an average over the batch."""

NOT_DOWN = {"DDIMInverseScheduler", "DPMSolverMultistepInverseScheduler", "RePaintScheduler"}
"""Their runs do not lead from noise to data alone."""


def has(name: str, option: str) -> bool:
    """Whether an option is the class's own."""
    return option in schedulers.known_class(name).defaults


def config(name: str, **wanted: Any) -> dict[str, Any]:
    """The wanted options where they are a class's own, with what it needs to run a few steps."""
    skips = {"skip_prk_steps": True} if name == "PNDMScheduler" else {}
    narrow = schedulers.known_class(name).menus.get("beta_schedule") or not has(name, "beta_schedule")
    return {**{key: value for key, value in wanted.items() if key != "beta_schedule" or not narrow}, **skips}
