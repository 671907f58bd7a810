"""StableAudioProjectionModel: what Stable Audio is told, text and seconds, as vectors of one width.

Evans et al. 2024, arXiv 2402.04825, section 3.2: where a sound begins in its recording and how long that is.
"""

from __future__ import annotations

import math
from typing import Annotated, NamedTuple

import torch
from msgspec import Meta
from torch import Tensor, nn

from .base import Config, Model, Width
from .kernels import Linear

_WAVES = 128
"""Frequencies that a number is told by."""


class StableAudioProjectionConfig(Config, frozen=True, kw_only=True):
    """Published keys of `StableAudioProjectionModel`."""

    text_encoder_dim: Width = 768
    conditioning_dim: Width = 768
    min_value: Annotated[float, Meta(ge=0, le=1 << 20)] = 0
    max_value: Annotated[float, Meta(gt=0, le=1 << 20)] = 512

    def check(self) -> None:
        if self.max_value <= self.min_value:
            raise self.refuse("max_value", "not above min_value")


class Projected(NamedTuple):
    """Text states [B, T, D], and each number of seconds [B, 1, D]; None for what was not asked."""

    text_hidden_states: Tensor | None = None
    seconds_start_hidden_states: Tensor | None = None
    seconds_end_hidden_states: Tensor | None = None


class NumberRule(NamedTuple):
    """How a number x, as a share s of what the model knows, becomes a vector: A [s, sin 2π s ω, cos 2π s ω, 1].

    Args:
        omega: [K].
        matrix: A, [D, 2 K + 2].
    """

    omega: Tensor
    matrix: Tensor

    def __call__(self, share: Tensor) -> Tensor:
        """[B] -> [B, D]; with tables of a batch, [B, K] and [B, D, 2 K + 2], as well."""
        angle = share[:, None] * self.omega * (2 * math.pi)
        waves = torch.cat([share[:, None], angle.sin(), angle.cos(), torch.ones_like(share)[:, None]], dim=-1)
        return (self.matrix @ waves[..., None])[..., 0]


class NumberWaves(nn.Module):
    """A number's share of what the model knows, and its waves."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.randn(count))


class NumberConditioner(nn.Module):
    """Tells a number of seconds."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.time_positional_embedding = nn.Sequential(NumberWaves(_WAVES), Linear(2 * _WAVES + 1, width))

    def rule(self) -> NumberRule:
        """What it does, as tables; so few numbers that a conditioning can bring them along."""
        omega = self.get_parameter("time_positional_embedding.0.weights")
        weight = self.get_parameter("time_positional_embedding.1.weight")
        bias = self.get_parameter("time_positional_embedding.1.bias")
        return NumberRule(omega.float(), torch.cat([weight, bias[:, None]], dim=1).float())


class StableAudioProjectionModel(Model):
    """Text states and seconds to vectors of one width."""

    Config = StableAudioProjectionConfig

    def __init__(self, config: StableAudioProjectionConfig) -> None:
        super().__init__()
        self._c = c = config
        same = c.text_encoder_dim == c.conditioning_dim
        self.text_projection = nn.Identity() if same else Linear(c.text_encoder_dim, c.conditioning_dim)
        self.start_number_conditioner = NumberConditioner(c.conditioning_dim)
        self.end_number_conditioner = NumberConditioner(c.conditioning_dim)

    @property
    def limits(self) -> tuple[float, float]:
        """The least and the most seconds that can be told."""
        return self._c.min_value, self._c.max_value

    def forward(
        self,
        text_hidden_states: Tensor | None = None,
        start_seconds: Tensor | None = None,
        end_seconds: Tensor | None = None,
    ) -> Projected:
        """Project what is given.

        Args:
            text_hidden_states: [B, T, text_encoder_dim].
            start_seconds: [B]; what is beyond the limits is told as the limit.
            end_seconds: [B].
        """
        return Projected(
            None if text_hidden_states is None else self.text_projection(text_hidden_states),
            self._told(self.start_number_conditioner, start_seconds),
            self._told(self.end_number_conditioner, end_seconds),
        )

    def _told(self, conditioner: NumberConditioner, seconds: Tensor | None) -> Tensor | None:
        if seconds is None:
            return None
        least, most = self.limits
        share = (seconds.clamp(least, most) - least) / (most - least)
        return conditioner.rule()(share)[:, None].to(self.dtype)
