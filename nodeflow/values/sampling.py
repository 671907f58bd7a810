"""How a sampler walks: noise levels, and how predictions become one."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .base import Value
from .denoisers import Denoiser
from .latents import Conditioning


@dataclass(frozen=True)
class SchedulerConfig(Value):
    """A scheduler's published configuration, `_class_name` included."""

    config: Mapping[str, Any]


@dataclass(frozen=True)
class Schedule(Value):
    """The noise levels a sampler walks down, and the scheduler that walks.

    Args:
        config: The scheduler's configuration, `_class_name` included.
        request: The arguments that made the levels: `num_inference_steps`, `timesteps`, `sigmas`, `mu`,
            `levels`.
        timesteps: What the denoiser is told at each model call, [n].
        sigmas: The noise levels, [n + 1], as the scheduler counts them.
        solver: What the solver is told for this run besides the configuration: `eta`, `s_churn`, …
    """

    config: Mapping[str, Any]
    request: Mapping[str, Any]
    timesteps: tuple[float, ...] = ()
    sigmas: tuple[float, ...] = ()
    solver: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Guidance(Value):
    """How predictions become the one that a sampler follows: parts, from the innermost outward, as plain data.

    Args:
        chain: Each part a mapping with "part", its name, and its options by name.
        prompts: What the parts need besides the sampler's own prompts, by name ("empty").
        networks: What they need besides the sampler's own denoiser, by name ("weak").
    """

    chain: tuple[Mapping[str, Any], ...] = ()
    prompts: Mapping[str, Conditioning] = field(default_factory=dict)
    networks: Mapping[str, Denoiser] = field(default_factory=dict)

    def then(self, part: str, **options: Any) -> Guidance:
        """The same with one more part around it."""
        return dataclasses.replace(self, chain=(*self.chain, {"part": part, **options}))
