"""Whole runs against the reference pipelines, on the tiny checkpoints: same prompt, same seed, same picture."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from nodeflow.diffusion import schedulers, sounds
from nodeflow.diffusion.checkpoints import open_model
from nodeflow.diffusion.checkpoints.load import load_weights
from nodeflow.diffusion.checkpoints.spaces import wave_length
from nodeflow.diffusion.checkpoints.tokenizer import load_tokenizer
from nodeflow.diffusion.guidance import ClassifierFree, Guided, Rescaled, network, unguided
from nodeflow.diffusion.latents import blanked, empty, to_image, to_latent, with_mask
from nodeflow.diffusion.sampling import begin_at, sample, seeds
from nodeflow.diffusion.text import encode
from nodeflow.values import Image, Latent, Mask

diffusers = pytest.importorskip("diffusers")

TOLERANCE = 1e-4
PROMPT, NEGATIVE, SEED, STEPS, GUIDANCE = "a photo of a red heart, happy", "sad face", 5, 6, 4.0
SCHEDULERS = [
    ("DDPMScheduler", {}),
    ("DDIMScheduler", {}),
    ("PNDMScheduler", {}),
    ("PNDMScheduler", {"skip_prk_steps": False}),
    ("LMSDiscreteScheduler", {}),
    ("EulerDiscreteScheduler", {}),
    ("EulerDiscreteScheduler", {"use_karras_sigmas": True, "timestep_spacing": "trailing"}),
    ("EulerAncestralDiscreteScheduler", {}),
    ("HeunDiscreteScheduler", {}),
    ("DPMSolverMultistepScheduler", {}),
    ("DPMSolverMultistepScheduler", {"algorithm_type": "sde-dpmsolver++", "use_karras_sigmas": True}),
    ("UniPCMultistepScheduler", {}),
]
each_scheduler = pytest.mark.parametrize(
    ("name", "options"), SCHEDULERS, ids=[" ".join([name, *options]) for name, options in SCHEDULERS]
)


@dataclass
class Model:
    """A tiny checkpoint in our networks, its folder for the reference."""

    folder: str
    parts: Any
    unet: Any
    vae: Any
    text: Any
    tokenizer: Any
    reference: Any = None

    @classmethod
    def load(cls, folder: str) -> Model:
        parts = open_model(folder)
        text = parts.text_encoder
        return cls(
            folder,
            parts,
            load_weights(parts.denoiser),
            None if parts.autoencoder.kind == "Pixels" else load_weights(parts.autoencoder),
            text and load_weights(text),
            text and load_tokenizer(text),
        )

    @property
    def space(self) -> Any:
        return self.parts.denoiser.space

    def solver(self, name: str, options: dict[str, Any]) -> schedulers.Solver:
        scheduler = schedulers.from_config(name, self.parts.scheduler.config, **options)
        return scheduler.solver(scheduler.schedule(STEPS))

    def encode(self, text: str, **options: Any) -> Any:
        return encode([text], self.tokenizer, self.text, weighting="none", **options)

    def denoise(self, around: Any = lambda inner: inner) -> Any:
        conditionings = {"positive": self.encode(PROMPT), "negative": self.encode(NEGATIVE)}
        return Guided(network(self.unet), conditionings, around(ClassifierFree(GUIDANCE)))

    def pipeline(self, kind: str, name: str, options: dict[str, Any]) -> Any:
        """A reference pipeline that shares its networks with the others of this checkpoint."""
        if self.reference is None:
            self.reference = diffusers.DiffusionPipeline.from_pretrained(self.folder, safety_checker=None)
        pipe = getattr(diffusers, kind)(**self.reference.components, requires_safety_checker=False)
        pipe.scheduler = getattr(diffusers, name).from_config(pipe.scheduler.config, **options)
        pipe.set_progress_bar_config(disable=True)
        return pipe

    def expected(self, kind: str, name: str, options: dict[str, Any], **call: Any) -> Tensor:
        """The picture of a reference pipeline, [B, 3, H, W]."""
        return self.painted(self.pipeline(kind, name, options), **call)

    def painted(self, pipe: Any, **call: Any) -> Tensor:
        """The picture of a reference pipeline as it is, [B, 3, H, W]."""
        defaults = {"prompt": PROMPT, "negative_prompt": NEGATIVE, "guidance_scale": GUIDANCE}
        defaults |= {"generator": generator(), "num_inference_steps": STEPS, "output_type": "pt"}
        return pipe(**(defaults | call)).images


def generator(seed: int = SEED) -> torch.Generator:
    return torch.Generator("cpu").manual_seed(seed)


@pytest.fixture(scope="module")
def model(tiny) -> Model:
    return Model.load(str(tiny("text_to_image")))


@pytest.fixture(scope="module")
def painter(tiny) -> Model:
    return Model.load(str(tiny("inpaint")))


@pytest.fixture(scope="module")
def pixels(tiny) -> Model:
    return Model.load(str(tiny("unconditional")))


@pytest.fixture(scope="module")
def picture() -> Image:
    return Image(torch.rand(1, 3, 16, 16, generator=generator(1)))


@pytest.fixture(scope="module")
def mask() -> Mask:
    return Mask((torch.rand(1, 1, 16, 16, generator=generator(2)) > 0.5).float())


def agree(found: Tensor, expected: Tensor) -> None:
    assert found.shape == expected.shape
    assert (found - expected).abs().max().item() <= TOLERANCE
    assert found.std() > 0.01  # else any two would agree


# -- prompts -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", PROMPT, "A  RED\nheart! 12 ½ ♥", "cat, " * 60])
@pytest.mark.parametrize("skip", [0, 1, 2])
def test_prompts(model, text, skip):
    pipe = model.pipeline("StableDiffusionPipeline", "DDIMScheduler", {})
    if not hasattr(pipe.text_encoder, "text_model"):  # transformers 5.6 flattened it, the pipeline still asks for it
        pipe.text_encoder.__dict__["text_model"] = pipe.text_encoder
    expected, _ = pipe.encode_prompt(text, "cpu", 1, False, clip_skip=skip or None)
    found = model.encode(text, skip=skip, windows=1).states
    assert (found - expected).abs().max().item() <= 1e-5


def test_prompts_padded_as_stable_diffusion_2_does(tiny, tmp_path):
    folder = tiny.copy("text_to_image", tmp_path)
    for name in ("tokenizer_config.json", "special_tokens_map.json"):
        path = folder / "tokenizer" / name
        path.write_text(json.dumps(json.loads(path.read_text()) | {"pad_token": "!"}))
    model = Model.load(str(folder))
    assert model.tokenizer.pad_token_id == 0 != model.tokenizer.eos_token_id
    expected, _ = model.pipeline("StableDiffusionPipeline", "DDIMScheduler", {}).encode_prompt(PROMPT, "cpu", 1, False)
    assert (model.encode(PROMPT).states - expected).abs().max().item() <= 1e-5


# -- text to image -----------------------------------------------------------------------------------------------


@each_scheduler
def test_text_to_image(model, name, options):
    done = sample(
        model.denoise(), empty(model.space, 16, 16), model.solver(name, options), schedulers.Noise(generator())
    )
    agree(to_image(model.vae, done.latent).data, model.expected("StableDiffusionPipeline", name, options))


def test_text_to_image_without_guidance_and_rescaled(model):
    name, noise = "DDIMScheduler", schedulers.Noise
    start, solver = empty(model.space, 16, 16), model.solver(name, {})
    plain = sample(unguided(network(model.unet), model.encode(PROMPT)), start, solver, noise(generator()))
    expected = model.expected("StableDiffusionPipeline", name, {}, guidance_scale=1.0)
    agree(to_image(model.vae, plain.latent).data, expected)
    rescaled = sample(model.denoise(lambda inner: Rescaled(inner, 0.7)), start, solver, noise(generator()))
    expected = model.expected("StableDiffusionPipeline", name, {}, guidance_rescale=0.7)
    agree(to_image(model.vae, rescaled.latent).data, expected)


@pytest.mark.parametrize("name", ["EulerAncestralDiscreteScheduler", "DDPMScheduler"])
def test_a_batch_of_seeds(model, name):
    noise = schedulers.Noise.seeded(seeds(SEED, 2))
    done = sample(model.denoise(), empty(model.space, 16, 24, batch=2), model.solver(name, {}), noise)
    generators = [generator(SEED), generator(SEED + 1)]
    call = {"num_images_per_prompt": 2, "generator": generators, "width": 16, "height": 24}
    agree(to_image(model.vae, done.latent).data, model.expected("StableDiffusionPipeline", name, {}, **call))


# -- image to image ----------------------------------------------------------------------------------------------


@each_scheduler
@pytest.mark.parametrize("strength", [0.5, 1.0])
def test_image_to_image(model, picture, name, options, strength):
    draw, solver = generator(), model.solver(name, options)
    latent = to_latent(model.vae, picture, model.space, draw)
    begin = begin_at(solver.schedule, strength, STEPS)
    done = sample(model.denoise(), latent, solver, schedulers.Noise(draw), begin=begin)
    expected = model.expected("StableDiffusionImg2ImgPipeline", name, options, image=picture.data, strength=strength)
    agree(to_image(model.vae, done.latent).data, expected)


# -- inpainting --------------------------------------------------------------------------------------------------


def repainted(model: Model, solver: Any, picture: Image, mask: Mask, strength: float) -> Tensor:
    """With the random numbers in the reference's order: picture (if it is used), noise, blanked picture, solver."""
    draw, channels = generator(), model.unet.config["in_channels"]
    space = model.space
    if channels == 4 or strength < 1:
        latent = to_latent(model.vae, picture, space, draw)
    else:
        latent = empty(space, *picture.size)
    noise = schedulers.Noise(draw)
    first = noise(latent.data)
    masked = to_latent(model.vae, blanked(picture, mask), space, draw)
    latent = Latent(latent.data, space, with_mask(latent, mask).mask, masked.data)
    begin = begin_at(solver.schedule, strength, STEPS)
    done = sample(model.denoise(), latent, solver, noise, begin=begin, first=first, in_channels=channels)
    return to_image(model.vae, done.latent).data


@each_scheduler
@pytest.mark.parametrize("channels", [4, 9])
@pytest.mark.parametrize("strength", [0.5, 1.0])
def test_inpaint(model, painter, picture, mask, name, options, channels, strength):
    own = model if channels == 4 else painter
    call = {"image": picture.data, "mask_image": mask.data, "strength": strength, "height": 16, "width": 16}
    expected = own.expected("StableDiffusionInpaintPipeline", name, options, **call)
    agree(repainted(own, own.solver(name, options), picture, mask, strength), expected)


# -- no prompt, no autoencoder -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "name"), [("DDPMPipeline", "DDPMScheduler"), ("DDIMPipeline", "DDIMScheduler")])
def test_unconditional(pixels, kind, name):
    pipe = getattr(diffusers, kind).from_pretrained(pixels.folder)
    pipe.set_progress_bar_config(disable=True)
    expected = pipe(generator=generator(), num_inference_steps=STEPS, output_type="np").images
    done = sample(
        unguided(network(pixels.unet)),
        empty(pixels.space, 16, 16),
        pixels.solver(name, {}),
        schedulers.Noise(generator()),
    )
    agree(to_image(None, done.latent).data, torch.from_numpy(np.moveaxis(expected, -1, 1)))


# -- sounds ------------------------------------------------------------------------------------------------------


def test_unconditional_sound(tiny, tmp_path):
    model = Model.load(str(tiny("waves")))
    folder = tiny.copy("waves", tmp_path)
    path = folder / "unet" / "config.json"
    # the reference no longer finds the width of 2022, which the published configurations do not say
    path.write_text(json.dumps(json.loads(path.read_text()) | {"time_embedding_dim": 16}))
    pipe = diffusers.DanceDiffusionPipeline.from_pretrained(folder)
    pipe.set_progress_bar_config(disable=True)
    expected = pipe(generator=generator(), num_inference_steps=STEPS, audio_length_in_s=0.0203).audios
    done = sample(
        unguided(network(model.unet)),
        sounds.empty(model.space, wave_length(model.parts.denoiser.config, 0.0203)),
        model.solver("IPNDMScheduler", {}),
        schedulers.Noise(generator()),
    )
    sound = sounds.trim(sounds.to_sound(model.vae, done.latent), 0, 0.0203)
    assert sound.rate == 8000
    agree(sound.data, torch.from_numpy(expected))
