"""Fewer steps: one step of a student goes as far as several of its teacher (Salimans & Ho 2022, arXiv 2202.00512).

The time is cut into K equal strides. From x_t at the start of a stride the teacher, guided, takes M DDIM steps to its
end x_s. There is one clean sample that leads there in a single step (the paper's equation 42), and the student is asked
for it:

    x̃ = (x_s − (σ_s / σ_t) x_t) / (α_s − (σ_s / σ_t) α_t)

in its own prediction, such as v, by squared error. So the student is sampled by `DDIMScheduler` in K steps, without
guidance: that is built in (Meng et al. 2022, arXiv 2210.03142). The paper halves the number of steps again and again;
here it falls to K at once, at M times the cost of a target, and no student learns from another's mistakes.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from nodeflow.errors import NodeflowError
from nodeflow.values import Conditioning, SchedulerConfig

from .draws import Draw
from .loop import Loss
from .tasks import DenoisingTask, names
from .teacher import Teacher, noise_space


@dataclass(frozen=True)
class Progressive:
    """How a student of few strides is made.

    Args:
        guidance: w, the teacher's guidance that the student learns to have built in.
        teacher_steps: K M, the teacher's steps from noise to picture.
        student_steps: K, the student's.

    Raises:
        NodeflowError: NF205, K does not divide K M.
    """

    guidance: float = 3.0
    teacher_steps: int = 20
    student_steps: int = 4

    def __post_init__(self) -> None:
        if self.teacher_steps % self.student_steps:
            what = f"{self.teacher_steps} steps of the teacher are no whole number for each of {self.student_steps}"
            raise NodeflowError("NF205", what, where="teacher_steps", fix="choose a multiple of the student's steps")

    @property
    def inside(self) -> int:
        """M, the teacher's steps in a stride."""
        return self.teacher_steps // self.student_steps

    def scheduler(self, own: SchedulerConfig) -> SchedulerConfig:
        """The scheduler of the student: DDIM from the last timestep to the very end."""
        walk = {"timestep_spacing": "trailing", "set_alpha_to_one": True, "clip_sample": False}
        return SchedulerConfig({**noise_space(own), **walk, "_class_name": "DDIMScheduler"})

    def task(self, plain: DenoisingTask, teacher: Any) -> ProgressiveTask:
        """What a micro-batch costs."""
        return ProgressiveTask(plain, Teacher(teacher, plain, self.guidance), self)


class ProgressiveTask:
    """A student learns to go in one step where its teacher goes in several.

    Args:
        plain: The student's network with data, order and conditions.
        teacher: The teacher.
        how: Numbers of steps.
    """

    def __init__(self, plain: DenoisingTask, teacher: Teacher, how: Progressive) -> None:
        self.plain, self.teacher, self.how = plain, teacher, how

    def __call__(self, draw: Draw) -> Loss:
        task, loss, generator = self.plain, self.plain.loss, draw.generator
        chosen = task.order(draw.number)
        x0 = task.material(chosen, generator).to(next(task.net.parameters()).device)
        told = task.told(chosen, generator)
        stride = torch.randint(1, self.how.student_steps + 1, (len(chosen),), generator=generator)
        t = self.timestep(stride, 0).to(x0.device)
        x = loss.noisy(x0, loss.noise(x0, generator), t)
        clean, noise = self.target(x, stride, told)
        return Loss(loss.loss(task.ask(x, t, told), clean, noise, t).mean(), names(task.material, chosen))

    def timestep(self, stride: Tensor, done: int) -> Tensor:
        """After so many of the teacher's steps into a stride [B], 1 the last before the picture; −1 is its end, [B]."""
        left = stride * self.how.inside - done
        return (left * self.teacher.timesteps / self.how.teacher_steps).round().long() - 1

    def target(self, x: Tensor, stride: Tensor, told: Conditioning | None) -> tuple[Tensor, Tensor]:
        """x̃ and the noise that is in x beside it, each [B, C, H, W]."""
        times = [self.timestep(stride, i).to(x.device) for i in range(self.how.inside + 1)]
        walked = x
        for t, s in pairwise(times):
            walked = self.teacher.step(walked, t, s, told)
        (alpha, sigma), (alpha_s, sigma_s) = (self.teacher.levels(t, x) for t in (times[0], times[-1]))
        ratio = sigma_s / sigma
        clean = (walked - ratio * x) / (alpha_s - ratio * alpha)
        return clean, (x - alpha * clean) / sigma
