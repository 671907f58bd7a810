"""How schedulers of rectified flows lay their levels, k = sigma from 1 (noise) to 0 (data); t = 1000 k.

    base        k even between the ends, or the caller's
    shift       towards noise: a fixed one, or one that grows with the picture (mu; see mu.py)
    terminal    stretched, so that the last level is not lower than a given one
    warp        Karras, exponential or beta between the first and the last level that this gave
    inverted    1 - k is shown and told, for networks whose time runs towards data

Esser et al. 2024, Stable Diffusion 3, arXiv 2403.03206, section 5.3.2.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor

from .config import WARPED, given_values, refuse
from .families import WarpedScheduler
from .prediction import Prediction
from .request import Request
from .schedule import Nodes
from .space import Flow
from .warps import shift_of, shifted, stretched

SHIFTED: Mapping[str, Any] = MappingProxyType({"num_train_timesteps": 1000, "shift": 1.0})

SHIFTING: Mapping[str, Any] = MappingProxyType(
    {
        **SHIFTED,
        "use_dynamic_shifting": False,
        "base_shift": 0.5,
        "max_shift": 1.15,
        "base_image_seq_len": 256,
        "max_image_seq_len": 4096,
        "invert_sigmas": False,
        "shift_terminal": None,
        **WARPED,
        "time_shift_type": "exponential",
    }
)


class FlowScheduler(WarpedScheduler):
    """Real timesteps that count k in thousandths; x = (1 - k) x0 + k eps."""

    noises: ClassVar[tuple[str, ...]] = ("a flow",)
    space: Flow
    timestep_dtype: ClassVar[torch.dtype] = torch.float32

    @classmethod
    def from_config(cls, config: Mapping[str, Any], **overrides: Any) -> Self:
        """Also with the configuration of a table's scheduler on a flow, whose `flow_shift` is called `shift` here."""
        given = given_values(config)
        if given.get("use_flow_sigmas") and "flow_shift" in given:
            overrides = {"shift": given["flow_shift"], **overrides}
        return super().from_config(config, **overrides)

    def check(self) -> None:
        super().check()
        kind, where = self.config.get("prediction_type", "flow_prediction"), type(self).__name__
        if kind != "flow_prediction":
            refuse(f"the model predicts {kind!r} and this is for flows", where=where, fix="choose a scheduler for it")
        if "shift" in self.defaults and not self.config.shift > 0:
            refuse(f"shift is {self.config.shift}", where=where, fix="give a number above 0")

    def make_space(self) -> Flow:
        return Flow(self.config.num_train_timesteps, inverted=self.asks("invert_sigmas"))

    def make_prediction(self) -> Prediction:
        return Prediction("inverted_flow" if self.space.inverted else "flow_prediction")

    @property
    def top(self) -> float:
        return self.config.num_train_timesteps

    def nodes(self, request: Request) -> Nodes:
        """Timesteps and noise levels."""
        if self.asks("use_dynamic_shifting") and request.mu is None:
            refuse("use_dynamic_shifting needs mu", where=type(self).__name__, fix="give mu, or switch it off")
        k = self.base(request)
        if not request.shifted:
            k = shifted(k, self.shift(request.mu))
            if self.asks("shift_terminal"):
                k = stretched(k, self.config.shift_terminal)
            if self.warp:
                k = self.warped(float(k[0]), float(k[-1]), len(k))
        return self.ended(k, request.timesteps)

    def base(self, request: Request) -> np.ndarray:
        """The levels before any shift, without the end, float64, [n].

        As published, the lowest of the levels that are laid here is the lowest of training, already shifted: a fixed
        shift acts on it twice.
        """
        if request.timesteps is not None:
            return request.timesteps / self.space.steps
        if request.sigmas is not None:
            if request.sigmas[0] > 1:
                what = f"sigmas of a flow begin at {request.sigmas[0]:g}"
                refuse(what, where=type(self).__name__, fix="stay inside 0 … 1")
            return request.sigmas[request.sigmas > 0]
        return np.linspace(1, self.trained_levels()[0], request.n)

    def shift(self, mu: float | None = None) -> float:
        """How far levels are moved towards noise."""
        if mu is not None:
            return shift_of(mu, self.config.get("time_shift_type", "exponential"))
        return 1.0 if self.asks("use_dynamic_shifting") else self.config.get("shift", 1.0)

    def trained_levels(self, mu: float | None = None) -> np.ndarray:
        return shifted(self.space.ks, self.shift(mu))

    def nodes_of_training(self) -> Nodes:
        """Every level of training, then the clean end."""
        return self.ended(self.trained_levels()[::-1])

    def ended(self, k: np.ndarray, told: np.ndarray | None = None) -> Nodes:
        """Points at levels k, [n], then the clean end; the model is told k, or the caller's timesteps."""
        k = np.append(k, 0.0).astype(np.float32)
        if self.space.inverted:
            k, told = 1 - k, None
        t = k[:-1] * self.space.steps if told is None else told
        return self.joined(t.astype(np.float32), k)

    def shown(self, level: Any) -> float:
        return level.alpha if self.space.inverted else level.sigma

    def scale_noise(self, sample: Tensor, timestep: float | Tensor, noise: Tensor) -> Tensor:
        """Clean samples brought to the levels of timesteps, (1 - k) x0 + k noise, [B, ...]; timestep: [B] or one."""
        return self.add_noise(sample, noise, torch.as_tensor(timestep))

    def get_velocity(self, sample: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
        """What the model learns, noise - x0 at every level (x0 - noise where time runs towards data), [B, ...]."""
        return sample - noise if self.space.inverted else noise - sample
