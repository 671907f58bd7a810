"""Noise schedulers that swap freely: DDPM, DDIM, Euler, … under the names and configurations people know.

Four small things compose, instead of forty copied classes; read the files in this order:

    space.py       alpha and sigma of a noise level; timestep <-> level
    spacing.py, warps.py, schedule.py    the levels of one run
    tables.py, schedules.py    named ways to lay them, for any scheduler
    prediction.py  what the network predicts, turned into x0 and eps
    solver.py      State, and the pure function step(state, output, noise) -> state
    noise.py, brownian.py    where its noise comes from

    binding.py     a published configuration, bound to the four
    scheduler.py   set_timesteps, step, add_noise, … as people know them, on top
    families.py    how three families of published classes lay their levels; flows.py: how those of flows do
    ddpm.py, ddim.py, euler.py, …    one solver and its named class each
    sigmas.py      the family that node editors have, in k-space and on flows: multistep.py, seeds.py, slopes.py, …
    usual.py       the names that node editors use

The pure core:

    scheduler = from_config("EulerDiscreteScheduler", use_karras_sigmas=True)
    schedule = scheduler.schedule(20)
    solver = scheduler.solver(schedule)
    noise = Noise.seeded(3)
    state = solver.start(noise.draw((1, 4, 64, 64)) * schedule.init_noise_sigma)
    while not solver.done(state):
        state = solver.step(state, model(solver.scale(state), solver.timestep(state)), noise)

Scalars are Python floats in float64, taken from float32 tables: exact, and no device is asked for a number. Closed
sampling loops were rejected: preview, cancelling and resuming need one step a model call.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from . import mu, schedules, usual
from .adaptive import DPMAdaptiveScheduler
from .cogvideox import CogVideoXDDIMScheduler, CogVideoXDPMScheduler
from .config import Config, ScheduleError
from .consistency import LCMScheduler, TCDScheduler
from .consistency_models import CMStochasticIterativeScheduler
from .ddim import DDIMInverseScheduler, DDIMScheduler
from .ddpm import DDPMScheduler
from .deis import DEISMultistepScheduler
from .dpm import DPMSolverMultistepScheduler
from .dpm_inverse import DPMSolverMultistepInverseScheduler
from .dpm_sde import DPMSolverSDEScheduler
from .edm import CosineDPMSolverMultistepScheduler, EDMDPMSolverMultistepScheduler, EDMEulerScheduler
from .er_sde import ERSDEScheduler
from .euler import EulerAncestralDiscreteScheduler, EulerDiscreteScheduler
from .flow_lcm import FlowMatchLCMScheduler
from .flow_match import FlowMatchEulerDiscreteScheduler, FlowMatchHeunDiscreteScheduler
from .heun import HeunDiscreteScheduler
from .ipndm import IPNDMScheduler
from .kdpm2 import KDPM2AncestralDiscreteScheduler, KDPM2DiscreteScheduler
from .lms import LMSDiscreteScheduler
from .ltx import LTXEulerAncestralRFScheduler
from .multistep import DPMPP2MSDEScheduler, DPMPP3MSDEScheduler, RESMultistepScheduler
from .noise import Noise
from .pndm import PNDMScheduler
from .prediction import Prediction
from .repaint import RePaintScheduler
from .sa import SASolverScheduler
from .schedule import Eval, Schedule
from .scheduler import Scheduler, StepOutput, known_class
from .scm import SCMScheduler
from .sde_ve import ScoreSdeVeScheduler
from .seeds import DPMFastScheduler, DPMPP2SAncestralScheduler, SEEDS2Scheduler, SEEDS3Scheduler
from .singlestep import DPMSolverSinglestepScheduler
from .slopes import GradientEstimationScheduler, HeunPP2Scheduler, IPNDMDiscreteScheduler
from .solver import NoiseSource, Solver, State
from .space import VE, VP, Flow, Level
from .tables import AysSchedules
from .unclip import UnCLIPScheduler
from .unipc import UniPCMultistepScheduler
from .wuerstchen import DDPMWuerstchenScheduler

__all__ = [
    "VE",
    "VP",
    "AysSchedules",
    "CMStochasticIterativeScheduler",
    "CogVideoXDDIMScheduler",
    "CogVideoXDPMScheduler",
    "Config",
    "CosineDPMSolverMultistepScheduler",
    "DDIMInverseScheduler",
    "DDIMScheduler",
    "DDPMScheduler",
    "DDPMWuerstchenScheduler",
    "DEISMultistepScheduler",
    "DPMAdaptiveScheduler",
    "DPMFastScheduler",
    "DPMPP2MSDEScheduler",
    "DPMPP2SAncestralScheduler",
    "DPMPP3MSDEScheduler",
    "DPMSolverMultistepInverseScheduler",
    "DPMSolverMultistepScheduler",
    "DPMSolverSDEScheduler",
    "DPMSolverSinglestepScheduler",
    "EDMDPMSolverMultistepScheduler",
    "EDMEulerScheduler",
    "ERSDEScheduler",
    "EulerAncestralDiscreteScheduler",
    "EulerDiscreteScheduler",
    "Eval",
    "Flow",
    "FlowMatchEulerDiscreteScheduler",
    "FlowMatchHeunDiscreteScheduler",
    "FlowMatchLCMScheduler",
    "GradientEstimationScheduler",
    "HeunDiscreteScheduler",
    "HeunPP2Scheduler",
    "IPNDMDiscreteScheduler",
    "IPNDMScheduler",
    "KDPM2AncestralDiscreteScheduler",
    "KDPM2DiscreteScheduler",
    "LCMScheduler",
    "LMSDiscreteScheduler",
    "LTXEulerAncestralRFScheduler",
    "Level",
    "Noise",
    "NoiseSource",
    "PNDMScheduler",
    "Prediction",
    "RESMultistepScheduler",
    "RePaintScheduler",
    "SASolverScheduler",
    "SCMScheduler",
    "SEEDS2Scheduler",
    "SEEDS3Scheduler",
    "Schedule",
    "ScheduleError",
    "Scheduler",
    "ScoreSdeVeScheduler",
    "Solver",
    "State",
    "StepOutput",
    "TCDScheduler",
    "UnCLIPScheduler",
    "UniPCMultistepScheduler",
    "from_config",
    "from_pretrained",
    "known_class",
    "mu",
    "names",
    "schedules",
    "usual",
]


def names() -> tuple[str, ...]:
    """The published names that are known here, sorted."""
    return tuple(sorted(Scheduler.known))


def from_config(which: str | Mapping[str, Any], config: Mapping[str, Any] | None = None, **overrides: Any) -> Scheduler:
    """A scheduler by name, or as a published configuration says.

    Args:
        which: A class name, or a usual one ("dpmpp_2m_sde"; see `usual`); or a configuration with `_class_name`.
        config: Another scheduler's configuration to take over, where a name is given.
        overrides: Options that win over the configuration.

    Raises:
        NodeflowError: NF409 unknown class, NF410 an option is not valid.
    """
    if isinstance(which, str):
        cls, options = usual.meant(which, {**(config or {}), **overrides})
        return cls.from_config(config or {}, **{**options, **overrides})
    return known_class(which.get("_class_name")).from_config(which, **overrides)


def from_pretrained(folder: str | os.PathLike[str], subfolder: str | None = None, **overrides: Any) -> Scheduler:
    """The scheduler that a folder's `scheduler_config.json` describes.

    Raises:
        NodeflowError: NF401 no such file, NF406 not a configuration, NF409 unknown class, NF410 invalid option.
    """
    return Scheduler.from_pretrained(folder, subfolder, **overrides)
