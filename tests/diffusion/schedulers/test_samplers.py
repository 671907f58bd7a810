"""Laws of the samplers that node editors have, in k-space and on flows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from nodeflow.diffusion import schedulers
from nodeflow.diffusion.schedulers import Noise, Schedule, Solver

SPACES = {"k": {}, "flow": {"prediction_type": "flow_prediction"}}
every_space = pytest.mark.parametrize("space", SPACES)
TWO_M, THREE_M, RES = "DPMPP2MSDEScheduler", "DPMPP3MSDEScheduler", "RESMultistepScheduler"
SEEDS2, SEEDS3, TWO_S = "SEEDS2Scheduler", "SEEDS3Scheduler", "DPMPP2SAncestralScheduler"
FAST, GRADIENT, ER = "DPMFastScheduler", "GradientEstimationScheduler", "ERSDEScheduler"

ODE = [
    (TWO_M, {"eta": 0.0}, 2),
    (TWO_M, {"eta": 0.0, "solver_type": "heun"}, 2),
    (THREE_M, {"eta": 0.0}, 2),
    (RES, {}, 2),
    (SEEDS2, {"eta": 0.0}, 2),
    (SEEDS3, {"eta": 0.0}, 3),
    (TWO_S, {"eta": 0.0}, 2),
    (GRADIENT, {}, 1),
    (GRADIENT, {"ge_gamma": 1.5}, 2),
    ("HeunPP2Scheduler", {}, 1),
    ("IPNDMDiscreteScheduler", {}, 2),
    (ER, {"eta": 0.0, "solver_order": 1}, 1),
    (ER, {"eta": 0.0, "solver_order": 2}, 2),
    (ER, {"eta": 0.0, "solver_order": 3}, 2),
]


def bound(name: str, n: int, space: str = "k", **options: Any) -> Solver:
    """A solver over n steps even in log k that end noisy."""
    scheduler = schedulers.from_config(name, **SPACES[space], **options)
    k = np.geomspace(200, 0.2, n + 1)
    return scheduler.solver(scheduler.schedule(sigmas=k / (1 + k) if space == "flow" else k))


def before_the_clean_end(schedule: Schedule) -> int:
    """The last call of a flow goes on to 0."""
    return schedule.begins[-1] if schedule.level(len(schedule)).sigma == 0 else len(schedule)


def observed_order(name: str, steps: tuple[int, int], space: str, options: dict[str, Any], gaussian: Any) -> float:
    solvers = [bound(name, n, space, **options) for n in steps]
    errors = [gaussian.error(one, one.schedule, before_the_clean_end(one.schedule)) for one in solvers]
    return float(np.log2(errors[0] / errors[1]))


@every_space
@pytest.mark.parametrize(("name", "options", "order"), ODE, ids=str)
def test_without_noise_a_sampler_converges_with_its_order(
    name: str, options: dict[str, Any], order: int, space: str, gaussian: Any
) -> None:
    # the weights of Heun++ fall slowly on a flow
    steps = (320, 640) if name == "HeunPP2Scheduler" else (80, 160)
    assert observed_order(name, steps, space, options, gaussian) == pytest.approx(order, abs=0.25)


@every_space
def test_dpm_fast_converges_with_order_three_in_calls(space: str, gaussian: Any) -> None:
    """Where the last step, of order 2, loses no more than a step of order 3 piles up."""
    assert observed_order(FAST, (83, 167), space, {}, gaussian) == pytest.approx(3, abs=0.25)
    assert [len(bound(FAST, n).schedule) for n in range(1, 9)] == list(range(1, 9))


class Columns:
    """Noise whose draws are told apart: draw i is 1 in column i."""

    def __init__(self) -> None:
        self.drawn = 0

    def __call__(self, like: Tensor) -> Tensor:
        self.drawn += 1
        unit = torch.zeros_like(like)
        unit[..., self.drawn] = 1
        return unit

    def between(self, like: Tensor, begin: float, end: float, span: tuple[float, float]) -> Tensor:
        return self(like)


RANDOM: list[tuple[str, dict[str, Any]]] = [
    (TWO_M, {}),
    (TWO_M, {"solver_type": "heun"}),
    (TWO_M, {"eta": 0.5}),
    (THREE_M, {}),
    (RES, {"eta": 1.0}),
    (SEEDS2, {}),
    (SEEDS2, {"eta": 0.5}),
    (SEEDS3, {}),
    (TWO_S, {}),
    (TWO_S, {"eta": 0.5}),
    (ER, {}),
    (ER, {"solver_order": 1}),
    (ER, {"solver_order": 2, "solver_type": "reverse_sde"}),
]


@every_space
@pytest.mark.parametrize(("name", "options"), RANDOM, ids=str)
def test_a_stochastic_sampler_ends_with_the_variance_of_the_data(
    name: str, options: dict[str, Any], space: str, gaussian: Any
) -> None:
    def excess(n: int) -> float:
        scheduler = schedulers.from_config(name, beta_schedule="scaled_linear", **SPACES[space], **options)
        schedule = scheduler.schedule(n)
        x = torch.zeros(1, 3 * n + 2, dtype=torch.float64)
        x[0, 0] = gaussian.deviation(schedule.level(0))
        end = gaussian.run(scheduler.solver(schedule), x, Columns()).x
        return abs(float(end.norm()) / gaussian.deviation(schedule.level(len(schedule))) - 1)

    coarse, fine = excess(40), excess(160)
    assert fine < 0.02
    assert fine < coarse / 2 or coarse < 0.001


def run(solver: Solver, model: Any, noise: Noise | None = None) -> Tensor:
    state = solver.start(torch.randn(1, 3, 4, 4, generator=torch.Generator().manual_seed(1)).double() * 10)
    while not solver.done(state):
        state = solver.step(state, model(solver.scale(state), solver.timestep(state)), noise)
    return state.x


@every_space
def test_samplers_that_are_one_where_they_meet(space: str, model: Any) -> None:
    """Without noise RES is 2M in its Heun form, SEEDS-2 is 2S, and so is ER-SDE with either scale; Euler is 1."""

    def ends(name: str, **options: Any) -> Tensor:
        return run(bound(name, 9, space, **options), model)

    assert torch.allclose(ends(RES), ends(TWO_M, eta=0.0, solver_type="heun"))
    assert torch.allclose(ends(SEEDS2, eta=0.0), ends(TWO_S, eta=0.0))
    scales = ("er_sde", "reverse_sde")
    assert torch.allclose(*(ends(ER, eta=0.0, solver_type=scale) for scale in scales))
    euler = "FlowMatchEulerDiscreteScheduler" if space == "flow" else "EulerDiscreteScheduler"
    assert torch.allclose(ends(ER, eta=0.0, solver_order=1), ends(GRADIENT, ge_gamma=1.0), rtol=1e-6)
    k = np.geomspace(200, 0.2, 10)
    made = schedulers.from_config(euler)
    plain = run(made.solver(made.schedule(sigmas=k / (1 + k) if space == "flow" else k)), model)
    assert torch.allclose(ends(GRADIENT, ge_gamma=1.0), plain)


@pytest.mark.parametrize("name", [TWO_M, THREE_M])
def test_more_steps_refine_a_picture_of_brownian_noise(name: str, gaussian: Any) -> None:
    """One path of noise whatever the steps: runs of n and 2 n steps draw nearer. Fresh noise would part them."""

    def end(n: int) -> Tensor:
        solver = bound(name, n)
        return gaussian.run(solver, torch.full((1, 4000), 200.0, dtype=torch.float64), Noise.seeded(3)).x

    coarse, middle, fine = end(40), end(80), end(160)
    assert float((middle - fine).norm()) < 0.7 * float((coarse - middle).norm())
    assert float((middle - fine).norm() / fine.norm()) < 0.1


@pytest.mark.parametrize("name", [TWO_M, RES, SEEDS2, TWO_S, ER, GRADIENT, "HeunPP2Scheduler"])
def test_a_flow_lends_its_configuration(name: str) -> None:
    """The levels of a flow's own scheduler, its shift included, begin where noise is pure or almost so."""
    flow = schedulers.from_config("FlowMatchEulerDiscreteScheduler", shift=3.0)
    scheduler = schedulers.from_config(name, flow.config)
    assert scheduler.config.prediction_type == "flow_prediction"
    ours, theirs = scheduler.schedule(8), flow.schedule(8)
    levels = [scheduler.shown(ours.level(i)) for i in (*ours.begins, len(ours))]
    assert np.allclose(levels, theirs.sigmas, atol=2e-4)
