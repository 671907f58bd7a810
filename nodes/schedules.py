"""Schedules: which scheduler walks down which noise levels."""

from typing import Annotated, Any, NamedTuple

from nodeflow import Choice, Image, NodeflowError, Options, Range, Run, Schedule, SchedulerConfig, node
from nodeflow.diffusion import scheduler_table

SCHEDULERS = scheduler_table.variants()
SIGMAS = scheduler_table.sigmas()
TIMESTEPS = scheduler_table.timesteps()


class Scheduled(NamedTuple):
    """A schedule, and its numbers to look at.

    Args:
        schedule: For the sampler.
        sigmas: The noise levels, from noise to picture.
        timesteps: What the denoiser is told at each call.
    """

    schedule: Schedule
    sigmas: list[float]
    timesteps: list[float]


def _facts(
    default: dict[str, Any] | None = None,
    scheduler: str | None = None,
    options: dict[str, Any] | None = None,
    sigmas: str | None = None,
    timesteps: str | None = None,
    **_: Any,
) -> dict[str, Any]:
    config = default or {}
    if name := scheduler or (config.get("_class_name", "") if scheduler == "" else ""):
        scheduler_table.check_fit(name, config, options or {})
    scheduler_table.check_numbers("sigmas", sigmas or "", SIGMAS)
    scheduler_table.check_numbers("timesteps", timesteps or "", TIMESTEPS)
    if sigmas and timesteps:
        raise NodeflowError("NF410", "sigmas and timesteps exclude each other", where="timesteps", fix="empty one")
    return {}


@node("schedule/steps", version=2, title="Schedule", describe=_facts)
def steps(
    run: Run,
    default: SchedulerConfig | None = None,
    scheduler: Annotated[str, Choice(("", *SCHEDULERS), free=True)] = "",
    options: Annotated[dict[str, Any] | None, Options("scheduler", SCHEDULERS)] = None,
    steps: Annotated[int, Range(1, 1000)] = 20,
    sigmas: Annotated[str, Choice(("", *SIGMAS), free=True)] = "",
    timesteps: Annotated[str, Choice(("", *TIMESTEPS), free=True)] = "",
    levels: list[float] | None = None,
) -> Scheduled:
    """Choose a scheduler and the noise levels it walks down.

    Args:
        default: The model's own scheduler; its training noise and prediction type hold for any other.
        scheduler: A scheduler by its published name or by that of other editors; empty = the model's own.
        options: Options of the scheduler that win over the model's; which there are follows the scheduler.
        steps: More is slower and mostly better.
        sigmas: How the noise levels lie: a warp or schedule by name, or the levels themselves, falling to 0; empty =
            the scheduler's own.
        timesteps: The timesteps themselves, falling, or a published table by name; empty = the scheduler's own.
        levels: The noise levels from other nodes, falling to 0, in place of sigmas and steps.
    """
    from nodeflow.diffusion.scheduling import kept, make_schedule

    if levels and sigmas:
        raise NodeflowError("NF410", "levels and sigmas exclude each other", where="sigmas", fix="empty one")
    made = make_schedule(default, scheduler, steps, levels or sigmas, timesteps, options)
    if idle := kept(default, made):
        run.log(f"{made.config['_class_name']} has no {', '.join(idle)}: kept from the model, without effect")
    return Scheduled(made, list(made.sigmas), list(made.timesteps))


@steps.migrate(1)  # type: ignore[attr-defined]
def _spacing_is_an_option(saved: dict[str, Any]) -> dict[str, Any]:
    values = dict(saved.get("values", {}))
    if isinstance(values.get("spacing"), str) and (spacing := values.pop("spacing")):
        values["options"] = {"timestep_spacing": spacing}
    return {**saved, "values": values}


class Curves(NamedTuple):
    """The noise of a schedule, step by step and at its end.

    Args:
        sigmas: The noise over the signal.
        alpha_bars: The signal's share of the power.
        log_snrs: The logarithm of signal over noise; infinite without noise.
    """

    sigmas: list[float]
    alpha_bars: list[float]
    log_snrs: list[float]


@node("schedule/curves", title="Schedule as curves")
def as_curves(schedule: Schedule) -> Curves:
    """Take the noise of a schedule as numbers, in the three measures that papers use.

    Args:
        schedule: The schedule.
    """
    from nodeflow.diffusion import curves

    return Curves(*curves.curves(schedule))


@node("schedule/plot", title="Plot schedules")
def plot(
    schedules: list[Schedule],
    names: list[str] | None = None,
    width: Annotated[int, Range(320, 4096, unit="px")] = 960,
    height: Annotated[int, Range(160, 4096, unit="px")] = 360,
    dark: bool = False,
) -> Image:
    """Draw the noise of schedules over their steps: level, signal share, log SNR.

    Args:
        schedules: One or several, in the order of the wires.
        names: In the legend, one a schedule; none = their schedulers.
        width: Of the picture.
        height: Of the picture.
        dark: On a dark ground.
    """
    from nodeflow.diffusion import curves

    return curves.plotted(schedules, names or (), width, height, dark)
