"""What each option of the schedulers means, and the table of all classes and options that ships as data.

`make tables` writes `table.json` from the classes: an editor, a check and a list of nodes read it without torch.
"""

from __future__ import annotations

import inspect
import json
import math
from collections.abc import Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ...atomic import atomic_write
from . import schedules, usual
from .config import MENUS
from .scheduler import Scheduler

FILE = Path(__file__).with_name("table.json")

HELP: Mapping[str, str] = MappingProxyType(
    {
        "accept_safety": "The smallest change of its size with which a step is kept.",
        "adaptive_order": "The higher of the two orders that are compared.",
        "algorithm_type": "Which form of the integrator: ++ steps in the clean sample, sde adds noise.",
        "atol": "The error a step may make, whatever the size of x.",
        "base_image_seq_len": "Tokens of a picture at which the dynamic shift is base_shift.",
        "base_shift": "The dynamic shift of a small picture.",
        "beta_end": "The last beta of training.",
        "beta_schedule": "How beta rose over training time.",
        "beta_start": "The first beta of training.",
        "clip_sample": "Keep the clean sample within clip_sample_range at each step.",
        "clip_sample_range": "The largest value of a clipped clean sample.",
        "clip_denoised": "Keep the clean sample within 1 at each step.",
        "correct_steps": "Corrector steps at each noise level.",
        "disable_corrector": "Steps whose corrector is left out, as a list.",
        "dynamic_thresholding_ratio": "The quantile of the clean sample that thresholding keeps within 1.",
        "eta": "How much of the noise is drawn anew at each step: 0 none, 1 all of it.",
        "euler_at_final": "Take the last step with Euler's method.",
        "final_sigmas_type": "Where a run ends: at no noise, or at the lowest level of training.",
        "flow_shift": "Moves a flow's levels towards noise; larger for larger pictures.",
        "gamma": "How far each step goes past its level before noise is added again.",
        "dcoeff": "How much the steps' size follows the change of the error.",
        "ge_gamma": "How far the slope of a step is carried past the last one: 1 is Euler's method.",
        "h_init": "The first step, in half the log signal-to-noise ratio.",
        "icoeff": "How much the steps' size follows the error.",
        "interpolation_type": "How levels between timesteps are found.",
        "invert_sigmas": "Count the noise levels upwards from the picture.",
        "lambda_min_clipped": "The lowest log signal-to-noise ratio that is visited.",
        "order": "Order of the solver: how many earlier steps it looks at.",
        "lower_order_final": "Lower the order in the last steps of short runs, which keeps them stable.",
        "max_image_seq_len": "Tokens of a picture at which the dynamic shift is max_shift.",
        "max_shift": "The dynamic shift of a large picture.",
        "noise_sampler_seed": "The seed of the Brownian path; none takes the run's own.",
        "num_train_timesteps": "Timesteps of training.",
        "original_inference_steps": "Steps of the model that was distilled.",
        "pcoeff": "How much the steps' size follows the last error.",
        "predict_x0": "Step in the clean sample instead of the noise.",
        "prediction_type": "What the network was trained to predict; the model's own mostly fits.",
        "predictor_order": "Order of the predictor.",
        "corrector_order": "Order of the corrector; 0 leaves it out.",
        "rescale_betas_zero_snr": "Stretch the training noise so that it ends without signal.",
        "rho": "Exponent of the Karras levels: larger crowds them towards the picture.",
        "rtol": "The error a step may make, as a share of x.",
        "s": "Offset of the cosine noise table.",
        "s_churn": "How much noise is added again over the whole run.",
        "s_noise": "Factor on the noise that is added.",
        "s_tmax": "The highest level at which noise is added again.",
        "s_tmin": "The lowest level at which noise is added again.",
        "sample_max_value": "The largest value that thresholding lets through.",
        "sampling_eps": "The lowest time that is visited.",
        "scale_factors": "Sizes of the picture at the stages of the run, as shares of the whole.",
        "scaler": "Warps the cosine noise table.",
        "set_alpha_to_one": "End the run at no noise instead of at the level of timestep 0.",
        "shift": "Moves a flow's levels towards noise; larger for larger pictures.",
        "shift_terminal": "Stretch a flow's levels so that the last one is this.",
        "sigma_data": "Standard deviation of the data the model was trained on.",
        "sigma_max": "The highest noise level.",
        "sigma_min": "The lowest noise level.",
        "sigma_schedule": "How levels lie between the highest and the lowest.",
        "skip_prk_steps": "Leave out the Runge-Kutta steps at the start.",
        "snr": "Signal-to-noise ratio of the corrector's steps.",
        "snr_shift_scale": "Shifts the signal-to-noise ratio of training.",
        "solver_order": "Order of the solver; 2 for guided sampling, 3 without guidance.",
        "solver_p": "Another scheduler as predictor.",
        "solver_type": "Which formula of the order is used.",
        "steps_offset": "Added to the timesteps of leading spacing.",
        "stochastic_sampling": "Draw fresh noise at every step.",
        "tau": "How much noise is drawn along the run: 0 none, 1 as much as in training.",
        "tau_func": "How much noise is drawn at a timestep, a function; none draws in the middle of training time.",
        "thresholding": "Scale the clean sample down where its largest values leave 1; for models on pixels.",
        "time_shift_type": "How the dynamic shift acts.",
        "timestep_scaling": "Sharpens the boundary condition of the consistency function.",
        "timestep_spacing": "How timesteps are spread over training time.",
        "timestep_type": "Whether the model is told whole timesteps, or the logarithm of the noise.",
        "trained_betas": "The betas of training themselves, as a list.",
        "upscale_mode": "How the picture is enlarged between stages.",
        "use_beta_sigmas": "Levels dense at both ends: quantiles of a beta distribution.",
        "use_clipped_model_output": "Step with the noise that belongs to the clipped clean sample.",
        "use_dynamic_shifting": "Shift a flow by the size of the picture.",
        "use_exponential_sigmas": "Levels even in log noise.",
        "use_flow_sigmas": "The model is a flow: noise level k, signal 1 - k.",
        "use_karras_sigmas": "Levels after Karras: dense where the picture is nearly clean.",
        "use_lu_lambdas": "Levels even in the log signal-to-noise ratio.",
        "variance_type": "Which variance the added noise has.",
    }
)
"""One line an option, whichever class has it."""

KINDS: Mapping[str, str] = MappingProxyType(
    {
        "lambda_min_clipped": "float",
        "s_tmax": "float",
        "shift_terminal": "float",
        "sigma_max": "float",
        "sigma_min": "float",
        "variance_type": "str",
    }
)
"""The types of options whose default does not tell it; others hold any plain data."""


NAMED = {"sigmas": sorted({*schedules.names(), *schedules.WARPS}), "timesteps": sorted(schedules.TIMESTEPS)}
"""The names that stand for noise levels and for timesteps."""

RUN = ("eta", "use_clipped_model_output", "s_churn", "s_tmin", "s_tmax", "s_noise", "order")
"""What published classes take with each step and not in their configuration."""


def run_options(cls: type[Scheduler]) -> dict[str, Any]:
    """The options of a class that belong to a run, with their defaults."""
    told = {field.name: field.default for field in fields(cls.solver_class) if field.default is not MISSING}
    return {name: told[name] for name in RUN if name in told and name not in cls.defaults}


def options(cls: type[Scheduler]) -> dict[str, Any]:
    """All options of a class, with their defaults."""
    return {**cls.defaults, **run_options(cls)}


def option(cls: type[Scheduler], name: str) -> dict[str, Any]:
    """An option of a class as data: type, default (None where a file cannot hold it), menu."""
    default, menu = options(cls)[name], cls.menus.get(name, MENUS.get(name))
    plain = default if isinstance(default, bool | int | float | str) and default not in (math.inf, -math.inf) else None
    found: dict[str, Any] = {"type": KINDS.get(name, "any") if plain is None else type(plain).__name__}
    if plain is not None:
        found["default"] = plain
    if menu is not None:
        found["menu"] = [item for item in menu if item is not None]
        found["type"] = type(found["menu"][0]).__name__
    return found


def table() -> str:
    """The table of all classes and options, as JSON with one option a line."""
    classes = {}
    for name, cls in sorted(Scheduler.known.items()):
        about = (inspect.getdoc(cls) or "").split("\n\n", 1)[0]
        entries = ",\n".join(f"    {_text(each)}: {_text(option(cls, each))}" for each in sorted(options(cls)))
        head = f'"doc": {_text(" ".join(about.split()))},\n   "noises": {_text(list(cls.noises))}'
        classes[name] = f'{head},\n   "options": {{\n{entries}\n   }}'
    used = sorted({name for cls in Scheduler.known.values() for name in options(cls)})
    if bare := [name for name in used if name not in HELP]:
        raise SystemExit(f"nodeflow/diffusion/schedulers/options.py: HELP says nothing about {', '.join(bare)}")
    help = ",\n".join(f"  {_text(name)}: {_text(HELP[name])}" for name in used)
    named = ",\n".join(f" {_text(port)}: {_text(each)}" for port, each in NAMED.items())
    body = ",\n".join(f"  {_text(name)}: {{{text}}}" for name, text in classes.items())
    known = [(name, usual.USUAL[name]) for name in usual.names()]
    lines = ",\n".join(f"  {_text(name)}: {_text([one.table, one.flow, dict(one.options)])}" for name, one in known)
    parts = {"help": help, "classes": body, "usual": lines}
    blocks = ",\n".join(f" {_text(name)}: {{\n{text}\n }}" for name, text in parts.items())
    return f"{{\n{named},\n{blocks}\n}}\n"


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def main() -> None:
    """Write the table."""
    from . import names

    atomic_write(FILE, table().encode())
    print(f"{FILE}: {len(names())} schedulers")


if __name__ == "__main__":
    main()
