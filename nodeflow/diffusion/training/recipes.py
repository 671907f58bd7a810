"""Recipes: which networks are trained on what, each a few lines around the one loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from nodeflow.errors import NodeflowError
from nodeflow.training import Dataset, Objective, Optimiser, Settings
from nodeflow.values import Autoencoder, Conditioning, Denoiser, Image, SchedulerConfig, TextEncoder, Weights

from .. import latents, text
from ..checkpoints.families import latent_space
from ..checkpoints.handles import files_of
from ..checkpoints.identity import digest
from ..checkpoints.save import save_network, saved_handle
from ..checkpoints.tokenizer import load_tokenizer
from ..denoising import denoise, plain
from ..schedulers import from_config
from ..scheduling import make_schedule
from .buckets import Order
from .conditions import CachedTexts, Classes, Conditions, Nothing, TrainedTexts
from .course import Course, Result
from .folder import Pictures, scan
from .latents import standardise
from .loop import Trainer
from .material import Material
from .objectives import DenoisingLoss
from .pictures import psnr
from .tasks import AutoencoderTask, DenoisingTask, checkpoint_activations

PREVIEW_STEPS = 20


@dataclass(frozen=True)
class Plan:
    """What every recipe needs to know.

    Args:
        data: What to learn from.
        optimiser: How weights follow the gradient.
        settings: What else decides the course.
        steps: How many in all.
    """

    data: Dataset
    optimiser: Optimiser
    settings: Settings
    steps: int

    @property
    def decides(self) -> tuple[object, ...]:
        """All of it but the steps."""
        return self.data, self.optimiser, self.settings


@dataclass(frozen=True)
class Wanted:
    """Pictures to draw with a network in training.

    Args:
        prompts: One a picture; for a network with classes their names; empty = some of what it learns from.
        guidance: Classifier-free guidance.
        count: How many pictures, where no prompts are given.
        seed: Of their noise.
    """

    prompts: tuple[str, ...] = ()
    guidance: float = 3.0
    count: int = 4
    seed: int = 0


class TrainedModel(NamedTuple):
    """What a training of a denoiser brought."""

    denoiser: Denoiser
    text_encoder: TextEncoder | None
    result: Result


def train_denoiser(
    course: Course,
    plan: Plan,
    objective: Objective,
    model: Denoiser,
    scheduler: SchedulerConfig,
    *,
    autoencoder: Autoencoder | None = None,
    text_encoder: TextEncoder | None = None,
    train_text: bool = False,
    wanted: Wanted | None = None,
) -> TrainedModel:
    """Train a whole denoiser: without conditions, on classes, or on texts; from scratch or from where it stands.

    Args:
        course: Where it runs.
        plan: Data, optimiser, settings, steps.
        objective: What it is asked.
        model: Where it starts.
        scheduler: Its noise space and prediction.
        autoencoder: Between pictures and latents; None for pixels.
        text_encoder: Reads captions; None for networks without text.
        train_text: Train the text encoder too.
        wanted: What to draw with it.

    Raises:
        NodeflowError: NF205, NF404, NF410 parts that do not fit; and as scanning, loading and training raise.
    """
    place = course.place("denoiser", objective, model, scheduler, autoencoder, text_encoder, train_text, *plan.decides)
    found = course.done(place, plan.steps)
    if found is None:
        lesson = prepare(course, plan, model, autoencoder, text_encoder, objective, train_text=train_text)
        loss = DenoisingLoss.of(from_config(scheduler.config), objective)
        task = DenoisingTask(lesson.net, loss, lesson.material, lesson.order, lesson.conditions)
        trainer = Trainer(lesson.module, task, plan.optimiser, plan.settings)

        def export(folder: Path, run: Trainer) -> None:
            average = run.average()
            for name, handle in lesson.trained.items():
                save_network(folder / name, handle.kind, handle.config, part(average, name))

        drawn = painter(course, lesson, model, scheduler, autoencoder, text_encoder, wanted or Wanted())
        found = course.train(place, trainer, plan.steps, export, drawn)
    encoder = text_encoder
    if text_encoder is not None and train_text:
        encoder = saved_handle(text_encoder, found.folder / "text_encoder")
    return TrainedModel(saved_handle(model, found.folder / "unet"), encoder, found)


@dataclass
class Lesson:
    """Networks and data, ready to train.

    Args:
        net: The denoiser.
        module: All that is trained, by the names of its parts.
        trained: The handles of those parts.
        pictures: What was found in the folder.
        material: Clean samples.
        order: Which of them each micro-batch shows.
        conditions: What the denoiser is told.
    """

    net: Any
    module: nn.Module
    trained: dict[str, Weights]
    pictures: Pictures
    material: Material
    order: Order
    conditions: Conditions


def prepare(
    course: Course,
    plan: Plan,
    model: Denoiser,
    autoencoder: Autoencoder | None,
    text_encoder: TextEncoder | None,
    objective: Objective,
    *,
    train_text: bool = False,
) -> Lesson:
    """Scan the folder, encode pictures and texts that are not kept yet, and load the networks to train."""
    pictures = scan(plan.data)
    for fault in pictures.unreadable:
        course.host.log(f"left out: {fault.line}")
    material = prepared_material(course, plan.data, pictures, autoencoder)
    order = Order(material.groups, plan.settings.batch, plan.settings.seed)
    net: Any = course.own(model)
    trained: dict[str, Weights] = {"unet": model}
    networks = {"unet": net}
    conditions = conditions_for(course, pictures, net, text_encoder, objective.dropout, train_text)
    if isinstance(conditions, TrainedTexts) and text_encoder is not None:
        trained["text_encoder"], networks["text_encoder"] = text_encoder, conditions.encoder
    if plan.settings.checkpointing:
        for one in networks.values():
            checkpoint_activations(one)
    return Lesson(net, nn.ModuleDict(networks), trained, pictures, material, order, conditions)


def prepared_material(course: Course, data: Dataset, pictures: Pictures, autoencoder: Autoencoder | None) -> Material:
    """Clean samples, encoded where there is an autoencoder."""
    if autoencoder is None or autoencoder.kind == "Pixels":
        return Material(pictures.items, data, course.store)
    with course.host.weights(autoencoder) as net:
        material = Material(pictures.items, data, course.store, (autoencoder, net))
        material.prepare(course.told("encoding pictures"))
    return material


def conditions_for(
    course: Course,
    pictures: Pictures,
    net: Any,
    text_encoder: TextEncoder | None,
    dropout: float,
    train_text: bool = False,
) -> Conditions:
    """What a denoiser is told of the pictures, by what it reads.

    Raises:
        NodeflowError: NF203, it reads texts and there is no text encoder; NF404, it knows other classes.
    """
    if net.config.get("num_class_embeds"):
        return Classes([item.label for item in pictures.items], net, dropout)
    if not net.config.get("cross_attention_dim"):
        return Nothing()
    if text_encoder is None:
        raise NodeflowError("NF203", "the denoiser reads texts, but there is no text encoder", where="text_encoder")
    captions = [item.caption for item in pictures.items]
    tokenizer = load_tokenizer(text_encoder)
    if train_text:
        return TrainedTexts(captions, tokenizer, course.own(text_encoder), dropout)
    texts = CachedTexts(captions, text_encoder, course.store, course.device, dropout)
    with course.host.weights(text_encoder) as encoder:
        texts.prepare(tokenizer, encoder, course.told("encoding texts"))
    return texts


def part(state: dict[str, torch.Tensor], name: str) -> dict[str, torch.Tensor]:
    """The tensors of one of several networks."""
    prefix = f"{name}."
    return {key.removeprefix(prefix): tensor for key, tensor in state.items() if key.startswith(prefix)}


def painter(
    course: Course,
    lesson: Lesson,
    model: Denoiser,
    scheduler: SchedulerConfig,
    autoencoder: Autoencoder | None,
    text_encoder: TextEncoder | None,
    wanted: Wanted,
) -> Callable[[], Image]:
    """Draws pictures with the network in training, the same noise each time."""
    said = wanted.prompts or _some([item.caption for item in lesson.pictures.items], wanted.count)
    spoken = not isinstance(lesson.conditions, Nothing)
    count = len(said) if spoken else wanted.count
    start = latents.empty(model.space, *(model.size if model.size[0] else lesson.material.shapes[0]), count)
    schedule = make_schedule(scheduler, steps=PREVIEW_STEPS)

    def conditioning(prompts: Sequence[str]) -> Conditioning:
        if isinstance(lesson.conditions, Classes):
            return labelled([_class(prompt, lesson) for prompt in prompts])
        assert text_encoder is not None
        tokenizer = load_tokenizer(text_encoder)
        if isinstance(lesson.conditions, TrainedTexts):
            return text.encode(prompts, tokenizer, lesson.conditions.encoder, weighting="none", windows=1)
        with course.host.weights(text_encoder) as encoder:
            return text.encode(prompts, tokenizer, encoder, weighting="none", windows=1)

    def draw() -> Image:
        options: dict[str, Any] = {}
        if spoken:
            prompts = {"positive": conditioning(said), "negative": conditioning([""])}
            options = {**prompts, "guidance": plain(wanted.guidance)}
        done = denoise(lesson.net, start, schedule, seed=wanted.seed, **options).latent
        if autoencoder is None or autoencoder.kind == "Pixels":
            return latents.to_image(None, done)
        with course.host.weights(autoencoder) as net:
            return latents.to_image(net, done)

    return draw


def labelled(labels: Sequence[int]) -> Conditioning:
    """Classes as a conditioning, one a sample."""
    return Conditioning(torch.zeros(len(labels), 0, 0), labels=torch.tensor(labels))


def _class(name: str, lesson: Lesson) -> int:
    """The number of a class's name; the last one is any class, which has no name."""
    known = [" ".join(one.replace("_", " ").split()) for one in lesson.pictures.classes]
    if name and name not in known:
        raise NodeflowError(
            "NF205", f"there is no class {name!r}", where="prompts", fix=f"known are {', '.join(known)}"
        )
    return known.index(name) if name else lesson.net.config["num_class_embeds"] - 1


def _some(captions: Sequence[str], count: int) -> tuple[str, ...]:
    """So many different captions, spread evenly."""
    distinct = list(dict.fromkeys(captions))
    return tuple(distinct[:: max(1, len(distinct) // count)][:count])


class TrainedAutoencoder(NamedTuple):
    """What a training of an autoencoder brought; the pictures are originals above what came back of them."""

    autoencoder: Autoencoder
    result: Result


def train_autoencoder(
    course: Course, plan: Plan, model: Autoencoder, *, kl: float = 1e-3, unit: bool = True
) -> TrainedAutoencoder:
    """Train an autoencoder on pictures, by error and divergence alone: no other network is needed.

    Args:
        course: Where it runs.
        plan: Data, optimiser, settings, steps.
        model: Where it starts.
        kl: β, how strongly latents are drawn to N(0, 1).
        unit: At the end, fold the latents' mean and deviation into the network, so that each channel has mean 0 and
            variance 1.

    Raises:
        NodeflowError: As scanning, loading and training raise.
    """
    place = course.place("autoencoder", model, kl, unit, *plan.decides)
    found = course.done(place, plan.steps)
    if found is None:
        pictures = scan(plan.data)
        material = Material(pictures.items, plan.data, course.store)
        order = Order(material.groups, plan.settings.batch, plan.settings.seed)
        net: Any = course.own(model)
        if plan.settings.checkpointing:
            checkpoint_activations(net)
        trainer = Trainer(net, AutoencoderTask(net, material, order, kl), plan.optimiser, plan.settings)
        some = range(0, len(pictures.items), -(-len(pictures.items) // 64))

        def shown() -> torch.Tensor:
            chosen = [i for i in material.groups[0] if i in some]
            return torch.cat([material([i], torch.Generator()) for i in chosen]).to(course.device)

        def export(folder: Path, run: Trainer) -> None:
            with run.averaged():
                x = shown()
                course.host.log(f"PSNR {psnr(net.decode(net.encode(x).mode()), x):.2f} dB")
                if unit:
                    standardise(net, x)
                save_network(folder / "vae", model.kind, model.config, net.state_dict())

        def preview() -> Image:
            x = shown()[:8]
            both = torch.cat([x, net.decode(net.encode(x).mode())], dim=2)
            return Image((both / 2 + 0.5).clamp(0, 1).cpu())

        found = course.train(place, trainer, plan.steps, export, preview)
    return TrainedAutoencoder(respaced(saved_handle(model, found.folder / "vae")), found)


def respaced(handle: Autoencoder) -> Autoencoder:
    """The handle with the latent space that its weights now make."""
    return replace(handle, space=latent_space(handle.config, digest(files_of(handle), timed=False)))
