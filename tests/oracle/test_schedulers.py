"""Every published option of every scheduler, step for step, against diffusers 0.42.1.

The network is a smooth analytic function, so that runs take milliseconds. Where the oracle's own arithmetic follows
the number format of x, runs are in float64: what remains is the algorithm, not the rounding of an ill-conditioned
step. The last test runs the common configurations in float32.
"""

from __future__ import annotations

import inspect
import itertools
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import torch

from nodeflow.diffusion import schedulers

diffusers = pytest.importorskip("diffusers")
diffusers.utils.logging.set_verbosity_error()

TOLERANCE = 1e-5
SPACINGS = ["linspace", "leading", "trailing"]
TABLES = ["linear", "scaled_linear", "squaredcos_cap_v2"]
WARPS = [None, "use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas"]
PREDICTIONS = ["epsilon", "sample", "v_prediction"]
NOISY = ["epsilon", "v_prediction"]
AYS_SIGMAS = [14.615, 6.475, 3.861, 2.697, 1.886, 1.396, 0.963, 0.652, 0.399, 0.152, 0]
AYS_TIMESTEPS = [999, 850, 736, 645, 545, 455, 343, 233, 124, 24]


@dataclass
class Grid:
    """A scheduler, axes of options, and how it is asked to run."""

    name: str
    axes: dict[str, list[Any]] = field(default_factory=dict)
    steps: tuple[int, ...] = (7,)
    starts: tuple[int, ...] = (0,)
    request: dict[str, Any] | None = None
    options: dict[str, Any] = field(default_factory=dict)
    channels: int = 1
    wide: bool = False

    def __str__(self) -> str:
        how = [*self.axes, *(self.request or {}), *self.options, *(["starts"] if any(self.starts) else [])]
        return f"{self.name}:{','.join(how)}"

    def cases(self) -> Iterator[tuple[dict[str, Any], dict[str, Any], int]]:
        for values in itertools.product(*self.axes.values()):
            config = dict(zip(self.axes, values, strict=True))
            if warp := config.pop("warp", None):
                config[warp] = True
            requests = [self.request] if self.request else [{"num_inference_steps": n} for n in self.steps]
            for request, start in itertools.product(requests, self.starts):
                yield config, request, start


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


def network(x: torch.Tensor, t: torch.Tensor, channels: int) -> torch.Tensor:
    """A smooth function of x and t; twice the channels where a network learned its variance."""
    out = 0.8 * torch.tanh(0.7 * x + 0.1 * float(t) / 1000) + 0.05 * x.roll(1, -1)
    return out if channels == 1 else torch.cat([out, 0.3 * out.abs()], 1)


def widened(oracle: Any) -> Any:
    """The oracle with its tables in float64."""
    for name in ("sigmas", "alphas_cumprod", "final_alpha_cumprod"):
        if hasattr(oracle, name):
            setattr(oracle, name, getattr(oracle, name).double())
    return oracle


def unlike(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    return float((ours - theirs).abs().max() / theirs.abs().max().clamp(min=1e-12))


def schedule_differences(mine: Any, oracle: Any) -> list[str]:
    if mine.timesteps.dtype != oracle.timesteps.dtype or mine.timesteps.shape != oracle.timesteps.shape:
        return [f"timesteps {mine.timesteps} for {oracle.timesteps}"]
    found = []
    if not torch.allclose(mine.timesteps.double(), oracle.timesteps.double(), rtol=0, atol=1e-3):
        found.append(f"timesteps {mine.timesteps} for {oracle.timesteps}")
    if hasattr(oracle, "sigmas") and not torch.allclose(mine.sigmas, oracle.sigmas, rtol=TOLERANCE, atol=1e-9):
        found.append(f"sigmas {mine.sigmas} for {oracle.sigmas}")
    if abs(mine.init_noise_sigma - float(oracle.init_noise_sigma)) > TOLERANCE * mine.init_noise_sigma:
        found.append(f"init_noise_sigma {mine.init_noise_sigma} for {oracle.init_noise_sigma}")
    return found


def differences(grid: Grid, config: dict[str, Any], request: dict[str, Any], start: int) -> list[str]:
    """Where a run of ours and of the oracle's part."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        oracle = getattr(diffusers, grid.name).from_config(config)
    mine = schedulers.from_config(grid.name, **config)
    oracle.set_timesteps(**request)
    mine.set_timesteps(**request)
    if found := schedule_differences(mine, oracle):
        return found
    draw = torch.Generator().manual_seed(0)
    x0, noise = torch.randn(2, 3, 4, 4, generator=draw), torch.randn(2, 3, 4, 4, generator=draw)
    begin = start * mine.order
    if hasattr(oracle, "set_begin_index"):
        oracle.set_begin_index(begin)
    if begin:
        first = [one.timesteps[begin : begin + 1].repeat(2) for one in (mine, oracle)]
        x = mine.add_noise(x0, noise, first[0])
        if unlike(x, oracle.add_noise(x0, noise, first[1])) > TOLERANCE:
            return ["add_noise"]
    else:
        x = noise * mine.init_noise_sigma
    return run_differences(grid, mine, oracle, x, begin)


def run_differences(grid: Grid, mine: Any, oracle: Any, x: torch.Tensor, begin: int) -> list[str]:
    if grid.wide:
        widened(oracle)
        x = x.double()
    mine_x = oracle_x = x
    generators = [torch.Generator().manual_seed(1), torch.Generator().manual_seed(1)]
    draws = {"generator": generators[1]} if "generator" in inspect.signature(oracle.step).parameters else {}
    for i in range(begin, len(mine.timesteps)):
        t, u = mine.timesteps[i], oracle.timesteps[i]
        out = network(mine.scale_model_input(mine_x, t), u, grid.channels)
        mine_x, estimate = mine.step(out, t, mine_x, generator=generators[0], return_dict=False, **grid.options)
        out = network(oracle.scale_model_input(oracle_x, u), u, grid.channels)
        try:
            theirs = oracle.step(out, u, oracle_x, **draws, **grid.options)
        except torch.linalg.LinAlgError:
            theirs = None
        if theirs is None or not theirs.prev_sample.isfinite().all():
            return [] if mine_x.isfinite().all() else [f"not finite at call {i}"]
        oracle_x = theirs.prev_sample
        if not (far := unlike(mine_x, oracle_x)) <= TOLERANCE:
            return [f"x at call {i} by {far:.1e}"]
        theirs_estimate = getattr(theirs, "pred_original_sample", None)
        if theirs_estimate is not None and unlike(estimate, theirs_estimate) > TOLERANCE:
            return [f"x0 at call {i}"]
    return []


@pytest.mark.parametrize("grid", GRIDS, ids=str)
def test_a_run_equals_the_oracle(grid: Grid) -> None:
    wrong = [(case, found) for case in grid.cases() if (found := differences(grid, *case))]
    assert not wrong, f"{len(wrong)} runs differ, first {wrong[:3]}"


@pytest.mark.parametrize("name", schedulers.names())
def test_the_common_configuration_equals_the_oracle_in_float32(name: str) -> None:
    config = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
    axes: dict[str, list[Any]] = {"timestep_spacing": ["linspace", "leading"], "prediction_type": NOISY}
    axes |= {key: [value] for key, value in config.items()}
    if "use_karras_sigmas" in schedulers.known_class(name).defaults:
        axes["warp"] = WARPS
    grid = Grid(name, axes, (20,), (0, 3))
    wrong = [(case, found) for case in grid.cases() if (found := differences(grid, *case))]
    assert not wrong, f"{len(wrong)} runs differ, first {wrong[:3]}"


@pytest.mark.parametrize("name", schedulers.names())
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
    wrong = [(case, found) for case in grid.cases() if (found := differences(grid, *case))]
    assert not wrong, f"{len(wrong)} runs differ, first {wrong[:3]}"


@pytest.mark.parametrize("name", schedulers.names())
@pytest.mark.parametrize("table", TABLES)
def test_training_sees_the_oracles_noise(name: str, table: str) -> None:
    """Before any run: add_noise and get_velocity at random timesteps of training."""
    oracle, mine = getattr(diffusers, name)(beta_schedule=table), schedulers.from_config(name, beta_schedule=table)
    x0, noise = torch.randn(5, 3, 4, 4), torch.randn(5, 3, 4, 4)
    t = torch.tensor([0, 1, 500, 998, 999], dtype=mine.timesteps.dtype)
    if name in (DPM, UNIPC):  # the oracle reads these from a table that it has not yet turned round
        oracle = diffusers.DDPMScheduler(beta_schedule=table, beta_start=1e-4, beta_end=0.02)
    assert unlike(mine.add_noise(x0, noise, t), oracle.add_noise(x0, noise, t)) < TOLERANCE
    reference = diffusers.DDPMScheduler.from_config(dict(mine.config))
    velocity = reference.get_velocity(x0, noise, t.long())
    assert unlike(mine.get_velocity(x0, noise, t), velocity) < TOLERANCE


@pytest.mark.parametrize("name", schedulers.names())
def test_the_configuration_file_equals_the_oracles(name: str, tmp_path: Any) -> None:
    getattr(diffusers, name)(beta_end=0.013).save_pretrained(tmp_path / "theirs")
    schedulers.from_config(name, beta_end=0.013).save_pretrained(tmp_path / "ours")
    theirs = (tmp_path / "theirs" / "scheduler_config.json").read_bytes()
    assert (tmp_path / "ours" / "scheduler_config.json").read_bytes() == theirs
