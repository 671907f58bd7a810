"""Laws that need no oracle: each solver converges with its order, and random ones end with the right variance."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from diffusion.schedulers.classes import config
from torch import Tensor

from nodeflow.diffusion import schedulers
from nodeflow.diffusion.schedulers.consistency import Renoise

EULER, ANCESTRAL = "EulerDiscreteScheduler", "EulerAncestralDiscreteScheduler"
DPM, UNIPC = "DPMSolverMultistepScheduler", "UniPCMultistepScheduler"
FULL: dict[str, Any] = {"lower_order_final": False, "final_sigmas_type": "sigma_min"}
STEPS = (20, 40, 80, 160)


@dataclass(frozen=True)
class Tau:
    """As much noise at every time; says so in the names of tests, where a function would say its address."""

    value: float

    def __call__(self, t: float) -> float:
        return self.value


STILL: dict[str, Any] = {"tau_func": Tau(0.0)}

ODE = [
    (EULER, {}, 1),
    ("HeunDiscreteScheduler", {}, 2),
    ("LMSDiscreteScheduler", {}, 4),
    *[(DPM, {"algorithm_type": form, "solver_order": 1}, 1) for form in ("dpmsolver++", "dpmsolver")],
    *[(DPM, {"algorithm_type": form, "solver_order": 2}, 2) for form in ("dpmsolver++", "dpmsolver")],
    *[(DPM, {"algorithm_type": form, "solver_order": 3}, 2) for form in ("dpmsolver++", "dpmsolver")],
    (DPM, {"solver_order": 2, "solver_type": "heun"}, 2),
    (UNIPC, {"solver_order": 1}, 2),
    (UNIPC, {"solver_order": 2}, 3),
    (UNIPC, {"solver_order": 3}, 4),
    (UNIPC, {"solver_order": 2, "solver_type": "bh1"}, 3),
    (UNIPC, {"solver_order": 2, "predict_x0": False}, 3),
    ("KDPM2DiscreteScheduler", {}, 2),
    *[("DEISMultistepScheduler", {"solver_order": order}, order) for order in (1, 2)],
    *[("DPMSolverSinglestepScheduler", {"solver_order": order}, order) for order in (1, 2)],
    ("DPMSolverSinglestepScheduler", {"solver_order": 2, "algorithm_type": "dpmsolver", "solver_type": "heun"}, 2),
    *[("SASolverScheduler", {**STILL, "predictor_order": p, "corrector_order": 0}, p) for p in (1, 2, 3)],
    *[("SASolverScheduler", {**STILL, "predictor_order": c - 1, "corrector_order": c}, c) for c in (2, 3)],
    ("SASolverScheduler", {**STILL, "algorithm_type": "noise_prediction", "corrector_order": 0}, 2),
    *[("EDMEulerScheduler", {"prediction_type": kind}, 1) for kind in ("epsilon", "v_prediction")],
    *[("EDMDPMSolverMultistepScheduler", {"solver_type": kind}, 2) for kind in ("midpoint", "heun")],
]


def observed_order(errors: list[float]) -> float:
    """How often the error halves when n doubles for the last time."""
    return float(np.log2(errors[-2] / errors[-1]))


def errors_from_noise(name: str, options: dict[str, Any], gaussian: Any) -> list[float]:
    """Errors after n steps even in lambda; the first steps, of low order, lie in almost pure noise."""
    errors = []
    for n in STEPS:
        scheduler = schedulers.from_config(name, **{**FULL, **options})
        schedule = scheduler.schedule(sigmas=np.geomspace(200, 0.2, n + 1))
        errors.append(gaussian.error(scheduler.solver(schedule), schedule))
    return errors


@pytest.mark.parametrize(
    ("name", "options", "order"),
    [
        ("FlowMatchEulerDiscreteScheduler", {"shift": 3.0}, 1),
        ("FlowMatchEulerDiscreteScheduler", {"invert_sigmas": True}, 1),
        ("FlowMatchHeunDiscreteScheduler", {"shift": 3.0}, 2),
        ("LTXEulerAncestralRFScheduler", {"eta": 0.0}, 1),
    ],
    ids=str,
)
def test_a_solver_of_flows_converges(name: str, options: dict[str, Any], order: int, gaussian: Any) -> None:
    """All the way from noise to data: a straight line has no singular end."""
    errors = []
    for n in STEPS:
        scheduler = schedulers.from_config(name, **options)
        schedule = scheduler.schedule(sigmas=np.linspace(1, 0, n + 1))
        errors.append(gaussian.error(scheduler.solver(schedule), schedule))
    assert observed_order(errors) == pytest.approx(order, abs=0.1)


@pytest.mark.parametrize(("name", "options", "order"), ODE, ids=str)
def test_a_solver_converges_with_its_order(name: str, options: dict[str, Any], order: int, gaussian: Any) -> None:
    assert observed_order(errors_from_noise(name, options, gaussian)) == pytest.approx(order, abs=0.25)


@pytest.mark.parametrize("kind", ["heun", "midpoint"])
@pytest.mark.parametrize("form", ["dpmsolver++", "dpmsolver"])
def test_steps_of_three_calls_converge(form: str, kind: str, gaussian: Any) -> None:
    errors = []
    for n in (42, 84, 168):
        options = {"solver_order": 3, "solver_type": kind, "algorithm_type": form}
        scheduler = schedulers.from_config("DPMSolverSinglestepScheduler", **{**FULL, **options})
        schedule = scheduler.schedule(sigmas=np.geomspace(200, 0.2, n + 1))
        errors.append(gaussian.error(scheduler.solver(schedule), schedule))
    assert observed_order(errors) == pytest.approx(3, abs=0.3)


def test_deis_of_order_three_converges_once_its_error_has_one_sign(gaussian: Any) -> None:
    errors = []
    for n in (320, 640):
        scheduler = schedulers.from_config("DEISMultistepScheduler", solver_order=3)
        schedule = scheduler.schedule(sigmas=np.geomspace(200, 0.2, n + 1))
        errors.append(gaussian.error(scheduler.solver(schedule), schedule))
    assert observed_order(errors) == pytest.approx(3, abs=0.25)


@pytest.mark.parametrize("order", [1, 2])
def test_an_inversion_finds_the_noise(order: int, gaussian: Any) -> None:
    errors = []
    for n in STEPS[:3]:
        name = "DPMSolverMultistepInverseScheduler"
        scheduler = schedulers.from_config(name, solver_order=order, use_exponential_sigmas=True)
        errors.append(gaussian.error(scheduler.solver(schedule := scheduler.schedule(n)), schedule))
    assert observed_order(errors) == pytest.approx(order, abs=0.3)
    assert schedule.level(0).k < 0.02 < 100 < schedule.level(n).k


def test_a_higher_order_is_more_exact(gaussian: Any) -> None:
    for name in (DPM, UNIPC):
        errors = [errors_from_noise(name, {"solver_order": order}, gaussian)[-1] for order in (1, 2, 3)]
        assert errors[0] > 2 * errors[1] > 4 * errors[2]


@pytest.mark.parametrize(
    ("name", "options", "order"),
    [
        ("DDIMScheduler", {"clip_sample": False}, 1),
        ("PNDMScheduler", {}, 2),
        ("PNDMScheduler", {"skip_prk_steps": True}, 2),
    ],
    ids=str,
)
def test_a_solver_of_integer_timesteps_converges(name: str, options: dict[str, Any], order: int, gaussian: Any) -> None:
    train, errors = 16000, []
    for n in STEPS:
        betas = {"num_train_timesteps": train, "beta_start": 0.1 / train, "beta_end": 20 / train}
        scheduler = schedulers.from_config(name, **betas, **options)
        schedule = scheduler.schedule(n)
        fifth = schedule.timesteps.tolist().index(train // 5)
        errors.append(gaussian.error(scheduler.solver(schedule), schedule, fifth))
    assert observed_order(errors) == pytest.approx(order, abs=0.1)


def test_the_inverse_of_a_walk_leads_back(gaussian: Any) -> None:
    """Order 1 from data to noise; and the walk back undoes it as the steps become small."""
    train, errors, back = 16000, [], []
    for n in STEPS:
        betas = {"num_train_timesteps": train, "beta_start": 0.1 / train, "beta_end": 20 / train}
        up, down = (
            schedulers.from_config(f"DDIM{way}Scheduler", **betas, clip_sample=False) for way in ("Inverse", "")
        )
        rising, falling = up.schedule(n), down.schedule(n)
        x = torch.tensor([[gaussian.deviation(rising.level(0))]], dtype=torch.float64)
        noisy = gaussian.run(up.solver(rising), x).x
        errors.append(gaussian.error(up.solver(rising), rising))
        back.append(float((gaussian.run(down.solver(falling), noisy).x - x).abs()))
    assert observed_order(errors) == pytest.approx(1, abs=0.1)
    assert observed_order(back) == pytest.approx(1, abs=0.1)


def test_improved_pndm_converges_with_order_two_at_least(gaussian: Any) -> None:
    errors = []
    for n in STEPS:
        scheduler = schedulers.from_config("IPNDMScheduler")
        schedule = scheduler.schedule(n)
        errors.append(gaussian.error(scheduler.solver(schedule), schedule, n // 2))
    assert errors[0] > 4**2 * errors[2]
    assert errors[-1] < 1e-4


class Columns:
    """Noise whose draws are told apart: draw i is 1 in column i + 1. A linear run then shows its own variance."""

    def __init__(self) -> None:
        self.drawn = 0
        self.asked: tuple[float, float, Tensor] | None = None

    def __call__(self, like: Tensor) -> Tensor:
        self.drawn += 1
        unit = torch.zeros_like(like)
        unit[..., self.drawn] = 1
        return unit

    def between(self, like: Tensor, begin: float, end: float, span: tuple[float, float]) -> Tensor:
        """One path: what was asked for the upper part of a stretch comes again in the whole."""
        upper = self.asked if self.asked and self.asked[0] == begin and end < self.asked[1] else None
        middle = upper[1] if upper else begin
        rest = math.sqrt(abs(end - middle)) * self(like)
        path = rest + upper[2] if upper else rest
        self.asked = (begin, end, path)
        return path / math.sqrt(abs(end - begin))


RANDOM = [
    (ANCESTRAL, {}, {}),
    ("KDPM2AncestralDiscreteScheduler", {}, {}),
    ("DPMSolverSDEScheduler", {}, {}),
    ("SASolverScheduler", {}, {}),
    ("SASolverScheduler", {"algorithm_type": "noise_prediction", "tau_func": Tau(0.6)}, {}),
    ("DPMSolverSinglestepScheduler", {"algorithm_type": "sde-dpmsolver++"}, {}),
    ("EDMDPMSolverMultistepScheduler", {"algorithm_type": "sde-dpmsolver++", "final_sigmas_type": "sigma_min"}, {}),
    ("CosineDPMSolverMultistepScheduler", {"final_sigmas_type": "sigma_min"}, {}),
    ("LTXEulerAncestralRFScheduler", {}, {}),
    ("LTXEulerAncestralRFScheduler", {"eta": 0.5}, {}),
    ("DDPMWuerstchenScheduler", {}, {}),
    ("UnCLIPScheduler", {"clip_sample": False}, {}),
    ("ScoreSdeVeScheduler", {"correct_steps": 0, "sigma_max": 20.0}, {}),
    ("DDPMScheduler", {"clip_sample": False}, {}),
    ("DDPMScheduler", {"clip_sample": False, "variance_type": "fixed_large"}, {}),
    ("DDIMScheduler", {"clip_sample": False}, {"eta": 1.0}),
    ("DDIMScheduler", {"clip_sample": False}, {"eta": 0.5}),
    (DPM, {"algorithm_type": "sde-dpmsolver++"}, {}),
    (DPM, {"algorithm_type": "sde-dpmsolver++", "solver_order": 1}, {}),
    (DPM, {"algorithm_type": "sde-dpmsolver", "final_sigmas_type": "sigma_min"}, {}),
]


@pytest.mark.parametrize(("name", "options", "asked"), RANDOM, ids=str)
def test_a_random_solver_ends_with_the_variance_of_the_data(
    name: str, options: dict[str, Any], asked: dict[str, Any], gaussian: Any
) -> None:
    def excess(n: int) -> float:
        scheduler = schedulers.from_config(name, **config(name, beta_schedule="scaled_linear"), **options)
        schedule = scheduler.schedule(n)
        x = torch.zeros(1, 2 * n + 2, dtype=torch.float64)
        x[0, 0] = gaussian.deviation(schedule.level(0))
        end = gaussian.run(scheduler.solver(schedule, **asked), x, Columns()).x
        return abs(float(end.norm()) / gaussian.deviation(schedule.level(len(schedule))) - 1)

    coarse, fine = excess(25), excess(200)
    assert fine < 0.03
    assert fine < coarse / 2


RENOISED: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("FlowMatchLCMScheduler", {"shift": 3.0}, {}),
    ("LCMScheduler", {"timestep_scaling": 1e6}, {}),
    *[("TCDScheduler", {}, {"eta": eta}) for eta in (0.0, 0.3, 1.0)],
    ("SCMScheduler", {"sigma_data": 0.5}, {}),
]


@pytest.mark.parametrize(("name", "options", "asked"), RENOISED, ids=str)
@pytest.mark.parametrize("n", [1, 2, 4, 7])
def test_a_perfect_consistency_model_needs_one_step(
    name: str, options: dict[str, Any], asked: dict[str, Any], n: int, gaussian: Any
) -> None:
    """Its x0 is where the ordinary differential equation ends: re-noised ever so often, it has the data's variance."""
    scheduler = schedulers.from_config(name, **options)
    schedule = scheduler.schedule(n)
    solver = scheduler.solver(schedule, **asked)
    assert isinstance(solver, Renoise)
    x = torch.zeros(1, n + 2, dtype=torch.float64)
    x[0, 0] = gaussian.deviation(schedule.level(0))
    state, draws = solver.start(x), Columns()
    while not solver.done(state):
        output = gaussian.jump(state.x, schedule.level(state.index), solver.lands(state), solver.prediction.kind)
        state = solver.step(state, output, draws)
    assert float(state.x.norm()) == pytest.approx(gaussian.deviation(schedule.level(n)), rel=1e-6)


@pytest.mark.parametrize("n", [1, 2, 5])
def test_a_perfect_consistency_model_leads_to_the_lowest_level(n: int, gaussian: Any) -> None:
    """Its network F says what c_skip x lacks; the run ends with the variance of data and lowest noise."""
    scheduler = schedulers.from_config("CMStochasticIterativeScheduler", clip_denoised=False, sigma_min=0.1)
    schedule = scheduler.schedule(n)
    solver, draws = scheduler.solver(schedule), Columns()
    x = torch.zeros(1, n + 2, dtype=torch.float64)
    x[0, 0] = gaussian.deviation(schedule.level(0))
    state = solver.start(x)
    while not solver.done(state):
        level, above = schedule.level(state.index), schedule.level(state.index).sigma - 0.1
        wanted = gaussian.carried(state.x, level, schedule.level(n))
        output = (wanted - 0.25 / (above**2 + 0.25) * state.x) / (above * 0.5 / math.hypot(level.sigma, 0.5))
        state = solver.step(state, output, draws)
    assert float(state.x.norm()) == pytest.approx(gaussian.deviation(schedule.level(n)), rel=1e-6)


@pytest.mark.parametrize("kind", ["epsilon", "sample", "v_prediction", "flow_prediction"])
@pytest.mark.parametrize("level", [(1.0, 14.6), (0.6, 0.8), (0.3, 0.7), (1.0, 0.01)])
def test_a_prediction_gives_back_data_and_noise(kind: str, level: tuple[float, float], gaussian: Any) -> None:
    """x = alpha x0 + sigma eps, whatever the network predicts."""
    where, read = schedulers.Level(*level), schedulers.Prediction(kind)
    x0, eps = torch.randn(2, 1, 64, dtype=torch.float64)
    output = {"epsilon": eps, "sample": x0, "flow_prediction": eps - x0}.get(
        kind, (where.alpha * eps - where.sigma * x0) / where.norm
    )
    x = where.alpha * x0 + where.sigma * eps
    assert torch.allclose(read.x0(x, output, where), x0)
    assert torch.allclose(read.eps(x, output, where), eps)


@pytest.mark.parametrize("options", [{"solver_type": "bh1"}, {"solver_order": 3, "lower_order_final": False}], ids=str)
@pytest.mark.parametrize("warp", ["use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas"])
@pytest.mark.parametrize("end", ["zero", "sigma_min"])
@pytest.mark.parametrize("name", [DPM, UNIPC])
def test_equal_levels_and_a_clean_end_stay_finite(
    name: str, end: str, warp: str, options: dict[str, Any], gaussian: Any
) -> None:
    """A schedule may repeat its last level or end at zero noise; no divided difference may blow up there."""
    config = {warp: True, "final_sigmas_type": end, "beta_schedule": "scaled_linear", **options}
    scheduler = schedulers.from_config(name, **config)
    schedule = scheduler.schedule(20)
    # beta levels are sparse near the end: with 20 of them the answer is finite, not good
    assert gaussian.error(scheduler.solver(schedule), schedule) < (math.inf if warp == "use_beta_sigmas" else 0.1)


def test_the_noise_form_may_end_clean(gaussian: Any) -> None:
    scheduler = schedulers.from_config(UNIPC, predict_x0=False)
    schedule = scheduler.schedule(20)
    assert gaussian.error(scheduler.solver(schedule), schedule) < 0.1


def test_thresholding_bounds_each_sample_by_itself() -> None:
    read = schedulers.Prediction("sample", quantile=0.9, largest=2.0)
    x0 = torch.linspace(-4, 4, 100).repeat(2, 1, 1)
    x0[1] *= 0.1
    bounded = read.bound(x0)
    assert bounded[0].abs().max() == 1
    assert torch.equal(bounded[1], x0[1])
