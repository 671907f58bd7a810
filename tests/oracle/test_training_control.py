"""Training a ControlNet: a fresh one changes nothing, and one step equals the reference implementation's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from nodeflow.diffusion.calling import Question
from nodeflow.diffusion.checkpoints import open_model
from nodeflow.diffusion.checkpoints.load import load_weights
from nodeflow.diffusion.training.control import PICTURE, Steered, new_control
from nodeflow.diffusion.training.objectives import DenoisingLoss
from nodeflow.diffusion.training.process import process_of
from nodeflow.training import Objective
from nodeflow.values import Conditioning

diffusers = pytest.importorskip("diffusers")

T = torch.tensor([3, 400, 900])


@pytest.fixture
def pair(tiny: Any, tmp_path: Path) -> tuple[Any, Any]:
    """The denoiser and a fresh control network, in our code and in the reference's."""
    denoiser = open_model(str(tiny("text_to_image"))).denoiser
    handle = new_control(tmp_path, denoiser, seed=0)
    ours = Steered(load_weights(handle).requires_grad_(True), load_weights(denoiser))
    unet = diffusers.UNet2DConditionModel.from_pretrained(denoiser.folder).requires_grad_(False)
    net = diffusers.ControlNetModel.from_unet(
        unet, conditioning_embedding_out_channels=tuple(handle.config["conditioning_embedding_out_channels"])
    )
    net.controlnet_cond_embedding.load_state_dict(ours.net.controlnet_cond_embedding.state_dict())
    return ours, (unet, net)


def batch() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    shapes = {"x0": (3, 4, 8, 8), "noise": (3, 4, 8, 8), "states": (3, 5, 32), "picture": (3, 3, 16, 16)}
    return {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}


def asking(x: torch.Tensor, b: dict[str, torch.Tensor]) -> Question:
    """What the two networks are asked about a noisy latent."""
    return Question(x, T, Conditioning(b["states"], more={PICTURE: b["picture"]}))


def test_a_fresh_control_network_is_the_references_and_changes_nothing(pair: tuple[Any, Any]) -> None:
    ours, (_, net) = pair
    mine, theirs = ours.net.state_dict(), net.state_dict()
    assert mine.keys() == theirs.keys() and all(torch.equal(mine[name], theirs[name]) for name in mine)
    b = batch()
    with torch.no_grad():
        steered = Steered.ask(ours, asking(b["x0"], b))
        assert torch.equal(steered, ours.unet(b["x0"], T, b["states"]))


@pytest.mark.parametrize("fresh", [True, False])
def test_a_step_equals_the_references(pair: tuple[Any, Any], fresh: bool) -> None:
    ours, (unet, net) = pair
    if not fresh:
        torch.manual_seed(2)
        with torch.no_grad():
            for name, p in ours.net.named_parameters():
                p += 0.05 * torch.randn_like(p)
                net.get_parameter(name).copy_(p)
    b = batch()
    table = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}
    scheduler = diffusers.DDPMScheduler(**table)
    x = scheduler.add_noise(b["x0"], b["noise"], T)
    down, mid = net(x, T, b["states"], b["picture"], return_dict=False)
    residuals = {"down_block_additional_residuals": down, "mid_block_additional_residual": mid}
    expected = (unet(x, T, b["states"], **residuals).sample - b["noise"]).square().mean()

    from nodeflow.diffusion.schedulers import from_config

    task = DenoisingLoss(process_of(from_config("DDPMScheduler", table)), Objective("epsilon"))
    answer = Steered.ask(ours, asking(task.noisy(b["x0"], b["noise"], T), b))
    loss = task.loss(answer, b["x0"], b["noise"], T).mean()
    assert float(loss.detach()) == pytest.approx(float(expected.detach()), rel=1e-5)
    names = [name for name, _ in ours.net.named_parameters()]
    mine = torch.autograd.grad(loss, list(ours.net.parameters()))
    theirs = torch.autograd.grad(expected, [net.get_parameter(name) for name in names])
    for name, a, c in zip(names, mine, theirs, strict=True):
        assert torch.allclose(a, c, rtol=1e-3, atol=1e-5 * max(1.0, float(c.abs().max()))), name
    assert any(bool(grad.any()) for grad in mine)
