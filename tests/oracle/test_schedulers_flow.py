"""Every published option of the schedulers of rectified flows, step for step, against diffusers 0.42.1."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from oracle.runner import TOLERANCE, Grid, diffusers, parted, unlike

from nodeflow.diffusion import schedulers

WARPS = [None, "use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas"]
SHIFTS = {"shift": [1.0, 3.0, 6.5], "shift_terminal": [None, 0.1], "warp": WARPS}
DYNAMIC = {"use_dynamic_shifting": [True], "time_shift_type": ["exponential", "linear"], "shift": [1.0, 3.0]}
PIPELINE = np.linspace(1.0, 1 / 6, 6)
EULER, HEUN = "FlowMatchEulerDiscreteScheduler", "FlowMatchHeunDiscreteScheduler"
LCM, LTX = "FlowMatchLCMScheduler", "LTXEulerAncestralRFScheduler"

GRIDS = [
    Grid(EULER, {**SHIFTS, "stochastic_sampling": [True, False]}, (2, 7, 28)),
    Grid(EULER, {"shift": [1.0, 3.0], "invert_sigmas": [True], "warp": WARPS, "shift_terminal": [None, 0.1]}, (2, 7)),
    Grid(EULER, {"num_train_timesteps": [1000, 500], "shift": [3.0]}, starts=(0, 3)),
    Grid(
        EULER, {**DYNAMIC, "warp": WARPS, "shift_terminal": [None, 0.1]}, request={"num_inference_steps": 8, "mu": 0.9}
    ),
    Grid(EULER, {**DYNAMIC, "warp": WARPS, "invert_sigmas": [True, False]}, request={"sigmas": PIPELINE, "mu": 1.15}),
    Grid(EULER, {**SHIFTS}, request={"sigmas": PIPELINE}, starts=(0, 2)),
    Grid(EULER, {**SHIFTS, "invert_sigmas": [True, False]}, request={"timesteps": [1000.0, 800.0, 333.3, 20.0]}),
    Grid(EULER, {"sigma_min": [0.1], "sigma_max": [0.9], "warp": WARPS}),
    Grid(LCM, SHIFTS, (2, 7)),
    Grid(LCM, {**DYNAMIC, "warp": WARPS}, request={"sigmas": PIPELINE, "mu": 1.15}),
    Grid(LCM, {"shift": [3.0]}, request={"timesteps": [1000.0, 800.0, 333.3]}, starts=(0, 1)),
    Grid(LCM, {"scale_factors": [[1.5, 2.0, 4.0]], "upscale_mode": ["nearest", "bilinear", "bicubic", "area"]}, (4,)),
    Grid(LCM, {"scale_factors": [[], [1.5]], "upscale_mode": [None]}, (4,)),
    Grid(LTX, {"eta": [0.0, 0.5, 1.0], "s_noise": [0.0, 0.9, 1.0]}, (1, 7)),
    Grid(LTX, {**SHIFTS}, (2, 7), starts=(0, 1)),
    Grid(LTX, {"use_dynamic_shifting": [True]}, request={"num_inference_steps": 8, "mu": 0.9}),
    Grid(LTX, {"eta": [0.5, 1.0]}, request={"sigmas": [1.0, 0.9, 0.5, 0.1, 0.0]}, ends=True),
    Grid(HEUN, {"shift": [1.0, 3.0], "num_train_timesteps": [1000, 500]}, (1, 2, 7, 20)),
    Grid(HEUN, {"shift": [3.0]}, starts=(0, 2)),
    Grid(HEUN, {"shift": [3.0]}, options={"s_churn": 3.0, "s_noise": 1.01, "s_tmin": 0.1, "s_tmax": 0.95}),
]


@pytest.mark.parametrize("grid", GRIDS, ids=str)
def test_a_run_equals_the_oracle(grid: Grid) -> None:
    assert not parted(grid)


@pytest.mark.parametrize("stochastic", [True, False])
def test_tokens_with_levels_of_their_own_equal_the_oracle(stochastic: bool) -> None:
    config = {"shift": 3.0, "stochastic_sampling": stochastic}
    ours = schedulers.from_config(EULER, **config)
    theirs = diffusers.FlowMatchEulerDiscreteScheduler(**config)
    x, output = torch.randn(2, 2, 5, 8, generator=torch.Generator().manual_seed(0))
    tokens = torch.tensor([1000.0, 700.0, 412.0, 35.0, 0.0]).repeat(2, 1)
    results = []
    for scheduler in (ours, theirs):
        scheduler.set_timesteps(9)
        t, draw = scheduler.timesteps[2], torch.Generator().manual_seed(1)
        stepped = scheduler.step(output, t, x, generator=draw, per_token_timesteps=tokens)
        results.append(stepped.prev_sample)
    assert unlike(*results) < TOLERANCE


@pytest.mark.parametrize("name", [EULER, LCM])
@pytest.mark.parametrize("shift", [1.0, 3.0])
def test_training_sees_the_oracles_levels(name: str, shift: float) -> None:
    oracle, mine = getattr(diffusers, name)(shift=shift), schedulers.from_config(name, shift=shift)
    assert torch.allclose(mine.timesteps, oracle.timesteps, atol=1e-3)
    x0, noise = torch.randn(2, 4, 3, 4, 4)
    picks = torch.tensor([0, 1, 500, 999])
    theirs = oracle.scale_noise(x0, oracle.timesteps[picks], noise)
    assert unlike(mine.scale_noise(x0, mine.timesteps[picks], noise), theirs) < TOLERANCE
    assert torch.equal(mine.get_velocity(x0, noise, mine.timesteps[picks]), noise - x0)
