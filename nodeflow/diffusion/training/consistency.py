"""Fewer steps: a student learns to jump to where its teacher's path ends (Luo et al. 2023, LCM, arXiv 2310.04378).

From x_t the teacher, guided, takes one DDIM step of k timesteps along its path to x_s. The student's estimates of
where the path ends must agree at both:

    L = d(f_θ(x_t, t), sg f_θ(x_s, s)),   f_θ(x, t) = c_skip(t) x + c_out(t) x̂₀_θ(x, t)        (eq. 9, 14)

with d the pseudo-Huber distance √(‖a − b‖² + c²) − c and the student itself, without gradient, as the target: the
average that the paper uses there adds nothing (Song & Dhariwal 2023, arXiv 2310.14189, section 3.2). The guidance is
built in; the student is sampled without, by `LCMScheduler` in 1 to 8 steps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from nodeflow.values import Conditioning, SchedulerConfig

from .draws import Draw
from .loop import Loss
from .tasks import DenoisingTask, names
from .teacher import Teacher, noise_space

SIGMA_DATA = 0.5
HUBER = 1e-3


@dataclass(frozen=True)
class Consistency:
    """How a student of consistency is made.

    Args:
        guidance: w, the teacher's guidance that the student learns to have built in.
        teacher_steps: N, into how many steps the teacher's path is cut; k = T / N.
        student_steps: In how many steps it is shown; it is taught none in particular.
        timestep_scaling: How fast the boundary t = 0 is left.
    """

    guidance: float = 3.0
    teacher_steps: int = 50
    student_steps: int = 4
    timestep_scaling: float = 10.0

    def scheduler(self, own: SchedulerConfig) -> SchedulerConfig:
        """The scheduler of the student: the teacher's noise space and prediction."""
        settings = {"original_inference_steps": self.teacher_steps, "timestep_scaling": self.timestep_scaling}
        return SchedulerConfig({**noise_space(own), **settings, "_class_name": "LCMScheduler"})

    def task(self, plain: DenoisingTask, teacher: Any) -> ConsistencyTask:
        """What a micro-batch costs."""
        return ConsistencyTask(plain, Teacher(teacher, plain, self.guidance), self)


class ConsistencyTask:
    """A student learns to agree with itself along its teacher's path.

    Args:
        plain: The student's network with data, order and conditions.
        teacher: The teacher.
        how: Steps and scaling.
    """

    def __init__(self, plain: DenoisingTask, teacher: Teacher, how: Consistency) -> None:
        self.plain, self.teacher, self.how = plain, teacher, how
        self.stride = teacher.timesteps // how.teacher_steps

    def __call__(self, draw: Draw) -> Loss:
        task, loss, generator = self.plain, self.plain.loss, draw.generator
        chosen = task.order(draw.number)
        device = next(task.net.parameters()).device
        x0 = task.material(chosen, generator).to(device)
        t = self.stride * torch.randint(1, self.how.teacher_steps + 1, (len(chosen),), generator=generator) - 1
        t = t.to(device)
        s = (t - self.stride).clamp_min(0)
        told = task.told(chosen, generator)
        x_t = loss.noisy(x0, loss.noise(x0, generator), t)
        estimate = self.jump(x_t, t, told)
        with torch.no_grad():
            target = self.jump(self.teacher.step(x_t, t, s, told), s, told)
        distance = ((estimate.float() - target.float()) ** 2 + HUBER**2).sqrt() - HUBER
        return Loss(distance.mean(), names(task.material, chosen))

    def jump(self, x: Tensor, t: Tensor, told: Conditioning | None) -> Tensor:
        """f_θ(x, t), [B, C, H, W]: x itself at t = 0, x̂₀ far from there."""
        x0, _ = self.plain.loss.clean(self.plain.ask(x, t, told), x, t)
        tau2 = (self.how.timestep_scaling * t.float().view(-1, 1, 1, 1)) ** 2
        c_skip, c_out = SIGMA_DATA**2 / (tau2 + SIGMA_DATA**2), (tau2 / (tau2 + SIGMA_DATA**2)).sqrt()
        return c_skip * x + c_out * x0
