"""One step of a LoRA of SDXL equals the reference's mathematics, and what it learnt paints there as it does here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import Tiny
from torch import Tensor
from toy_training import Host, paint

from nodeflow.diffusion.calling import Question, asked, completed
from nodeflow.diffusion.checkpoints import open_model
from nodeflow.diffusion.checkpoints.load import load_weights
from nodeflow.diffusion.latents import empty
from nodeflow.diffusion.reading import Prompts, conditioning
from nodeflow.diffusion.training import lowrank, recipes
from nodeflow.diffusion.training.course import Course
from nodeflow.diffusion.training.draws import Draw
from nodeflow.diffusion.training.lessons import Base, Plan, prepare
from nodeflow.diffusion.training.painting import Wanted
from nodeflow.diffusion.training.recipes import LowRank
from nodeflow.training import Dataset, Objective, Optimiser, Settings

diffusers = pytest.importorskip("diffusers")
peft = pytest.importorskip("peft")

RANK, ALPHA = 4, 8
WIDTH, HEIGHT, SIDE = 30, 20, 16
CAPTIONS = ("a red heart", "a happy dog of the cat")
PLAN = {"optimiser": Optimiser(5e-2), "settings": Settings(batch=2, ema=0), "steps": 4}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Tiny(tmp_path_factory.mktemp("tiny"))("sdxl")


@pytest.fixture
def data(tmp_path: Path) -> Dataset:
    """Two pictures wider than their shape, with a caption each."""
    generator = torch.Generator().manual_seed(0)
    for i, caption in enumerate(CAPTIONS):
        path = tmp_path / "pictures" / f"{i}.png"
        paint(path, torch.randint(256, (HEIGHT, WIDTH, 3), generator=generator).numpy())
        path.with_suffix(".txt").write_text(caption)
    return Dataset(str(tmp_path / "pictures"), "text", size=SIDE)


def base_of(folder: Path) -> Base:
    parts = open_model(str(folder), dtype="float32")
    return Base(parts.denoiser, parts.scheduler, parts.autoencoder, parts.text_encoder)


def oracle(folder: Path) -> Any:
    return diffusers.StableDiffusionXLPipeline.from_pretrained(folder, add_watermarker=False).to("cpu")


def adapted(pipe: Any, learnt: dict[str, Tensor]) -> Any:
    """The reference's U-net with the same updates, the scale folded in by α and r."""
    pipe.unet.requires_grad_(False)
    pipe.unet.add_adapter(
        peft.LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules=list(lowrank.ATTENTION)), adapter_name="default"
    )
    peft.set_peft_model_state_dict(pipe.unet, learnt)
    return pipe.unet


def oracle_loss(pipe: Any, unet: Any, x0: Tensor, noise: Tensor, t: Tensor) -> Tensor:
    """The step of the reference's own training script: two encoders, a pooled text, six numbers a picture."""
    with torch.no_grad():
        states, _, pooled, _ = pipe.encode_prompt(list(CAPTIONS), device="cpu", do_classifier_free_guidance=False)
    cut = round(WIDTH * SIDE / HEIGHT) - SIDE
    ids = torch.tensor([[HEIGHT, WIDTH, 0, cut // 2, SIDE, SIDE]] * 2).float()
    scheduler = diffusers.DDPMScheduler.from_config(pipe.scheduler.config)
    x = scheduler.add_noise(x0, noise, t)
    said = unet(x, t, states, added_cond_kwargs={"text_embeds": pooled, "time_ids": ids}).sample
    return (said - noise).square().mean()


def test_a_step_equals_the_oracles(folder: Path, data: Dataset, tmp_path: Path) -> None:
    lesson = prepare(Course(Host(), tmp_path / "training"), Plan(data, **PLAN), Objective(), base_of(folder))  # type: ignore[arg-type]
    layers = lowrank.adapt(lesson.net, lowrank.ATTENTION, RANK, ALPHA / RANK, seed=0)
    ups = [lesson.net.get_submodule(name).lora_up for name in layers]
    with torch.no_grad():
        for i, up in enumerate(ups):
            up.normal_(std=0.1, generator=torch.Generator().manual_seed(i))
    task = lesson.task
    loss = task(Draw(0, torch.Generator().manual_seed(3))).value

    again = torch.Generator().manual_seed(3)
    chosen = task.order(0)
    x0 = task.material(chosen, again)
    t = task.loss.timesteps(2, again)
    noise = task.loss.noise(x0, again)
    order = torch.tensor(chosen).argsort()
    pipe = oracle(folder)
    pairs = {"lora_A": lowrank.DOWN, "lora_B": lowrank.UP}
    own = lesson.net.state_dict()
    unet = adapted(pipe, {f"{n}.{theirs}.weight": own[f"{n}.{ours}"] for n in layers for theirs, ours in pairs.items()})
    expected = oracle_loss(pipe, unet, x0[order], noise[order], t[order])
    assert float(loss.detach()) == pytest.approx(float(expected.detach()), rel=1e-5)
    loss.backward()
    expected.backward()
    for name in layers:
        for theirs, ours in pairs.items():
            mine = lesson.net.get_parameter(f"{name}.{ours}").grad
            reference = unet.get_parameter(f"{name}.{theirs}.default.weight").grad
            assert torch.allclose(mine, reference, rtol=1e-3, atol=1e-6), f"{name} {ours}"
            assert mine.abs().max() > 1e-6


def test_a_lora_trained_here_paints_there_as_here(folder: Path, data: Dataset, tmp_path: Path) -> None:
    base = base_of(folder)
    done = recipes.train_lora(
        Course(Host(), tmp_path / "training"),
        Plan(data, **PLAN),  # type: ignore[arg-type]
        Objective(),
        base,
        LowRank(RANK, ALPHA),
        wanted=Wanted(count=1, steps=1),
    )
    assert base.text_encoder is not None
    generator = torch.Generator().manual_seed(0)
    latent = empty(base.denoiser.space, SIDE, SIDE)
    x, t = torch.randn(latent.data.shape, generator=generator), torch.tensor(500)
    said = conditioning(base.text_encoder, Prompts([CAPTIONS[0]], "none"), Host().weights)

    def ours(handle: Any) -> Tensor:
        net = load_weights(handle)
        with torch.no_grad():
            return asked(net, Question(x, t, completed(net, {"positive": said}, latent)["positive"]))

    plain, expected = ours(base.denoiser), ours(done.denoiser)
    assert (plain - expected).abs().max() > 1e-2
    for path in (done.path, done.kohya):
        pipe = oracle(folder)
        pipe.load_lora_weights(path.parent, weight_name=path.name)
        with torch.no_grad():
            states, _, pooled, _ = pipe.encode_prompt(CAPTIONS[0], device="cpu", do_classifier_free_guidance=False)
            ids = torch.tensor([[SIDE, SIDE, 0, 0, SIDE, SIDE]]).float()
            theirs = pipe.unet(x, t, states, added_cond_kwargs={"text_embeds": pooled, "time_ids": ids}).sample
        assert torch.allclose(theirs, expected, atol=1e-4), path.name
