"""What a caller wants of a run, read and checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Integral
from typing import Any

import numpy as np
import torch

from .config import refuse

Numbers = Sequence[float] | np.ndarray | torch.Tensor


@dataclass(frozen=True)
class Request:
    """n steps, or the timesteps, or the noise levels.

    Args:
        n: The number of steps, however it was said.
        timesteps: The timesteps, falling, float64, [n].
        sigmas: The noise levels, falling, float64, with the end [n + 1]; a flow may leave out the end 0.
        mu: Logarithm of the shift of a flow.
        shifted: Whether the noise levels stand as they are, no shift of a flow to come.
        options: What else the class lets a run ask.
    """

    n: int
    timesteps: np.ndarray | None = None
    sigmas: np.ndarray | None = None
    mu: float | None = None
    shifted: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)


def read_request(
    n: int | None, timesteps: Numbers | None, sigmas: Numbers | None, mu: float | None, top: float, where: str
) -> Request:
    """A request out of the arguments people give, for a model whose noisiest timestep is `top`.

    Raises:
        ScheduleError: NF410 where not exactly one of the three is given, or it is not valid.
    """
    if (n is not None) + (timesteps is not None) + (sigmas is not None) != 1:
        refuse("exactly one of num_inference_steps, timesteps and sigmas must be given", where=where)
    if timesteps is not None:
        t = _falling(timesteps, "timesteps", where)
        if t[0] > top or t[-1] < 0:
            refuse(f"timesteps leave 0 … {top:g}", where=where, fix="stay inside")
        return Request(len(t), t, None, mu)
    if sigmas is not None:
        k = _falling(sigmas, "sigmas", where)
        if k[0] <= 0 or k[-1] < 0:
            refuse("sigmas must begin above 0 and not end below it", where=where, fix="end the list with 0")
        return Request(len(k) - 1, None, k, mu)
    if not isinstance(n, Integral) or isinstance(n, bool) or n < 1:
        refuse(f"num_inference_steps is {n!r}", where=where, fix="give a whole number from 1")
    return Request(int(n), mu=mu)


def _falling(values: Numbers, name: str, where: str) -> np.ndarray:
    try:
        array = np.asarray(values.cpu() if isinstance(values, torch.Tensor) else values, dtype=float)
    except (TypeError, ValueError):
        refuse(f"{name} is not a list of numbers", where=where)
    if array.ndim != 1 or not len(array) or not np.isfinite(array).all():
        refuse(f"{name} is not a list of finite numbers", where=where)
    rises = np.flatnonzero(np.diff(array) >= 0)
    if len(rises):
        i = int(rises[0])
        what = f"{name} do not fall: {array[i]:g} is followed by {array[i + 1]:g}"
        refuse(what, where=where, fix="order them from noise to picture")
    return array
