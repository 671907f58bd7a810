"""One step of a LoRA of SDXL, SD 3 and Flux equals the reference's mathematics; the reference reads its file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import tiny_flows
import torch
from tiny import Tiny
from torch import Tensor
from toy_training import Host, paint

from nodeflow.diffusion.adapters.patch import patched
from nodeflow.diffusion.adapters.saving import FILE_NAME, save_diffusers, save_kohya
from nodeflow.diffusion.checkpoints import open_model
from nodeflow.diffusion.checkpoints.load import load_weights
from nodeflow.diffusion.checkpoints.save import component
from nodeflow.diffusion.training import lowrank
from nodeflow.diffusion.training.course import Course
from nodeflow.diffusion.training.draws import Draw
from nodeflow.diffusion.training.lessons import Base, Lesson, Plan, prepare
from nodeflow.training import Dataset, Objective, Optimiser, Settings

diffusers = pytest.importorskip("diffusers")
pytest.importorskip("peft")

RANK, SCALE = 4, 2.0
CAPTIONS = ["a red heart", "a happy dog of the cat"]
SIDES = {"sdxl": 16, "sd3": 64, "flux": 64}
PIPELINES = {"sdxl": "StableDiffusionXLPipeline", "sd3": "StableDiffusion3Pipeline", "flux": "FluxPipeline"}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("tiny")
    Tiny(root)("sdxl")
    tiny_flows.sd3(root / "sd3")
    tiny_flows.flux(root / "flux")
    return root


def taught(folder: Path, side: int, place: Path) -> tuple[Lesson, list[str]]:
    """A lesson on two pictures half as wide again as high, and a LoRA that already changes something."""
    generator = torch.Generator().manual_seed(0)
    for i, caption in enumerate(CAPTIONS):
        path = place / "pictures" / f"{i}.png"
        paint(path, torch.randint(256, (2 * side, 3 * side, 3), generator=generator).numpy())
        path.with_suffix(".txt").write_text(caption)
    data = Dataset(str(place / "pictures"), "text", size=side)
    parts = open_model(str(folder), dtype="float32")
    base = Base(parts.denoiser, parts.scheduler, parts.autoencoder, parts.text_encoder)
    plan = Plan(data, Optimiser(), Settings(batch=2, ema=0), 1)
    lesson = prepare(Course(Host(), place / "training"), plan, Objective(), base)
    layers = lowrank.adapt(lesson.net, lowrank.ATTENTION, RANK, SCALE, seed=0)
    with torch.no_grad():
        for name in layers:
            lesson.net.get_parameter(f"{name}.{lowrank.UP}").normal_(std=0.1, generator=generator)
    return lesson, layers


def drawn(lesson: Lesson, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Clean samples, times and noise of a step, in the order of the captions."""
    task, generator = lesson.task, torch.Generator().manual_seed(seed)
    chosen = task.order(0)
    x0 = task.material(chosen, generator)
    t = task.loss.timesteps(len(chosen), generator)
    order = torch.tensor(chosen).argsort()
    return x0[order], t[order], task.loss.noise(x0, generator)[order]


def sdxl_loss(pipe: Any, side: int, x0: Tensor, t: Tensor, noise: Tensor) -> Tensor:
    """Two encoders, a pooled text, six numbers a picture; the noise is predicted."""
    with torch.no_grad():
        states, _, pooled, _ = pipe.encode_prompt(CAPTIONS, device="cpu", do_classifier_free_guidance=False)
    ids = torch.tensor([[2 * side, 3 * side, 0, side // 4, side, side]] * 2).float()
    x = diffusers.DDPMScheduler.from_config(pipe.scheduler.config).add_noise(x0, noise, t)
    said = pipe.unet(x, t, states, added_cond_kwargs={"text_embeds": pooled, "time_ids": ids}).sample
    return (said - noise).square().mean()


def sd3_loss(pipe: Any, side: int, x0: Tensor, t: Tensor, noise: Tensor) -> Tensor:
    """Three encoders, a pooled text; the way from picture to noise is predicted."""
    with torch.no_grad():
        states, _, pooled, _ = pipe.encode_prompt(CAPTIONS, None, None, "cpu", do_classifier_free_guidance=False)
    said = pipe.transformer(straight(x0, t, noise), states, pooled, t).sample
    return (said - (noise - x0)).square().mean()


def flux_loss(pipe: Any, side: int, x0: Tensor, t: Tensor, noise: Tensor) -> Tensor:
    """Packed latents with their places, and the guidance that the network is told."""
    with torch.no_grad():
        states, pooled, text_ids = pipe.encode_prompt(CAPTIONS, None, "cpu")
    height, width = x0.shape[-2:]
    ids = pipe._prepare_latent_image_ids(2, height // 2, width // 2, "cpu", torch.float32)
    tokens = pipe._pack_latents(straight(x0, t, noise), 2, x0.shape[1], height, width)
    guidance = torch.full((2,), 3.5)
    said = pipe.transformer(tokens, states, pooled, t / 1000, ids, text_ids, guidance).sample
    return (pipe._unpack_latents(said, side, side, pipe.vae_scale_factor) - (noise - x0)).square().mean()


def straight(x0: Tensor, t: Tensor, noise: Tensor) -> Tensor:
    sigma = (t / 1000).view(-1, 1, 1, 1)
    return (1 - sigma) * x0 + sigma * noise


LOSSES = {"sdxl": sdxl_loss, "sd3": sd3_loss, "flux": flux_loss}


@pytest.mark.parametrize("kind", LOSSES)
def test_a_step_equals_the_oracles(kind: str, models: Path, tmp_path: Path) -> None:
    side = SIDES[kind]
    lesson, layers = taught(models / kind, side, tmp_path)
    loss = lesson.task(Draw(0, torch.Generator().manual_seed(3))).value
    loss.backward()

    name = component(lesson.base.denoiser)
    learnt = lowrank.learnt(lesson.net, lesson.net.state_dict(), layers, SCALE)
    save_diffusers(tmp_path / FILE_NAME, {name: learnt})
    pipe = getattr(diffusers, PIPELINES[kind]).from_pretrained(models / kind).to("cpu")
    pipe.load_lora_weights(tmp_path, weight_name=FILE_NAME, adapter_name="ours")
    net = getattr(pipe, name).requires_grad_(True)
    expected = LOSSES[kind](pipe, side, *drawn(lesson, 3))
    assert float(loss.detach()) == pytest.approx(float(expected.detach()), rel=1e-5)
    expected.backward()
    for layer in layers:
        for half, ours, folded in (("lora_A", lowrank.DOWN, 1.0), ("lora_B", lowrank.UP, SCALE)):
            mine = lesson.net.get_parameter(f"{layer}.{ours}").grad
            reference = net.get_parameter(f"{layer}.{half}.ours.weight").grad
            assert torch.allclose(mine, folded * reference, rtol=1e-3, atol=1e-6), f"{layer} {half}"
    assert any(lesson.net.get_parameter(f"{layer}.{lowrank.UP}").grad.abs().max() > 1e-4 for layer in layers)


def test_the_reference_reads_the_other_file_of_sdxl_too(models: Path, tmp_path: Path) -> None:
    lesson, layers = taught(models / "sdxl", SIDES["sdxl"], tmp_path)
    loss = lesson.task(Draw(0, torch.Generator().manual_seed(3))).value
    save_kohya(
        tmp_path / "two.safetensors", {"unet": lowrank.learnt(lesson.net, lesson.net.state_dict(), layers, SCALE)}
    )
    pipe = diffusers.StableDiffusionXLPipeline.from_pretrained(models / "sdxl").to("cpu")
    pipe.load_lora_weights(tmp_path, weight_name="two.safetensors")
    expected = sdxl_loss(pipe, SIDES["sdxl"], *drawn(lesson, 3))
    assert float(loss.detach()) == pytest.approx(float(expected.detach()), rel=1e-5)


@pytest.mark.parametrize("kind", LOSSES)
def test_what_was_learnt_is_read_again_from_both_files(kind: str, models: Path, tmp_path: Path) -> None:
    lesson, layers = taught(models / kind, SIDES[kind], tmp_path)
    denoiser = lesson.base.denoiser
    learnt = {component(denoiser): lowrank.learnt(lesson.net, lesson.net.state_dict(), layers, SCALE)}
    save_diffusers(tmp_path / "one.safetensors", learnt)
    save_kohya(tmp_path / "two.safetensors", learnt)
    plain, (one, two) = (
        load_weights(denoiser),
        [load_weights(patched(denoiser, tmp_path / f"{name}.safetensors")) for name in ("one", "two")],
    )
    for layer in layers:
        update = (
            SCALE
            * lesson.net.get_parameter(f"{layer}.{lowrank.UP}")
            @ lesson.net.get_parameter(f"{layer}.{lowrank.DOWN}")
        )
        before = plain.get_parameter(f"{layer}.weight")
        for net in (one, two):
            after = net.get_parameter(f"{layer}.weight")
            assert torch.allclose((after - before).reshape(update.shape), update, atol=1e-5), layer
