"""Laws of the published shifts, and numbers that their makers' own code gives."""

from __future__ import annotations

import numpy as np
import pytest

from nodeflow.diffusion import schedulers
from nodeflow.diffusion.schedulers.mu import empirical, even, linear, root


def test_a_line_passes_through_its_ends() -> None:
    flux = schedulers.from_config("FlowMatchEulerDiscreteScheduler", use_dynamic_shifting=True)
    assert linear(256, flux.config) == linear(256) == pytest.approx(0.5)
    assert linear(4096, flux.config) == pytest.approx(1.15)
    qwen = {**flux.config, "max_image_seq_len": 8192, "max_shift": 0.9}
    assert linear(8192, qwen) == pytest.approx(0.9)
    assert root(1024) == pytest.approx(0.25 + 0.75 * 2)


@pytest.mark.parametrize(
    ("tokens", "steps", "published"), [(1024, 10, 1.98781142), (4096, 50, 2.02335116), (4300, 200, 1.18452766)]
)
def test_flux_2_depends_on_the_steps(tokens: int, steps: int, published: float) -> None:
    assert empirical(tokens, steps) == pytest.approx(published, abs=1e-7)
    assert empirical(9216, steps) == pytest.approx(2.01665898, abs=1e-7)


def test_mu_moves_levels_towards_noise() -> None:
    flux = schedulers.from_config("FlowMatchEulerDiscreteScheduler", use_dynamic_shifting=True)
    small, large = (flux.schedule(sigmas=even(8), mu=linear(n, flux.config)).sigmas.numpy() for n in (256, 4096))
    assert (large[1:-1] > small[1:-1]).all()
    assert np.allclose(large[:-1], np.exp(1.15) / (np.exp(1.15) + 1 / even(8) - 1))
