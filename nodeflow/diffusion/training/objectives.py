"""What a denoiser is asked to predict, how the answers are weighted, and which noise levels are asked about.

In the variance-preserving space x_t = α_t x₀ + σ_t ε with α² + σ² = 1 and SNR = α² / σ². A network may predict ε,
x₀ or v = α ε − σ x₀ (Salimans & Ho 2022, "Progressive distillation", appendix D). Min-SNR weights the x₀ error with
min(SNR, γ) (Hang et al. 2023), which in terms of the prediction reads min(SNR, γ) / SNR for ε, min(SNR, γ) for x₀
and min(SNR, γ) / (SNR + 1) for v.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Prediction = Literal["epsilon", "sample", "v_prediction"]


def alphas_cumprod(beta_start: float, beta_end: float, T: int = 1000) -> Tensor:
    """ᾱ_t = ∏ (1 − β_s) of the scaled-linear table, whose √β is linear in t, [T] float32."""
    betas = torch.linspace(beta_start**0.5, beta_end**0.5, T, dtype=torch.float64) ** 2
    return (1 - betas).cumprod(0).float()


@dataclass(frozen=True)
class Objective:
    """The training task at every timestep of a table.

    Args:
        alphas_cumprod: ᾱ_t, [T].
        prediction: What the network predicts.
        gamma: γ of min-SNR; None leaves the prediction's squared error as it is.
    """

    alphas_cumprod: Tensor
    prediction: Prediction = "v_prediction"
    gamma: float | None = 5.0

    def noisy(self, x0: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """x_t = α_t x₀ + σ_t ε, [B, C, H, W]; t is [B], whole numbers."""
        alpha, sigma = self._alpha_sigma(t, x0)
        return alpha * x0 + sigma * noise

    def target(self, x0: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """What the network should answer, [B, C, H, W]."""
        if self.prediction == "epsilon":
            return noise
        if self.prediction == "sample":
            return x0
        alpha, sigma = self._alpha_sigma(t, x0)
        return alpha * noise - sigma * x0

    def weight(self, t: Tensor) -> Tensor:
        """The weight of the prediction's squared error, [B]."""
        snr = self.snr[t]
        if self.gamma is None:
            return torch.ones_like(snr)
        capped = snr.clamp(max=self.gamma)
        return {"epsilon": capped / snr, "sample": capped, "v_prediction": capped / (snr + 1)}[self.prediction]

    @property
    def snr(self) -> Tensor:
        """ᾱ / (1 − ᾱ), [T]."""
        return self.alphas_cumprod / (1 - self.alphas_cumprod)

    def loss(self, prediction: Tensor, x0: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """The weighted mean squared error, a scalar."""
        error = (prediction.float() - self.target(x0, noise, t)).square().flatten(1).mean(1)
        return (self.weight(t) * error).mean()

    def _alpha_sigma(self, t: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
        abar = self.alphas_cumprod[t].to(like).view(-1, *[1] * (like.dim() - 1))
        return abar.sqrt(), (1 - abar).sqrt()


def lognormal_timesteps(alphas_cumprod: Tensor, mean: float, std: float) -> Tensor:
    """How often to ask about each timestep so that log(σ/α) is normal (Karras et al. 2022, table 1), [T], sum 1."""
    levels = 0.5 * torch.log((1 - alphas_cumprod) / alphas_cumprod)
    density = torch.exp(-0.5 * ((levels - mean) / std) ** 2) * torch.gradient(levels)[0]
    return density / density.sum()
