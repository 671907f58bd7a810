"""DPM-Solver that chooses its own steps: DPM-Solver-12 and -23. Lu et al. 2022, arXiv 2206.00927, algorithm 3."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, NamedTuple, NoReturn

import torch
from torch import Tensor

from .config import refuse
from .exponential import Exponential, Point
from .prediction import Prediction
from .schedule import Eval, Schedule
from .seeds import RATIOS
from .sigmas import SigmaScheduler
from .solver import NoiseSource, State
from .space import Level

NEARLY = 1e-5
"""How near to its end in lambda a run is over."""


class Control(NamedTuple):
    """Where an adaptive run stands in lambda and what its controller remembers.

    Args:
        lam: Where the step begins.
        h: How far it would go.
        newer: One over the error of the last step that was kept, 0 before the first.
        older: The same of the one before.
    """

    lam: float
    h: float
    newer: float = 0.0
    older: float = 0.0


@dataclass(frozen=True)
class DPMAdaptive(Exponential):
    """Each step in two orders from the same answers; the difference e of the two, over the tolerance, decides.

        e  = rms((x_low - x_high) / max(atol, rtol max(|x_low|, |x_low of the last step|)))
        h' = h f,  f = 1 + arctan(e^(-b1) e_1^(b2) e_2^(-b3) - 1),  b = (p + i + d, p + 2 d, d) / order

    The step is kept where f is not below accept_safety, and otherwise done again with h' (k-diffusion's controller).
    All samples of a batch share their steps. A run goes from the first to the lowest level of the schedule above 0.

    Args:
        call_at: The call at lambda of a step to lambda', at a stage.
        order: Of x_high: 2 or 3.
        rtol: Relative tolerance.
        atol: Absolute tolerance.
        h_init: The first h.
        pcoeff: p, the proportional part of the controller.
        icoeff: i, the integral part.
        dcoeff: d, the differential part.
        accept_safety: The lowest f of a step that is kept.
    """

    call_at: Callable[[float, float, int], Eval] = field(kw_only=True)
    order: int = 3
    rtol: float = 0.05
    atol: float = 0.0078
    h_init: float = 0.05
    pcoeff: float = 0.0
    icoeff: float = 1.0
    dcoeff: float = 0.0
    accept_safety: float = 0.81

    def start(self, x: Tensor, index: int = 0) -> State:
        state = super().start(x, index)
        return replace(state, control=Control(self.schedule.level(index).lam, self.h_init))

    @property
    def end(self) -> float:
        """Where a run ends in lambda."""
        levels = (*(one.level for one in self.schedule.evals), self.schedule.evals[-1].target)
        return max(level.lam for level in levels if level.sigma > 0)

    def done(self, state: State) -> bool:
        return state.control[0] >= self.end - NEARLY

    def left(self, state: State) -> int:
        control = Control(*state.control)
        return math.ceil((self.end - control.lam) / control.h) * self.order - len(state.stages)

    def here(self, state: State) -> Eval:
        begin, target = self.step_of(state)
        stage = len(state.stages)
        return self.call_at(begin + (0, *RATIOS[self.order])[stage] * (target - begin), target, stage)

    def level(self, state: State) -> Level:
        return self.here(state).level

    def timestep(self, state: State) -> Tensor:
        return torch.tensor(self.here(state).t, dtype=torch.float32)

    def step_of(self, state: State) -> tuple[float, float]:
        """Where the step begins and ends in lambda."""
        control = Control(*state.control)
        return control.lam, min(control.lam + control.h, self.end)

    def advance(self, state: State, output: Tensor, noise: NoiseSource) -> State:
        call = self.here(state)
        m, x0 = self.read(state.x, output, call.level)
        anchor = state.x if state.anchor is None else state.anchor
        state = replace(state, estimate=x0, stages=(*state.stages, m), anchor=anchor)
        return self.judged(state) if len(state.stages) == self.order else self.looking(state)

    def looking(self, state: State) -> State:
        """x at the next call of the step."""
        return replace(state, x=self.reached(state, self.here(state).level, len(state.stages)))

    def reached(self, state: State, target: Level, answers: int, *, midpoint: bool = False) -> Tensor:
        """x at a level from the first and the last of so many answers of the step, [B, ...]."""
        assert state.anchor is not None
        begin, end = self.step_of(state)
        other = None
        if answers > 1:
            at = begin + RATIOS[self.order][answers - 2] * (end - begin)
            other = Point(at, state.stages[answers - 1])
        here = self.call_at(begin, end, 0).level
        return self.stepped(state.anchor, here, target, state.stages[0], other, midpoint=midpoint)

    def judged(self, state: State) -> State:
        """The step kept, or begun again with another h."""
        control, (_, end) = Control(*state.control), self.step_of(state)
        target = self.call_at(end, end, 0).level
        orders = (self.order - 1, self.order)
        low, high = (self.reached(state, target, order, midpoint=order == 2) for order in orders)
        before = state.history[0] if state.history else state.anchor
        assert before is not None
        tolerance = (self.rtol * torch.maximum(low.abs(), before.abs())).clamp(min=self.atol)
        error = float(((low - high) / tolerance).square().mean().sqrt())
        factor, inverse = self.factor(error, control)
        if factor < self.accept_safety:
            if control.h * factor < NEARLY:
                _stuck(error)
            smaller = Control(control.lam, control.h * factor, control.newer or inverse, control.older or inverse)
            return self.looking(replace(state, stages=state.stages[:1], control=smaller))
        kept = Control(end, control.h * factor, inverse, control.newer or inverse)
        return replace(state, x=high, history=(low,), stages=(), anchor=None, control=kept)

    def factor(self, error: float, control: Control) -> tuple[float, float]:
        """What h is multiplied by, and one over the error."""
        inverse = 1 / (error + 1e-8)
        p, i, d = self.pcoeff, self.icoeff, self.dcoeff
        newer, older = control.newer or inverse, control.older or inverse
        raw = (inverse ** (p + i + d) * newer ** -(p + 2 * d) * older**d) ** (1 / self.order)
        return 1 + math.atan(raw - 1), inverse


def _stuck(error: float) -> NoReturn:
    what = f"the steps have become too small to go on, at {error:g} times the tolerance"
    refuse(what, where="step", fix="raise rtol or atol, or take another sampler")


class DPMAdaptiveScheduler(SigmaScheduler):
    """DPM-Solver with a tolerance instead of a number of steps; of the steps asked for, only the ends count."""

    defaults: ClassVar[Mapping[str, Any]] = {
        **SigmaScheduler.defaults,
        "adaptive_order": 3,
        "rtol": 0.05,
        "atol": 0.0078,
        "h_init": 0.05,
        "pcoeff": 0.0,
        "icoeff": 1.0,
        "dcoeff": 0.0,
        "accept_safety": 0.81,
    }
    menus: ClassVar[Mapping[str, tuple[Any, ...]]] = {**SigmaScheduler.menus, "adaptive_order": (2, 3)}
    solver_class = DPMAdaptive

    def make_solver(self, schedule: Schedule, prediction: Prediction) -> DPMAdaptive:
        c = self.config
        told = {key: c[key] for key in ("rtol", "atol", "h_init", "pcoeff", "icoeff", "dcoeff", "accept_safety")}
        return DPMAdaptive(schedule, prediction, data=False, call_at=self.call_at, order=c.adaptive_order, **told)

    def call_at(self, lam: float, target: float, stage: int) -> Eval:
        """The call at lambda of a step to another lambda."""
        return self.call(self.at_lam(lam), self.at_lam(target), stage)

    def set_timesteps(self, *args: Any, **kwargs: Any) -> None:
        """Refuse: nobody knows the timesteps beforehand.

        Raises:
            ScheduleError: NF410.
        """
        fix = "walk scheduler.solver(scheduler.schedule(n)), or take dpm_fast"
        refuse("it chooses its own timesteps", where=type(self).__name__, fix=fix)
