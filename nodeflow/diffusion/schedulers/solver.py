"""A solver: a pure function from a state and a model's output to the next state.

    state = solver.start(x)
    while not solver.done(state):
        output = model(solver.scale(state), solver.timestep(state))
        state = solver.step(state, output, noise)

One call of the model a step, so that progress, preview, cancelling and resuming stay outside the mathematics.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NoReturn, Protocol

import torch
from torch import Tensor

from nodeflow.errors import NodeflowError

from .config import refuse
from .prediction import Prediction
from .schedule import Eval, Schedule
from .space import Level


class NoiseSource(Protocol):
    """Where a solver's noise comes from, N(0, 1) like a tensor, [B, ...]; see `noise.Noise`."""

    def __call__(self, like: Tensor) -> Tensor:
        """Fresh noise."""

    def between(self, like: Tensor, begin: float, end: float, span: tuple[float, float]) -> Tensor:
        """The noise that belongs to the stretch between two levels k, of a run that spans so many."""


@dataclass(frozen=True)
class State:
    """Where a run stands, whole: saved and loaded, it goes on bit for bit.

    Args:
        x: The noisy sample before call `index`, [B, ...], in the model's number format.
        index: The next call of the model.
        begin: The call the run began at.
        estimate: The last clean sample x0, [B, ...].
        history: What a multistep solver remembers, oldest first.
        stages: What the calls of an unfinished step have brought.
        anchor: x at the beginning of that step, or of the last one where a corrector will need it.
        memory: What the guidance of the run remembers; solvers pass it on.
        control: The numbers by which a solver chooses its own steps.
    """

    x: Tensor
    index: int = 0
    begin: int = 0
    estimate: Tensor | None = None
    history: tuple[Tensor, ...] = ()
    stages: tuple[Tensor, ...] = ()
    anchor: Tensor | None = None
    memory: Mapping[str, Tensor] = field(default_factory=dict)
    control: tuple[float, ...] = ()

    def pack(self) -> tuple[dict[str, Tensor], dict[str, int]]:
        """The state as named tensors, copies of their own, and named numbers: ready for a safetensors file."""
        tensors = {"x": self.x}
        if self.estimate is not None:
            tensors["estimate"] = self.estimate
        if self.anchor is not None:
            tensors["anchor"] = self.anchor
        tensors |= {f"history.{i}": tensor for i, tensor in enumerate(self.history)}
        tensors |= {f"stages.{i}": tensor for i, tensor in enumerate(self.stages)}
        tensors |= {f"memory.{name}": tensor for name, tensor in self.memory.items()}
        if self.control:
            tensors["control"] = torch.tensor(self.control, dtype=torch.float64)
        copies = {name: tensor.clone(memory_format=torch.contiguous_format) for name, tensor in tensors.items()}
        return copies, {"index": self.index, "begin": self.begin}

    @classmethod
    def unpack(cls, tensors: dict[str, Tensor], numbers: dict[str, int]) -> State:
        """The state that `pack` took apart."""

        def series(name: str) -> tuple[Tensor, ...]:
            return tuple(tensors[f"{name}.{i}"] for i in range(len(tensors)) if f"{name}.{i}" in tensors)

        return cls(
            tensors["x"],
            numbers["index"],
            numbers["begin"],
            tensors.get("estimate"),
            series("history"),
            series("stages"),
            tensors.get("anchor"),
            {name.removeprefix("memory."): tensors[name] for name in tensors if name.startswith("memory.")},
            tuple(tensors["control"].tolist()) if "control" in tensors else (),
        )


@dataclass(frozen=True)
class Solver:
    """What all solvers share: where a run stands, the model's input, number formats.

    Args:
        schedule: The noise levels of the run.
        prediction: How to read the model's output.
        cfg_pp: Guide as CFG++ does (Chung et al. 2024, arXiv 2406.08070, algorithm 2): the guided x0 is noised again
            with the unconditional eps. At the beginning of each step, x and the model's answer become those of
            alpha x0 + sigma eps; what follows is the solver's own. For guidance scales of 0..1, or little more.
    """

    schedule: Schedule
    prediction: Prediction
    cfg_pp: bool = field(default=False, kw_only=True)

    def start(self, x: Tensor, index: int = 0) -> State:
        """The state of a run that begins at call `index` with x at that call's level, [B, ...].

        Raises:
            ScheduleError: NF410 where no step begins at that call.
        """
        begins = self.schedule.begins
        if index not in begins:
            refuse(f"no step begins at call {index}", where="start", fix=f"give one of {_short(begins)}")
        return State(x, index, index)

    def done(self, state: State) -> bool:
        """Whether the run has ended."""
        return state.index >= len(self.schedule.evals)

    def scale(self, state: State) -> Tensor:
        """What the model sees, [B, ...]."""
        factor = self.here(state).input_scale
        return state.x if factor == 1 else state.x * factor

    def timestep(self, state: State) -> Tensor:
        """What the model is told, a tensor without dimensions."""
        return self.schedule.timesteps[state.index]

    def level(self, state: State) -> Level:
        """The level of x."""
        return self.schedule.level(state.index)

    def left(self, state: State) -> int:
        """The calls that remain; an estimate where a solver chooses its own steps."""
        return len(self.schedule) - state.index

    def wants_unconditional(self, state: State) -> bool:
        """Whether the step that this call belongs to needs the unconditional prediction too."""
        return self.cfg_pp and not self.here(state).stage

    def step(
        self,
        state: State,
        model_output: Tensor,
        noise: NoiseSource | None = None,
        unconditional: Tensor | None = None,
    ) -> State:
        """Use one output of the model.

        The arithmetic is in float32 (float64 for a float64 x); the x of the new state has the output's format.

        Args:
            state: Where the run stands.
            model_output: What the model made of `scale(state)` and `timestep(state)`, [B, C, ...].
            noise: Where randomness comes from; solvers of ordinary differential equations never ask.
            unconditional: The unconditional prediction, [B, C, ...], where `wants_unconditional`.

        Raises:
            NodeflowError: NF410 where the run has ended, or the solver is not given the noise or the unconditional
                prediction it needs; NF414 where the output does not fit x.
        """
        if self.done(state):
            refuse(f"the run has ended after {state.index} calls", where="step", fix="start another run")
        if model_output.shape not in (fitting := self.fitting(state.x)):
            what = f"the model's output is {list(model_output.shape)} for x {list(state.x.shape)}"
            fix = f"it must be {' or '.join(str(list(shape)) for shape in fitting)}"
            raise NodeflowError("NF414", what, where="step", fix=fix)
        wide = torch.promote_types(state.x.dtype, torch.float32)
        x, output = state.x.to(wide), model_output.to(wide)
        if self.wants_unconditional(state):
            x, output = self.renoised_by(unconditional, x, output, self.level(state))
        new = self.advance(replace(state, x=x), output, noise or _NoNoise())
        return replace(new, x=new.x.to(model_output.dtype), index=state.index + 1)

    def advance(self, state: State, output: Tensor, noise: NoiseSource) -> State:
        """The solver's own part of `step`: all tensors in float32 or wider, the index not yet moved."""
        raise NotImplementedError

    def renoised_by(self, other: Tensor | None, x: Tensor, output: Tensor, level: Level) -> tuple[Tensor, Tensor]:
        """The guided x0 with the noise of another output, and what a model would answer there, each [B, C, ...]."""
        if other is None or other.shape != x.shape:
            what = "CFG++ steps with the unconditional prediction and was given none"
            refuse(what, where="step", fix="give a guided denoiser with a negative prompt, or another sampler")
        x0, eps = self.prediction.raw_x0(x, output, level), self.prediction.eps(x, other.to(x), level)
        return transfer(x0, eps, level), self.prediction.output(x0, eps, level)

    def fitting(self, x: Tensor) -> tuple[torch.Size, ...]:
        """The shapes that a model's output may have for this x."""
        return (x.shape,)

    def here(self, state: State) -> Eval:
        """The call that has just been made."""
        return self.schedule.evals[state.index]

    def back(self, state: State, steps: int) -> Level:
        """The level some calls ago."""
        return self.schedule.evals[state.index - steps].level


def transfer(x0: Tensor, eps: Tensor, target: Level) -> Tensor:
    """x at another level, alpha x0 + sigma eps, [B, ...]."""
    return target.alpha * x0 + target.sigma * eps


def noisier(x: Tensor, here: Level, target: Level, z: Tensor) -> Tensor:
    """x carried on to a noisier level by fresh noise z, [B, ...].

    x' = r x + sqrt(s'² - r² s²) z with r = a' / a: one draw of the forward process from (a, s) to (a', s').
    """
    r = target.alpha / here.alpha
    return r * x + math.sqrt(max(target.sigma**2 - (r * here.sigma) ** 2, 0)) * z


def slope(x: Tensor, x0: Tensor, level: Level) -> Tensor:
    """dx / dk along the straight line from x to its clean sample, (x - x0) / sigma, in VE and on a flow, [B, ...]."""
    return (x - x0) / level.sigma


def doubled(x: Tensor) -> torch.Size:
    """The shape of an output that says the variance in a second set of channels, [B, 2 C, ...]."""
    return torch.Size((x.shape[0], 2 * x.shape[1], *x.shape[2:]))


def remembered(history: tuple[Tensor, ...], new: Tensor, limit: int) -> tuple[Tensor, ...]:
    """The history with one more entry, the newest `limit` kept."""
    return (*history, new)[-limit:]


class _NoNoise:
    """Stands where no source was given."""

    def __call__(self, like: Tensor) -> NoReturn:
        refuse("this solver draws noise and was given none", where="step", fix="give a noise source")

    def between(self, like: Tensor, begin: float, end: float, span: tuple[float, float]) -> NoReturn:
        self(like)


def _short(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers)) if len(numbers) < 9 else f"{numbers[0]}, {numbers[1]}, … {numbers[-1]}"
