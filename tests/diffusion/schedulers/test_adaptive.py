"""Laws of the sampler that chooses its own steps."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from nodeflow.diffusion import schedulers
from nodeflow.diffusion.sampling import Sampled, Standing, sample
from nodeflow.diffusion.schedulers import Noise, Solver, State
from nodeflow.errors import NodeflowError
from nodeflow.values import Latent, LatentSpace

NAME = "DPMAdaptiveScheduler"
SPACES = {"k": {}, "flow": {"prediction_type": "flow_prediction"}}
every_space = pytest.mark.parametrize("space", SPACES)


def bound(space: str = "k", **options: Any) -> Solver:
    scheduler = schedulers.from_config(NAME, **SPACES[space], **options)
    return scheduler.solver(scheduler.schedule(10))


def walked(solver: Solver, gaussian: Any) -> State:
    state = solver.start(torch.tensor([[gaussian.deviation(solver.schedule.level(0))]], dtype=torch.float64))
    while not solver.done(state):
        state = solver.step(state, gaussian.output(state.x, solver.level(state), solver.prediction.kind))
    return state


@every_space
@pytest.mark.parametrize("order", [2, 3])
def test_a_smaller_tolerance_takes_more_calls_and_errs_less(order: int, space: str, gaussian: Any) -> None:
    calls, errors = [], []
    for tolerance in (0.1, 0.01, 0.001):
        solver = bound(space, adaptive_order=order, rtol=tolerance, atol=tolerance / 10)
        end = walked(solver, gaussian)
        calls.append(end.index)
        errors.append(abs(float(end.x) / gaussian.deviation(solver.level(end)) - 1))
        assert solver.level(end).lam == pytest.approx(solver.end)
    assert calls == sorted(set(calls))
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.01


def test_a_step_that_errs_too_much_is_done_again_from_the_same_first_answer(gaussian: Any) -> None:
    scheduler = schedulers.from_config(NAME, h_init=3.0)
    solver = scheduler.solver(scheduler.schedule(sigmas=[3.0, 0.05, 0.0]))
    state = solver.start(torch.tensor([[3.0]], dtype=torch.float64))
    for _ in range(3):
        state = solver.step(state, gaussian.output(state.x, solver.level(state)))
    assert state.control[0] == solver.schedule.level(0).lam
    assert state.control[1] < 3.0
    assert len(state.stages) == 1


def latent() -> Latent:
    return Latent(torch.zeros(1, 3, 4, 4), LatentSpace("toy", 3, 8))


def denoise(x: Tensor, t: Tensor) -> Tensor:
    return 0.8 * torch.tanh(0.7 * x + float(t) / 1e4)


def run(on_step: Any = None, resume: Standing | None = None) -> Sampled:
    return sample(denoise, latent(), bound(), Noise.seeded(3), on_step=on_step, resume=resume)


def test_progress_is_honest_and_a_run_goes_on_bit_equal_from_any_call() -> None:
    told: list[tuple[int, int]] = []
    stood: list[tuple[dict[str, Tensor], dict[str, int]]] = []

    def on_step(done: int, total: int, state: State) -> None:
        told.append((done, total))
        stood.append(state.pack())

    whole = run(on_step)
    assert [done for done, _ in told] == list(range(1, len(told) + 1))
    assert all(done < total for done, total in told[:-1])
    assert told[-1][0] == told[-1][1]
    for packed in stood[:-1]:
        again = run(resume=Standing(State.unpack(*packed), Noise.seeded(3).state()))
        assert torch.equal(again.latent.data, whole.latent.data)


def test_what_cannot_be_known_or_done_is_refused() -> None:
    with pytest.raises(NodeflowError, match="dpm_fast") as caught:
        schedulers.from_config(NAME).set_timesteps(20)
    assert caught.value.code == "NF410"
    solver = bound(rtol=1e-9, atol=1e-9)
    state = solver.start(torch.ones(1, 1, 4, 4))
    with pytest.raises(NodeflowError, match="too small to go on"):
        while True:
            state = solver.step(state, torch.randn(1, 1, 4, 4, generator=torch.Generator().manual_seed(state.index)))
