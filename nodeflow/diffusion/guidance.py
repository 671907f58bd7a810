"""Guidance: several predictions of a network become the one that a solver follows.

A *guidance* says which predictions it wants and how they combine; `Guided` asks the network for just these. What is
not wanted is never computed. Another way of guiding is a class of a few lines:

    @dataclass(frozen=True)
    class Interval(Guidance):  # Kynkäänniemi et al. 2024, arXiv 2404.07724
        inner: Guidance
        low: float
        high: float

        def wants(self, t):
            return self.inner.wants(t) if self.low <= t <= self.high else (POSITIVE,)

        def combine(self, predictions, x, t):
            return self.inner.combine(predictions, x, t) if len(predictions) > 1 else predictions[POSITIVE]
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from ..errors import NodeflowError
from ..values import Conditioning

POSITIVE, NEGATIVE = "positive", "negative"

Predict = Callable[[Tensor, Tensor, Conditioning | None], Tensor]
"""(x [B, C, H, W], t, conditioning of the same B) -> prediction [B, C', H, W]."""

Denoise = Callable[[Tensor, Tensor], Tensor]
"""(x [B, C, H, W], t) -> the guided prediction [B, C', H, W]: all that a sampler knows of networks and prompts."""


class Guidance(Protocol):
    """A way to combine predictions."""

    def wants(self, t: float) -> tuple[str, ...]:
        """The names of the predictions needed at timestep t."""

    def combine(self, predictions: Mapping[str, Tensor], x: Tensor, t: float) -> Tensor:
        """The prediction to follow, [B, C, H, W], from those asked for, each [B, C, H, W]."""


@dataclass(frozen=True)
class ClassifierFree(Guidance):
    """Classifier-free guidance, ε = ε₋ + w (ε₊ - ε₋). Ho & Salimans 2022, arXiv 2207.12598, eq. 6.

    Args:
        scale: w. At 1 the negative prediction is not computed, at 0 the positive one is not.
        rescale: φ, how much of the guided prediction's standard deviation is brought back to that of ε₊, 0..1.
            Lin et al. 2023, arXiv 2305.08891, eq. 15-16.
    """

    scale: float = 7.5
    rescale: float = 0.0

    def wants(self, t: float) -> tuple[str, ...]:
        return {0.0: (NEGATIVE,), 1.0: (POSITIVE,)}.get(self.scale, (NEGATIVE, POSITIVE))

    def combine(self, predictions: Mapping[str, Tensor], x: Tensor, t: float) -> Tensor:
        if len(predictions) == 1:
            return next(iter(predictions.values()))
        negative, positive = predictions[NEGATIVE], predictions[POSITIVE]
        guided = negative + self.scale * (positive - negative)
        if not self.rescale:
            return guided
        deviations = positive.std((1, 2, 3), keepdim=True) / guided.std((1, 2, 3), keepdim=True)
        return guided * (1 - self.rescale + self.rescale * deviations)


def needs_negative(guidance: Guidance, timesteps: Any) -> bool:
    """Whether a run at these timesteps ever asks for the negative prediction, so that its prompt must be encoded."""
    return any(NEGATIVE in guidance.wants(float(t)) for t in timesteps)


def network(net: Any) -> Predict:
    """A network as a plain function in float32.

    The network computes in the number format and on the device of its weights; x and the prediction stay float32.

    Args:
        net: `UNet2DConditionModel`, called with (x, t, states); or, without conditioning, any network of (x, t).
    """

    @torch.no_grad()
    def predict(x: Tensor, t: Tensor, conditioning: Conditioning | None) -> Tensor:
        weights = next(net.parameters())
        if conditioning is None:
            return net(x.to(weights), t.to(weights.device)).to(x)
        return net(x.to(weights), t.to(weights.device), conditioning.states.to(weights)).to(x)

    return predict


@dataclass(frozen=True)
class Guided:
    """A denoiser that follows a guidance: (x [B, C, H, W], t) -> the guided prediction [B, C', H, W].

    Prompts of unequal length are not padded, which would change the picture: they are asked for one after the other.

    Args:
        predict: The network; see `network`.
        conditionings: By the names that the guidance wants; None for a network without conditioning.
        guidance: How predictions combine.
        together: Compute predictions in one batch where their prompts are equally long; False takes less memory.
    """

    predict: Predict
    conditionings: Mapping[str, Conditioning | None]
    guidance: Guidance
    together: bool = True

    def __call__(self, x: Tensor, t: Tensor) -> Tensor:
        return self._combined(self._predictions(self.guidance.wants(float(t)), x, t), x, t)

    def both(self, x: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        """The guided prediction and the unconditional one, for solvers that step with both.

        CFG++ (Chung et al. 2024, arXiv 2406.08070) takes x0 from the guided prediction and the noise from the
        unconditional one, here the negative.

        Raises:
            NodeflowError: NF203, there is no negative conditioning.
        """
        wanted = self.guidance.wants(float(t))
        found = self._predictions(tuple(dict.fromkeys((NEGATIVE, *wanted))), x, t)
        return self._combined({name: found[name] for name in wanted}, x, t), found[NEGATIVE]

    def _combined(self, predictions: Mapping[str, Tensor], x: Tensor, t: Tensor) -> Tensor:
        return self.guidance.combine(predictions, x, float(t))

    def _predictions(self, names: tuple[str, ...], x: Tensor, t: Tensor) -> dict[str, Tensor]:
        if missing := [name for name in names if name not in self.conditionings]:
            raise NodeflowError("NF203", f"the guidance wants a {missing[0]} conditioning and there is none")
        asked = [_for_batch(self.conditionings[name], len(x)) for name in names]
        if self.together and len(asked) > 1 and _fit_in_one_batch(asked):
            found = self.predict(torch.cat([x] * len(asked)), t, _stacked(asked)).chunk(len(asked))
        else:
            found = tuple(self.predict(x, t, one) for one in asked)
        return dict(zip(names, found, strict=True))


def unguided(predict: Predict, conditioning: Conditioning | None = None) -> Guided:
    """A denoiser that follows one prediction."""
    return Guided(predict, {POSITIVE: conditioning}, ClassifierFree(1.0))


def _for_batch(conditioning: Conditioning | None, batch: int) -> Conditioning | None:
    """One prompt serves a whole batch; otherwise there is one a sample."""
    if conditioning is None or len(conditioning.states) == batch:
        return conditioning
    if len(conditioning.states) != 1:
        raise NodeflowError(
            "NF414",
            f"{len(conditioning.states)} prompts meet {batch} latents",
            fix="give one prompt, or as many as there are latents",
        )
    pooled = conditioning.pooled
    return Conditioning(conditioning.states.expand(batch, -1, -1), None if pooled is None else pooled.expand(batch, -1))


def _fit_in_one_batch(asked: list[Conditioning | None]) -> bool:
    shapes = {None if one is None else (one.states.shape, one.pooled is None) for one in asked}
    return len(shapes) == 1


def _stacked(asked: list[Conditioning | None]) -> Conditioning | None:
    given = [one for one in asked if one is not None]
    if not given:
        return None
    pooled = [one.pooled for one in given if one.pooled is not None]
    return Conditioning(torch.cat([one.states for one in given]), torch.cat(pooled) if pooled else None)
