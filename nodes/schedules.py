"""Schedules: which scheduler walks down which noise levels."""

from typing import Annotated, NamedTuple

from nodeflow import Choice, Range, Schedule, SchedulerConfig, node


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


@node("schedule/steps", title="Schedule")
def steps(
    default: SchedulerConfig | None = None,
    scheduler: Annotated[
        str,
        Choice(
            (
                "",
                "DDIMScheduler",
                "DDPMScheduler",
                "DPMFastScheduler",
                "DPMPP2MSDEScheduler",
                "DPMPP2SAncestralScheduler",
                "DPMPP3MSDEScheduler",
                "DPMSolverMultistepScheduler",
                "ERSDEScheduler",
                "EulerAncestralDiscreteScheduler",
                "EulerDiscreteScheduler",
                "FlowMatchEulerDiscreteScheduler",
                "FlowMatchHeunDiscreteScheduler",
                "GradientEstimationScheduler",
                "HeunDiscreteScheduler",
                "HeunPP2Scheduler",
                "IPNDMDiscreteScheduler",
                "LMSDiscreteScheduler",
                "PNDMScheduler",
                "RESMultistepScheduler",
                "SEEDS2Scheduler",
                "SEEDS3Scheduler",
                "UniPCMultistepScheduler",
            ),
            free=True,
        ),
    ] = "",
    steps: Annotated[int, Range(1, 1000)] = 20,
    sigmas: Annotated[str, Choice(("", "karras", "exponential", "beta", "lu"), free=True)] = "",
    spacing: Annotated[str, Choice(("", "leading", "trailing", "linspace"))] = "",
) -> Scheduled:
    """Choose a scheduler and the noise levels it walks down.

    Args:
        default: The model's own scheduler.
        scheduler: A scheduler class; empty = the model's own.
        steps: More is slower and mostly better.
        sigmas: A warp of the noise levels (karras, exponential, beta, lu), or the levels themselves as a list of
            falling numbers that ends with 0; empty = the scheduler's own.
        spacing: How timesteps are spread; empty = the scheduler's own.
    """
    from nodeflow.diffusion.scheduling import make_schedule

    made = make_schedule(default, scheduler, steps, sigmas, spacing)
    return Scheduled(made, list(made.sigmas), list(made.timesteps))
