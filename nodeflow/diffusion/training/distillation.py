"""A student that paints in fewer steps than its teacher, as a whole network or as a LoRA."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from nodeflow.training import Objective
from nodeflow.values import Denoiser, SchedulerConfig

from ..adapters.patch import patched
from ..adapters.saving import FILE_NAME, save_diffusers, save_kohya
from ..checkpoints.save import component, save_network, saved_handle
from . import lowrank
from .course import Course, Result
from .draws import seed_of
from .lessons import Base, Plan, prepare
from .loop import Task, Trainer
from .painting import Wanted, painter
from .recipes import KOHYA, LowRank, part
from .tasks import DenoisingTask


class Method(Protocol):
    """How a student is taught; `consistency.Consistency` and `progressive.Progressive` are such."""

    student_steps: int

    def scheduler(self, own: SchedulerConfig) -> SchedulerConfig:
        """The scheduler of the student of a teacher with this one."""

    def task(self, plain: DenoisingTask, teacher: Any) -> Task:
        """What a micro-batch costs: the student's network with data, order and conditions; the teacher's network."""


class Distilled(NamedTuple):
    """What a distillation brought.

    Args:
        denoiser: The student.
        scheduler: How to sample from it.
        path: The LoRA that makes the teacher the student, where that was asked for.
        result: Losses and samples.
    """

    denoiser: Denoiser
    scheduler: SchedulerConfig
    path: Path | None
    result: Result


def distil(
    course: Course,
    plan: Plan,
    base: Base,
    how: Method,
    low_rank: LowRank | None = None,
    *,
    wanted: Wanted | None = None,
) -> Distilled:
    """Distil a denoiser to few steps, as a whole or as a LoRA (Luo et al. 2023, LCM-LoRA, arXiv 2311.05556).

    Args:
        course: Where it runs.
        plan: Data, optimiser, settings, steps.
        base: The teacher, where the student starts too; its text encoder is not trained.
        how: How it is taught.
        low_rank: Learn only a low-rank change.
        wanted: What to draw with the student, in its steps.

    Raises:
        NodeflowError: NF410, a model of another noise space; and as `train_denoiser`.
    """
    base = replace(base, train_text=False)
    place = course.place(
        "distillation", *base.decides, type(how).__name__, vars(how), low_rank and vars(low_rank), *plan.decides
    )
    found, student = course.done(place, plan.steps), how.scheduler(base.scheduler)
    if found is None:
        lesson = prepare(course, plan, Objective(), base)
        layers = None
        if low_rank:
            seed = seed_of(plan.settings.seed, "unet")
            layers = lowrank.adapt(lesson.net, low_rank.targets, low_rank.rank, low_rank.scale, seed)

        def export(folder: Path, run: Trainer) -> None:
            average = part(run.average(), "unet")
            if layers is None or low_rank is None:
                save_network(folder / "unet", base.denoiser.kind, base.denoiser.config, average)
                return
            learnt = {component(base.denoiser): lowrank.learnt(lesson.net, average, layers, low_rank.scale)}
            save_diffusers(folder / FILE_NAME, learnt)
            save_kohya(folder / KOHYA, learnt)

        lesson.base = replace(base, scheduler=student)
        shown = replace(wanted or Wanted(), guidance=1.0, steps=how.student_steps)
        with course.host.weights(base.denoiser) as teacher:
            trainer = Trainer(
                lesson.module, how.task(lesson.task, teacher), plan.optimiser, plan.settings, course.peers
            )
            found = course.train(place, trainer, plan.steps, export, painter(course, lesson, shown))
    if low_rank:
        path = found.folder / FILE_NAME
        return Distilled(patched(base.denoiser, path), student, path, found)
    return Distilled(saved_handle(base.denoiser, found.folder / "unet"), student, None, found)
