"""Laws of progressive distillation: one step of the student lands where several of the teacher's do."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from nodeflow.diffusion import schedulers
from nodeflow.diffusion.training.conditions import Nothing
from nodeflow.diffusion.training.draws import drawing
from nodeflow.diffusion.training.objectives import DenoisingLoss
from nodeflow.diffusion.training.progressive import Progressive, ProgressiveTask
from nodeflow.diffusion.training.tasks import DenoisingTask
from nodeflow.errors import NodeflowError
from nodeflow.training import Objective
from nodeflow.values import SchedulerConfig

OWN = {"_class_name": "DDPMScheduler", "beta_schedule": "scaled_linear", "prediction_type": "v_prediction"}
LOSS = DenoisingLoss.of(schedulers.from_config(OWN), Objective())
S = 0.7

Net = Callable[[Tensor, Tensor], Tensor]


class Exact(torch.nn.Module):
    """The denoiser of data N(0, s²), exact: v = α ε̂ − σ x̂₀ with x̂₀ = α s² x / (α² s² + σ²)."""

    def __init__(self) -> None:
        super().__init__()
        self.anchor = torch.nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        alpha, sigma = (level.view(-1, 1, 1, 1) for level in LOSS.process.levels(t))
        total = alpha**2 * S**2 + sigma**2
        return alpha * sigma * (1 - S**2) * x / total


def task(how: Progressive, net: torch.nn.Module | None = None) -> ProgressiveTask:
    material = lambda chosen, generator: S * torch.randn(len(chosen), 1, 4, 4, generator=generator)  # noqa: E731
    material.items = [SimpleNamespace(path=Path(f"{i}.png")) for i in range(8)]  # type: ignore[attr-defined]
    plain = DenoisingTask(net or Exact(), LOSS, material, lambda number: range(8), Nothing())  # type: ignore[arg-type]
    return how.task(plain, Exact())


def cost(one: ProgressiveTask) -> float:
    with drawing(0, 0) as draw, torch.no_grad():
        return float(one(draw).value)


@pytest.mark.parametrize(("student", "teacher"), [(4, 20), (1, 8), (5, 25)])
def test_one_step_lands_where_the_teachers_steps_do(student: int, teacher: int) -> None:
    """And those are the steps that DDIM takes from its trailing timesteps, the last of them to the clean end."""
    how = Progressive(1.0, teacher, student)
    one, ddim = task(how), schedulers.from_config(how.scheduler(SchedulerConfig(OWN)).config)
    x, net = torch.randn(1, 1, 4, 4), Exact()
    ddim.set_timesteps(teacher)
    times = ddim.timesteps.long().tolist()
    inside, path = teacher // student, [x]
    for t in times:
        path.append(ddim.step(net(path[-1], torch.tensor([t])), t, path[-1]).prev_sample)
    for i, (start, end) in enumerate(pairwise(path[::inside])):
        stride = torch.tensor([student - i])
        assert one.timestep(stride, 0) == times[i * inside]
        clean, noise = one.target(start, stride, None)
        alpha, sigma = one.teacher.levels(one.timestep(stride, inside), x)
        assert torch.allclose(alpha * clean + sigma * noise, end, atol=1e-4)


def test_a_student_of_as_many_steps_is_its_teacher() -> None:
    assert cost(task(Progressive(1.0, 4, 4))) < 1e-9


def test_who_knows_the_targets_pays_nothing_and_the_teacher_does() -> None:
    how = Progressive(1.0, 20, 4)
    teacher = task(how)

    class Knowing(Exact):
        def forward(self, x: Tensor, t: Tensor) -> Tensor:
            clean, noise = teacher.target(x, torch.round((t + 1) * 4 / 1000).long(), None)
            return LOSS.target(clean, noise, t)

    assert cost(task(how, Knowing())) < 1e-9
    assert cost(teacher) > 1e-4


def test_uneven_strides_are_refused() -> None:
    with pytest.raises(NodeflowError, match=r"NF205.*10 steps"):
        Progressive(1.0, 10, 4)
