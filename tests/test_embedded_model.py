"""The model that comes with nodeflow: the first thing a new user sees."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import nodeflow
from nodeflow import content
from nodeflow.diffusion.checkpoints import facts
from nodeflow.diffusion.schedulers import usual
from nodeflow.engine import Engine
from nodeflow.errors import NodeflowError
from nodeflow.execution import Cache
from nodeflow.flow import Flow

GRAPHS = content.folder("graphs")
MODEL = content.folder("assets") / "models" / "emoji"


REFUSED = {
    "CosineDPMSolverMultistepScheduler",
    "EDMDPMSolverMultistepScheduler",
    "EDMEulerScheduler",
    "FlowMatchEulerDiscreteScheduler",
    "FlowMatchHeunDiscreteScheduler",
    "FlowMatchLCMScheduler",
    "LTXEulerAncestralRFScheduler",
    "SCMScheduler",
    "UnCLIPScheduler",
}
"""For models that were trained to predict something else, or on another table."""


@pytest.fixture(scope="module")
def flow() -> Flow:
    return nodeflow.load(GRAPHS / "text-to-image.json", engine=Engine(results=Cache(folder=None)))


def colour(image: nodeflow.Image) -> torch.Tensor:
    """Mean red, green and blue of what is not white."""
    pixels = image.data[0].flatten(1)
    return pixels[:, pixels.amin(0) < 0.75].mean(1)


@pytest.mark.parametrize(("word", "channel"), [("red", 0), ("blue", 2), ("green", 1)])
def test_a_heart_has_the_colour_it_is_asked_for(flow, word, channel):
    found = colour(flow(prompt=f"{word} heart", seed=1).image)
    assert int(found.argmax()) == channel
    assert float(found[channel]) > float(found.sum() - found[channel]) / 2 + 0.2


def test_prompts_and_styles_matter_and_the_background_is_white(flow):
    flat, glossy, rocket = (
        flow(prompt=prompt, seed=2).image.data for prompt in ("star, flat style", "star, glossy style", "rocket")
    )
    assert 0.001 < float((flat - glossy).square().mean()) < float((flat - rocket).square().mean())
    for data in (flat, glossy, rocket):
        assert float(data[..., :3, :3].mean()) > 0.9


SAMPLERS = [name for name in usual.names() if name in usual.PLAIN]
EXPONENTIAL = [f"{name}Scheduler" for name in ("DEISMultistep", "DPMSolverSDE", "DPMSolverSinglestep", "SASolver")]
OTHERS = ["euler_cfg_pp", "DPMSolverMultistepScheduler", *EXPONENTIAL, "PNDMScheduler", "TCDScheduler"]


@pytest.mark.parametrize("scheduler", [*SAMPLERS, *OTHERS])
def test_every_sampler_paints_the_same_heart(flow, scheduler):
    reference = flow(prompt="red heart", seed=1, steps=20).image.data
    # CFG++ guides by shares of 1
    guidance = {"guidance": 1.0} if scheduler.endswith("_cfg_pp") else {}
    found = flow(prompt="red heart", seed=1, steps=12, scheduler=scheduler, **guidance).image.data
    # LCM and TCD noise every estimate anew: a heart of their own
    limit = 0.05 if scheduler in ("lcm", "TCDScheduler") else 0.02
    assert float((found - reference).square().mean()) < limit


@pytest.mark.parametrize("scheduler", sorted(REFUSED))
def test_a_scheduler_for_another_kind_of_model_is_refused(flow, scheduler):
    with pytest.raises(NodeflowError, match=f"{scheduler}.*choose a scheduler"):
        flow(prompt="red heart", seed=1, steps=4, scheduler=scheduler)


def test_the_templates_run_with_it(flow, tmp_path: Path):
    picture = tmp_path / "heart.png"
    flow(prompt="red heart", seed=1).image.save(picture)
    for name, more in (("image-to-image", {}), ("inpaint", {"mask": str(picture)}), ("variations", None)):
        other = nodeflow.load(GRAPHS / f"{name}.json", engine=flow.engine)
        values = {} if more is None else {"image": str(picture), **more}
        assert other(prompt="a cat face", steps=6, **values).image.data.isfinite().all()


def test_four_steps_without_guidance_come_near_twenty_with_it(flow):
    """Each nearer than what the model itself makes in four steps without guidance, which the LoRA is for."""
    few = nodeflow.load(GRAPHS / "text-to-image-four-steps.json", engine=flow.engine)
    trailing = {"options": {"timestep_spacing": "trailing", "set_alpha_to_one": True}}
    for seed, prompt in enumerate(("red heart", "rocket, flat style", "panda, glossy style")):
        teacher = flow(prompt=prompt, seed=seed, **trailing).image.data
        student = few(prompt=prompt, seed=seed).image.data
        unguided = flow(prompt=prompt, seed=seed, steps=4, guidance=1.0, **trailing).image.data
        assert (student - teacher).square().mean() < 0.6 * (unguided - teacher).square().mean()


def test_its_size_and_licence():
    found = facts(str(MODEL))
    assert found["size"] == [64, 64]
    assert found["bytes"] < 40e6
    card = (MODEL / "README.md").read_text()
    for source in ("noto", "fluent-emoji", "Apache-2.0", "MIT"):
        assert source in card
