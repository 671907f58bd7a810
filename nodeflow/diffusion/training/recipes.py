"""Recipes: which networks are trained on what, each a few lines around the one loop."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from torch import nn

from nodeflow.training import Objective
from nodeflow.values import Denoiser, TextEncoder

from ..adapters.patch import patched
from ..adapters.saving import FILE_NAME, save_diffusers, save_kohya
from ..checkpoints.save import component, save_network, saved_handle
from . import lowrank
from .course import Course, Result
from .draws import seed_of
from .lessons import Base, Plan, prepare
from .loop import Trainer
from .painting import Wanted, painter
from .prior import Prior

KOHYA = "kohya.safetensors"


class TrainedModel(NamedTuple):
    """What a training of a denoiser brought."""

    denoiser: Denoiser
    text_encoder: TextEncoder | None
    result: Result


def train_denoiser(
    course: Course,
    plan: Plan,
    objective: Objective,
    base: Base,
    *,
    prior: Prior | None = None,
    wanted: Wanted | None = None,
) -> TrainedModel:
    """Train a whole denoiser: without conditions, on classes, or on texts; from scratch or from where it stands.

    Args:
        course: Where it runs.
        plan: Data, optimiser, settings, steps.
        objective: What it is asked.
        base: Where it starts.
        prior: What it must not forget (DreamBooth).
        wanted: What to draw with it.

    Raises:
        NodeflowError: NF203, NF205, NF404, NF410 parts that do not fit; and as scanning, loading and training raise.
    """
    place = course.place("denoiser", objective, *base.decides, *decides(prior), *plan.decides)
    found = course.done(place, plan.steps)
    if found is None:
        lesson = prepare(course, plan, objective, base, prior)
        trainer = Trainer(lesson.module, lesson.whole, plan.optimiser, plan.settings, course.peers)

        def export(folder: Path, run: Trainer) -> None:
            average = run.average()
            for name, handle in lesson.trained.items():
                save_network(folder / name, handle.kind, handle.config, part(average, name))

        found = course.train(place, trainer, plan.steps, export, painter(course, lesson, wanted or Wanted()))
    encoder = base.text_encoder
    if encoder is not None and base.train_text:
        encoder = saved_handle(encoder, found.folder / "text_encoder")
    return TrainedModel(saved_handle(base.denoiser, found.folder / "unet"), encoder, found)


@dataclass(frozen=True)
class LowRank:
    """How a LoRA is made.

    Args:
        rank: r.
        alpha: α; 0 = as large as the rank, so that updates count as they are.
        targets: Endings of the names of the layers that are adapted.
    """

    rank: int = 8
    alpha: float = 0.0
    targets: tuple[str, ...] = lowrank.ATTENTION

    @property
    def scale(self) -> float:
        """α / r."""
        return (self.alpha or self.rank) / self.rank


class TrainedLora(NamedTuple):
    """What a training of a LoRA brought: patched handles, and the file in two forms."""

    denoiser: Denoiser
    text_encoder: TextEncoder | None
    path: Path
    kohya: Path
    result: Result


def train_lora(
    course: Course,
    plan: Plan,
    objective: Objective,
    base: Base,
    how: LowRank,
    *,
    prior: Prior | None = None,
    wanted: Wanted | None = None,
) -> TrainedLora:
    """Train a low-rank change of a denoiser, and of its text encoder where the base says so.

    Args:
        how: Rank, scale and layers; of a text encoder its attention's projections are adapted.

    The others are those of `train_denoiser`.

    Raises:
        NodeflowError: NF205, no layer is called like the targets; and as `train_denoiser`.
    """
    place = course.place("lora", objective, *base.decides, vars(how), *decides(prior), *plan.decides)
    found = course.done(place, plan.steps)
    if found is None:
        lesson = prepare(course, plan, objective, base, prior)
        nets: dict[str, nn.Module] = dict(lesson.module.items())
        layers = {}
        for name, net in nets.items():
            targets = how.targets if name == "unet" else lowrank.TEXT
            layers[name] = lowrank.adapt(net, targets, how.rank, how.scale, seed_of(plan.settings.seed, name))
        trainer = Trainer(lesson.module, lesson.whole, plan.optimiser, plan.settings, course.peers)

        def export(folder: Path, run: Trainer) -> None:
            average = run.average()
            parts = {name: component(base.denoiser) if name == "unet" else name for name in layers}
            learnt = {
                parts[name]: lowrank.learnt(nets[name], part(average, name), own, how.scale)
                for name, own in layers.items()
            }
            save_diffusers(folder / FILE_NAME, learnt)
            save_kohya(folder / KOHYA, learnt)

        found = course.train(place, trainer, plan.steps, export, painter(course, lesson, wanted or Wanted()))
    path, encoder = found.folder / FILE_NAME, base.text_encoder
    if encoder is not None and base.train_text:
        encoder = patched(encoder, path)
    return TrainedLora(patched(base.denoiser, path), encoder, path, found.folder / KOHYA, found)


def decides(prior: Prior | None) -> tuple[object, ...]:
    """What of a prior decides a training."""
    return () if prior is None else (prior.data, prior.weight)


def part(state: dict[str, torch.Tensor], name: str) -> dict[str, torch.Tensor]:
    """The tensors of one of several networks."""
    prefix = f"{name}."
    return {key.removeprefix(prefix): tensor for key, tensor in state.items() if key.startswith(prefix)}
