"""Forward processes: how a clean sample is made noisy, x_t = α_t x₀ + σ_t ε, as a network in training meets it.

                 t                  α                σ
    Tabled       0, 1, … T − 1      √ᾱ_t             √(1 − ᾱ_t)      Ho et al. 2020, arXiv 2006.11239
    Straight     0 … T              1 − t / T        t / T           Lipman et al. 2022, arXiv 2210.02747
    Edm          ¼ ln σ             1                σ               Karras et al. 2022, arXiv 2206.00364
    Circle       0 … 1              cos(t π/2)       sin(t π/2)      Salimans & Ho 2022, arXiv 2202.00512, section 4

Schedulers know the same levels one at a time; here they are tensors, one a sample of a batch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from nodeflow.errors import NodeflowError

from ..schedulers import Scheduler
from ..schedulers.edm import CosineDPMSolverMultistepScheduler, EDMScheduler
from ..schedulers.ipndm import IPNDMScheduler
from ..schedulers.space import Flow, Table


class Process(Protocol):
    """What a loss needs to know of a noise space."""

    def levels(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """α and σ at timesteps t [B], each [B] float32."""

    def at(self, u: Tensor) -> Tensor:
        """Timesteps of a share of time u [B], 0 = clean, 1 = noise, [B]."""

    def at_noise(self, k: Tensor) -> Tensor:
        """Timesteps where σ/α is nearest to k [B], [B]."""


@dataclass(frozen=True, eq=False)
class Tabled:
    """The variance-preserving process of a table.

    Args:
        alphas_cumprod: ᾱ_t, [T] float32.
    """

    alphas_cumprod: Tensor

    def levels(self, t: Tensor) -> tuple[Tensor, Tensor]:
        abar = self.alphas_cumprod.to(t.device)[t]
        return abar.sqrt(), (1 - abar).sqrt()

    def at(self, u: Tensor) -> Tensor:
        return (u * len(self.alphas_cumprod)).long().clamp(0, len(self.alphas_cumprod) - 1)

    def at_noise(self, k: Tensor) -> Tensor:
        logs = 0.5 * torch.log((1 - self.alphas_cumprod) / self.alphas_cumprod)
        return torch.searchsorted((logs[1:] + logs[:-1]) / 2, k.log())


@dataclass(frozen=True)
class Straight:
    """The straight line from data to noise of flow matching.

    Args:
        steps: T, what the network is told at pure noise.
    """

    steps: int = 1000

    def levels(self, t: Tensor) -> tuple[Tensor, Tensor]:
        sigma = t.float() / self.steps
        return 1 - sigma, sigma

    def at(self, u: Tensor) -> Tensor:
        return u * self.steps

    def at_noise(self, k: Tensor) -> Tensor:
        return self.at(k / (1 + k))


@dataclass(frozen=True)
class Edm:
    """Noise of any strength added to the sample as it is; the network is told a quarter of its logarithm.

    Args:
        smallest: The least σ.
        largest: The greatest σ.
    """

    smallest: float = 0.002
    largest: float = 80.0

    def levels(self, t: Tensor) -> tuple[Tensor, Tensor]:
        return torch.ones_like(t), (4 * t).exp()

    def at(self, u: Tensor) -> Tensor:
        low, high = math.log(self.smallest), math.log(self.largest)
        return (low + u * (high - low)) / 4

    def at_noise(self, k: Tensor) -> Tensor:
        return k.clamp(self.smallest, self.largest).log() / 4


@dataclass(frozen=True)
class Circle:
    """The quarter of a circle from data to noise that Dance Diffusion walks; the network is told the share of it."""

    def levels(self, t: Tensor) -> tuple[Tensor, Tensor]:
        angle = t.float() * (math.pi / 2)
        return angle.cos(), angle.sin()

    def at(self, u: Tensor) -> Tensor:
        return u

    def at_noise(self, k: Tensor) -> Tensor:
        return k.atan() * (2 / math.pi)


def process_of(scheduler: Scheduler) -> Process:
    """The process that the models of a scheduler were trained on.

    Raises:
        NodeflowError: NF410, training in its noise space is not supported.
    """
    if isinstance(scheduler, EDMScheduler) and not isinstance(scheduler, CosineDPMSolverMultistepScheduler):
        return Edm(scheduler.config.sigma_min, scheduler.config.sigma_max)
    if isinstance(scheduler, IPNDMScheduler):
        return Circle()
    match scheduler.space:
        case Table(alphas_cumprod=table):
            return Tabled(table)
        case Flow(steps=steps):
            return Straight(steps)
    name = type(scheduler).__name__
    raise NodeflowError("NF410", f"models of {name} cannot be trained", fix="choose DDPMScheduler or a flow")
