"""The samplers of node editors where the oracle has an equal: DPM-Solver++ in its own space, and the AYS tables."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from oracle.runner import diffusers
from torch import Tensor

from nodeflow.diffusion import schedulers
from nodeflow.diffusion.schedulers import AysSchedules

SD = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012, "prediction_type": "sample"}


class Draws:
    """The draws of a generator, whatever stretch of the run they are for."""

    def __init__(self) -> None:
        self.generator = torch.Generator().manual_seed(4)

    def __call__(self, like: Tensor) -> Tensor:
        return torch.randn(like.shape, generator=self.generator, dtype=torch.float32).to(like)

    def between(self, like: Tensor, begin: float, end: float, span: tuple[float, float]) -> Tensor:
        return self(like)


def network(x: Tensor) -> Tensor:
    return 0.8 * torch.tanh(0.7 * x) + 0.05 * x.roll(1, -1)


@pytest.mark.parametrize("spacing", ["linspace", "trailing"])
@pytest.mark.parametrize("solver_type", ["midpoint", "heun"])
@pytest.mark.parametrize("eta", [0.0, 1.0])
def test_2m_walks_as_dpm_solver_does_in_its_own_space(eta: float, solver_type: str, spacing: str) -> None:
    """k-space x over sqrt(1 + k²) is the oracle's x, at every step."""
    algorithm = {"algorithm_type": "sde-dpmsolver++" if eta else "dpmsolver++", "solver_type": solver_type}
    told: dict[str, Any] = {**SD, **algorithm, "timestep_spacing": spacing, "use_karras_sigmas": True}
    oracle = diffusers.DPMSolverMultistepScheduler(**told, lower_order_final=False)
    oracle.set_timesteps(9)
    scheduler = schedulers.from_config("dpmpp_2m", SD, eta=eta, solver_type=solver_type)
    solver = scheduler.solver(scheduler.schedule(sigmas=oracle.sigmas))

    theirs = torch.randn(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    state = solver.start(theirs * solver.level(solver.start(theirs)).norm)
    noise, generator = Draws(), torch.Generator().manual_seed(4)
    for t in oracle.timesteps:
        theirs = oracle.step(network(theirs), t, theirs, generator=generator).prev_sample
        state = solver.step(state, network(solver.scale(state)), noise)
        ours = state.x / solver.level(state).norm
        assert torch.allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def test_the_ays_tables_are_the_oracles() -> None:
    from diffusers.schedulers import AysSchedules as Theirs

    assert {name: list(table) for name, table in AysSchedules.items()} == Theirs
