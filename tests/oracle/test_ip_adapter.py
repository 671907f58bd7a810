"""Pictures as prompts against the reference: the image encoder, its preprocessing, and whole runs."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from oracle.whole import GUIDANCE, NEGATIVE, PROMPT, SEED, STEPS, Model, agree, generator
from picturing import SDXL, write_adapter, write_eye
from torch import Tensor
from transformers import CLIPImageProcessor, CLIPVisionModelWithProjection

from nodeflow.diffusion import latents
from nodeflow.diffusion.adapters.control import Steering
from nodeflow.diffusion.checkpoints.load import load_weights
from nodeflow.diffusion.denoising import denoise, plain
from nodeflow.diffusion.sampling import begin_at, sample
from nodeflow.diffusion.schedulers import Noise
from nodeflow.diffusion.scheduling import make_schedule
from nodeflow.diffusion.seeing import look, pixels
from nodeflow.models import open_image_encoder, open_ip_adapter
from nodeflow.values import Image, ImageStates, PicturePrompt, SchedulerConfig

Seen = dict[str, Any]


def picture(seed: int, count: int = 1, size: int = 16) -> Image:
    return Image(torch.rand(count, 3, size, size, generator=generator(seed)).mul(255).round() / 255)


@pytest.fixture(scope="module")
def eye(tmp_path_factory: Any) -> Path:
    return write_eye(tmp_path_factory.mktemp("eye"))


@pytest.fixture(scope="module")
def encoder(eye: Path) -> Any:
    handle = open_image_encoder(str(eye))
    assert handle is not None
    return load_weights(handle)


@pytest.fixture(scope="module")
def model(tiny: Any) -> Model:
    return Model.load(str(tiny("text_to_image")))


@pytest.fixture(scope="module")
def larger(tiny: Any) -> Model:
    return Model.load(str(tiny("sdxl")))


# -- looking -----------------------------------------------------------------------------------------------------


def test_the_image_encoder_equals_the_reference(eye: Path, encoder: Any) -> None:
    reference = CLIPVisionModelWithProjection.from_pretrained(eye).eval()
    shown = torch.randn(2, 3, 16, 16, generator=generator(2))
    with torch.no_grad():
        seen, expected = encoder(shown), reference(shown, output_hidden_states=True)
    torch.testing.assert_close(seen.image_embeds, expected.image_embeds, rtol=0, atol=1e-5)
    torch.testing.assert_close(list(seen.hidden_states), list(expected.hidden_states), rtol=0, atol=1e-5)


def test_a_file_alone_is_the_same_encoder(eye: Path, encoder: Any, tmp_path: Path) -> None:
    handle = open_image_encoder(str(shutil.copy(eye / "model.safetensors", tmp_path / "clip.safetensors")))
    assert handle is not None and handle.part
    alone = load_weights(handle)
    shown = torch.randn(1, 3, 16, 16, generator=generator(3))
    assert alone.config["hidden_act"] == "quick_gelu"  # three layers: taken for CLIP L
    assert alone.state_dict().keys() == encoder.state_dict().keys() and alone(shown).image_embeds.isfinite().all()


@pytest.mark.parametrize(("width", "height"), [(24, 16), (37, 61)])
def test_pictures_are_shown_as_the_reference_shows_them(width: int, height: int) -> None:
    image = Image(torch.nn.functional.interpolate(picture(4, size=6).data, (height, width), mode="bilinear"))
    processor = CLIPImageProcessor(size={"shortest_edge": 16}, crop_size={"height": 16, "width": 16})
    expected = processor(image.numpy()[0], return_tensors="pt").pixel_values
    found = pixels(Image(torch.from_numpy(np.array(image.numpy())).permute(0, 3, 1, 2) / 255), 16)
    assert (found - expected).abs().max() < 0.05  # the reference rounds to 8 bits, where our numbers are exact


# -- whole runs --------------------------------------------------------------------------------------------------


def prompt(file: Path, seen: ImageStates, **options: Any) -> PicturePrompt:
    handle = open_ip_adapter(str(file))
    assert handle is not None
    return PicturePrompt(handle, seen, **options)


def ours(model: Model, prompts: list[PicturePrompt]) -> Tensor:
    scheduler = SchedulerConfig({**model.parts.scheduler.config, "_class_name": "DDIMScheduler"})
    begin = latents.empty(model.space, 16, 24)
    said = {**model.prompts(), "guidance": plain(GUIDANCE), "seed": SEED}
    nets = [(one, load_weights(one.network)) for one in prompts]
    done = denoise(model.net, begin, make_schedule(scheduler, steps=STEPS), controls={"": nets}, **said)
    return latents.to_image(model.vae, done.latent).data


def expected(
    model: Model, kind: str, eye: Path, files: list[Path], images: list[Image], scales: Any, **call: Any
) -> Tensor:
    reference = diffusers.DiffusionPipeline.from_pretrained(model.folder)
    known = {name: part for name, part in reference.components.items() if part is not None}
    plain = {"requires_safety_checker": False, "safety_checker": None, "feature_extractor": None}
    more = {"add_watermarker": False} if "XL" in kind else plain
    known["image_encoder"] = CLIPVisionModelWithProjection.from_pretrained(eye)
    pipe = getattr(diffusers, kind)(**known, **more)
    folders, names = [str(file.parent) for file in files], [file.name for file in files]
    pipe.load_ip_adapter(folders, [""] * len(files), names, image_encoder_folder=None)
    pipe.set_ip_adapter_scale(scales)
    pipe.scheduler = diffusers.DDIMScheduler.from_config(pipe.scheduler.config)
    pipe.set_progress_bar_config(disable=True)
    shown = [pixels(image, 16) for image in images]
    shape = {} if "Img2Img" in kind else {"width": 16, "height": 24}
    said = {"prompt": PROMPT, "negative_prompt": NEGATIVE, "guidance_scale": GUIDANCE, "num_inference_steps": STEPS}
    return pipe(**said, **shape, ip_adapter_image=shown, generator=generator(), output_type="pt", **call).images


@pytest.mark.parametrize("plus", [False, True], ids=["plain", "plus"])
def test_a_picture_as_a_prompt(model: Model, eye: Path, encoder: Any, tmp_path: Path, plus: bool) -> None:
    file, image = write_adapter(tmp_path / "adapter.safetensors", plus=plus), picture(5)
    found = ours(model, [prompt(file, look(encoder, image), strength=0.8)])
    agree(found, expected(model, "StableDiffusionPipeline", eye, [file], [image], 0.8))
    assert (found - ours(model, [])).abs().max() > 0.01


def test_several_pictures_through_one(model: Model, eye: Path, encoder: Any, tmp_path: Path) -> None:
    file, images = write_adapter(tmp_path / "adapter.safetensors", plus=True), picture(5, 3)
    found = ours(model, [prompt(file, look(encoder, images))])
    agree(found, expected(model, "StableDiffusionPipeline", eye, [file], [images], 1.0))


def test_two_adapters(model: Model, eye: Path, encoder: Any, tmp_path: Path) -> None:
    files = [write_adapter(tmp_path / f"{i}.safetensors", plus=bool(i), seed=i) for i in range(2)]
    images = [picture(5), picture(6)]
    prompts = [prompt(f, look(encoder, i), strength=s) for f, i, s in zip(files, images, (0.5, 0.9), strict=True)]
    found = ours(model, prompts)
    agree(found, expected(model, "StableDiffusionPipeline", eye, files, images, [0.5, 0.9]))


def test_from_a_picture(model: Model, eye: Path, encoder: Any, tmp_path: Path) -> None:
    file, image, begin = write_adapter(tmp_path / "adapter.safetensors"), picture(5), picture(7)
    want = expected(model, "StableDiffusionImg2ImgPipeline", eye, [file], [image], 1.0, image=begin.data, strength=0.5)
    draw, one = generator(), prompt(file, look(encoder, image))
    latent, solver = latents.to_latent(model.vae, begin, model.space, draw), model.solver("DDIMScheduler", {})
    steers = {"": Steering.of([(one, load_weights(one.network))], latent)}
    denoiser = replace(model.denoise(latent), steers=steers)
    done = sample(denoiser, latent, solver, Noise(draw), begin=begin_at(solver.schedule, 0.5, STEPS))
    agree(latents.to_image(model.vae, done.latent).data, want)


@pytest.mark.parametrize("plus", [False, True], ids=["plain", "plus"])
def test_sdxl(larger: Model, eye: Path, encoder: Any, tmp_path: Path, plus: bool) -> None:
    file, image = write_adapter(tmp_path / "adapter.safetensors", SDXL, plus=plus), picture(5)
    found = ours(larger, [prompt(file, look(encoder, image), strength=0.7)])
    agree(found, expected(larger, "StableDiffusionXLPipeline", eye, [file], [image], 0.7))


def test_in_some_blocks_only(larger: Model, eye: Path, encoder: Any, tmp_path: Path) -> None:
    file, image = write_adapter(tmp_path / "adapter.safetensors", SDXL), picture(5)
    blocks = {"up_blocks.0.attentions.1": 0.9, "mid_block": 0.0, "down_blocks.1": 0.4}
    found = ours(larger, [prompt(file, look(encoder, image), blocks=blocks)])
    scales = {"up": {"block_0": [0.0, 0.9]}, "down": {"block_1": [0.4]}}
    agree(found, expected(larger, "StableDiffusionXLPipeline", eye, [file], [image], scales))
    assert (found - ours(larger, [prompt(file, look(encoder, image))])).abs().max() > 1e-3


def test_each_of_a_batch_reads_the_picture(model: Model, encoder: Any, tmp_path: Path) -> None:
    """A batch gives what its samples give alone, also where attention is perturbed beside."""
    one = prompt(write_adapter(tmp_path / "adapter.safetensors"), look(encoder, picture(5)))
    nets = {"": [(one, load_weights(one.network))]}
    schedule = make_schedule(model.parts.scheduler, steps=3)
    guidance = plain(GUIDANCE).then("perturbed-attention", scale=2.0, layers=("mid_block",))

    def made(count: int, seed: int) -> Tensor:
        begin, said = latents.empty(model.space, 16, 16, count), {**model.prompts(), "guidance": guidance, "seed": seed}
        return denoise(model.net, begin, schedule, controls=nets, **said).latent.data

    torch.testing.assert_close(made(2, 7), torch.cat([made(1, 7), made(1, 8)]), rtol=0, atol=1e-5)
