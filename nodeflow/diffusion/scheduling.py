"""From what a user asks (a scheduler's name, steps, a warp or a list of sigmas) to a schedule that can travel a wire.

The value on the wire is plain data: a configuration and the request. `bound` turns it back into the functional core.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import NodeflowError
from ..values import Schedule, SchedulerConfig
from . import schedulers
from .schedulers import schedules
from .schedulers.scheduler import Scheduler, known_class

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
        sigmas: A warp of `WARPS`, a name of `schedules.names()`, a list of falling numbers ("14.6, 6.3, …, 0"), or
            empty. A warp that the scheduler has no option for is laid as the schedule of that name.
        spacing: "leading", "trailing", "linspace", or empty for the configuration's.

    Raises:
        NodeflowError: NF409 unknown scheduler, NF410 an option or list that is not valid for it.
    """
    config = dict(default.config) if default else {}
    name = scheduler or str(config.get("_class_name", ""))
    if not name:
        raise NodeflowError("NF410", "no scheduler is chosen and the model brings none", fix="name a scheduler")
    options, request = _read_sigmas(sigmas.strip(), steps, known_class(name).defaults)
    if spacing:
        options["timestep_spacing"] = spacing
    made = schedulers.from_config(name, config, **options)
    if spacing and "timestep_spacing" not in made.defaults:
        raise NodeflowError("NF410", f"{name} has no timestep_spacing", fix="choose another scheduler")
    laid = made.schedule(**request)
    settings = {**made.config, "_class_name": name}
    return Schedule(settings, request, tuple(laid.timesteps.tolist()), tuple(laid.sigmas.tolist()))


def bound(schedule: Schedule) -> tuple[Scheduler, schedulers.Schedule]:
    """The scheduler and the laid levels of a schedule from a wire."""
    made = schedulers.from_config(schedule.config)
    return made, made.schedule(**dict(schedule.request))


def _read_sigmas(text: str, steps: int, known: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The options and the request that a text of sigmas means for a scheduler that knows these options."""
    if (warp := WARPS.get(text, "")) in known:
        return {warp: True}, {"num_inference_steps": steps}
    if not text or text in schedules.names():
        return {}, {"num_inference_steps": steps, **({"levels": text} if text else {})}
    try:
        return {}, {"sigmas": [float(part) for part in text.strip("[]()").replace(",", " ").split()]}
    except ValueError:
        what = f"{text!r} is neither a schedule nor a list of numbers"
        fix = f"use {', '.join(schedules.names())}, or falling numbers to 0"
        raise NodeflowError("NF410", what, fix=fix) from None
