"""The family of samplers that node editors have and Diffusers lacks.

Their levels are laid by the Euler scheduler of the model's noise space, k-space or flow, with all its options: a
sampler of this family works wherever Euler's method does, and swaps with it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar, Self

import numpy as np
import torch

from .config import MENUS
from .euler import EulerDiscreteScheduler
from .families import WarpedScheduler
from .flow_match import FlowMatchEulerDiscreteScheduler
from .flows import SHIFTING
from .request import Request
from .schedule import Eval, Nodes
from .space import VE, Flow, Level

ALMOST_PURE = Level(1e-4, 1 - 1e-4)
"""Where a run on a flow begins that steps in lambda, which is minus infinity at pure noise."""


def is_flow(config: Mapping[str, Any]) -> bool:
    """Whether a model's configuration is that of a rectified flow: only those have a shift by that name."""
    return config.get("prediction_type") == "flow_prediction" or ("shift" in config and "prediction_type" not in config)


class SigmaScheduler(WarpedScheduler):
    """Levels laid by Euler's method: on a flow where `prediction_type` is flow_prediction, otherwise in k-space."""

    noises: ClassVar[tuple[str, ...]] = ("a table of betas", "a flow")
    defaults: ClassVar[Mapping[str, Any]] = {**SHIFTING, **EulerDiscreteScheduler.defaults}
    menus: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "prediction_type": (*MENUS["prediction_type"], "flow_prediction"),
    }
    aliases: ClassVar[Mapping[str, Mapping[str, str]]] = EulerDiscreteScheduler.aliases
    timestep_dtype: ClassVar[torch.dtype] = torch.float32

    steps_in_lambda: ClassVar[bool] = True

    space: VE | Flow

    @classmethod
    def from_config(cls, config: Mapping[str, Any], **overrides: Any) -> Self:
        """Also with the configuration of a flow, whose file need not say what is predicted."""
        if is_flow(config):
            shift = {"shift": config["flow_shift"]} if config.get("use_flow_sigmas") else {}
            overrides = {**shift, "prediction_type": "flow_prediction", **overrides}
        return super().from_config(config, **overrides)

    def make_space(self) -> VE | Flow:
        flow = self.config.prediction_type == "flow_prediction"
        base = FlowMatchEulerDiscreteScheduler if flow else EulerDiscreteScheduler
        # of the same name, so that refusals name the scheduler that was asked for
        self.layer = type(type(self).__name__, (base,), {})(**self.config)
        return self.layer.space

    def nodes(self, request: Request) -> Nodes:
        nodes = self.layer.nodes(request)
        if self.steps_in_lambda and nodes.levels[0].alpha == 0:
            return replace(nodes, levels=(ALMOST_PURE, *nodes.levels[1:]))
        return nodes

    def nodes_of_training(self) -> Nodes:
        return self.layer.nodes_of_training()

    def trained_levels(self, mu: float | None = None) -> np.ndarray:
        return self.layer.trained_levels(mu)

    def init_noise(self, largest: float) -> float:
        return self.layer.init_noise(largest)

    def shown(self, level: Level) -> float:
        return self.layer.shown(level)

    @property
    def top(self) -> float:
        return self.layer.top

    def told(self, k: float) -> float:
        return self.layer.told(k)

    def call(self, level: Level, target: Level, stage: int) -> Eval:
        """A call at a level of its own."""
        return Eval(self.told(self.shown(level)), level, target, stage, self.space.input_scale(level))

    def at_lam(self, lam: float) -> Level:
        """The level with log signal-to-noise ratio 2 lam."""
        if isinstance(self.space, Flow):
            sigma = 1 / (1 + math.exp(lam))
            return Level(1 - sigma, sigma)
        return Level(1.0, math.exp(-lam))
