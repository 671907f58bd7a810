"""One training step equals the reference implementation's mathematics: loss and gradients on a tiny network."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from nodeflow.diffusion import schedulers
from nodeflow.diffusion.models import model_class
from nodeflow.diffusion.training import timesteps
from nodeflow.diffusion.training.objectives import DenoisingLoss
from nodeflow.diffusion.training.process import Straight
from nodeflow.training import Objective

diffusers = pytest.importorskip("diffusers")
training_utils = pytest.importorskip("diffusers.training_utils")

UNET: dict[str, Any] = {
    "block_out_channels": (16, 32),
    "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
    "cross_attention_dim": 12,
    "attention_head_dim": 4,
    "norm_num_groups": 8,
    "layers_per_block": 1,
}
TABLE = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012, "num_train_timesteps": 1000}
T = torch.tensor([3, 400, 900])


@pytest.fixture(scope="module")
def networks() -> tuple[nn.Module, nn.Module]:
    """Ours and the oracle's, with the same weights."""
    torch.manual_seed(0)
    theirs = diffusers.UNet2DConditionModel(sample_size=8, **UNET)
    ours = model_class("UNet2DConditionModel").from_config({"sample_size": 8, **UNET})
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


def batch() -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return tuple(torch.randn(shape, generator=generator) for shape in ((3, 4, 8, 8), (3, 4, 8, 8), (3, 5, 12)))  # type: ignore[return-value]


def oracle_loss(net: nn.Module, kind: str, weighting: str) -> Tensor:
    """The step of the oracle's own training scripts."""
    x0, noise, states = batch()
    scheduler = diffusers.DDPMScheduler(**TABLE, prediction_type=kind)
    answer = net(scheduler.add_noise(x0, noise, T), T, states).sample
    target = {"epsilon": noise, "sample": x0, "v_prediction": scheduler.get_velocity(x0, noise, T)}[kind]
    error = (answer - target).square().mean((1, 2, 3))
    snr = training_utils.compute_snr(scheduler, T)
    per_sample = {"epsilon": snr, "sample": torch.ones_like(snr), "v_prediction": snr + 1}[kind]
    weight = {
        "constant": torch.ones_like(snr),
        "min_snr": snr.clamp(max=5.0) / per_sample,
        "p2": snr / (1 + snr) / per_sample,
        "edm": (1 / snr + 0.25) / (0.25 / snr) / per_sample,
    }[weighting]
    return (weight * error).mean()


@pytest.mark.parametrize("weighting", ["constant", "min_snr", "p2", "edm"])
@pytest.mark.parametrize("kind", ["epsilon", "sample", "v_prediction"])
def test_a_step_on_a_table_equals_the_oracles(networks: tuple[nn.Module, nn.Module], kind: str, weighting: str) -> None:
    ours, theirs = networks
    x0, noise, states = batch()
    scheduler = schedulers.from_config("DDPMScheduler", {**TABLE, "prediction_type": kind})
    task = DenoisingLoss.of(scheduler, Objective(weighting=weighting))
    loss = task.loss(ours(task.noisy(x0, noise, T), T, states), x0, noise, T).mean()
    assert_same_step(ours, loss, theirs, oracle_loss(theirs, kind, weighting))


def test_a_step_on_a_flow_equals_the_oracles(networks: tuple[nn.Module, nn.Module]) -> None:
    ours, theirs = networks
    x0, noise, states = batch()
    flow = diffusers.FlowMatchEulerDiscreteScheduler(num_train_timesteps=1000)
    t = flow.timesteps[[10, 500, 900]]
    expected = (theirs(flow.scale_noise(x0, t, noise), t, states).sample - (noise - x0)).square().mean()
    task = DenoisingLoss(Straight(1000), Objective("flow_prediction"))
    loss = task.loss(ours(task.noisy(x0, noise, t), t, states), x0, noise, t).mean()
    assert_same_step(ours, loss, theirs, expected)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (Objective(timesteps="uniform"), {"weighting_scheme": "none"}),
        (
            Objective(timesteps="logit_normal", mean=0.3, std=0.9),
            {"weighting_scheme": "logit_normal", "logit_mean": 0.3, "logit_std": 0.9},
        ),
        (Objective(timesteps="mode", std=1.29), {"weighting_scheme": "mode", "mode_scale": 1.29}),
    ],
)
def test_timesteps_are_drawn_as_the_oracle_draws_them(ours: Objective, theirs: dict[str, Any]) -> None:
    options = {"logit_mean": None, "logit_std": None, "mode_scale": None, **theirs}
    seeded = torch.Generator().manual_seed(3)
    expected = training_utils.compute_density_for_timestep_sampling(batch_size=50, generator=seeded, **options)
    drawn = timesteps.draw(Straight(1000), ours, 50, torch.Generator().manual_seed(3))
    assert torch.allclose(drawn, 1000 * expected, rtol=1e-5, atol=1e-3)


def assert_same_step(ours: nn.Module, loss: Tensor, theirs: nn.Module, expected: Tensor) -> None:
    """Equal loss and, parameter by parameter, equal gradients."""
    assert float(loss) == pytest.approx(float(expected), rel=1e-5)
    names = [name for name, _ in ours.named_parameters()]
    mine = torch.autograd.grad(loss, list(ours.parameters()))
    reference = torch.autograd.grad(expected, [theirs.get_parameter(name) for name in names])
    for name, a, b in zip(names, mine, reference, strict=True):
        assert torch.allclose(a, b, rtol=1e-3, atol=1e-5 * max(1.0, float(b.abs().max()))), name
