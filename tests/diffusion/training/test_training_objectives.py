"""Laws of the objectives: the three predictions say the same thing, and min-SNR weights them alike."""

from __future__ import annotations

import pytest
import torch

from nodeflow.diffusion.training.objectives import Objective, Prediction, alphas_cumprod, lognormal_timesteps

TABLE = alphas_cumprod(0.00085, 0.02)
ALL: tuple[Prediction, ...] = ("epsilon", "sample", "v_prediction")
T = torch.tensor([0, 1, 100, 500, 998, 999])


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(6, 2, 3, 3, generator=generator), torch.randn(6, 2, 3, 3, generator=generator)


def test_noisy_keeps_the_variance_and_the_snr_falls() -> None:
    x0, noise = batch()
    x = Objective(TABLE).noisy(x0, noise, T)
    abar = TABLE[T].view(-1, 1, 1, 1)
    assert torch.allclose(x, abar.sqrt() * x0 + (1 - abar).sqrt() * noise)
    assert (Objective(TABLE).snr.diff() < 0).all()


def test_v_and_x_determine_clean_picture_and_noise() -> None:
    x0, noise = batch()
    task = Objective(TABLE, "v_prediction")
    x, v = task.noisy(x0, noise, T), task.target(x0, noise, T)
    alpha, sigma = TABLE[T].view(-1, 1, 1, 1).sqrt(), (1 - TABLE[T]).view(-1, 1, 1, 1).sqrt()
    assert torch.allclose(alpha * x - sigma * v, x0, atol=1e-5)
    assert torch.allclose(sigma * x + alpha * v, noise, atol=1e-5)


@pytest.mark.parametrize("prediction", ALL)
def test_a_perfect_answer_costs_nothing(prediction: Prediction) -> None:
    x0, noise = batch()
    task = Objective(TABLE, prediction)
    assert task.loss(task.target(x0, noise, T), x0, noise, T) == 0
    assert task.loss(task.target(x0, noise, T) + 1, x0, noise, T) > 0


def test_min_snr_punishes_one_error_of_the_clean_picture_alike_in_every_prediction() -> None:
    """The same wrong x̂₀ at the same x_t must cost the same, whichever way the network says it."""
    x0, noise = batch()
    wrong = x0 + 0.1
    t = torch.tensor([1, 50, 200, 500, 800, 999])
    tasks = {prediction: Objective(TABLE.double(), prediction, gamma=5) for prediction in ALL}
    alpha, sigma = TABLE.double()[t].view(-1, 1, 1, 1).sqrt(), (1 - TABLE.double()[t]).view(-1, 1, 1, 1).sqrt()
    implied = (alpha * x0 + sigma * noise - alpha * wrong) / sigma
    answers = {"epsilon": implied, "sample": wrong, "v_prediction": alpha * implied - sigma * wrong}
    costs = [float(tasks[p].loss(answers[p], x0.double(), noise.double(), t)) for p in ALL]
    assert costs == pytest.approx([costs[0]] * 3, rel=1e-4)


def test_without_gamma_every_level_weighs_the_same() -> None:
    assert torch.equal(Objective(TABLE, gamma=None).weight(T), torch.ones(6))


def test_timesteps_are_drawn_where_they_are_asked_for() -> None:
    chances = lognormal_timesteps(TABLE, mean=0.3, std=0.8)
    levels = 0.5 * torch.log((1 - TABLE) / TABLE)
    mean = (chances * levels).sum()
    assert chances.sum() == pytest.approx(1, abs=1e-5)
    assert mean == pytest.approx(0.3, abs=0.02)
    assert ((chances * (levels - mean) ** 2).sum() ** 0.5) == pytest.approx(0.8, abs=0.02)
