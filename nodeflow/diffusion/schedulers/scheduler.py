"""The contract people know: set_timesteps, scale_model_input, step, add_noise, save_pretrained, … by name.

It drives the pure core and holds the one thing that core does not: which run is under way. No mathematics here.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from nodeflow.atomic import atomic_write
from nodeflow.errors import NodeflowError

from .binding import Binding
from .config import refuse
from .noise import Given, Noise
from .request import Numbers
from .schedule import Schedule
from .solver import Solver, State
from .space import Level

FILE_NAME = "scheduler_config.json"


@dataclass(frozen=True, slots=True)
class StepOutput:
    """What a step gives back.

    Args:
        prev_sample: x at the next level, [B, ...].
        pred_original_sample: The clean sample x0 as far as it is known now, [B, ...].
    """

    prev_sample: Tensor
    pred_original_sample: Tensor | None = None


class Scheduler(Binding):
    """The face people know, on the pure core; the base of every named class.

    Args:
        config: Options by name. Unknown ones are kept and ignored.

    Raises:
        ScheduleError: NF410 where an option is not valid.
    """

    known: ClassVar[dict[str, type[Scheduler]]] = {}

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "solver_class" in vars(cls):
            Scheduler.known[cls.__name__] = cls

    def __init__(self, **config: Any) -> None:
        super().__init__(**config)
        self._set: Schedule | None = None
        self._device: Any = None
        self._solver: Solver | None = None
        self._state: State | None = None
        self.begin_index: int | None = None
        self.num_inference_steps: int | None = None

    def set_timesteps(
        self,
        num_inference_steps: int | None = None,
        device: str | torch.device | None = None,
        timesteps: Numbers | None = None,
        sigmas: Numbers | None = None,
        mu: float | None = None,
        levels: str | None = None,
        **options: Any,
    ) -> None:
        """Lay the noise levels of the next run; see `Scheduler.schedule`.

        Raises:
            ScheduleError: NF410 where not exactly one of steps, timesteps and sigmas is given, or it is not valid.
        """
        self._set = self.schedule(
            num_inference_steps, timesteps=timesteps, sigmas=sigmas, mu=mu, levels=levels, **options
        )
        self._device = device
        self._solver = self._state = self.begin_index = None
        self.num_inference_steps = self._set.steps

    @property
    def current(self) -> Schedule:
        """The schedule that was set, or every timestep of training."""
        return self.training_schedule if self._set is None else self._set

    @property
    def timesteps(self) -> Tensor:
        """What the model is told at each call, [calls], on the device that was asked for."""
        timesteps = self.current.timesteps
        return timesteps if self._device is None else timesteps.to(self._device)

    @property
    def sigmas(self) -> Tensor:
        """The noise level at each call and at the end, float32, [calls + 1]."""
        return self.current.sigmas

    @property
    def init_noise_sigma(self) -> float:
        """Standard deviation of the noise a run from nothing starts with."""
        return self.current.init_noise_sigma

    @property
    def step_index(self) -> int | None:
        """The call the run under way stands before."""
        return None if self._state is None else self._state.index

    def set_begin_index(self, begin_index: int = 0) -> None:
        """Say at which call the next run begins, where timesteps alone do not tell (image to image)."""
        self.begin_index = begin_index

    def __len__(self) -> int:
        return self.config.num_train_timesteps

    def scale_model_input(self, sample: Tensor, timestep: float | Tensor | None = None) -> Tensor:
        """What the model sees, [B, ...]."""
        solver = self._bound()
        return solver.scale(self._at(solver, sample, timestep))

    def step(
        self,
        model_output: Tensor,
        timestep: float | Tensor,
        sample: Tensor,
        generator: torch.Generator | list[torch.Generator] | None = None,
        return_dict: bool = True,
        variance_noise: Tensor | None = None,
        unconditional: Tensor | None = None,
        **options: Any,
    ) -> StepOutput | tuple[Tensor, Tensor | None]:
        """Use one output of the model.

        Args:
            model_output: What the model predicted, [B, C, ...].
            timestep: An entry of `timesteps`.
            sample: The noisy sample x, [B, C, ...].
            generator: Where noise comes from: one generator, or a list with one a sample.
            return_dict: False gives a tuple.
            variance_noise: The noise itself, instead of a generator.
            unconditional: The unconditional prediction, which CFG++ needs, [B, C, ...].
            options: Options of the solver for this step (eta, s_churn, …).

        Raises:
            ScheduleError: NF410 where the timestep is not in the schedule or an option is unknown.
        """
        solver = self._bound()
        state = self._at(solver, sample, timestep)
        if options:
            solver = self.bind(solver, options)
        noise = Noise(generator) if variance_noise is None else Given(variance_noise)
        self._state = state = solver.step(state, model_output, noise, unconditional)
        return StepOutput(state.x, state.estimate) if return_dict else (state.x, state.estimate)

    def add_noise(self, original_samples: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
        """Clean samples brought to the levels of timesteps, alpha x0 + sigma noise, [B, ...]; timesteps: [B]."""
        levels = [self._level(t) for t in timesteps.reshape(-1).tolist()]
        return _column([one.alpha for one in levels], original_samples) * original_samples + (
            _column([one.sigma for one in levels], noise) * noise
        )

    def get_velocity(self, sample: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
        """What a v-prediction model learns, (alpha noise - sigma x0) / sqrt(alpha² + sigma²), [B, ...]."""
        levels = [self._level(t) for t in timesteps.reshape(-1).tolist()]
        return _column([one.alpha / one.norm for one in levels], noise) * noise - (
            _column([one.sigma / one.norm for one in levels], sample) * sample
        )

    def save_pretrained(self, folder: str | os.PathLike[str]) -> None:
        """Write `scheduler_config.json` into a folder (made if needed)."""
        Path(folder).mkdir(parents=True, exist_ok=True)
        atomic_write(Path(folder) / FILE_NAME, self.config.text(type(self).__name__).encode())

    @classmethod
    def from_pretrained(cls, folder: str | os.PathLike[str], subfolder: str | None = None, **overrides: Any) -> Self:
        """Read `scheduler_config.json` from a folder.

        Called on `Scheduler` it gives the class that the file names, on a named class that class.

        Raises:
            NodeflowError: NF401 no such file, NF406 not a configuration, NF409 unknown class, NF410 invalid option.
        """
        config = read_config(Path(folder, subfolder or "", FILE_NAME))
        target = known_class(config.get("_class_name")) if cls is Scheduler else cls
        return target.from_config(config, **overrides)  # type: ignore[return-value]

    def _bound(self) -> Solver:
        if self._solver is None:
            self._solver = self.solver(self.current)
        return self._solver

    def _at(self, solver: Solver, sample: Tensor, timestep: float | Tensor | None) -> State:
        """The state of the run under way with this x, or of one that begins at this timestep."""
        state = self._state
        if state is None or solver.done(state) or not self._tells(state.index, timestep):
            begin = self.begin_index if state is None and self.begin_index is not None else self._find(timestep)
            return solver.start(sample, begin)
        return replace(state, x=sample)

    def _tells(self, index: int, timestep: float | Tensor | None) -> bool:
        return timestep is None or float(self.current.timesteps[index]) == float(timestep)

    def _find(self, timestep: float | Tensor | None) -> int:
        """The first call of a timestep at which a step begins."""
        if timestep is None:
            return 0
        same = (self.current.timesteps == float(timestep)).nonzero().flatten().tolist()
        found = [index for index in same if not self.current.evals[index].stage]
        if not found:
            refuse(
                f"timestep {float(timestep):g} is not in the schedule",
                where=type(self).__name__,
                fix="pass an entry of scheduler.timesteps",
            )
        return found[0]

    def _level(self, timestep: float) -> Level:
        """The level of a timestep: where the run stands or begins, else in the schedule, else in training."""
        for index in (self.step_index, self.begin_index):
            if index is not None and index < len(self.current) and self._tells(index, timestep):
                return self.current.level(index)
        if bool((self.current.timesteps == timestep).any()):
            return self.current.level(self._find(timestep))
        return self.space.level(self.space.k(timestep))


def read_config(path: Path) -> Mapping[str, Any]:
    """The configuration in a file.

    Raises:
        NodeflowError: NF401 where there is no such file, NF406 where it is not a JSON object.
    """
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        what = f"the scheduler's configuration cannot be read ({error.strerror})"
        fix = "give the folder that holds scheduler_config.json"
        raise NodeflowError("NF401", what, where=str(path), fix=fix) from None
    except ValueError as error:
        raise NodeflowError("NF406", f"the scheduler's configuration is not JSON ({error})", where=str(path)) from None
    if not isinstance(config, dict):
        raise NodeflowError("NF406", "the scheduler's configuration is not a JSON object", where=str(path))
    return config


def _column(values: list[float], like: Tensor) -> Tensor:
    """Numbers, one a sample, shaped to multiply [B, ...]."""
    return torch.tensor(values, device=like.device, dtype=like.dtype).view(-1, *[1] * (like.ndim - 1))


def known_class(name: object, others: Iterable[str] = ()) -> type[Scheduler]:
    """The class of a published name.

    Args:
        name: What may be one.
        others: Names of other kinds that could have been meant.

    Raises:
        NodeflowError: NF409 where there is none, with the nearest name.
    """
    found = Scheduler.known.get(name) if isinstance(name, str) else None
    if found is None:
        known = [*sorted(Scheduler.known), *others]
        near = get_close_matches(str(name), known, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]}? " if near else ""
        everyone = ", ".join(known)
        raise NodeflowError("NF409", f"there is no scheduler named {name!r}", fix=f"{hint}known are {everyone}")
    return found
