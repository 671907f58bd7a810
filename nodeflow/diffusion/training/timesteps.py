"""Which noise levels a network in training is asked about.

    uniform        u ~ U(0, 1)
    logit-normal   u = 1 / (1 + e^−n), n ~ N(m, s²)                       Esser et al. 2024, arXiv 2403.03206, eq. 19
    mode           u = f(1 − z), f(z) = 1 − z − s (cos²(π z / 2) − 1 + z)   the same, eq. 20; z ~ U(0, 1)
    log-normal     ln(σ / α) ~ N(m, s²)                                   Karras et al. 2022, arXiv 2206.00364, table 1

u is the share of time, 0 = clean, 1 = noise. A flow's times may be moved towards noise, u' = s u / (1 + (s − 1) u)
(Esser et al., eq. 23), as larger pictures need.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from nodeflow.errors import NodeflowError
from nodeflow.training import Objective

from .process import Process


def draw(process: Process, objective: Objective, count: int, generator: torch.Generator) -> Tensor:
    """Timesteps as the network is told them, [count].

    Raises:
        NodeflowError: NF410, there is no such way of drawing.
    """
    if objective.timesteps == "log_normal":
        return process.at_noise((objective.mean + objective.std * torch.randn(count, generator=generator)).exp())
    if objective.timesteps not in _SHARES:
        known = ", ".join([*_SHARES, "log_normal"])
        raise NodeflowError("NF410", f"there are no timesteps {objective.timesteps!r}", fix=f"choose one of {known}")
    u = _SHARES[objective.timesteps](objective, count, generator)
    return process.at(objective.shift * u / (1 + (objective.shift - 1) * u))


def _uniform(objective: Objective, count: int, generator: torch.Generator) -> Tensor:
    return torch.rand(count, generator=generator)


def _logit_normal(objective: Objective, count: int, generator: torch.Generator) -> Tensor:
    return torch.sigmoid(objective.mean + objective.std * torch.randn(count, generator=generator))


def _mode(objective: Objective, count: int, generator: torch.Generator) -> Tensor:
    z = torch.rand(count, generator=generator)
    return 1 - z - objective.std * (torch.cos(torch.pi / 2 * z) ** 2 - 1 + z)


_SHARES: dict[str, Callable[[Objective, int, torch.Generator], Tensor]] = {
    "uniform": _uniform,
    "logit_normal": _logit_normal,
    "mode": _mode,
}
