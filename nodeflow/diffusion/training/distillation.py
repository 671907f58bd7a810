"""Fewer steps: a student learns to jump to where its teacher's path ends (Luo et al. 2023, LCM, arXiv 2310.04378).

From x_t the teacher, guided, takes one DDIM step of k timesteps along its path to x_s. The student's estimates of
where the path ends must agree at both:

    L = d(f_θ(x_t, t), sg f_θ(x_s, s)),   f_θ(x, t) = c_skip(t) x + c_out(t) x̂₀_θ(x, t)        (eq. 9, 14)

with d the pseudo-Huber distance √(‖a − b‖² + c²) − c and the student itself, without gradient, as the target: the
average that the paper uses there adds nothing (Song & Dhariwal 2023, arXiv 2310.14189, section 3.2). The guidance is
built in; the student is sampled without, by `LCMScheduler` in 1 to 8 steps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from nodeflow.errors import NodeflowError
from nodeflow.training import Objective
from nodeflow.values import Denoiser, SchedulerConfig

from ..adapters.patch import patched
from ..adapters.saving import FILE_NAME, save_diffusers, save_kohya
from ..checkpoints.save import save_network, saved_handle
from . import lowrank
from .conditions import CachedTexts, Classes
from .course import Course, Result
from .draws import Draw, seed_of
from .lessons import Base, Plan, prepare
from .loop import Loss, Trainer
from .painting import Wanted, painter
from .process import Tabled
from .recipes import KOHYA, LowRank, part
from .tasks import DenoisingTask, names

SIGMA_DATA = 0.5
HUBER = 1e-3


@dataclass(frozen=True)
class Distillation:
    """How a teacher is distilled.

    Args:
        guidance: w, the teacher's guidance that the student learns to have built in.
        teacher_steps: N, into how many steps the teacher's path is cut; k = T / N.
        timestep_scaling: How fast the boundary t = 0 is left.
    """

    guidance: float = 3.0
    teacher_steps: int = 50
    timestep_scaling: float = 10.0

    def scheduler(self, own: SchedulerConfig) -> SchedulerConfig:
        """The scheduler of the student: the teacher's noise space and prediction."""
        settings = {"original_inference_steps": self.teacher_steps, "timestep_scaling": self.timestep_scaling}
        spaces = ("beta_start", "beta_end", "beta_schedule", "num_train_timesteps", "prediction_type")
        kept = {key: own.config[key] for key in spaces if key in own.config}
        return SchedulerConfig({**kept, **settings, "_class_name": "LCMScheduler"})


class ConsistencyTask:
    """A student learns to agree with itself along its teacher's path.

    Args:
        plain: The student's network with data, order and conditions.
        teacher: The teacher's network.
        how: Guidance and steps.

    Raises:
        NodeflowError: NF410, the model's noise space has no table of timesteps.
    """

    def __init__(self, plain: DenoisingTask, teacher: Any, how: Distillation) -> None:
        process = plain.loss.process
        if not isinstance(process, Tabled):
            fix = "choose a model with a table of betas"
            raise NodeflowError("NF410", "models of flows cannot be distilled so", where="scheduler", fix=fix)
        self.plain, self.teacher, self.how = plain, teacher, how
        self.stride = len(process.alphas_cumprod) // how.teacher_steps

    def __call__(self, draw: Draw) -> Loss:
        task, loss, generator = self.plain, self.plain.loss, draw.generator
        chosen = task.order(draw.number)
        device = next(task.net.parameters()).device
        x0 = task.material(chosen, generator).to(device)
        t = self.stride * torch.randint(1, self.how.teacher_steps + 1, (len(chosen),), generator=generator) - 1
        t = t.to(device)
        s = (t - self.stride).clamp_min(0)
        told = task.conditions(chosen, generator)
        x_t = loss.noisy(x0, loss.noise(x0, generator), t)
        estimate = self.jump(x_t, t, told)
        with torch.no_grad():
            target = self.jump(self.step(x_t, t, s, told), s, told)
        distance = ((estimate.float() - target.float()) ** 2 + HUBER**2).sqrt() - HUBER
        return Loss(distance.mean(), names(task.material, chosen))

    def jump(self, x: Tensor, t: Tensor, told: Mapping[str, Tensor]) -> Tensor:
        """f_θ(x, t), [B, C, H, W]: x itself at t = 0, x̂₀ far from there."""
        x0, _ = self.plain.loss.clean(self.plain.net(x, t, **told), x, t)
        tau2 = (self.how.timestep_scaling * t.float().view(-1, 1, 1, 1)) ** 2
        c_skip, c_out = SIGMA_DATA**2 / (tau2 + SIGMA_DATA**2), (tau2 / (tau2 + SIGMA_DATA**2)).sqrt()
        return c_skip * x + c_out * x0

    @torch.no_grad()
    def step(self, x: Tensor, t: Tensor, s: Tensor, told: Mapping[str, Tensor]) -> Tensor:
        """The teacher's guided DDIM step from t to s, α_s x̂₀ + σ_s ε̂, [B, C, H, W]."""
        loss, w = self.plain.loss, self.how.guidance
        x0, noise = loss.clean(self.teacher(x, t, **told), x, t)
        if w != 1 and told:
            x0_, noise_ = loss.clean(self.teacher(x, t, **self._nothing(len(x))), x, t)
            x0, noise = x0_ + w * (x0 - x0_), noise_ + w * (noise - noise_)
        return loss.noisy(x0, noise, s)

    def _nothing(self, count: int) -> Mapping[str, Tensor]:
        told = self.plain.conditions
        assert isinstance(told, CachedTexts | Classes)
        return told.nothing(count)


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
    how: Distillation,
    low_rank: LowRank | None = None,
    *,
    wanted: Wanted | None = None,
) -> Distilled:
    """Distil a denoiser to few steps, as a whole or as a LoRA (Luo et al. 2023, LCM-LoRA, arXiv 2311.05556).

    Args:
        course: Where it runs.
        plan: Data, optimiser, settings, steps.
        base: The teacher, where the student starts too; its text encoder is not trained.
        how: Guidance and steps.
        low_rank: Learn only a low-rank change.
        wanted: What to draw with the student, in four steps.

    Raises:
        NodeflowError: NF410, a model of another noise space; and as `train_denoiser`.
    """
    base = replace(base, train_text=False)
    place = course.place("distillation", *base.decides, vars(how), low_rank and vars(low_rank), *plan.decides)
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
            learnt = {"unet": lowrank.learnt(lesson.net, average, layers, low_rank.scale)}
            save_diffusers(folder / FILE_NAME, learnt)
            save_kohya(folder / KOHYA, learnt)

        lesson.base = replace(base, scheduler=student)
        shown = replace(wanted or Wanted(), guidance=1.0, steps=4)
        with course.host.weights(base.denoiser) as teacher:
            task = ConsistencyTask(lesson.task, teacher, how)
            trainer = Trainer(lesson.module, task, plan.optimiser, plan.settings, course.peers)
            found = course.train(place, trainer, plan.steps, export, painter(course, lesson, shown))
    if low_rank:
        path = found.folder / FILE_NAME
        return Distilled(patched(base.denoiser, path), student, path, found)
    return Distilled(saved_handle(base.denoiser, found.folder / "unet"), student, None, found)
