"""From what a user asks (a scheduler's name, steps, a warp or a list of sigmas) to a schedule that can travel a wire.

The value on the wire is plain data: a configuration and the request. `bound` turns it back into the functional core.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import NodeflowError
from ..values import Schedule, SchedulerConfig
from . import schedulers
from .schedulers.scheduler import Scheduler

WARPS = {
    "karras": "use_karras_sigmas",
    "exponential": "use_exponential_sigmas",
    "beta": "use_beta_sigmas",
    "lu": "use_lu_lambdas",
}


def make_schedule(
    default: SchedulerConfig | None, scheduler: str = "", steps: int = 20, sigmas: str = "", spacing: str = ""
) -> Schedule:
    """Lay a schedule.

    Args:
        default: The model's own scheduler; its noise space (betas, prediction type) holds for any other.
        scheduler: A class name; empty = the default's.
        steps: How many; ignored where `sigmas` is a list.
        sigmas: A warp of `WARPS`, a list of falling numbers ("14.6, 6.3, …, 0"), or empty.
        spacing: "leading", "trailing", "linspace", or empty for the configuration's.

    Raises:
        NodeflowError: NF409 unknown scheduler, NF410 an option or list that is not valid for it.
    """
    config = dict(default.config) if default else {}
    name = scheduler or str(config.get("_class_name", ""))
    if not name:
        raise NodeflowError("NF410", "no scheduler is chosen and the model brings none", fix="name a scheduler")
    options, levels = _read_sigmas(sigmas)
    if spacing:
        options["timestep_spacing"] = spacing
    made = schedulers.from_config(name, config, **options)
    _refuse_dead(made, options)
    request: dict[str, Any] = {"sigmas": levels} if levels else {"num_inference_steps": steps}
    laid = made.schedule(**request)
    settings = {**made.config, "_class_name": name}
    return Schedule(settings, request, tuple(laid.timesteps.tolist()), tuple(laid.sigmas.tolist()))


def bound(schedule: Schedule) -> tuple[Scheduler, schedulers.Schedule]:
    """The scheduler and the laid levels of a schedule from a wire."""
    made = schedulers.from_config(schedule.config)
    return made, made.schedule(**dict(schedule.request))


def _read_sigmas(text: str) -> tuple[dict[str, Any], list[float]]:
    text = text.strip()
    if not text:
        return {}, []
    if text in WARPS:
        return {WARPS[text]: True}, []
    try:
        return {}, [float(part) for part in text.strip("[]()").replace(",", " ").split()]
    except ValueError:
        known = ", ".join(WARPS)
        raise NodeflowError(
            "NF410", f"{text!r} is neither a warp nor a list of numbers", fix=f"use {known}, or falling numbers to 0"
        ) from None


def _refuse_dead(made: Scheduler, options: Mapping[str, Any]) -> None:
    """An option that the chosen scheduler does not have would be kept and ignored; a user who asked must know."""
    for option in options:
        if option not in made.defaults:
            warp = next((name for name, key in WARPS.items() if key == option), None)
            what = f"{warp} sigmas" if warp else f"a {option}"
            raise NodeflowError("NF410", f"{type(made).__name__} has no {what}", fix="choose another scheduler")
