"""What every training of a denoiser has in common: networks and data, made ready."""

from __future__ import annotations

from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from typing import Any

from torch import nn

from nodeflow.errors import NodeflowError
from nodeflow.training import Folder, Objective, Optimiser, Settings, Sounds
from nodeflow.values import Autoencoder, Denoiser, SchedulerConfig, TextEncoder, Weights

from ..checkpoints.families import WAVE_DENOISER
from ..checkpoints.handles import identity
from ..checkpoints.tokenizer import load_tokenizer
from ..denoising import PROMPTED
from ..schedulers import from_config
from .buckets import Order
from .clips import Clips, clip_shape
from .completing import Completed
from .conditions import CachedTexts, Classes, Conditions, Nothing, TrainedTexts
from .course import Course
from .folder import Found, medium_of, pictures, scan
from .loop import Task
from .material import Material, Samples
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

    data: Folder
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
        autoencoder: Between pictures or sounds and latents; None for pixels and waves.
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
    def coder(self) -> Autoencoder | None:
        """The autoencoder, that of waves being the identity; None where the denoiser works on pixels."""
        if self.autoencoder is None and self.denoiser.kind == WAVE_DENOISER:
            return identity(self.denoiser.kind, self.denoiser.config)
        return None if self.autoencoder is None or self.autoencoder.kind == "Pixels" else self.autoencoder

    @property
    def in_sound(self) -> bool:
        """Whether the model makes sounds."""
        return self.coder is not None and self.coder.media == "audio"


@dataclass
class Lesson:
    """Networks and data, ready to train.

    Args:
        base: The model.
        net: The denoiser's network.
        module: All networks that are trained, by "unet" and "text_encoder".
        trained: The handles of those.
        found: What was found in the folder.
        task: What a micro-batch of it costs.
        whole: The same, and what must not be forgotten.
    """

    base: Base
    net: Any
    module: nn.ModuleDict
    trained: dict[str, Weights]
    found: Found
    task: DenoisingTask
    whole: Task


def prepare(course: Course, plan: Plan, objective: Objective, base: Base, prior: Prior | None = None) -> Lesson:
    """Scan the folder, encode files and texts that are not kept yet, and load the networks to train.

    Raises:
        NodeflowError: NF203, NF404, NF410 parts that do not fit; and as scanning and loading raise.
    """
    found = scan(plan.data)
    for fault in found.unreadable:
        course.host.log(f"left out: {fault.line}")
    net: Any = course.own(base.denoiser)
    if base.train_text and base.text_encoder:
        require_one_reader(base.text_encoder, "text encoders are trained")
    encoder: Any = course.own(base.text_encoder) if base.train_text and base.text_encoder else None
    trained: dict[str, Weights] = {"unet": base.denoiser}
    networks = {"unet": net}
    if encoder is not None and base.text_encoder is not None:
        trained["text_encoder"], networks["text_encoder"] = base.text_encoder, encoder
    if plan.settings.checkpointing:
        for one in networks.values():
            checkpoint_activations(one)
    loss = DenoisingLoss.of(from_config(base.scheduler.config), objective)

    def task(data: Folder, there: Found) -> DenoisingTask:
        material = prepared_material(course, data, there, base)
        order = Order(material.groups, plan.settings.batch, plan.settings.seed)
        told = conditions(course, there, base, net, encoder, objective.dropout)
        return DenoisingTask(net, loss, material, order, told, Completed(net, base.denoiser, material))

    new = task(plan.data, found)
    whole = WithPrior(new, task(prior.data, scan(prior.data)), prior.weight) if prior else new
    return Lesson(base, net, nn.ModuleDict(networks), trained, found, new, whole)


def prepared_material(course: Course, data: Folder, found: Found, base: Base) -> Samples:
    """Clean samples, encoded where there is an autoencoder.

    Raises:
        NodeflowError: NF404, the data are sounds and the model makes pictures, or the other way round, or its parts
            work in different latent spaces.
    """
    coder = base.coder
    require_fit(data, base)
    if coder is None:
        return Material(found.items, pictures(data), course.store)
    material: Clips | Material
    with course.host.weights(coder) as net:
        if isinstance(data, Sounds):
            material = Clips(
                found.items, data, course.store, (coder, net), clip_shape(base.denoiser, net, data.seconds)
            )
        else:
            material = Material(found.items, pictures(data), course.store, (coder, net))
        material.prepare(course.told(f"encoding {medium_of(data).name}s"))
    return material


def require_fit(data: Folder, base: Base) -> None:
    """Raise NF404 unless data, autoencoder and denoiser are of one medium and one latent space."""
    coder = base.coder
    media, made = ("audio" if isinstance(data, Sounds) else "image"), (coder.media if coder else "image")
    if media != made:
        names = {"audio": "sounds", "image": "pictures"}
        what = f"the folder is one of {names[media]}, and the model makes {names[made]}"
        raise NodeflowError("NF404", what, where="data", fix=f"choose a folder of {names[made]}, or another model")
    if coder is not None and coder.space != base.denoiser.space:
        what = f"the denoiser works in the space {base.denoiser.space.name}, the autoencoder in {coder.space.name}"
        raise NodeflowError("NF404", what, where="autoencoder", fix="take both from one model")


def conditions(course: Course, found: Found, base: Base, net: Any, encoder: Any, dropout: float) -> Conditions:
    """What a denoiser is told of the files, by what it reads.

    Args:
        net: The denoiser's network.
        encoder: The text encoder's network, where it is trained.
        dropout: How often nothing is said.

    Raises:
        NodeflowError: NF203, it reads texts and there is no text encoder; NF404, it knows other classes.
    """
    if net.config.get("num_class_embeds"):
        return Classes([item.label for item in found.items], net, dropout)
    if not any(net.config.get(key) for key in PROMPTED):
        return Nothing()
    if base.text_encoder is None:
        raise NodeflowError("NF203", "the denoiser reads texts, but there is no text encoder", where="text_encoder")
    captions = [item.caption for item in found.items]
    if encoder is not None:
        return TrainedTexts(captions, load_tokenizer(base.text_encoder), encoder, dropout)
    texts = CachedTexts(captions, base.text_encoder, course.store, dropout)
    with ExitStack() as held:
        networks = {id(one): held.enter_context(course.host.weights(one)) for one in base.text_encoder.all}
        texts.prepare(lambda one: nullcontext(networks[id(one)]), course.told("encoding texts"))
    return texts


def require_one_reader(encoder: TextEncoder, what: str) -> None:
    """Raise NF404 unless a model reads with one CLIP text encoder, its last states."""
    if encoder.reading != "clip":
        why = f"{what} in models with one CLIP text encoder, and this one reads texts as {encoder.reading} does"
        raise NodeflowError("NF404", why, where="text_encoder", fix="train a LoRA of its denoiser alone")
