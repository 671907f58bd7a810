"""Stable Diffusion 3 and Flux: whole runs against the reference pipelines, on tiny checkpoints."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
import tiny_flows
import torch
from diffusers import AutoencoderKL
from oracle.whole import GUIDANCE, NEGATIVE, PROMPT, SEED, STEPS, Model, agree, diffusers, generator
from torch import Tensor

import nodeflow
from nodeflow.diffusion.denoising import denoise
from nodeflow.diffusion.latents import empty, to_edit, to_image
from nodeflow.diffusion.prompts import Weighting
from nodeflow.diffusion.reading import Prompts, conditioning
from nodeflow.diffusion.scheduling import make_schedule
from nodeflow.errors import NodeflowError
from nodeflow.values import Guidance, Image, Latent

FLOW = "FlowMatchEulerDiscreteScheduler"
SIDES = {"width": 64, "height": 48}
SKIP = {"sd3": 77, "flux": 0}
"""Tokens of CLIP before those of T5."""
Load = Callable[[str], Model]


@pytest.fixture(scope="module")
def load(tmp_path_factory: pytest.TempPathFactory) -> Load:
    root: Path = tmp_path_factory.mktemp("flows")

    @cache
    def loaded(kind: str) -> Model:
        getattr(tiny_flows, kind)(root / kind)
        model = Model.load(str(root / kind))
        if kind == "sd3_without_t5":  # the reference does not take the index's word for what is absent
            absent: dict[str, Any] = {"text_encoder_3": None, "tokenizer_3": None}
            model.reference = diffusers.DiffusionPipeline.from_pretrained(model.folder, **absent)
        return model

    return loaded


class Drawn(NamedTuple):
    """A picture and a mask, [1, 3, 48, 64] and [1, 1, 48, 64], and their files."""

    picture: Tensor
    mask: Tensor
    files: dict[str, str]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Drawn:
    folder = tmp_path_factory.mktemp("pictures")
    picture = torch.rand(1, 3, 48, 64, generator=generator(1)).mul(255).round() / 255
    mask = (torch.rand(1, 1, 48, 64, generator=generator(2)) > 0.5).float()
    Image(picture).save(folder / "picture.png")
    Image(mask.expand(-1, 3, -1, -1)).save(folder / "mask.png")
    return Drawn(picture, mask, {name: str(folder / f"{name}.png") for name in ("picture", "mask")})


def certain(pipe: Any) -> Any:
    """A reference pipeline that takes the autoencoder's most probable latent, as our nodes do, and draws nothing."""
    known = AutoencoderKL.encode

    def encode(x: Tensor) -> Any:
        mode = known(pipe.vae, x).latent_dist.mode()
        return SimpleNamespace(latent_dist=SimpleNamespace(sample=lambda generator=None: mode, mode=lambda: mode))

    pipe.vae.encode = encode
    return pipe


def expected(model: Model, kind: str, **call: Any) -> Tensor:
    """The picture of a reference pipeline, [B, 3, H, W]."""
    given = {"negative_prompt": NEGATIVE if "3" in kind else None, **SIDES} | call
    pipe = certain(model.pipeline(kind, FLOW, {}))
    known = inspect.signature(type(pipe).__call__).parameters
    defaults = {"prompt": PROMPT, "guidance_scale": GUIDANCE, "num_inference_steps": STEPS, "output_type": "pt"}
    said = {name: value for name, value in (defaults | given).items() if name in known}
    return pipe(generator=generator(), **said).images


def graph(name: str, model: Model, **inputs: Any) -> Tensor:
    """The picture of a template graph."""
    given = {"prompt": PROMPT, "seed": SEED, "steps": STEPS, "guidance": GUIDANCE, **inputs}
    return nodeflow.load(f"graphs/{name}.json")(model=model.folder, **given).image.data


# -- text to image, through the template graph ---------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["sd3", "sd3_without_t5"])
def test_text_to_image_of_sd3(load: Load, kind: str) -> None:
    model = load(kind)
    found = graph("text-to-image", model, negative_prompt=NEGATIVE, **SIDES)
    agree(found, expected(model, "StableDiffusion3Pipeline"))


def test_text_to_image_of_flux(load: Load) -> None:
    model = load("flux")
    agree(graph("text-to-image", model, **SIDES), expected(model, "FluxPipeline"))
    other = graph("text-to-image", model, **SIDES, guidance=1.0)
    agree(other, expected(model, "FluxPipeline", guidance_scale=1.0))


def test_text_to_image_of_flux_for_few_steps(load: Load) -> None:
    model = load("flux_schnell")
    agree(
        graph("text-to-image", model, **SIDES, guidance=7.0),
        expected(model, "FluxPipeline", max_sequence_length=256, guidance_scale=0.0),
    )


@pytest.mark.parametrize("weighting", ["a1111", "comfy"])
@pytest.mark.parametrize("kind", ["sd3", "flux"])
def test_weights_in_prompts(load: Load, kind: str, weighting: Weighting) -> None:
    """A weight of 1 changes nothing, another changes the states of T5 and never their number."""
    model = load(kind)
    texts = (PROMPT, f"({PROMPT}:1.0)", f"({PROMPT}:1.3)")
    encoder = model.parts.text_encoder
    plain, same, other = (conditioning(encoder, Prompts([text], weighting), model.lend).states for text in texts)
    assert torch.equal(plain, same) and plain.shape == other.shape
    assert not torch.allclose(plain[:, SKIP[kind] :], other[:, SKIP[kind] :])


# -- image to image, inpainting, through the template graphs -------------------------------------------------------


@pytest.mark.parametrize("strength", [0.5, 1.0])
def test_image_to_image_of_sd3(load: Load, drawn: Drawn, strength: float) -> None:
    model = load("sd3")
    given = {"image": drawn.files["picture"], "strength": strength, "negative_prompt": NEGATIVE}
    found = graph("image-to-image", model, **given, **SIDES)
    agree(found, expected(model, "StableDiffusion3Img2ImgPipeline", image=drawn.picture, strength=strength))


@pytest.mark.parametrize("kind", ["flux", "flux_schnell"])
@pytest.mark.parametrize("strength", [0.5, 1.0])
def test_image_to_image_of_flux(load: Load, drawn: Drawn, kind: str, strength: float) -> None:
    model = load(kind)
    found = graph("image-to-image", model, image=drawn.files["picture"], strength=strength, **SIDES)
    call = {"image": drawn.picture, "strength": strength, "max_sequence_length": 512 if kind == "flux" else 256}
    agree(found, expected(model, "FluxImg2ImgPipeline", **call))


@pytest.mark.parametrize("strength", [0.5, 1.0])
def test_inpaint_of_sd3(load: Load, drawn: Drawn, strength: float) -> None:
    model = load("sd3")
    given = {"image": drawn.files["picture"], "mask": drawn.files["mask"], "strength": strength}
    found = graph("inpaint", model, **given, negative_prompt=NEGATIVE, **SIDES)
    call = {"image": drawn.picture, "mask_image": drawn.mask, "strength": strength}
    latent = expected(model, "StableDiffusion3InpaintPipeline", output_type="latent", **call)
    agree(found, to_image(model.vae, Latent(latent, model.space)).data)  # the reference decodes it without the shift


@pytest.mark.parametrize(("kind", "pipeline"), [("flux", "FluxInpaintPipeline"), ("flux_fill", "FluxFillPipeline")])
@pytest.mark.parametrize("strength", [0.5, 1.0])
def test_inpaint_of_flux(load: Load, drawn: Drawn, kind: str, pipeline: str, strength: float) -> None:
    model = load(kind)
    given = {"image": drawn.files["picture"], "mask": drawn.files["mask"], "strength": strength}
    call = {"image": drawn.picture, "mask_image": drawn.mask, "strength": strength}
    agree(graph("inpaint", model, **given, **SIDES), expected(model, pipeline, **call))


def test_edit_of_flux_kontext(load: Load, drawn: Drawn) -> None:
    model = load("flux_kontext")
    found = graph("edit", model, image=drawn.files["picture"], **SIDES)
    call = {"image": drawn.picture, "max_area": 64 * 48, "_auto_resize": False}
    agree(found, expected(model, "FluxKontextPipeline", **call))
    assert (found - graph("text-to-image", model, **SIDES)).abs().max() > 0.01  # it does look


def test_flux_follows_edges(load: Load, drawn: Drawn) -> None:
    model = load("flux_canny")
    latent = to_edit(model.vae, Image(drawn.picture), model.space)
    found = guided(model, Guidance(), GUIDANCE, latent)
    call = {"control_image": 2 * drawn.picture - 1}  # the reference takes tensors as they are
    agree(found, expected(model, "FluxControlPipeline", **call))
    with pytest.raises(NodeflowError, match="Encode image for editing"):
        guided(model, Guidance(), GUIDANCE)


# -- guidance --------------------------------------------------------------------------------------------------------


def guided(model: Model, guidance: Guidance, told: float | None = None, start: Latent | None = None) -> Tensor:
    """A picture from nothing, with both prompts."""
    prompts = {"positive": model.encode(PROMPT), "negative": model.encode(NEGATIVE)}
    schedule = make_schedule(model.parts.scheduler, steps=STEPS)
    latent = start or empty(model.space, 64, 48)
    done = denoise(model.net, latent, schedule, guidance=guidance, told_guidance=told, seed=SEED, **prompts)
    return to_image(model.vae, done.latent).data


def test_flux_is_told_one_number_and_guided_by_another(load: Load) -> None:
    model, free = load("flux"), Guidance().then("classifier-free", scale=3.0)
    call = {"negative_prompt": NEGATIVE, "true_cfg_scale": 3.0, "guidance_scale": 2.0}
    agree(guided(model, free, 2.0), expected(model, "FluxPipeline", **call))


def test_skip_layer_guidance_of_sd3(load: Load) -> None:
    model, free = load("sd3"), Guidance().then("classifier-free", scale=GUIDANCE)
    skip = {"scale": 2.8, "start": 0.01, "end": 0.6}
    found = guided(model, free.then("skip-layers", layers=("transformer_blocks.1",), **skip))
    call = {"skip_guidance_layers": [1], "skip_layer_guidance_scale": 2.8, "skip_layer_guidance_stop": 0.6}
    agree(found, expected(model, "StableDiffusion3Pipeline", **call))
    assert (found - guided(model, free)).abs().max() > 0.01


# -- refusals --------------------------------------------------------------------------------------------------------


def test_an_odd_latent_is_refused(load: Load) -> None:
    for kind in ("sd3", "flux"):
        with pytest.raises(NodeflowError, match="NF414"):
            graph("text-to-image", load(kind), width=72, height=64)


def test_guidance_inside_the_shared_attention_is_refused(load: Load) -> None:
    for kind in ("sd3", "flux"):
        guidance = Guidance().then("perturbed-attention", layers=("transformer_blocks.0",))
        with pytest.raises(NodeflowError, match="skip-layer"):
            guided(load(kind), guidance)
