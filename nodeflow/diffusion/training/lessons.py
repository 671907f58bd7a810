"""What every training of a denoiser has in common: networks and data, made ready."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import nn

from nodeflow.errors import NodeflowError
from nodeflow.training import Dataset, Objective, Optimiser, Settings
from nodeflow.values import Autoencoder, Denoiser, SchedulerConfig, TextEncoder, Weights

from ..checkpoints.tokenizer import load_tokenizer
from ..schedulers import from_config
from .buckets import Order
from .conditions import CachedTexts, Classes, Conditions, Nothing, TrainedTexts
from .course import Course
from .folder import Pictures, scan
from .loop import Task
from .material import Material
from .objectives import DenoisingLoss
from .prior import Prior, WithPrior
from .tasks import DenoisingTask, checkpoint_activations


@dataclass(frozen=True)
class Plan:
    """What every training needs to know.

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
class Base:
    """The model that a training begins with.

    Args:
        denoiser: Its denoiser.
        scheduler: Its noise space and prediction.
        autoencoder: Between pictures and latents; None for pixels.
        text_encoder: Reads captions; None for networks without text.
        train_text: Train the text encoder too.
    """

    denoiser: Denoiser
    scheduler: SchedulerConfig
    autoencoder: Autoencoder | None = None
    text_encoder: TextEncoder | None = None
    train_text: bool = False

    @property
    def decides(self) -> tuple[object, ...]:
        """All of it."""
        return self.denoiser, self.scheduler, self.autoencoder, self.text_encoder, self.train_text

    @property
    def in_pixels(self) -> bool:
        """Whether the denoiser works on the pictures themselves."""
        return self.autoencoder is None or self.autoencoder.kind == "Pixels"


@dataclass
class Lesson:
    """Networks and data, ready to train.

    Args:
        base: The model.
        net: The denoiser's network.
        module: All networks that are trained, by "unet" and "text_encoder".
        trained: The handles of those.
        pictures: What was found in the folder.
        task: What a micro-batch of the pictures costs.
        whole: The same, and what must not be forgotten.
    """

    base: Base
    net: Any
    module: nn.ModuleDict
    trained: dict[str, Weights]
    pictures: Pictures
    task: DenoisingTask
    whole: Task


def prepare(course: Course, plan: Plan, objective: Objective, base: Base, prior: Prior | None = None) -> Lesson:
    """Scan the folder, encode pictures and texts that are not kept yet, and load the networks to train.

    Raises:
        NodeflowError: NF203, NF404, NF410 parts that do not fit; and as scanning and loading raise.
    """
    pictures = scan(plan.data)
    for fault in pictures.unreadable:
        course.host.log(f"left out: {fault.line}")
    net: Any = course.own(base.denoiser)
    encoder: Any = course.own(base.text_encoder) if base.train_text and base.text_encoder else None
    trained: dict[str, Weights] = {"unet": base.denoiser}
    networks = {"unet": net}
    if encoder is not None and base.text_encoder is not None:
        trained["text_encoder"], networks["text_encoder"] = base.text_encoder, encoder
    if plan.settings.checkpointing:
        for one in networks.values():
            checkpoint_activations(one)
    loss = DenoisingLoss.of(from_config(base.scheduler.config), objective)

    def task(data: Dataset, found: Pictures) -> DenoisingTask:
        material = prepared_material(course, data, found, base)
        order = Order(material.groups, plan.settings.batch, plan.settings.seed)
        told = conditions(course, found, base, net, encoder, objective.dropout)
        return DenoisingTask(net, loss, material, order, told)

    new = task(plan.data, pictures)
    whole = WithPrior(new, task(prior.data, scan(prior.data)), prior.weight) if prior else new
    return Lesson(base, net, nn.ModuleDict(networks), trained, pictures, new, whole)


def prepared_material(course: Course, data: Dataset, pictures: Pictures, base: Base) -> Material:
    """Clean samples, encoded where there is an autoencoder."""
    if base.autoencoder is None or base.in_pixels:
        return Material(pictures.items, data, course.store)
    with course.host.weights(base.autoencoder) as net:
        material = Material(pictures.items, data, course.store, (base.autoencoder, net))
        material.prepare(course.told("encoding pictures"))
    return material


def conditions(course: Course, pictures: Pictures, base: Base, net: Any, encoder: Any, dropout: float) -> Conditions:
    """What a denoiser is told of the pictures, by what it reads.

    Args:
        net: The denoiser's network.
        encoder: The text encoder's network, where it is trained.
        dropout: How often nothing is said.

    Raises:
        NodeflowError: NF203, it reads texts and there is no text encoder; NF404, it knows other classes.
    """
    if net.config.get("num_class_embeds"):
        return Classes([item.label for item in pictures.items], net, dropout)
    if not net.config.get("cross_attention_dim"):
        return Nothing()
    if base.text_encoder is None:
        raise NodeflowError("NF203", "the denoiser reads texts, but there is no text encoder", where="text_encoder")
    captions = [item.caption for item in pictures.items]
    tokenizer = load_tokenizer(base.text_encoder)
    if encoder is not None:
        return TrainedTexts(captions, tokenizer, encoder, dropout)
    texts = CachedTexts(captions, base.text_encoder, course.store, course.device, dropout)
    with course.host.weights(base.text_encoder) as frozen:
        texts.prepare(tokenizer, frozen, course.told("encoding texts"))
    return texts
