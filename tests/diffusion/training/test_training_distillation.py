"""Laws of consistency distillation: the boundary, the teacher's path, and a student that jumps."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from nodeflow.diffusion import schedulers
from nodeflow.diffusion.training import fresh, recipes
from nodeflow.diffusion.training.conditions import Nothing
from nodeflow.diffusion.training.consistency import Consistency, ConsistencyTask
from nodeflow.diffusion.training.course import Course
from nodeflow.diffusion.training.distillation import Method, distil
from nodeflow.diffusion.training.draws import drawing
from nodeflow.diffusion.training.lessons import Base, Plan
from nodeflow.diffusion.training.objectives import DenoisingLoss
from nodeflow.diffusion.training.painting import Wanted
from nodeflow.diffusion.training.process import Straight
from nodeflow.diffusion.training.progressive import Progressive
from nodeflow.diffusion.training.recipes import LowRank
from nodeflow.diffusion.training.tasks import DenoisingTask
from nodeflow.errors import NodeflowError
from nodeflow.training import Dataset, Objective, Optimiser, Settings

HOW = Consistency(guidance=1.0, teacher_steps=50)
LOSS = DenoisingLoss.of(schedulers.from_config("DDPMScheduler", {"beta_schedule": "scaled_linear"}), Objective())
S = 0.7


class Gaussian(torch.nn.Module):
    """The denoiser of data N(0, s²), exact: ε̂ = σ x / (α² s² + σ²)."""

    def __init__(self) -> None:
        super().__init__()
        self.anchor = torch.nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        alpha, sigma = (level.view(-1, 1, 1, 1) for level in LOSS.process.levels(t))
        return sigma * x / (alpha**2 * S**2 + sigma**2)


def task(loss: DenoisingLoss = LOSS) -> ConsistencyTask:
    material = lambda chosen, generator: S * torch.randn(len(chosen), 1, 4, 4, generator=generator)  # noqa: E731
    material.items = [SimpleNamespace(path=Path(f"{i}.png")) for i in range(8)]  # type: ignore[attr-defined]
    plain = DenoisingTask(Gaussian(), loss, material, lambda number: range(8), Nothing())  # type: ignore[arg-type]
    return HOW.task(plain, Gaussian())


def test_nothing_changes_at_the_boundary() -> None:
    x = torch.randn(2, 1, 4, 4)
    assert torch.allclose(task().jump(x, torch.zeros(2, dtype=torch.long), None), x, atol=1e-5)


def test_the_teachers_step_is_ddims() -> None:
    one, ddim = task(), schedulers.from_config("DDIMScheduler", {"beta_schedule": "scaled_linear"})
    x, t = torch.randn(1, 1, 4, 4), torch.tensor([499])
    ddim.set_timesteps(timesteps=[499, 479])
    expected = ddim.step(Gaussian()(x, t), 499, x).prev_sample
    assert torch.allclose(one.teacher.step(x, t, t - 20, None), expected, atol=1e-5)


def test_a_consistent_student_costs_less_than_its_teacher_as_one() -> None:
    """On a Gaussian the path's end is known: x₀(x_t) = x_t s / √(α² s² + σ²). Who knows it costs nearly nothing."""

    def cost(net: torch.nn.Module) -> float:
        one = task()
        one.plain.net = net
        losses = []
        for number in range(8):
            with drawing(0, number) as draw:
                losses.append(float(one(draw).value))
        return sum(losses) / len(losses)

    class Knowing(Gaussian):
        def forward(self, x: Tensor, t: Tensor) -> Tensor:
            alpha, sigma = (level.view(-1, 1, 1, 1) for level in LOSS.process.levels(t))
            end = x * S / (alpha**2 * S**2 + sigma**2).sqrt()
            return (x - alpha * end) / sigma

    with torch.no_grad():
        assert cost(Knowing()) < cost(Gaussian()) / 5


def test_flows_are_refused() -> None:
    with pytest.raises(NodeflowError, match=r"NF410.*flows"):
        task(DenoisingLoss(Straight(), Objective("flow_prediction")))


@pytest.mark.parametrize("how", [Consistency(2.0), Progressive(2.0, 8)], ids=["consistency", "progressive"])
@pytest.mark.parametrize("low_rank", [None, LowRank(2)], ids=["whole", "lora"])
def test_a_student_is_trained_and_sampled_in_four_steps(
    how: Method, low_rank: LowRank | None, course: Course, pictures: Path
) -> None:
    config = fresh.denoiser_config(size=8, widths=(8, 16), attention=1, classes=2)
    base = Base(fresh.new_denoiser(course.folder / "new", config, fresh.PIXELS, 0), fresh.scheduler_for("v_prediction"))
    plan = Plan(Dataset(str(pictures), "folders", size=8), Optimiser(1e-2), Settings(batch=4, ema=0.9), 4)
    teacher = recipes.train_denoiser(course, plan, Objective(), base, wanted=Wanted(count=1))
    taught = Base(teacher.denoiser, base.scheduler)
    done = distil(course, plan, taught, how, low_rank, wanted=Wanted(("red", "blue")))
    assert done.scheduler == how.scheduler(base.scheduler)
    assert done.scheduler.config["prediction_type"] == "v_prediction"
    assert done.result.samples is not None and done.result.samples.data.shape == (2, 3, 8, 8)
    assert (done.path is None) == (low_rank is None) == (done.denoiser.patches == ())
