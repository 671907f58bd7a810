"""Every published option of every scheduler, step for step, against diffusers 0.42.1.

The network is a smooth analytic function, so that runs take milliseconds. Where the oracle's own arithmetic follows
the number format of x, runs are in float64: what remains is the algorithm, not the rounding of an ill-conditioned
step. The last test runs the common configurations in float32.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from oracle.runner import TOLERANCE, Grid, diffusers, parted, unlike

from nodeflow.diffusion import schedulers

BOTH = [name for name in schedulers.names() if hasattr(diffusers, name)]
"""Classes that the oracle has too."""

TABLED = [
    name
    for name in BOTH
    if {"beta_start", "timestep_spacing"} <= {*schedulers.known_class(name).defaults} and "Inverse" not in name
]
"""Those that read a model's table of betas and lead from noise to data."""

APART = {
    "CogVideoXDPMScheduler",  # its step takes other arguments
    "DPMSolverSDEScheduler",  # its noise is keyed by an option
    "SASolverScheduler",  # it noises a picture to the level of a timestep, wherever a warp lays the run's
}
"""Those that are run elsewhere only."""

SPACINGS = ["linspace", "leading", "trailing"]
TABLES = ["linear", "scaled_linear", "squaredcos_cap_v2"]
WARPS = [None, "use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas"]
PREDICTIONS = ["epsilon", "sample", "v_prediction"]
NOISY = ["epsilon", "v_prediction"]
AYS_SIGMAS = [14.615, 6.475, 3.861, 2.697, 1.886, 1.396, 0.963, 0.652, 0.399, 0.152, 0]
AYS_TIMESTEPS = [999, 850, 736, 645, 545, 455, 343, 233, 124, 24]


LAID = {"timestep_spacing": SPACINGS, "beta_schedule": TABLES}
SD = {"timestep_spacing": SPACINGS, "beta_schedule": ["scaled_linear"]}
FLOW = {"use_flow_sigmas": [True], "prediction_type": ["flow_prediction"]}
ENDS = {"final_sigmas_type": ["zero", "sigma_min"]}
DPM, UNIPC = "DPMSolverMultistepScheduler", "UniPCMultistepScheduler"
EULER, ANCESTRAL = "EulerDiscreteScheduler", "EulerAncestralDiscreteScheduler"
FOLLOWS_X = ("PNDMScheduler", "LMSDiscreteScheduler", "HeunDiscreteScheduler", UNIPC)
"""Classes whose oracle computes in the number format of x."""
VARIANCES = ["fixed_small", "fixed_small_log", "fixed_large"]

GRIDS = [
    Grid("DDPMScheduler", {**LAID, "prediction_type": PREDICTIONS, "variance_type": VARIANCES}, (1, 7)),
    Grid("DDPMScheduler", {**SD, "clip_sample": [False], "steps_offset": [0, 1]}, starts=(0, 3)),
    Grid("DDPMScheduler", {**SD, "thresholding": [True], "sample_max_value": [0.7, 1.0, 1.5]}),
    Grid("DDPMScheduler", {**SD, "rescale_betas_zero_snr": [True], "prediction_type": ["sample", "v_prediction"]}),
    Grid("DDPMScheduler", {**SD, "variance_type": ["learned", "learned_range"]}, channels=2),
    Grid("DDPMScheduler", {"beta_schedule": ["sigmoid", "laplace"]}, request={"timesteps": [900, 500, 20, 3]}),
    Grid("DDIMScheduler", {**LAID, "prediction_type": PREDICTIONS, "set_alpha_to_one": [True, False]}, (1, 7, 20)),
    Grid("DDIMScheduler", {**SD, "clip_sample": [False], "steps_offset": [0, 1]}, starts=(0, 3)),
    Grid("DDIMScheduler", {**SD, "prediction_type": PREDICTIONS, "thresholding": [True]}, options={"eta": 0.7}),
    Grid(
        "DDIMScheduler",
        {**SD, "prediction_type": PREDICTIONS, "rescale_betas_zero_snr": [True, False]},
        options={"eta": 0.9, "use_clipped_model_output": True},
    ),
    Grid("PNDMScheduler", {**LAID, "prediction_type": NOISY, "skip_prk_steps": [True]}, (1, 2, 7), wide=True),
    Grid("PNDMScheduler", {**LAID, "prediction_type": NOISY, "set_alpha_to_one": [True, False]}, (4, 7), wide=True),
    Grid("PNDMScheduler", {**SD, "skip_prk_steps": [True, False], "steps_offset": [1]}, starts=(1, 3), wide=True),
    Grid("LMSDiscreteScheduler", {**LAID, "prediction_type": PREDICTIONS}, (1, 7), wide=True),
    Grid("LMSDiscreteScheduler", {**SD, "warp": WARPS}, (1, 7), wide=True),
    Grid("LMSDiscreteScheduler", {**SD, "warp": WARPS, "steps_offset": [1]}, starts=(1, 4), wide=True),
    Grid("LMSDiscreteScheduler", SD, options={"order": 2}, wide=True),
    Grid(EULER, {**LAID, "prediction_type": PREDICTIONS, "warp": WARPS}, (7,)),
    Grid(EULER, {**SD, **ENDS, "warp": WARPS, "interpolation_type": ["linear", "log_linear"]}, (7, 20)),
    Grid(EULER, {**SD, "rescale_betas_zero_snr": [True], "prediction_type": NOISY}),
    Grid(
        EULER,
        {
            "prediction_type": ["v_prediction"],
            "timestep_type": ["continuous", "discrete"],
            "sigma_min": [None, 0.002],
            "sigma_max": [None, 700.0],
            "warp": WARPS,
        },
        (7,),
    ),
    Grid(EULER, {**SD, "prediction_type": PREDICTIONS}, options={"s_churn": 3.0, "s_noise": 1.01, "s_tmax": 10.0}),
    Grid(EULER, {**SD, "warp": WARPS, "steps_offset": [0, 1]}, starts=(1, 4)),
    Grid(EULER, SD, request={"sigmas": AYS_SIGMAS}),
    Grid(EULER, SD, request={"timesteps": AYS_TIMESTEPS}),
    Grid(ANCESTRAL, {**SD, "prediction_type": NOISY, "steps_offset": [0, 1]}, (1, 7), starts=(0,)),
    Grid(ANCESTRAL, {**SD, "rescale_betas_zero_snr": [True]}),
    Grid(ANCESTRAL, SD, starts=(1, 4)),
    Grid("HeunDiscreteScheduler", {**LAID, "prediction_type": PREDICTIONS}, (1, 7), wide=True),
    Grid("HeunDiscreteScheduler", {**SD, "warp": WARPS}, (1, 7), wide=True),
    Grid("HeunDiscreteScheduler", {**SD, "warp": WARPS, "steps_offset": [1]}, starts=(1, 4), wide=True),
    Grid(
        "HeunDiscreteScheduler",
        {"beta_schedule": ["exp"], "clip_sample": [True]},
        request={"timesteps": [900, 20]},
        wide=True,
    ),
    Grid(
        DPM,
        {
            **SD,
            **ENDS,
            "algorithm_type": ["dpmsolver++", "sde-dpmsolver++"],
            "solver_order": [1, 2, 3],
            "solver_type": ["midpoint", "heun"],
            "lower_order_final": [True, False],
            "warp": [*WARPS, "use_lu_lambdas"],
        },
        (7,),
    ),
    Grid(
        DPM,
        {
            **SD,
            "final_sigmas_type": ["sigma_min"],
            "algorithm_type": ["dpmsolver", "sde-dpmsolver"],
            "solver_order": [1, 2],
            "solver_type": ["midpoint", "heun"],
            "warp": [*WARPS, "use_lu_lambdas"],
        },
        (7,),
    ),
    Grid(DPM, {"algorithm_type": ["dpmsolver"], "final_sigmas_type": ["sigma_min"], "solver_order": [3]}, (7, 20)),
    Grid(DPM, {**LAID, "prediction_type": PREDICTIONS, "thresholding": [True, False]}, (1, 20)),
    Grid(DPM, {**SD, "euler_at_final": [True, False], "steps_offset": [0, 1], "solver_order": [3]}, (7, 20)),
    Grid(DPM, {**LAID, "warp": ["use_karras_sigmas", "use_lu_lambdas"]}, (15, 30)),
    Grid(DPM, {**LAID, "lambda_min_clipped": [-5.1], "rescale_betas_zero_snr": [True, False]}),
    Grid(DPM, {**FLOW, **ENDS, "flow_shift": [1.0, 3.0], "solver_order": [2, 3]}, (1, 7, 20)),
    Grid(DPM, {**FLOW, "use_dynamic_shifting": [True]}, request={"num_inference_steps": 8, "mu": 0.9}),
    Grid(DPM, {**SD, "variance_type": ["learned", "learned_range"]}, channels=2),
    Grid(DPM, {"solver_order": [2, 3]}, request={"timesteps": AYS_TIMESTEPS}),
    Grid(DPM, {**SD, "solver_order": [1, 2, 3], "algorithm_type": ["dpmsolver++", "sde-dpmsolver++"]}, starts=(1, 4)),
    Grid(
        UNIPC,
        {
            **SD,
            **ENDS,
            "solver_order": [1, 2, 3],
            "solver_type": ["bh1", "bh2"],
            "lower_order_final": [True, False],
            "warp": WARPS,
        },
        (7,),
        wide=True,
    ),
    Grid(UNIPC, {**LAID, "prediction_type": PREDICTIONS, "predict_x0": [True, False], **ENDS}, (1, 7), wide=True),
    Grid(UNIPC, {**SD, "thresholding": [True], "predict_x0": [True, False]}, wide=True),
    Grid(UNIPC, {**SD, "rescale_betas_zero_snr": [True], "solver_order": [4]}, (20,), wide=True),
    Grid(
        UNIPC, {"disable_corrector": [[0], [1, 2]], "sigma_min": [0.1], "sigma_max": [10.0], "warp": WARPS}, wide=True
    ),
    Grid(
        UNIPC,
        {**FLOW, **ENDS, "flow_shift": [1.0, 3.0], "shift_terminal": [None, 0.1], "solver_order": [2, 3]},
        wide=True,
    ),
    Grid(UNIPC, {**FLOW, "use_karras_sigmas": [True]}, wide=True),
    Grid(
        UNIPC,
        {**FLOW, "use_dynamic_shifting": [True], "time_shift_type": ["exponential", "linear"]},
        request={"num_inference_steps": 8, "mu": 0.9},
        wide=True,
    ),
    Grid(UNIPC, {**FLOW, "flow_shift": [1.0, 3.0]}, request={"sigmas": np.array([1.0, 0.8, 0.5, 0.2])}, wide=True),
    Grid(UNIPC, {**SD, "solver_order": [1, 2, 3], "warp": WARPS}, starts=(1, 4), wide=True),
]


@pytest.mark.parametrize("grid", GRIDS, ids=str)
def test_a_run_equals_the_oracle(grid: Grid) -> None:
    assert not parted(grid)


@pytest.mark.parametrize("name", sorted({*TABLED} - APART))
def test_the_common_configuration_equals_the_oracle_in_float32(name: str) -> None:
    config = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
    axes: dict[str, list[Any]] = {"timestep_spacing": ["linspace", "leading"], "prediction_type": NOISY}
    axes |= {key: [value] for key, value in config.items()}
    if "use_karras_sigmas" in schedulers.known_class(name).defaults:
        axes["warp"] = WARPS
    assert not parted(Grid(name, axes, (20,), (0, 3)))


@pytest.mark.parametrize("name", sorted({*TABLED} - APART))
def test_options_kept_from_other_classes_mean_what_they_mean_to_the_oracle(name: str) -> None:
    """Mostly nothing: only the ends of a warp are the model's, whatever class reads them."""
    kept: dict[str, Any] = {
        "set_alpha_to_one": False,
        "final_sigmas_type": "sigma_min",
        "clip_sample": True,
        "clip_sample_range": 0.3,
        "sigma_min": 0.1,
        "sigma_max": 10.0,
        "rescale_betas_zero_snr": True,
        "timestep_type": "continuous",
        "interpolation_type": "log_linear",
        "prediction_type": "v_prediction",
        "skip_prk_steps": True,
    }
    grid = Grid(name, {**{key: [value] for key, value in kept.items()}, "warp": WARPS}, wide=name in FOLLOWS_X)
    assert not parted(grid)


@pytest.mark.parametrize("name", TABLED)
@pytest.mark.parametrize("table", TABLES)
def test_training_sees_the_oracles_noise(name: str, table: str) -> None:
    """Before any run: add_noise and get_velocity at random timesteps of training."""
    oracle, mine = getattr(diffusers, name)(beta_schedule=table), schedulers.from_config(name, beta_schedule=table)
    x0, noise = torch.randn(5, 3, 4, 4), torch.randn(5, 3, 4, 4)
    t = torch.tensor([0, 1, 500, 998, 999], dtype=mine.timesteps.dtype)
    if name in (DPM, UNIPC, "DEISMultistepScheduler"):  # the oracle reads these from a table not yet turned round
        oracle = diffusers.DDPMScheduler(beta_schedule=table, beta_start=1e-4, beta_end=0.02)
    assert unlike(mine.add_noise(x0, noise, t), oracle.add_noise(x0, noise, t)) < TOLERANCE
    table = diffusers.DDPMScheduler.from_config(dict(mine.config))
    reference = oracle if "snr_shift_scale" in mine.defaults else table
    velocity = reference.get_velocity(x0, noise, t.long())
    assert unlike(mine.get_velocity(x0, noise, t), velocity) < TOLERANCE


@pytest.mark.parametrize("name", BOTH)
def test_the_configuration_file_equals_the_oracles(name: str, tmp_path: Any) -> None:
    changed = {"beta_end": 0.013} if name in TABLED else {}
    getattr(diffusers, name)(**changed).save_pretrained(tmp_path / "theirs")
    schedulers.from_config(name, **changed).save_pretrained(tmp_path / "ours")
    theirs = (tmp_path / "theirs" / "scheduler_config.json").read_bytes()
    assert (tmp_path / "ours" / "scheduler_config.json").read_bytes() == theirs
