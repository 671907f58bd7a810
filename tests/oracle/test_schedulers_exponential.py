"""Every published option of exponential integrators and DPM-Solver-2, step for step, against diffusers 0.42.1."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from oracle.runner import TOLERANCE, Grid, diffusers, network, parted, unlike

from nodeflow.diffusion import schedulers

SPACINGS = ["linspace", "leading", "trailing"]
TABLES = ["linear", "scaled_linear", "squaredcos_cap_v2"]
WARPS = [None, "use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas"]
PREDICTIONS = ["epsilon", "sample", "v_prediction"]
NOISY = ["epsilon", "v_prediction"]
AYS_TIMESTEPS = [999, 850, 736, 645, 545, 455, 343, 233, 124, 24]
LAID = {"timestep_spacing": SPACINGS, "beta_schedule": TABLES}
SD = {"timestep_spacing": SPACINGS, "beta_schedule": ["scaled_linear"]}
FLOW = {"use_flow_sigmas": [True], "prediction_type": ["flow_prediction"]}
ENDS = {"final_sigmas_type": ["zero", "sigma_min"]}
SHORT = {"num_train_timesteps": [100]}
"""Where the oracle lays every timestep of training on its way up."""
MU = {"num_inference_steps": 8, "mu": 0.9}

SINGLE, DEIS = "DPMSolverSinglestepScheduler", "DEISMultistepScheduler"
SA, INVERSE = "SASolverScheduler", "DPMSolverMultistepInverseScheduler"
DPM2, DPM2A, SDE = "KDPM2DiscreteScheduler", "KDPM2AncestralDiscreteScheduler", "DPMSolverSDEScheduler"


def even(t: float) -> float:
    """A strength of noise between those of the two equations."""
    return 0.6


GRIDS = [
    Grid(DPM2, {**LAID, **SHORT, "prediction_type": NOISY}, (1, 7), wide=True),
    # the ancestral ones not on a cosine table: their k_down is a difference in float32 that has lost its digits
    Grid(DPM2A, {**SD, **SHORT, "prediction_type": NOISY}, (1, 7), wide=True),
    *[
        Grid(name, {**SD, **SHORT, "warp": WARPS, "steps_offset": [1]}, starts=(0, 3), wide=True)
        for name in (DPM2, DPM2A)
    ],
    Grid(SDE, {**SD, "prediction_type": NOISY, "noise_sampler_seed": [1]}, (1, 7)),
    Grid(
        SDE,
        {"timestep_spacing": ["leading"], "warp": WARPS, "steps_offset": [1], "noise_sampler_seed": [5]},
        (5,),
        (0, 2),
    ),
    Grid(SDE, {**SD, "noise_sampler_seed": [[2, 3]]}, options={"s_noise": 1.01}),
    Grid(
        SINGLE,
        {
            **ENDS,
            "algorithm_type": ["dpmsolver++", "sde-dpmsolver++"],
            "solver_order": [1, 2, 3],
            "solver_type": ["midpoint", "heun"],
            "lower_order_final": [True, False],
            "warp": WARPS,
        },
        (6, 8),
    ),
    Grid(
        SINGLE,
        {
            "algorithm_type": ["dpmsolver"],
            "final_sigmas_type": ["sigma_min"],
            "solver_order": [1, 2, 3],
            "solver_type": ["midpoint", "heun"],
            "warp": WARPS,
        },
        (1, 6, 7, 20),
    ),
    Grid(SINGLE, {"beta_schedule": TABLES, "prediction_type": PREDICTIONS, "thresholding": [True, False]}, (1, 20)),
    Grid(SINGLE, {"beta_schedule": TABLES, "lambda_min_clipped": [-5.1], "solver_order": [3]}),
    Grid(SINGLE, {**FLOW, **ENDS, "flow_shift": [1.0, 3.0], "solver_order": [2, 3]}, (1, 7, 20)),
    Grid(SINGLE, {**FLOW, "use_dynamic_shifting": [True]}, request=MU),
    Grid(SINGLE, {"variance_type": ["learned", "learned_range"]}, channels=2),
    Grid(SINGLE, {"solver_order": [2, 3]}, request={"timesteps": AYS_TIMESTEPS}),
    Grid(SINGLE, {"solver_order": [1, 2, 3], "algorithm_type": ["dpmsolver++", "sde-dpmsolver++"]}, starts=(1, 4)),
    Grid(
        DEIS,
        {"solver_order": [1, 2, 3], "lower_order_final": [True, False], "warp": WARPS},
        (7, 20),
        starts=(0, 2),
        wide=True,
    ),
    Grid(DEIS, {**LAID, "prediction_type": PREDICTIONS, "thresholding": [True, False]}, (1, 7), wide=True),
    Grid(DEIS, {**FLOW, "flow_shift": [1.0, 3.0], "solver_order": [2, 3]}, (1, 7, 20), wide=True),
    Grid(DEIS, {**FLOW, "use_dynamic_shifting": [True]}, request=MU, wide=True),
    Grid(DEIS, {**SD, "steps_offset": [1]}, wide=True),
    Grid(
        SA,
        {
            **SD,
            "predictor_order": [1, 2, 3, 4],
            "corrector_order": [1, 2, 3, 4],
            "algorithm_type": ["data_prediction", "noise_prediction"],
            "lower_order_final": [True, False],
        },
        wide=True,
    ),
    Grid(SA, {**SD, "warp": WARPS, "predictor_order": [2, 3], "tau_func": [None, even]}, wide=True),
    Grid(SA, {**LAID, "prediction_type": PREDICTIONS, "thresholding": [True, False]}, (1, 20), wide=True),
    Grid(SA, {**LAID, "lambda_min_clipped": [-5.1], "steps_offset": [0, 1]}, wide=True),
    Grid(SA, {**FLOW, "flow_shift": [1.0, 3.0], "predictor_order": [2, 3]}, (1, 7, 20), wide=True),
    Grid(SA, SD, starts=(1, 4), wide=True),
    Grid(
        INVERSE,
        {
            **SD,
            "algorithm_type": ["dpmsolver++", "dpmsolver"],
            "solver_order": [1, 2, 3],
            "solver_type": ["midpoint", "heun"],
            "lower_order_final": [True, False],
            "warp": WARPS,
        },
        wide=True,
    ),
    Grid(INVERSE, {**LAID, "prediction_type": PREDICTIONS, "thresholding": [True, False]}, (1, 20), wide=True),
    Grid(INVERSE, {**SD, "euler_at_final": [True], "solver_order": [3], "steps_offset": [0, 1]}, (7, 20), wide=True),
    Grid(INVERSE, {**LAID, "lambda_min_clipped": [-5.1]}, wide=True),
    Grid(INVERSE, {**SD, "variance_type": ["learned", "learned_range"]}, channels=2, wide=True),
]


@pytest.mark.parametrize("grid", GRIDS, ids=str)
def test_a_run_equals_the_oracle(grid: Grid) -> None:
    assert not parted(grid)


@pytest.mark.parametrize("prediction", PREDICTIONS)
@pytest.mark.parametrize("spacing", ["leading", "trailing"])
@pytest.mark.parametrize("zero_snr", [False, True])
@pytest.mark.parametrize("more", [{}, {"set_alpha_to_one": False, "beta_schedule": "linear"}], ids=str)
def test_a_run_on_video_equals_the_oracle(prediction: str, spacing: str, zero_snr: bool, more: dict[str, Any]) -> None:
    """Its history is handed over by the caller; ours takes the same arguments, and remembers."""
    if zero_snr and prediction == "epsilon":
        pytest.skip("epsilon is undefined at pure noise")
    name = "CogVideoXDPMScheduler"
    config = {"prediction_type": prediction, "timestep_spacing": spacing, "rescale_betas_zero_snr": zero_snr, **more}
    ours, theirs = schedulers.from_config(name, **config), getattr(diffusers, name)(**config)
    x = y = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    draws = [torch.Generator().manual_seed(1), torch.Generator().manual_seed(1)]
    for one in (ours, theirs):
        one.set_timesteps(7)
    assert torch.equal(ours.timesteps, theirs.timesteps)
    old, back = None, None
    for t in theirs.timesteps:
        x, _ = ours.step(network(x, t, 1), None, t, None, x, generator=draws[0], eta=0.0)
        y, old = theirs.step(network(y, t, 1), old, t, back, y, generator=draws[1])
        back = t
        assert unlike(x, y) < TOLERANCE


def test_the_path_of_the_run_is_that_of_its_seed() -> None:
    """Without a seed in the configuration, the run's own: other tools do so with theirs."""
    config = {"beta_schedule": "scaled_linear", "use_karras_sigmas": True}
    ours, theirs = schedulers.from_config(SDE, **config), getattr(diffusers, SDE)(**config, noise_sampler_seed=7)
    x = y = 14.0 * torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    draws = torch.Generator().manual_seed(7)
    for one in (ours, theirs):
        one.set_timesteps(5)
    for t, u in zip(ours.timesteps, theirs.timesteps, strict=True):
        x = ours.step(network(ours.scale_model_input(x, t), u, 1), t, x, generator=draws).prev_sample
        y = theirs.step(network(theirs.scale_model_input(y, u), u, 1), u, y).prev_sample
        assert unlike(x, y) < TOLERANCE
