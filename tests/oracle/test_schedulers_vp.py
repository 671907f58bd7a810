"""Schedulers of distilled models, of inversion, of single models: step for step against diffusers 0.42.1."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from oracle.runner import TOLERANCE, Grid, diffusers, network, parted, unlike, widened

from nodeflow.diffusion import schedulers

CM = "CMStochasticIterativeScheduler"
TABLES = ["linear", "scaled_linear", "squaredcos_cap_v2"]
PREDICTIONS = ["epsilon", "sample", "v_prediction"]
BOUNDS = [{}, {"clip_sample": True, "clip_sample_range": 0.8}, {"thresholding": True, "sample_max_value": 1.5}]
ANGLES, ANGLED = [1.57, 1.0, 0.5, 0.0], ("max_timesteps", "intermediate_timesteps")
VIDEO = {"timestep_spacing": ["linspace", "leading", "trailing"], "prediction_type": PREDICTIONS}


def previous(oracle: Any, i: int) -> dict[str, Any]:
    """The timestep that follows, as unCLIP's pipeline says it; the betas anew from the table, in float64.

    In float32 they part by 5e-4 at timestep 0, and the oracle's last step takes a bit of both.
    """
    table = oracle.alphas_cumprod
    oracle.alphas = torch.cat([table[:1], table[1:] / table[:-1]])
    oracle.betas = 1 - oracle.alphas
    return {"prev_timestep": oracle.timesteps[i + 1] if i + 1 < len(oracle.timesteps) else None}


def each(oracle: Any, i: int) -> dict[str, Any]:
    """A timestep for each sample."""
    return {"timestep": oracle.timesteps[i].repeat(2)}


def recomputed(oracle: Any, i: int) -> dict[str, Any]:
    """The oracle's tables in float64: 1 - sigma² cancels in float32 where the level is high."""
    oracle.betas = oracle.betas.double()
    oracle.alphas = (1 - oracle.betas**2).sqrt()
    return {}


GRIDS = [
    *[
        Grid(
            name,
            {"beta_schedule": TABLES, "prediction_type": PREDICTIONS, **{key: [one] for key, one in bound.items()}},
            (1, 2, 4, 8),
        )
        for name in ("LCMScheduler", "TCDScheduler")
        for bound in BOUNDS
    ],
    *[
        grid
        for name in ("LCMScheduler", "TCDScheduler")
        for grid in (
            Grid(name, {"rescale_betas_zero_snr": [True], "prediction_type": PREDICTIONS[1:]}, (1, 4), starts=(0,)),
            Grid(name, {"original_inference_steps": [50, 100]}, (4, 50), starts=(0, 2)),
            Grid(name, request={"num_inference_steps": 4, "strength": 0.6}),
            Grid(name, request={"num_inference_steps": 4, "original_inference_steps": 25}),
            Grid(name, request={"timesteps": [999, 759, 499, 259]}),
            Grid(name, {"num_train_timesteps": [500], "set_alpha_to_one": [False], "steps_offset": [1]}, (4,)),
        )
    ],
    Grid("LCMScheduler", {"timestep_scaling": [10.0, 0.01]}, (4,)),
    Grid("TCDScheduler", {"prediction_type": PREDICTIONS}, (4,), options={"eta": 0.0}),
    Grid("TCDScheduler", {"prediction_type": PREDICTIONS}, (1, 4), options={"eta": 1.0}),
    Grid("DDIMInverseScheduler", {**VIDEO, "timestep_spacing": ["leading", "trailing"], "set_alpha_to_one": [False]}),
    Grid(
        "DDIMInverseScheduler",
        {
            "prediction_type": ["epsilon", "v_prediction"],
            "beta_schedule": TABLES,
            "clip_sample": [True, False],
            "clip_sample_range": [0.7],
            "steps_offset": [0, 1],
        },
        (1, 7),
    ),
    Grid("DDIMInverseScheduler", {"rescale_betas_zero_snr": [True], "prediction_type": ["v_prediction"]}),
    Grid("CogVideoXDDIMScheduler", {**VIDEO, "beta_schedule": TABLES}, (1, 7)),
    Grid("CogVideoXDDIMScheduler", {"snr_shift_scale": [1.0, 2.0]}),
    Grid("CogVideoXDDIMScheduler", {**VIDEO, "rescale_betas_zero_snr": [True], "prediction_type": PREDICTIONS[1:]}),
    Grid(
        "CogVideoXDDIMScheduler",
        {"set_alpha_to_one": [False], "steps_offset": [1], "clip_sample": [False]},
        starts=(0, 3),
    ),
    Grid("DDPMWuerstchenScheduler", {"scaler": [1.0, 0.5, 2.0], "s": [0.008, 0.02]}, (1, 7), ends=True, says=each),
    Grid("DDPMWuerstchenScheduler", request={"timesteps": [1.0, 0.8, 0.66, 0.3, 0.0]}, ends=True, says=each),
    Grid(
        "UnCLIPScheduler",
        {"prediction_type": ["epsilon", "sample"], "clip_sample": [True, False], "clip_sample_range": [1.0, 5.0]},
        (2, 7, 25),
        wide=True,
        says=previous,
    ),
    Grid("UnCLIPScheduler", {"variance_type": ["learned_range"]}, (7,), channels=2, wide=True, says=previous),
    Grid(CM, {"clip_denoised": [True, False], "s_noise": [1.0, 0.9], "rho": [7.0, 5.0]}, (1, 2, 4, 40)),
    Grid(CM, {"sigma_min": [0.002, 0.125], "sigma_max": [80.0, 20.0], "sigma_data": [0.5, 1.0]}, (2, 3), starts=(0, 1)),
    Grid(CM, {"num_train_timesteps": [40, 151]}, request={"timesteps": [22, 0]}),
    Grid("IPNDMScheduler", {}, (2, 3, 4, 7, 20), wide=True, says=recomputed),
    Grid("IPNDMScheduler", {"trained_betas": [[0.9, 0.7, 0.5, 0.3, 0.1, 0.0]]}, (5,), wide=True, says=recomputed),
    Grid("SCMScheduler", {"sigma_data": [0.5]}, (2,), ends=True, unit=0.5),
    Grid("SCMScheduler", {"sigma_data": [1.0]}, (2,), ends=True),
    *[
        Grid("SCMScheduler", request=ours, theirs=theirs, ends=True, unit=0.5)
        for ours, theirs in (
            ({"num_inference_steps": 2, "max_timesteps": 1.5, "intermediate_timesteps": 1.1}, None),
            ({"num_inference_steps": 4}, {"num_inference_steps": 4, "intermediate_timesteps": None}),
            ({"timesteps": ANGLES}, {"num_inference_steps": 3, "timesteps": ANGLES, **dict.fromkeys(ANGLED)}),
        )
    ],
]


@pytest.mark.parametrize("grid", GRIDS, ids=str)
def test_a_run_equals_the_oracle(grid: Grid) -> None:
    assert not parted(grid)


@pytest.mark.parametrize("eta", [0.0, 0.6])
@pytest.mark.parametrize("clip_sample", [True, False])
def test_repaint_goes_back_and_forth_like_the_oracle(eta: float, clip_sample: bool) -> None:
    """The oracle lists the steps that its caller must undo; ours does them with the step before."""
    config = {"eta": eta, "clip_sample": clip_sample, "beta_schedule": "scaled_linear"}
    request = {"num_inference_steps": 12, "jump_length": 3, "jump_n_sample": 2}
    ours, theirs = schedulers.from_config("RePaintScheduler", **config), diffusers.RePaintScheduler(**config)
    ours.set_timesteps(**request)
    theirs.set_timesteps(**request)
    widened(theirs)
    draw = torch.Generator().manual_seed(0)
    x, original = torch.randn(2, 2, 3, 4, 4, generator=draw, dtype=torch.float64)
    mask = (torch.rand(2, 1, 4, 4, generator=draw) > 0.5).double()
    draws = torch.Generator().manual_seed(1), torch.Generator().manual_seed(1)

    expected, last, y = [], 1000, x
    for t in theirs.timesteps:
        if t < last:
            y = theirs.step(network(y, t, 1), t, y, original, mask, generator=draws[1]).prev_sample
            expected.append(y)
        else:
            y = theirs.undo_step(y, last, generator=draws[1])
            expected[-1] = y
        last = int(t)
    assert len(ours.timesteps) == len(expected) < len(theirs.timesteps)
    for i, t in enumerate(ours.timesteps):
        x = ours.step(network(x, t, 1), t, x, original, mask, draws[0]).prev_sample
        assert unlike(x, expected[i]) < TOLERANCE


@pytest.mark.parametrize("corrections", [0, 1, 2])
@pytest.mark.parametrize("request_", [{}, {"sampling_eps": 0.1}], ids=str)
def test_the_score_equation_is_walked_like_the_oracle(corrections: int, request_: dict[str, Any]) -> None:
    config = {"correct_steps": corrections, "snr": 0.2, "sigma_min": 0.05, "sigma_max": 50.0}
    ours, theirs = schedulers.from_config("ScoreSdeVeScheduler", **config), diffusers.ScoreSdeVeScheduler(**config)
    ours.set_timesteps(9, **request_)
    theirs.set_timesteps(9, **request_)
    theirs.set_sigmas(9)
    widened(theirs)
    assert torch.allclose(ours.timesteps[:: corrections + 1], theirs.timesteps)
    assert ours.init_noise_sigma == theirs.init_noise_sigma
    x = y = 50 * torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    draws = torch.Generator().manual_seed(1), torch.Generator().manual_seed(1)
    calls = iter(ours.timesteps)
    for i, t in enumerate(theirs.timesteps):
        assert ours.space.k(float(t)) == pytest.approx(float(theirs.sigmas[i]), rel=TOLERANCE)
        for stage in range(corrections + 1):
            if stage < corrections:
                y = theirs.step_correct(-0.1 * y, y, generator=draws[1]).prev_sample
            else:
                step = theirs.step_pred(-0.1 * y, t, y, generator=draws[1])
                y = step.prev_sample_mean if i == 8 else step.prev_sample
            x = ours.step(-0.1 * x, next(calls), x, generator=draws[0]).prev_sample
            assert unlike(x, y) < TOLERANCE


def test_noise_of_wuerstchens_training_equals_the_oracles() -> None:
    oracle, mine = (
        diffusers.DDPMWuerstchenScheduler(scaler=0.7),
        schedulers.from_config("DDPMWuerstchenScheduler", scaler=0.7),
    )
    x0, noise = torch.randn(2, 4, 3, 4, 4)
    t = torch.tensor([0.0, 0.1, 0.66, 1.0])
    assert unlike(mine.add_noise(x0, noise, t), oracle.add_noise(x0, noise, t)) < TOLERANCE
