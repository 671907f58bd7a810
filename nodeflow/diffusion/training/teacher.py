"""A teacher's guided walk down its path, in DDIM steps (Song et al. 2020, arXiv 2010.02502, equation 12, η = 0).

Guidance is part of what a student learns (Meng et al. 2022, arXiv 2210.03142): x̂₀ = x̂₀(∅) + w (x̂₀(c) − x̂₀(∅)), and
the same of ε̂.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from nodeflow.errors import NodeflowError
from nodeflow.values import Conditioning, SchedulerConfig

from ..calling import Question, asked
from .process import Tabled
from .tasks import DenoisingTask


def noise_space(own: SchedulerConfig) -> dict[str, Any]:
    """What a student's scheduler keeps of its teacher's: the noise space and what is predicted."""
    kept = ("beta_start", "beta_end", "beta_schedule", "num_train_timesteps", "prediction_type")
    return {key: own.config[key] for key in kept if key in own.config}


class Teacher:
    """The network that a student learns from.

    Args:
        net: Its network.
        plain: The student's network with data, order and conditions.
        guidance: w.

    Raises:
        NodeflowError: NF410, the model's noise space has no table of timesteps.
    """

    def __init__(self, net: Any, plain: DenoisingTask, guidance: float) -> None:
        process = plain.loss.process
        if not isinstance(process, Tabled):
            fix = "choose a model with a table of betas"
            raise NodeflowError("NF410", "models of flows cannot be distilled so", where="scheduler", fix=fix)
        self.net, self.plain, self.guidance = net, plain, guidance
        self.timesteps = len(process.alphas_cumprod)

    @torch.no_grad()
    def step(self, x: Tensor, t: Tensor, s: Tensor, told: Conditioning | None) -> Tensor:
        """From x_t to x_s = α_s x̂₀ + σ_s ε̂, [B, C, H, W]; s below 0 is the path's end, x̂₀."""
        loss, w = self.plain.loss, self.guidance
        x0, noise = loss.clean(asked(self.net, Question(x, t, told)), x, t)
        if w != 1 and told is not None:
            nothing = self.plain.conditions.nothing(told)
            x0_, noise_ = loss.clean(asked(self.net, Question(x, t, nothing)), x, t)
            x0, noise = x0_ + w * (x0 - x0_), noise_ + w * (noise - noise_)
        alpha, sigma = self.levels(s, x)
        return alpha * x0 + sigma * noise

    def levels(self, t: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
        """α and σ at timesteps [B], shaped to multiply `like`; 1 and 0 below timestep 0."""
        shape, over = (-1, *[1] * (like.ndim - 1)), (t < 0).view(-1, *[1] * (like.ndim - 1))
        alpha, sigma = (level.view(shape).to(like) for level in self.plain.loss.process.levels(t.clamp_min(0)))
        return torch.where(over, 1.0, alpha), torch.where(over, 0.0, sigma)
