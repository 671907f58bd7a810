"""Whole runs of Stable Diffusion 2 and of InstructPix2Pix against the reference pipelines, on tiny checkpoints."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from oracle.whole import NEGATIVE, PROMPT, SEED, STEPS, Model, agree, generator, painted, repainted, varied
from tiny import sdxl

import nodeflow
from nodeflow.diffusion.guidance import NEGATIVE as AWAY
from nodeflow.diffusion.guidance import POSITIVE, Blind, Call, Instructed
from nodeflow.diffusion.latents import to_edit, to_image
from nodeflow.diffusion.sampling import sample
from nodeflow.diffusion.schedulers import Noise
from nodeflow.engine import Engine
from nodeflow.errors import NodeflowError
from nodeflow.execution import Cache
from nodeflow.graph import check
from nodeflow.values import Image, Mask

GRAPHS = Path(__file__).parents[2] / "graphs"
each_solver = pytest.mark.parametrize(
    "name",
    ["DDIMScheduler", "EulerDiscreteScheduler", "DPMSolverMultistepScheduler", "EulerAncestralDiscreteScheduler"],
)


@pytest.fixture(scope="module")
def second(tiny) -> Model:
    return Model.load(str(tiny("stable_diffusion_2")))


@pytest.fixture(scope="module")
def editor(tiny) -> Model:
    return Model.load(str(tiny("instruct")))


@pytest.fixture(scope="module")
def picture() -> Image:
    return Image(torch.rand(1, 3, 16, 16, generator=generator(1)).mul(255).round() / 255)


@pytest.fixture(scope="module")
def mask() -> Mask:
    return Mask((torch.rand(1, 1, 16, 16, generator=generator(2)) > 0.5).float())


# -- Stable Diffusion 2, velocity --------------------------------------------------------------------------------


@each_solver
def test_velocity(second, picture, mask, name):
    assert second.parts.family == "sd2"
    solver = second.solver(name, {})
    agree(painted(second, solver), second.expected("StableDiffusionPipeline", name, {}))
    call = {"image": picture.data, "strength": 0.5}
    agree(varied(second, solver, picture, 0.5), second.expected("StableDiffusionImg2ImgPipeline", name, {}, **call))
    call |= {"mask_image": mask.data, "height": 16, "width": 16}
    found = repainted(second, solver, picture, mask, 0.5)
    agree(found, second.expected("StableDiffusionInpaintPipeline", name, {}, **call))


# -- editing as told ---------------------------------------------------------------------------------------------


def edited(model: Model, name: str, picture: Image, guidance: Instructed) -> torch.Tensor:
    latent = to_edit(model.vae, picture, model.space)
    denoise = model.denoise(latent, guidance=guidance)
    return to_image(model.vae, sample(denoise, latent, model.solver(name, {}), Noise(generator())).latent).data


@each_solver
@pytest.mark.parametrize("image_scale", [1.0, 1.5])
def test_edits(editor, picture, name, image_scale):
    assert (editor.parts.family, editor.parts.denoiser.task) == ("sd1", "edit")
    call = {"image": picture.data, "image_guidance_scale": image_scale}
    expected = editor.expected("StableDiffusionInstructPix2PixPipeline", name, {}, **call)
    agree(edited(editor, name, picture, Instructed(4.0, image_scale)), expected)


@pytest.mark.parametrize(
    ("scales", "asks"),
    [
        ((7.5, 1.5), {Blind(AWAY), AWAY, POSITIVE}),
        ((7.5, 1.0), {AWAY, POSITIVE}),
        ((2.0, 2.0), {Blind(AWAY), POSITIVE}),
    ],
)
def test_what_counts_nothing_is_not_computed(scales, asks):
    assert set(Instructed(*scales).wants(Call(torch.tensor(1)))) == asks


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(results=Cache(folder=None))


def test_the_template(engine, editor, picture, tmp_path):
    flow = nodeflow.load(GRAPHS / "instruct.json", engine=engine)
    assert not check(flow.graph, engine.library)
    path = str(picture.save(tmp_path / "picture.png")[0])
    said = {"prompt": PROMPT, "negative_prompt": NEGATIVE, "seed": SEED, "steps": STEPS, "guidance": 4.0}
    found = flow(model=editor.folder, image=path, image_guidance=1.5, scheduler="DDIMScheduler", **said).image
    call = {"image": picture.data, "image_guidance_scale": 1.5}
    agree(found.data, editor.expected("StableDiffusionInstructPix2PixPipeline", "DDIMScheduler", {}, **call))


def test_a_model_that_edits_wants_a_picture(engine, editor):
    flow = nodeflow.load(GRAPHS / "text-to-image.json", engine=engine)
    flow.graph.nodes["load"].values["model"] = editor.folder
    assert [str(fault) for fault in check(flow.graph, engine.library) if "Encode image for editing" in str(fault)]
    latent = to_edit(editor.vae, Image(torch.zeros(1, 3, 16, 16)), editor.space)
    with pytest.raises(NodeflowError, match=r"NF414.*none beside it"):
        editor.denoise(type(latent)(latent.data, latent.space))


def test_blind_guidance_wants_a_model_that_edits(second, picture):
    with pytest.raises(NodeflowError, match=r"NF414.*the denoiser sees none"):
        painted(second, second.solver("DDIMScheduler", {}), guidance=Instructed())


def test_such_guidance_is_refused_before_anything_runs(engine, tiny):
    flow = nodeflow.load(GRAPHS / "instruct.json", engine=engine)
    flow.graph.nodes["load"].values["model"] = str(tiny("text_to_image"))
    assert [str(fault) for fault in check(flow.graph, engine.library) if "models that edit" in str(fault)]


def test_edits_with_sdxl(tmp_path, picture):
    sdxl(tmp_path / "model", in_channels=8)
    model = Model.load(str(tmp_path / "model"))
    assert (model.parts.family, model.parts.denoiser.task) == ("sdxl", "edit")
    call = {"image": picture.data, "image_guidance_scale": 1.5, "height": 16, "width": 16}
    expected = model.expected("StableDiffusionXLInstructPix2PixPipeline", "EulerDiscreteScheduler", {}, **call)
    agree(edited(model, "EulerDiscreteScheduler", picture, Instructed(4.0, 1.5)), expected)
