"""From what a user asks (a scheduler's name, its options, steps, noise levels) to a schedule that can travel a wire.

The value on the wire is plain data: a configuration and the request. `bound` turns it back into the functional core.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import NodeflowError
from ..values import Schedule, SchedulerConfig
from . import schedulers
from .scheduler_table import check_noise, refuse_option
from .schedulers import Solver, mu, schedules
from .schedulers.flows import FlowScheduler
from .schedulers.options import options as all_options
from .schedulers.options import run_options
from .schedulers.scheduler import Scheduler, known_class
from .schedulers.schedules import TIMESTEPS, WARPS
from .schedulers.usual import meant

EVEN = "_levels"
"""The key of a model's scheduler that says "even" where levels are laid as 1, 1 - 1/n, … 1/n before any shift."""


def make_schedule(
    default: SchedulerConfig | None,
    scheduler: str = "",
    steps: int = 20,
    sigmas: str | Sequence[float] = "",
    timesteps: str | Sequence[float] = "",
    options: Mapping[str, Any] | None = None,
) -> Schedule:
    """Lay a schedule.

    Args:
        default: The model's own scheduler; its noise space (betas, prediction type) holds for any other.
        scheduler: A class name, or a usual one (`schedulers.usual`); empty = the default's.
        steps: How many; ignored where the levels or timesteps are a list.
        sigmas: A warp of `WARPS`, a name of `schedules.names()`, falling numbers to 0 (also as text), or empty.
            A warp that the scheduler has no option for is laid as the schedule of that name.
        timesteps: A name of `schedules.TIMESTEPS`, falling numbers (also as text), or empty.
        options: Options of the scheduler that win over the default's; None for one = as the class has it.

    Raises:
        NodeflowError: NF409 unknown scheduler, NF410 an option or list that is not valid for it.
    """
    config = dict(default.config) if default else {}
    name = scheduler or str(config.get("_class_name", ""))
    if not name:
        raise NodeflowError("NF410", "no scheduler is chosen and the model brings none", fix="name a scheduler")
    cls, preset = meant(name, config)
    check_noise(cls.__name__, config)
    asked = {**preset, **_known(name, options or {}, all_options(cls))}
    run = {key: asked.pop(key) for key in run_options(cls) if key in asked}
    warp, request = _request(sigmas, timesteps, steps, cls.defaults)
    made = cls.from_config(config, **asked, **warp)
    if config.get(EVEN) == "even" and set(request) == {"num_inference_steps"} and isinstance(made, FlowScheduler):
        request = {"sigmas": mu.even(steps).tolist()}
    laid = made.schedule(**_fitted(made, request))
    made.solver(laid, **run)
    settings = {**made.config, "_class_name": cls.__name__}
    return Schedule(settings, request, tuple(laid.timesteps.tolist()), tuple(laid.sigmas.tolist()), run)


def kept(default: SchedulerConfig | None, schedule: Schedule) -> list[str]:
    """The options of a model's own scheduler that the chosen one does not have: they stay, and do nothing."""
    known = known_class(schedule.config["_class_name"]).defaults
    theirs = schedulers.config.given_values(default.config) if default else {}
    return sorted(key for key in theirs if key not in known and not key.startswith("_"))


def bound(schedule: Schedule, tokens: int = 0) -> Solver:
    """The solver of a schedule from a wire, with the levels that it walks.

    Args:
        schedule: The schedule.
        tokens: Of the picture, where levels shift with its size; 0 = as many as the largest it was laid for.
    """
    made = schedulers.from_config(schedule.config)
    return made.solver(made.schedule(**_fitted(made, dict(schedule.request), tokens)), **dict(schedule.solver))


def _fitted(made: Scheduler, request: dict[str, Any], tokens: int = 0) -> dict[str, Any]:
    """The request with mu for a picture of so many tokens, where levels shift with it and nobody says how far."""
    if not made.asks("use_dynamic_shifting") or request.get("mu") is not None:
        return request
    return {**request, "mu": mu.linear(tokens or made.config.get("max_image_seq_len", 4096), made.config)}


def _known(name: str, options: Mapping[str, Any], has: Mapping[str, Any]) -> dict[str, Any]:
    """The options that are said; one that the scheduler lacks would be kept and ignored, and a user must know."""
    for key in options:
        if key not in has:
            refuse_option(name, key, has)
    return {key: value for key, value in options.items() if value is not None or has[key] is None}


def _request(
    sigmas: str | Sequence[float], timesteps: str | Sequence[float], steps: int, known: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The options and the request that sigmas or timesteps mean for a scheduler that knows these options."""
    if len(sigmas) and len(timesteps):
        raise NodeflowError("NF410", "sigmas and timesteps exclude each other", fix="leave one of them empty")
    if len(timesteps):
        return {}, {"timesteps": _numbers(timesteps, TIMESTEPS, "timesteps")}
    text = sigmas.strip() if isinstance(sigmas, str) else ""
    if (warp := WARPS.get(text, "")) in known:
        return {warp: True}, {"num_inference_steps": steps}
    if text in schedules.names():
        return {}, {"num_inference_steps": steps, "levels": text}
    if isinstance(sigmas, str) and not text:
        return {}, {"num_inference_steps": steps}
    return {}, {"sigmas": _numbers(sigmas, dict.fromkeys(schedules.names(), ()), "sigmas")}


def _numbers(said: str | Sequence[float], named: Mapping[str, Sequence[float]], what: str) -> list[float]:
    """A list of numbers, or the named one."""
    if not isinstance(said, str):
        return [float(number) for number in said]
    if said.strip() in named:
        return list(named[said.strip()])
    try:
        return [float(part) for part in said.strip().strip("[]()").replace(",", " ").split()]
    except ValueError:
        fix = f"use {', '.join(named)}, or falling numbers"
        raise NodeflowError("NF410", f"{said!r} is neither a name nor a list of numbers", where=what, fix=fix) from None
