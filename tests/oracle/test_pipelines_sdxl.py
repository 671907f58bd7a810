"""Whole runs of SDXL and its refiner against the reference pipelines, on tiny checkpoints."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from oracle.whole import (
    NEGATIVE,
    PROMPT,
    SCHEDULERS,
    SEED,
    STEPS,
    Model,
    agree,
    generator,
    painted,
    repainted,
    varied,
)

from nodeflow.diffusion import denoising
from nodeflow.diffusion.guidance import ClassifierFree
from nodeflow.diffusion.latents import empty, to_image
from nodeflow.diffusion.scheduling import make_schedule
from nodeflow.values import Image, Mask

EULER = ("EulerDiscreteScheduler", {})
FEW = ("EulerDiscreteScheduler", "EulerAncestralDiscreteScheduler", "HeunDiscreteScheduler", "UniPCMultistepScheduler")
few_schedulers = pytest.mark.parametrize(("name", "options"), [case for case in SCHEDULERS if case[0] in FEW])


@pytest.fixture(scope="module")
def model(tiny) -> Model:
    return Model.load(str(tiny("sdxl")))


@pytest.fixture(scope="module")
def painter(tiny) -> Model:
    return Model.load(str(tiny("sdxl_inpaint")))


@pytest.fixture(scope="module")
def refiner(tiny) -> Model:
    return Model.load(str(tiny("sdxl_refiner")))


@pytest.fixture(scope="module")
def picture() -> Image:
    return Image(torch.rand(1, 3, 16, 24, generator=generator(1)))


@pytest.fixture(scope="module")
def mask() -> Mask:
    return Mask((torch.rand(1, 1, 16, 24, generator=generator(2)) > 0.5).float())


# -- what is said ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("skip", [0, 1])
def test_prompts(model, skip):
    pipe = model.pipeline("StableDiffusionXLPipeline", *EULER)
    states, away, pooled, pooled_away = pipe.encode_prompt(PROMPT, device="cpu", clip_skip=skip)
    found, nothing = model.encode(PROMPT, skip=skip), model.encode("")
    for ours, theirs in ((found.states, states), (found.pooled, pooled), (nothing.states, away)):
        assert (ours - theirs).abs().max().item() <= 1e-5
    assert not nothing.states.any() and not nothing.pooled.any() and not pooled_away.any()


def test_another_text_for_the_second_encoder(model):
    pipe = model.pipeline("StableDiffusionXLPipeline", *EULER)
    states, _, pooled, _ = pipe.encode_prompt(PROMPT, NEGATIVE, device="cpu")
    found = model.encode(PROMPT, others=[NEGATIVE])
    assert (found.states - states).abs().max().item() <= 1e-5 and (found.pooled - pooled).abs().max().item() <= 1e-5
    assert model.encode("cat, " * 60, others=["a dog"]).states.shape == model.encode("cat, " * 60).states.shape


def test_an_empty_prompt_can_be_read_all_the_same(model, refiner):
    pipe = model.pipeline("StableDiffusionXLPipeline", *EULER)
    _, away, _, pooled = pipe.encode_prompt(PROMPT, device="cpu", negative_prompt="")
    found = model.encode("", empty="text")
    assert (found.states - away).abs().max().item() <= 1e-5 and (found.pooled - pooled).abs().max().item() <= 1e-5
    assert refiner.encode("").states.any()  # its index says so


# -- the base ----------------------------------------------------------------------------------------------------


@few_schedulers
def test_text_to_image(model, name, options):
    expected = model.expected("StableDiffusionXLPipeline", name, options, width=16, height=24)
    agree(painted(model, model.solver(name, options), 16, 24), expected)


def test_text_to_image_with_no_negative_prompt(model):
    expected = model.expected("StableDiffusionXLPipeline", *EULER, negative_prompt=None)
    prompts = {"positive": model.encode(PROMPT), "negative": model.encode("")}
    agree(painted(model, model.solver(*EULER), prompts=prompts), expected)


def test_sizes_that_are_said(model):
    said = {"original_size": (40, 48), "crops_coords_top_left": (3, 5), "target_size": (64, 32)}
    away = {"negative_original_size": (8, 9), "negative_crops_coords_top_left": (1, 2), "negative_target_size": (7, 6)}
    expected = model.expected("StableDiffusionXLPipeline", *EULER, **said, **away)

    def told(text, *numbers):
        names = ("original_size", "crop", "target_size")
        more = {name: torch.tensor([pair], dtype=torch.float32) for name, pair in zip(names, numbers, strict=True)}
        return replace(model.encode(text), more=more)

    prompts = {"positive": told(PROMPT, *said.values()), "negative": told(NEGATIVE, *away.values())}
    found = painted(model, model.solver(*EULER), prompts=prompts)
    agree(found, expected)
    assert (found - painted(model, model.solver(*EULER))).abs().max() > 1e-3


@few_schedulers
@pytest.mark.parametrize("strength", [0.5, 1.0])
def test_image_to_image(model, picture, name, options, strength):
    call = {"image": picture.data, "strength": strength}
    expected = model.expected("StableDiffusionXLImg2ImgPipeline", name, options, **call)
    agree(varied(model, model.solver(name, options), picture, strength), expected)


@few_schedulers
@pytest.mark.parametrize("channels", [4, 9])
@pytest.mark.parametrize("strength", [0.5, 1.0])
def test_inpaint(model, painter, picture, mask, name, options, channels, strength):
    own = model if channels == 4 else painter
    call = {"image": picture.data, "mask_image": mask.data, "strength": strength, "height": 16, "width": 24}
    expected = own.expected("StableDiffusionXLInpaintPipeline", name, options, **call)
    agree(repainted(own, own.solver(name, options), picture, mask, strength), expected)


# -- few steps ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scheduler", "steps"), [("EulerAncestralDiscreteScheduler", 1), ("EulerDiscreteScheduler", 4)]
)
def test_turbo_and_lightning(model, scheduler, steps):
    """Both walk trailing levels without guidance, as their published scheduler configurations say."""
    options = {"timestep_spacing": "trailing"}
    call = {"guidance_scale": 1.0, "num_inference_steps": steps}
    expected = model.expected("StableDiffusionXLPipeline", scheduler, options, **call)
    solver = model.solver(scheduler, options, steps)
    assert solver.schedule.timesteps[0] == 999
    agree(painted(model, solver, guidance=ClassifierFree(1.0)), expected)


# -- the refiner -------------------------------------------------------------------------------------------------


def test_the_refiner_alone(refiner, picture):
    call = {"image": picture.data, "strength": 0.5, "aesthetic_score": 6.0, "negative_aesthetic_score": 2.5}
    expected = refiner.expected("StableDiffusionXLImg2ImgPipeline", *EULER, **call)
    agree(varied(refiner, refiner.solver(*EULER), picture, 0.5), expected)


@pytest.mark.parametrize("name", ["EulerDiscreteScheduler", "DDIMScheduler"])
def test_hand_over_to_the_refiner(model, refiner, name):
    """The base walks to 0.67 of the noise levels, the refiner goes on where it stopped."""
    share = {"num_inference_steps": STEPS, "guidance_scale": 4.0}
    base = model.pipeline("StableDiffusionXLPipeline", name, {})
    said = {"prompt": PROMPT, "negative_prompt": NEGATIVE, **share}
    left = base(**said, width=16, height=16, generator=generator(), denoising_end=0.67, output_type="latent").images
    expected = refiner.expected("StableDiffusionXLImg2ImgPipeline", name, {}, image=left, denoising_start=0.67)

    schedule = make_schedule(model.parts.scheduler, name, STEPS)
    options = {"guidance": denoising.plain(4.0), "seed": SEED}
    start = empty(model.space, 16, 16)
    stopped = denoising.denoise(model.net, start, schedule, **model.prompts(), end=4, **options).latent
    done = denoising.denoise(
        refiner.net, stopped, schedule, **refiner.prompts(), start=4, renoise=False, **options
    ).latent
    agree(to_image(refiner.vae, done).data, expected)
