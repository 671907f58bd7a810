"""Whole runs of ours beside a reference pipeline's, on tiny checkpoints: what tests of every family share."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import diffusers
import pytest
import torch
from torch import Tensor

from nodeflow.diffusion import schedulers
from nodeflow.diffusion.calling import completed
from nodeflow.diffusion.checkpoints import open_model
from nodeflow.diffusion.checkpoints.load import load_weights
from nodeflow.diffusion.guidance import ClassifierFree, Guided, network
from nodeflow.diffusion.latents import blanked, empty, to_image, to_latent, with_mask
from nodeflow.diffusion.reading import Prompts, conditioning
from nodeflow.diffusion.sampling import begin_at, sample
from nodeflow.values import Conditioning, Image, Latent, Mask, TextEncoder

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


PIPELINE_OPTIONS = {"requires_safety_checker": False, "add_watermarker": False}


@dataclass
class Model:
    """A tiny checkpoint in our networks, its folder for the reference."""

    folder: str
    parts: Any
    net: Any
    vae: Any
    texts: dict[str, Any] = field(default_factory=dict)
    reference: Any = None

    @classmethod
    def load(cls, folder: str) -> Model:
        parts = open_model(folder)
        vae = None if parts.autoencoder.kind == "Pixels" else load_weights(parts.autoencoder)
        return cls(folder, parts, load_weights(parts.denoiser), vae)

    @property
    def space(self) -> Any:
        return self.parts.denoiser.space

    def solver(self, name: str, options: dict[str, Any], steps: int = STEPS) -> schedulers.Solver:
        scheduler = schedulers.from_config(name, self.parts.scheduler.config, **options)
        return scheduler.solver(scheduler.schedule(steps))

    @contextmanager
    def lend(self, handle: TextEncoder) -> Iterator[Any]:
        """A text encoder, loaded once."""
        if handle.folder not in self.texts:
            self.texts[handle.folder] = load_weights(handle)
        yield self.texts[handle.folder]

    def encode(self, text: str, **options: Any) -> Conditioning:
        return conditioning(self.parts.text_encoder, Prompts([text], "none", **options), self.lend)

    def prompts(self) -> dict[str, Conditioning]:
        return {"positive": self.encode(PROMPT), "negative": self.encode(NEGATIVE)}

    def denoise(
        self,
        latent: Latent,
        around: Any = lambda inner: inner,
        prompts: Mapping[str, Conditioning] | None = None,
        guidance: Any = ClassifierFree(GUIDANCE),  # noqa: B008
    ) -> Guided:
        told = completed(self.net, prompts or self.prompts(), latent)
        return Guided(network(self.net), told, around(guidance))

    def pipeline(self, kind: str, name: str, options: dict[str, Any]) -> Any:
        """A reference pipeline that shares its networks with the others of this checkpoint."""
        if self.reference is None:
            self.reference = diffusers.DiffusionPipeline.from_pretrained(self.folder, safety_checker=None)
        made = getattr(diffusers, kind)
        known = inspect.signature(made).parameters
        said = {key: value for key, value in self.reference.config.items() if isinstance(value, bool)}
        more = {key: value for key, value in (said | PIPELINE_OPTIONS).items() if key in known}
        components = {key: value for key, value in self.reference.components.items() if key in known}
        pipe = made(**components, **more)
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


def painted(model: Model, solver: Any, width: int = 16, height: int = 16, **options: Any) -> Tensor:
    """A picture from nothing, [1, 3, H, W]."""
    latent = empty(model.space, width, height)
    done = sample(model.denoise(latent, **options), latent, solver, schedulers.Noise(generator()))
    return to_image(model.vae, done.latent).data


def varied(model: Model, solver: Any, picture: Image, strength: float, **options: Any) -> Tensor:
    """A picture from a picture, [1, 3, H, W], with the random numbers in the reference's order: picture, noise."""
    draw = generator()
    latent = to_latent(model.vae, picture, model.space, draw)
    begin = begin_at(solver.schedule, strength, STEPS)
    done = sample(model.denoise(latent, **options), latent, solver, schedulers.Noise(draw), begin=begin)
    return to_image(model.vae, done.latent).data


def generator(seed: int = SEED) -> torch.Generator:
    return torch.Generator("cpu").manual_seed(seed)


def agree(found: Tensor, expected: Tensor) -> None:
    assert found.shape == expected.shape
    assert (found - expected).abs().max().item() <= TOLERANCE
    assert found.std() > 0.01  # else any two would agree


def repainted(model: Model, solver: Any, picture: Image, mask: Mask, strength: float) -> Tensor:
    """With the random numbers in the reference's order: picture (if it is used), noise, blanked picture, solver."""
    draw, channels = generator(), model.net.config["in_channels"]
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
    done = sample(model.denoise(latent), latent, solver, noise, begin=begin, first=first, in_channels=channels)
    return to_image(model.vae, done.latent).data
