"""A published configuration bound to a noise space, a way to lay levels, and a solver.

Thin and without state: `schedule` lays the noise levels of one run, `solver` gives the pure function that walks them.
The contract people know (`set_timesteps`, `step`, …) stands on these two, in `scheduler.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np
import torch

from . import schedules
from .config import MENUS, Config, check_option, given_values, refuse, require_known
from .prediction import Prediction
from .request import Numbers, Request, read_request
from .schedule import Eval, Nodes, Schedule, one_call_each, tensor
from .solver import Solver
from .space import Level, Space


class Binding:
    """What all schedulers share.

    A named class says its options (`defaults`), their menus where they differ from `config.MENUS`, names that other
    classes use for the same thing (`aliases`), what else a run may ask of its levels (`run_options`), and its solver;
    a family says how levels are laid (`nodes`).

    Args:
        config: Options by name. Unknown ones are kept and ignored.

    Raises:
        ScheduleError: NF410 where an option is not valid.
    """

    defaults: ClassVar[Mapping[str, Any]] = {}
    menus: ClassVar[Mapping[str, tuple[Any, ...]]] = {}
    aliases: ClassVar[Mapping[str, Mapping[str, str]]] = {}
    run_options: ClassVar[tuple[str, ...]] = ()
    solver_class: ClassVar[type[Solver]]
    timestep_dtype: ClassVar[torch.dtype] = torch.int64
    order: ClassVar[int] = 1
    noises: ClassVar[tuple[str, ...]] = ()
    """The kinds of noise a class can walk down, in words: a model's own scheduler and another share one."""

    space: Space

    def __init__(self, **config: Any) -> None:
        renamed = {key: names[config[key]] for key, names in self.aliases.items() if str(config.get(key)) in names}
        self.config = Config(self.defaults, {**config, **renamed})
        self.check()
        self.space = self.make_space()

    @classmethod
    def from_config(cls, config: Mapping[str, Any], **overrides: Any) -> Self:
        """A scheduler of this class with another's configuration; what was only that one's default is not taken over.

        Raises:
            ScheduleError: NF410 where an option is not valid for this class.
        """
        given = {key: value for key, value in given_values(config).items() if key != "_class_name"}
        return cls(**{**given, **overrides})

    def schedule(
        self,
        num_inference_steps: int | None = None,
        *,
        timesteps: Numbers | None = None,
        sigmas: Numbers | None = None,
        mu: float | None = None,
        levels: str | None = None,
        **options: Any,
    ) -> Schedule:
        """Lay the noise levels of one run.

        Args:
            num_inference_steps: How many steps; or else
            timesteps: The timesteps themselves, falling, [n]; or else
            sigmas: The noise levels themselves, falling, the end (mostly 0) included, [n + 1].
            mu: Logarithm of the flow shift, where the configuration asks for a dynamic one.
            levels: A name of `schedules.names()`: lay the steps in that way, whatever the configuration says.
            options: What else this class lets a run ask of its levels (strength, jump_length, …).

        Raises:
            ScheduleError: NF410 where not exactly one of the three is given, or it is not valid.
        """
        where = type(self).__name__
        if mu is not None and not self.asks("use_dynamic_shifting"):
            refuse("mu is given but use_dynamic_shifting is off", where=where, fix="switch it on, or leave mu out")
        require_known(options, self.run_options, where)
        request = replace(read_request(num_inference_steps, timesteps, sigmas, mu, self.top, where), options=options)
        if levels is not None:
            if num_inference_steps is None:
                refuse(f"{levels} lays a number of steps", where=where, fix="give num_inference_steps alone")
            k = schedules.sigmas(levels, self.trained_levels(mu), request.n)
            request = replace(request, sigmas=k, shifted=True)
        return self._laid(self.nodes(request))

    def solver(self, schedule: Schedule, **options: Any) -> Solver:
        """The pure function that walks a schedule.

        Args:
            schedule: From this scheduler's `schedule`.
            options: What the solver can be told for one run (eta, s_churn, …).

        Raises:
            ScheduleError: NF410 where the solver has no such option, or the prediction is undefined at pure noise.
        """
        prediction = self.make_prediction()
        if prediction.kind == "epsilon" and not prediction.bounded and schedule.evals[0].level.alpha == 0:
            what = "a model that predicts epsilon cannot start from pure noise without signal"
            fix = "use prediction_type v_prediction or sample, or timestep_spacing leading"
            refuse(what, where=type(self).__name__, fix=fix)
        made = replace(self.make_solver(schedule, prediction), cfg_pp=bool(self.config.get("cfg_pp")))
        return self.bind(made, options)

    def bind(self, solver: Solver, options: Mapping[str, Any]) -> Solver:
        """The solver with options for one run."""
        known = {field.name for field in fields(solver)} - {"schedule", "prediction"}
        require_known(options, known, type(self).__name__)
        return replace(solver, **options)

    @property
    def top(self) -> float:
        """The noisiest timestep a model can be told."""
        return self.config.num_train_timesteps - 1

    @cached_property
    def training_schedule(self) -> Schedule:
        """Every timestep of training time, T - 1 down to 0."""
        return self._laid(self.nodes_of_training())

    def check(self) -> None:
        """Refuse a configuration this class cannot follow."""
        where = type(self).__name__
        for key, default in self.defaults.items():
            check_option(key, self.config[key], default, self.menus.get(key, MENUS.get(key)), where)
        if "num_train_timesteps" in self.defaults and self.config.num_train_timesteps < 2:
            refuse("num_train_timesteps is below 2", where=where, fix="give what the model was trained with")

    def make_space(self) -> Space:
        """The noise space the configuration describes."""
        raise NotImplementedError

    def nodes(self, request: Request) -> Nodes:
        """The points of a run."""
        raise NotImplementedError

    def trained_levels(self, mu: float | None = None) -> np.ndarray:
        """The noise levels the model was trained at, rising, [T]; mu: logarithm of the shift of a flow."""
        return self.space.ks

    def nodes_of_training(self) -> Nodes:
        """The points of a run through every timestep."""
        raise NotImplementedError

    def calls(self, nodes: Nodes) -> Iterable[Eval]:
        """The calls of the model between the points of a run."""
        return one_call_each(nodes, self.space)

    def make_prediction(self) -> Prediction:
        """How the configuration says to read the model's output."""
        option = self.config.get
        threshold = self.asks("thresholding")
        clip = self.asks("clip_sample") and not threshold
        return Prediction(
            self.config.prediction_type,
            clip=option("clip_sample_range", 1.0) if clip else None,
            quantile=option("dynamic_thresholding_ratio") if threshold else None,
            largest=option("sample_max_value", 1.0),
        )

    def make_solver(self, schedule: Schedule, prediction: Prediction) -> Solver:
        """The solver with the options of the configuration."""
        return self.solver_class(schedule, prediction)

    def init_noise(self, largest: float) -> float:
        """Standard deviation of the noise a run starts with, whose largest level is given."""
        return 1.0

    def shown(self, level: Level) -> float:
        """The noise level as people see it in `sigmas`."""
        return level.k

    def asks(self, key: str) -> bool:
        """Whether an option of this class (not one kept for another) is on."""
        return key in self.defaults and bool(self.config[key])

    def _laid(self, nodes: Nodes) -> Schedule:
        evals = tuple(self.calls(nodes))
        sigmas = nodes.sigmas
        if len(evals) != len(nodes.timesteps):
            sigmas = np.array([*(self.shown(one.level) for one in evals), sigmas[-1]])
        return Schedule(
            timesteps=tensor(np.array([one.t for one in evals]), self.timestep_dtype),
            sigmas=tensor(sigmas, torch.float32),
            evals=evals,
            init_noise_sigma=self.init_noise(float(nodes.sigmas[0])),
            steps=len(nodes.timesteps),
            order=self.order,
        )
