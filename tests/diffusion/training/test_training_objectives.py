"""Laws of the objectives: all predictions say the same thing, weights mean one thing, timesteps follow their laws."""

from __future__ import annotations

import math

import pytest
import torch

from nodeflow.diffusion import schedulers
from nodeflow.diffusion.training.objectives import DenoisingLoss
from nodeflow.diffusion.training.process import Edm, Process, Straight, Tabled, process_of
from nodeflow.errors import NodeflowError
from nodeflow.training import Objective

DDPM = schedulers.from_config("DDPMScheduler", {"beta_schedule": "scaled_linear"})
TABLE = process_of(DDPM)
VP = ("epsilon", "sample", "v_prediction")
ALL: list[tuple[str, Process]] = [*((kind, TABLE) for kind in VP), ("flow_prediction", Straight()), ("edm", Edm())]


def batch(count: int = 6) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(count, 2, 3, 3, generator=generator), torch.randn(count, 2, 3, 3, generator=generator)


def task(kind: str, process: Process, **options: object) -> DenoisingLoss:
    return DenoisingLoss(process, Objective(kind, **options))  # type: ignore[arg-type]


def times(process: Process, count: int = 6) -> torch.Tensor:
    return process.at(torch.linspace(0.05, 0.95, count))


def x0_of(one: DenoisingLoss, answer: torch.Tensor, x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    """The clean sample that an answer implies, [B, ...], written out anew."""
    alpha, sigma = (level.view(-1, 1, 1, 1) for level in one.process.levels(t))
    data = one.objective.sigma_data
    total = sigma**2 + data**2
    return {
        "epsilon": lambda: (x - sigma * answer) / alpha,
        "sample": lambda: answer,
        "v_prediction": lambda: alpha * x - sigma * answer,
        "flow_prediction": lambda: x - sigma * answer,
        "edm": lambda: data**2 / total * x + sigma * data / total.sqrt() * answer,
    }[one.objective.prediction]()


@pytest.mark.parametrize(("kind", "process"), ALL)
def test_the_target_determines_the_clean_sample(kind: str, process: Process) -> None:
    x0, noise = batch()
    one, t = task(kind, process), times(process)
    x, target = one.noisy(x0, noise, t), one.target(x0, noise, t)
    assert torch.allclose(x0_of(one, target, x, t), x0, atol=2e-4)
    for implied, truth in zip(one.clean(target, x, t), (x0, noise), strict=True):
        assert torch.allclose(implied, truth, atol=2e-3)
    assert one.loss(target, x0, noise, t).max() == 0
    assert one.loss(target + 1, x0, noise, t).min() > 0


@pytest.mark.parametrize("weighting", ["min_snr", "p2", "edm"])
@pytest.mark.parametrize(("kind", "process"), ALL)
def test_a_weighting_punishes_one_error_of_the_clean_sample_alike_in_every_prediction(
    kind: str, process: Process, weighting: str
) -> None:
    """λ(SNR) ‖x̂₀ − x₀‖², whichever way the network says x̂₀."""
    x0, noise = batch()
    one, t = task(kind, process, weighting=weighting), times(process)
    x = one.noisy(x0, noise, t)
    answer = one.target(x0, noise, t) + 0.1 * noise
    alpha, sigma = process.levels(t)
    snr = (alpha / sigma) ** 2
    law = {"min_snr": snr.clamp(max=5), "p2": snr / (1 + snr), "edm": (1 / snr + 0.25) / (0.25 / snr)}[weighting]
    error = (x0_of(one, answer, x, t) - x0).square().flatten(1).mean(1)
    assert torch.allclose(one.loss(answer, x0, noise, t), law * error, rtol=2e-2)


def test_constant_weights_are_one() -> None:
    assert torch.equal(task("v_prediction", TABLE).weight(times(TABLE)), torch.ones(6))


@pytest.mark.parametrize("name", ["DDPMScheduler", "EulerDiscreteScheduler", "DPMSolverMultistepScheduler"])
def test_schedulers_of_one_table_train_alike_and_as_add_noise_and_get_velocity_say(name: str) -> None:
    config = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}
    one = DenoisingLoss.of(schedulers.from_config(name, config), Objective())
    x0, noise = batch()
    t = torch.tensor([0, 1, 100, 500, 998, 999])
    ddpm = schedulers.from_config("DDPMScheduler", config)
    velocity = task("v_prediction", one.process).target(x0, noise, t)
    assert torch.allclose(one.noisy(x0, noise, t), ddpm.add_noise(x0, noise, t), atol=1e-6)
    assert torch.allclose(velocity, ddpm.get_velocity(x0, noise, t), atol=1e-6)


def test_an_objective_takes_the_prediction_of_its_scheduler_and_no_other() -> None:
    v = schedulers.from_config("DDPMScheduler", {"prediction_type": "v_prediction"})
    assert DenoisingLoss.of(v, Objective()).objective.prediction == "v_prediction"
    with pytest.raises(NodeflowError, match=r"NF410.*epsilon.*v_prediction"):
        DenoisingLoss.of(v, Objective("epsilon"))


def test_an_edm_scheduler_reads_what_its_objective_asks() -> None:
    """The target is what the scheduler turns back into x₀, and the network sees what the scheduler shows it."""
    edm = schedulers.from_config("EDMEulerScheduler", {"sigma_data": 0.7, "sigma_max": 30.0})
    one = DenoisingLoss.of(edm, Objective(sigma_data=0.1))
    edm.set_timesteps(10)
    x0, noise = batch(1)
    for t in edm.timesteps[:-1]:
        x = one.noisy(x0, noise, t[None])
        assert torch.allclose(one.seen(x, t[None]), edm.scale_model_input(x, t), atol=1e-4)
        found = edm.step(one.target(x0, noise, t[None]), t, x).pred_original_sample
        assert found is not None and torch.allclose(found, x0, atol=1e-3)


@pytest.mark.parametrize(
    ("kind", "process"),
    [("flow_prediction", TABLE), ("epsilon", Straight()), ("edm", Straight()), ("v_prediction", Edm()), ("x", TABLE)],
)
def test_a_prediction_of_another_process_is_refused(kind: str, process: Process) -> None:
    with pytest.raises(NodeflowError, match="NF410"):
        task(kind, process)


def test_noise_cannot_be_predicted_where_there_is_nothing_else() -> None:
    flat = schedulers.from_config("DDIMScheduler", {"rescale_betas_zero_snr": True})
    with pytest.raises(NodeflowError, match=r"NF410.*without signal"):
        DenoisingLoss.of(flat, Objective()).weight(torch.tensor([999]))


# -- timesteps ---------------------------------------------------------------------------------------------------


def drawn(process: Process, count: int = 40_000, **options: object) -> torch.Tensor:
    kind = {Tabled: "epsilon", Straight: "flow_prediction", Edm: "edm"}[type(process)]
    return task(kind, process, **options).timesteps(count, torch.Generator().manual_seed(0)).double()


@pytest.mark.parametrize("process", [TABLE, Straight()])
def test_uniform_timesteps_cover_training_evenly(process: Process) -> None:
    t = drawn(process)
    assert t.min() >= 0 and t.max() < 1000
    shares = torch.histc(t, 10, 0, 1000) / len(t)
    assert (shares - 0.1).abs().max() < 0.01


def test_logit_normal_timesteps_have_normal_logits() -> None:
    logits = torch.logit(drawn(Straight(), timesteps="logit_normal", mean=0.5, std=0.8) / 1000)
    assert logits.mean() == pytest.approx(0.5, abs=0.02) and logits.std() == pytest.approx(0.8, abs=0.02)


@pytest.mark.parametrize("scale", [-1.0, 0.0, 1.29])
def test_mode_timesteps_stay_in_time_and_weigh_the_middle(scale: float) -> None:
    t = drawn(Straight(), timesteps="mode", std=scale) / 1000
    assert t.min() >= 0 and t.max() <= 1
    middle = ((t - 0.5).abs() < 0.25).double().mean()
    assert middle > 0.52 if scale > 0 else middle == pytest.approx(0.5, abs=0.01) if scale == 0 else middle < 0.48


@pytest.mark.parametrize("process", [TABLE, Straight(), Edm()])
def test_log_normal_timesteps_have_normal_log_noise(process: Process) -> None:
    t = drawn(process, timesteps="log_normal", mean=-0.4, std=0.6)
    alpha, sigma = process.levels(t.long() if isinstance(process, Tabled) else t)
    logs = (sigma / alpha).log()
    assert logs.mean() == pytest.approx(-0.4, abs=0.02) and logs.std() == pytest.approx(0.6, abs=0.02)


def test_a_shift_moves_times_towards_noise_as_resolutions_ask() -> None:
    u, moved = (drawn(Straight(), shift=shift) / 1000 for shift in (1.0, 3.0))
    assert torch.allclose(moved, 3 * u / (1 + 2 * u), atol=1e-6)


def test_offset_noise_moves_whole_channels() -> None:
    like = torch.zeros(4000, 2, 4, 4)
    plain, offset = (task("epsilon", TABLE, offset=s).noise(like, torch.Generator().manual_seed(0)) for s in (0.0, 0.5))
    means = offset.mean((2, 3))
    assert plain.mean((2, 3)).std() == pytest.approx(0.25, abs=0.01)
    assert means.std() == pytest.approx(math.hypot(0.25, 0.5), abs=0.01)
    assert torch.allclose((offset - means[..., None, None]).std(), (plain - plain.mean((2, 3), True)).std(), atol=0.01)


@pytest.mark.parametrize("options", [{"weighting": "snr"}, {"timesteps": "often"}])
def test_unknown_parts_are_refused_by_name(options: dict[str, str]) -> None:
    one = task("epsilon", TABLE, **options)
    with pytest.raises(NodeflowError, match=r"NF410.*choose one of"):
        one.weight(one.timesteps(2, torch.Generator()))
