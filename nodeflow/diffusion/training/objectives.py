"""What a denoiser is asked to predict, and what its answer costs.

With x_t = α x₀ + σ ε a network may predict

    epsilon          ε
    sample           x₀
    v_prediction     α ε − σ x₀                      Salimans & Ho 2022, arXiv 2202.00512, appendix D
    flow_prediction  ε − x₀                          Lipman et al. 2022, arXiv 2210.02747; Liu et al. 2022, 2209.03003
    edm              (x₀ − c_skip x) / c_out         Karras et al. 2022, arXiv 2206.00364, equation 8
"""

from __future__ import annotations

from dataclasses import replace
from typing import Self

import torch
from torch import Tensor

from nodeflow.errors import NodeflowError
from nodeflow.training import Objective

from ..schedulers import Scheduler
from . import timesteps, weighting
from .process import Circle, Edm, Process, Straight, process_of

PREDICTIONS = ("epsilon", "sample", "v_prediction", "flow_prediction", "edm")


class DenoisingLoss:
    """The task of a denoiser: noisy samples in, the weighted squared error of its answers out.

    Args:
        process: How samples are made noisy.
        objective: Its prediction must be named.

    Raises:
        NodeflowError: NF410, the prediction is unknown, or of another process.
    """

    def __init__(self, process: Process, objective: Objective) -> None:
        self.process, self.objective = process, objective
        kind = objective.prediction
        if kind not in PREDICTIONS:
            fix = f"choose one of {', '.join(PREDICTIONS)}"
            raise NodeflowError("NF410", f"there is no prediction {kind!r}", fix=fix)
        own = {"flow_prediction": Straight, "edm": Edm}.get(kind)
        if isinstance(process, Straight | Edm) != (own is not None) or (own and not isinstance(process, own)):
            what = f"{kind} cannot be learnt on a process of the kind {type(process).__name__}"
            raise NodeflowError("NF410", what, fix="choose a scheduler and a prediction that belong together")

    @classmethod
    def of(cls, scheduler: Scheduler, objective: Objective) -> Self:
        """The task of the models that a scheduler samples from; an objective without a prediction takes its own.

        Raises:
            NodeflowError: NF410, as the class, or the scheduler asks for another prediction.
        """
        process = process_of(scheduler)
        read = scheduler.config.get("prediction_type") or "epsilon"
        own = {Straight: "flow_prediction", Edm: "edm", Circle: "v_prediction"}.get(type(process), read)
        if own == "edm":
            objective = replace(objective, sigma_data=scheduler.config.sigma_data)
        if own == "edm" and read != "epsilon":
            fix = "set its prediction_type to epsilon"
            raise NodeflowError("NF410", "an EDM network with the sign of v cannot be trained", fix=fix)
        if objective.prediction not in ("", own):
            what = f"the objective predicts {objective.prediction}, but the scheduler reads {own}"
            raise NodeflowError("NF410", what, fix="leave the prediction to the scheduler, or change the scheduler's")
        return cls(process, replace(objective, prediction=own))

    def timesteps(self, count: int, generator: torch.Generator) -> Tensor:
        """Timesteps to ask about, [count]."""
        return timesteps.draw(self.process, self.objective, count, generator)

    def noise(self, x0: Tensor, generator: torch.Generator) -> Tensor:
        """ε ~ N(0, I) of the shape and on the device of x₀ [B, C, …].

        With an offset s it is ε + s δ, δ ~ N(0, 1) one number a channel, so that brightness too must be learnt
        (Guttenberg 2023, "Diffusion with offset noise").
        """
        noise = torch.randn(x0.shape, generator=generator)
        if self.objective.offset:
            channels = (*x0.shape[:2], *[1] * (x0.ndim - 2))
            noise = noise + self.objective.offset * torch.randn(channels, generator=generator)
        return noise.to(x0)

    def noisy(self, x0: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """x_t = α x₀ + σ ε, [B, C, …]; t is [B]."""
        alpha, sigma = self._levels(t, x0)
        return alpha * x0 + sigma * noise

    def seen(self, x: Tensor, t: Tensor) -> Tensor:
        """What the network is shown of x_t, [B, C, …]: x itself, or c_in x where the process is EDM's."""
        if not isinstance(self.process, Edm):
            return x
        _, sigma = self._levels(t, x)
        return x / (sigma**2 + self.objective.sigma_data**2).sqrt()

    def target(self, x0: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """What the network should answer, [B, C, …]."""
        alpha, sigma = self._levels(t, x0)
        match self.objective.prediction:
            case "epsilon":
                return noise
            case "sample":
                return x0
            case "v_prediction":
                return alpha * noise - sigma * x0
            case "flow_prediction":
                return noise - x0
        total = sigma**2 + self.objective.sigma_data**2
        c_skip, c_out = self.objective.sigma_data**2 / total, sigma * self.objective.sigma_data / total.sqrt()
        return (x0 - c_skip * self.noisy(x0, noise, t)) / c_out

    def clean(self, answer: Tensor, x: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        """The clean sample x̂₀ and the noise ε̂ = (x − α x̂₀) / σ that an answer implies, each [B, C, …]."""
        alpha, sigma = self._levels(t, x)
        data2 = self.objective.sigma_data**2
        match self.objective.prediction:
            case "epsilon":
                return (x - sigma * answer) / alpha, answer
            case "sample":
                x0 = answer
            case "v_prediction":
                return alpha * x - sigma * answer, sigma * x + alpha * answer
            case "flow_prediction":
                x0 = x - sigma * answer
            case _:
                total = sigma**2 + data2
                x0 = data2 / total * x + sigma * data2**0.5 / total.sqrt() * answer
        return x0, (x - alpha * x0) / sigma

    def weight(self, t: Tensor) -> Tensor:
        """The weight of the answer's squared error at timesteps [B], [B].

        Raises:
            NodeflowError: NF410, ε is asked for where there is nothing but noise.
        """
        alpha, sigma = self.process.levels(t)
        snr = ((alpha / sigma) ** 2).clamp(max=1e12)
        if self.objective.prediction == "epsilon" and bool((snr == 0).any()):
            what = "a network that predicts noise learns nothing at a timestep without signal"
            raise NodeflowError("NF410", what, fix="predict v where rescale_betas_zero_snr is on")
        return weighting.weight(snr, self.objective)

    def loss(self, prediction: Tensor, x0: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """The weighted squared error of each sample, [B] float32."""
        error = (prediction.float() - self.target(x0, noise, t).float()).square().flatten(1).mean(1)
        return self.weight(t.to(error.device)) * error

    def _levels(self, t: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
        shape = (-1, *[1] * (like.ndim - 1))
        alpha, sigma = self.process.levels(t.to(like.device))
        return alpha.to(like.dtype).view(shape), sigma.to(like.dtype).view(shape)
