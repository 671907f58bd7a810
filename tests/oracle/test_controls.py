"""Whole runs steered by pictures against the reference pipelines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor

from nodeflow.diffusion import latents
from nodeflow.diffusion.checkpoints import open_model
from nodeflow.diffusion.checkpoints.load import load_weights
from nodeflow.diffusion.denoising import denoise, plain
from nodeflow.diffusion.reading import Prompts, conditioning
from nodeflow.diffusion.scheduling import make_schedule
from nodeflow.models import open_control
from nodeflow.values import Control, SchedulerConfig
from tests.tiny import CONTROL, XL_UNET
from tests.tiny import control as write_control

SIZES = ("addition", "projection_class")

diffusers = pytest.importorskip("diffusers")

PROMPT, NEGATIVE, STEPS, GUIDANCE, SEED = "a photo of a red heart", "sad face", 5, 4.0, 3
Pictures = list[Tensor]


@dataclass
class Pair:
    """A tiny checkpoint and two control networks, in our code and in the reference's."""

    tiny: Any
    parts: Any
    nets: dict[str, Any]
    pipe: Any

    def ours(self, controls: list[Control], name: str, **call: Any) -> Tensor:
        texts = self.parts.text_encoder
        prompts = {
            kind: conditioning(texts, Prompts([said], "none"), self.borrow)
            for kind, said in (("positive", PROMPT), ("negative", NEGATIVE))
        }
        scheduler = SchedulerConfig({**self.parts.scheduler.config, "_class_name": name})
        batch = call.pop("batch", 1)
        done = denoise(
            self.borrow(self.parts.denoiser).__enter__(),
            latents.empty(self.parts.denoiser.space, 16, 24, batch),
            make_schedule(scheduler, steps=STEPS),
            **(prompts | {"guidance": plain(GUIDANCE), "seed": SEED} | call),
            controls={"": [(one, self.borrow(one.network).__enter__()) for one in controls]},
        )
        return latents.to_image(self.borrow(self.parts.autoencoder).__enter__(), done.latent).data

    def borrow(self, handle: Any) -> Any:
        net = self.nets.setdefault(handle.digest + handle.kind, load_weights(handle))

        class Lent:
            def __enter__(self) -> Any:
                return net

            def __exit__(self, *_: Any) -> None: ...

        return Lent()

    def control(self, kind: str, image: Tensor, **options: Any) -> Control:
        handle = open_control(str(self.tiny(kind)))
        assert handle is not None
        return Control(handle, image, **options)

    def expected(self, kinds: list[str], images: Pictures, name: str, batch: int = 1, **call: Any) -> Tensor:
        nets = [diffusers.ControlNetModel.from_pretrained(self.tiny(kind)) for kind in kinds]
        parts = {k: v for k, v in self.pipe.components.items() if k not in ("image_encoder",)}
        pipe = diffusers.StableDiffusionControlNetPipeline(
            **parts, controlnet=nets[0] if len(nets) == 1 else nets, requires_safety_checker=False
        )
        pipe.scheduler = getattr(diffusers, name).from_config(self.pipe.scheduler.config)
        pipe.set_progress_bar_config(disable=True)
        generators = [torch.Generator().manual_seed(SEED + i) for i in range(batch)]
        options: dict[str, Any] = {
            "prompt": PROMPT, "negative_prompt": NEGATIVE, "guidance_scale": GUIDANCE, "num_inference_steps": STEPS,
            "num_images_per_prompt": batch, "generator": generators, "width": 16, "height": 24, "output_type": "pt",
            "image": images[0] if len(nets) == 1 else images,
        }  # fmt: skip
        return pipe(**(options | call)).images


@pytest.fixture(scope="module")
def pair(tiny: Any) -> Pair:
    folder = str(tiny("text_to_image"))
    pipe = diffusers.DiffusionPipeline.from_pretrained(folder, safety_checker=None)
    return Pair(tiny, open_model(folder), {}, pipe)


@pytest.fixture(scope="module")
def images() -> Pictures:
    return [torch.rand(1, 3, 24, 16, generator=torch.Generator().manual_seed(i)) for i in (1, 2)]


def agree(found: Tensor, expected: Tensor) -> None:
    assert found.shape == expected.shape
    assert (found - expected).abs().max().item() <= 1e-4
    assert found.std() > 0.01


@pytest.mark.parametrize("name", ["DDIMScheduler", "EulerDiscreteScheduler", "HeunDiscreteScheduler", "PNDMScheduler"])
@pytest.mark.parametrize("window", [(0.0, 1.0), (0.2, 0.7)])
def test_one_control(pair: Pair, images: Pictures, name: str, window: tuple[float, float]) -> None:
    start, end = window
    control = pair.control("control", images[0], strength=0.8, start=start, end=end)
    told = {"controlnet_conditioning_scale": 0.8, "control_guidance_start": start, "control_guidance_end": end}
    found = pair.ours([control], name)
    agree(found, pair.expected(["control"], images, name, **told))
    assert (found - pair.ours([], name)).abs().max() > 0.01


def test_several_controls_add_up(pair: Pair, images: Pictures) -> None:
    controls = [
        pair.control("control", images[0], strength=0.5, end=0.5),
        pair.control("other_control", images[1], strength=1.2, start=0.2),
    ]
    told: dict[str, Any] = {
        "controlnet_conditioning_scale": [0.5, 1.2],
        "control_guidance_start": [0.0, 0.2],
        "control_guidance_end": [0.5, 1.0],
    }
    found = pair.ours(controls, "DDIMScheduler")
    agree(found, pair.expected(["control", "other_control"], images, "DDIMScheduler", **told))


def test_a_batch(pair: Pair, images: Pictures) -> None:
    found = pair.ours([pair.control("control", images[0])], "DDIMScheduler", batch=2)
    agree(found, pair.expected(["control"], images, "DDIMScheduler", batch=2))
    each = pair.ours([pair.control("control", torch.cat(images))], "DDIMScheduler", batch=2)
    assert torch.allclose(each[0], found[0], atol=1e-5) and not torch.allclose(each[1], found[1], atol=1e-2)


def test_guessing(pair: Pair, images: Pictures) -> None:
    found = pair.ours([pair.control("control", images[0], guess=True)], "DDIMScheduler")
    agree(found, pair.expected(["control"], images, "DDIMScheduler", guess_mode=True))


def test_sdxl(tiny: Any, images: Pictures, tmp_path: Any) -> None:
    folder = str(tiny("sdxl"))
    network = tmp_path / "network"
    write_control(network, **{key: XL_UNET[key] for key in XL_UNET if key in CONTROL or key.startswith(SIZES)})
    pipe = diffusers.DiffusionPipeline.from_pretrained(folder)
    net = diffusers.ControlNetModel.from_pretrained(network)
    parts = {k: v for k, v in pipe.components.items() if v is not None}
    steered = diffusers.StableDiffusionXLControlNetPipeline(**parts, controlnet=net, add_watermarker=False)
    steered.scheduler = diffusers.DDIMScheduler.from_config(pipe.scheduler.config)
    steered.set_progress_bar_config(disable=True)
    call = {"prompt": PROMPT, "negative_prompt": NEGATIVE, "guidance_scale": GUIDANCE, "num_inference_steps": STEPS}
    shape = {"width": 16, "height": 24, "output_type": "pt", "generator": torch.Generator().manual_seed(SEED)}
    expected = steered(image=images[0], controlnet_conditioning_scale=0.8, **call, **shape).images
    handle = open_control(str(network))
    assert handle is not None
    own = Pair(tiny, open_model(folder), {}, pipe)
    agree(own.ours([Control(handle, images[0], strength=0.8)], "DDIMScheduler"), expected)


def test_without_guidance(pair: Pair, images: Pictures) -> None:
    control: Callable[..., Control] = pair.control
    found = pair.ours([control("control", images[0])], "DDIMScheduler", guidance=plain(1.0))
    agree(found, pair.expected(["control"], images, "DDIMScheduler", guidance_scale=1.0))
