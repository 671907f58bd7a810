"""The samplers by the names that node editors use: each a class and what it is told, beside the published names.

With `_cfg_pp` behind it, a sampler guides as CFG++ does; see `Solver.cfg_pp`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from .config import refuse
from .scheduler import Scheduler, known_class
from .sigmas import is_flow


class Usual(NamedTuple):
    """What a usual name stands for.

    Args:
        table: The class for a model with a table of betas.
        flow: The class for a flow, where there is one.
        options: What either is told.
    """

    table: str
    flow: str | None = None
    options: Mapping[str, Any] = MappingProxyType({})


def _either(name: str, **options: Any) -> Usual:
    return Usual(name, name, options)


PLAIN: Mapping[str, Usual] = MappingProxyType(
    {
        "ddim": Usual("DDIMScheduler"),
        "ddpm": Usual("DDPMScheduler"),
        "deis": _either("DEISMultistepScheduler"),
        "dpm_2": Usual("KDPM2DiscreteScheduler"),
        "dpm_2_ancestral": Usual("KDPM2AncestralDiscreteScheduler"),
        "dpm_adaptive": _either("DPMAdaptiveScheduler"),
        "dpm_fast": _either("DPMFastScheduler"),
        "dpmpp_2m": _either("DPMPP2MSDEScheduler", eta=0.0),
        "dpmpp_2m_sde": _either("DPMPP2MSDEScheduler"),
        "dpmpp_2m_sde_heun": _either("DPMPP2MSDEScheduler", solver_type="heun"),
        "dpmpp_2s_ancestral": _either("DPMPP2SAncestralScheduler"),
        "dpmpp_3m_sde": _either("DPMPP3MSDEScheduler"),
        "dpmpp_sde": Usual("DPMSolverSDEScheduler"),
        "er_sde": _either("ERSDEScheduler"),
        "euler": Usual("EulerDiscreteScheduler", "FlowMatchEulerDiscreteScheduler"),
        "euler_ancestral": Usual("EulerAncestralDiscreteScheduler", "LTXEulerAncestralRFScheduler"),
        "gradient_estimation": _either("GradientEstimationScheduler"),
        "heun": Usual("HeunDiscreteScheduler", "FlowMatchHeunDiscreteScheduler"),
        "heunpp2": _either("HeunPP2Scheduler"),
        "ipndm": _either("IPNDMDiscreteScheduler"),
        "ipndm_v": Usual("LMSDiscreteScheduler"),
        "lcm": Usual("LCMScheduler", "FlowMatchLCMScheduler"),
        "lms": Usual("LMSDiscreteScheduler"),
        "res_multistep": _either("RESMultistepScheduler"),
        "res_multistep_ancestral": _either("RESMultistepScheduler", eta=1.0),
        "sa_solver": _either("SASolverScheduler"),
        "seeds_2": _either("SEEDS2Scheduler"),
        "seeds_3": _either("SEEDS3Scheduler"),
        "uni_pc": _either("UniPCMultistepScheduler", solver_order=3, solver_type="bh1"),
        "uni_pc_bh2": _either("UniPCMultistepScheduler", solver_order=3, solver_type="bh2"),
    }
)
"""The names; iPNDM with weights for uneven steps (ipndm_v) is linear multistep."""

CFG_PP = (
    "ddim",
    "dpmpp_2m",
    "dpmpp_2m_sde",
    "dpmpp_2s_ancestral",
    "dpmpp_3m_sde",
    "euler",
    "euler_ancestral",
    "gradient_estimation",
    "res_multistep",
    "res_multistep_ancestral",
)
"""Samplers that have a CFG++ form: those that step from x, and not from an x of their own making (UniPC)."""


def _with_cfg_pp(plain: Usual) -> Usual:
    return plain._replace(options={**plain.options, "cfg_pp": True})


USUAL: Mapping[str, Usual] = {**PLAIN, **{f"{name}_cfg_pp": _with_cfg_pp(PLAIN[name]) for name in CFG_PP}}
"""All of them."""


def names() -> tuple[str, ...]:
    """The usual names, sorted."""
    return tuple(sorted(name for name, usual in USUAL.items() if usual.table in Scheduler.known))


def meant(name: object, config: Mapping[str, Any]) -> tuple[type[Scheduler], dict[str, Any]]:
    """The class and the options that a class's name or a usual one means for a model.

    Args:
        name: A class name, or a usual name.
        config: The model's own configuration, which tells a flow from a table.

    Raises:
        NodeflowError: NF409 unknown name, NF410 a usual name that has no class for a flow.
    """
    usual = USUAL.get(name) if isinstance(name, str) else None
    if usual is None:
        return known_class(name, names()), {}
    chosen = usual.flow if is_flow(config) else usual.table
    if chosen is None:
        refuse(f"{name} is not for flows", where="scheduler", fix="choose another sampler, euler or dpmpp_2m")
    return known_class(chosen), dict(usual.options)
