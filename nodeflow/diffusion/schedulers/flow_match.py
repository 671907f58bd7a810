"""Euler's and Heun's method on a rectified flow. Lipman et al. 2022, 2210.02747; Esser et al. 2024, 2403.03206."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from torch import Tensor

from .config import refuse
from .flows import SHIFTED, SHIFTING, FlowScheduler
from .heun import Heun, calls_at_both_ends
from .prediction import Prediction
from .request import Request
from .schedule import Eval, Nodes, Schedule
from .solver import NoiseSource, Solver, State, slope, transfer


@dataclass(frozen=True)
class FlowEuler(Solver):
    """x' = x + (k' - k) (eps - x0), order 1; or, stochastic, x' = (1 - k') x0 + k' z from fresh noise z.

    Where each token of x, [B, N, C], has a level of its own, the step leads from it to the next lower level of the
    schedule; as published, the output is then x0 - eps, so its sign is turned, unless the step is stochastic.

    Args:
        steps: T, which timesteps count k in.
        stochastic_sampling: Draw fresh noise at every step.
        per_token_timesteps: The timestep of each token, [B, N].
    """

    steps: int
    stochastic_sampling: bool = False
    per_token_timesteps: Tensor | None = None

    def advance(self, state: State, output: Tensor, noise: NoiseSource) -> State:
        if self.per_token_timesteps is not None:
            return self.advance_tokens(state, output, noise, self.per_token_timesteps)
        call, x = self.here(state), state.x
        x0 = self.prediction.x0(x, output, call.level)
        if self.stochastic_sampling:
            x = transfer(x0, noise(x), call.target)
        else:
            x = x + (call.target.sigma - call.level.sigma) * slope(x, x0, call.level)
        return replace(state, x=x, estimate=x0)

    def advance_tokens(self, state: State, output: Tensor, noise: NoiseSource, timesteps: Tensor) -> State:
        """The step with a level for each token."""
        x, levels = state.x, self.schedule.sigmas.to(state.x)
        k = (timesteps.to(x) / self.steps)[..., None]
        lower = (levels * (levels < k - 1e-6)).amax(-1, keepdim=True)
        v = output if self.stochastic_sampling else -output
        x0 = x - k * v
        x = (1 - lower) * x0 + lower * noise(x) if self.stochastic_sampling else x + (lower - k) * v
        return replace(state, x=x, estimate=x0)


class FlowMatchEulerDiscreteScheduler(FlowScheduler):
    """Euler's method on a flow: the scheduler of SD3, Flux, Qwen-Image, LTX, …"""

    defaults: ClassVar[Mapping[str, Any]] = {**SHIFTING, "stochastic_sampling": False}
    solver_class = FlowEuler

    def make_solver(self, schedule: Schedule, prediction: Prediction) -> FlowEuler:
        return FlowEuler(schedule, prediction, self.space.steps, bool(self.config.stochastic_sampling))


class FlowMatchHeunDiscreteScheduler(FlowScheduler):
    """Heun's method on a flow: two calls a step, of second order."""

    defaults: ClassVar[Mapping[str, Any]] = SHIFTED
    solver_class = Heun
    order: ClassVar[int] = 2

    def nodes(self, request: Request) -> Nodes:
        if request.timesteps is not None:
            what = "this scheduler lays its own timesteps"
            refuse(what, where=type(self).__name__, fix="give the number of steps, or sigmas")
        return super().nodes(request)

    def calls(self, nodes: Nodes) -> Iterator[Eval]:
        return calls_at_both_ends(nodes, self.space)
