"""A published configuration bound to a noise space, a way to lay levels, and a solver.

Thin and without state: `schedule` lays the noise levels of one run, `solver` gives the pure function that walks them.
The contract people know (`set_timesteps`, `step`, …) stands on these two, in `scheduler.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np
import torch

from .config import MENUS, Config, check_option, given_values, refuse
from .prediction import Prediction
from .schedule import Nodes, Schedule, tensor
from .solver import Solver
from .space import Space, betas
from .warps import WARPS

Numbers = Sequence[float] | np.ndarray | torch.Tensor


@dataclass(frozen=True)
class Request:
    """What a caller wants of a run: n steps, or the timesteps, or the noise levels (the clean end included)."""

    n: int
    timesteps: np.ndarray | None = None
    sigmas: np.ndarray | None = None
    mu: float | None = None


class Binding:
    """What all schedulers share.

    A named class says its options (`defaults`), their menus where they differ from `config.MENUS`, names that other
    classes use for the same thing (`aliases`), and its solver; a family says how levels are laid (`nodes`).

    Args:
        config: Options by name. Unknown ones are kept and ignored.

    Raises:
        ScheduleError: NF410 where an option is not valid.
    """

    defaults: ClassVar[Mapping[str, Any]] = {}
    menus: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    aliases: ClassVar[Mapping[str, Mapping[str, str]]] = {}
    solver_class: ClassVar[type[Solver]]
    timestep_dtype: ClassVar[torch.dtype] = torch.int64
    order: ClassVar[int] = 1

    space: Space

    def __init__(self, **config: Any) -> None:
        given = {key: self.aliases.get(key, {}).get(value, value) if key in self.aliases else value
                 for key, value in config.items()}  # fmt: skip
        self.config = Config(self.defaults, given)
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

    def check(self) -> None:
        """Refuse a configuration this class cannot follow."""
        where = type(self).__name__
        for key, default in self.defaults.items():
            check_option(key, self.config[key], default, self.menus.get(key, MENUS.get(key)), where)
        if self.config.num_train_timesteps < 2:
            refuse("num_train_timesteps is below 2", where=where)
        if len(asked := [key for key in WARPS if key in self.defaults and self.config[key]]) > 1:
            refuse(f"{' and '.join(asked)} exclude each other", where=where, fix="ask for one of them")

    def make_space(self) -> Space:
        """The noise space the configuration describes."""
        raise NotImplementedError

    def nodes(self, request: Request) -> Nodes:
        """The points of a run."""
        raise NotImplementedError

    def make_prediction(self) -> Prediction:
        """How the configuration says to read the model's output."""
        option = self.config.get
        threshold = self._own("thresholding")
        clip = self._own("clip_sample") and not threshold
        return Prediction(
            self.config.prediction_type,
            clip=option("clip_sample_range", 1.0) if clip else None,
            quantile=self.config.dynamic_thresholding_ratio if threshold else None,
            largest=option("sample_max_value", 1.0),
        )

    def schedule(
        self,
        num_inference_steps: int | None = None,
        *,
        timesteps: Numbers | None = None,
        sigmas: Numbers | None = None,
        mu: float | None = None,
    ) -> Schedule:
        """Lay the noise levels of one run.

        Args:
            num_inference_steps: How many steps; or else
            timesteps: The timesteps themselves, falling, [n]; or else
            sigmas: The noise levels themselves, falling, the end (mostly 0) included, [n + 1].
            mu: Logarithm of the flow shift, where the configuration asks for a dynamic one.

        Raises:
            ScheduleError: NF410 where not exactly one of the three is given, or it is not valid.
        """
        nodes = self.nodes(self._request(num_inference_steps, timesteps, sigmas, mu))
        return self._laid(nodes)

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
            refuse(
                "a model that predicts epsilon cannot start from pure noise without signal",
                where=type(self).__name__,
                fix="use prediction_type v_prediction or sample, or timestep_spacing leading",
            )
        return self.bind(self.make_solver(schedule, prediction), options)

    def make_solver(self, schedule: Schedule, prediction: Prediction) -> Solver:
        """The solver with the options of the configuration."""
        return self.solver_class(schedule, prediction)

    def bind(self, solver: Solver, options: Mapping[str, Any]) -> Solver:
        """The solver with options for one run."""
        allowed = {field.name for field in fields(solver)} - {"schedule", "prediction"}
        if unknown := sorted(set(options) - allowed):
            refuse(
                f"unknown option {', '.join(unknown)}",
                where=type(self).__name__,
                fix=f"it knows {', '.join(sorted(allowed)) or 'none'}",
            )
        return replace(solver, **options)

    @cached_property
    def training_schedule(self) -> Schedule:
        """Every timestep of training time, T - 1 down to 0."""
        return self._laid(self.nodes_of_training())

    def nodes_of_training(self) -> Nodes:
        """The points of a run through every timestep."""
        raise NotImplementedError

    def betas(self) -> torch.Tensor:
        """The variance added at each timestep of training, [T]."""
        c = self.config
        return betas(c.beta_schedule, c.beta_start, c.beta_end, c.num_train_timesteps, c.trained_betas)

    def _own(self, key: str) -> bool:
        return key in self.defaults and bool(self.config[key])

    def _laid(self, nodes: Nodes) -> Schedule:
        evals = tuple(self.solver_class.lay(nodes, self.space))
        timesteps = np.array([one.t for one in evals])
        sigmas = nodes.sigmas
        if len(evals) != len(nodes.timesteps):
            sigmas = np.array([*(self.shown_sigma(one.level) for one in evals), sigmas[-1]])
        return Schedule(
            tensor(timesteps, self.timestep_dtype),
            tensor(sigmas, torch.float32),
            evals,
            self.init_noise(float(nodes.sigmas[0])),
            self.order,
        )

    def shown_sigma(self, level: Any) -> float:
        """The noise level people see."""
        return level.k

    def init_noise(self, largest: float) -> float:
        """Standard deviation of the noise a run starts with."""
        return 1.0

    def _request(self, n: int | None, timesteps: Any, sigmas: Any, mu: float | None) -> Request:
        where = type(self).__name__
        if (n is not None) + (timesteps is not None) + (sigmas is not None) != 1:
            refuse("exactly one of num_inference_steps, timesteps and sigmas must be given", where=where)
        if n is not None and (isinstance(n, bool) or n != int(n) or n < 1):
            refuse(f"num_inference_steps is {n!r}", where=where, fix="give a whole number from 1")
        if timesteps is not None:
            timesteps = _falling(timesteps, "timesteps", where)
            if timesteps[0] >= self.config.num_train_timesteps or timesteps[-1] < 0:
                refuse(f"timesteps leave 0 … {self.config.num_train_timesteps - 1}", where=where)
            return Request(len(timesteps), timesteps, None, mu)
        if sigmas is not None:
            sigmas = _falling(sigmas, "sigmas", where)
            if len(sigmas) < 2 or sigmas[-1] < 0:
                refuse("sigmas need a beginning and an end, none below 0", where=where, fix="end the list with 0")
            return Request(len(sigmas) - 1, None, sigmas.astype(np.float32), mu)
        assert n is not None
        return Request(int(n), mu=mu)


def _falling(values: Any, name: str, where: str) -> np.ndarray:
    try:
        array = np.asarray(values.tolist() if hasattr(values, "tolist") else list(values), dtype=float)
    except (TypeError, ValueError):
        refuse(f"{name} is not a list of numbers", where=where)
    if array.ndim != 1 or not len(array) or not np.isfinite(array).all():
        refuse(f"{name} is not a list of finite numbers", where=where)
    if rise := next((i for i in range(1, len(array)) if array[i] >= array[i - 1]), None):
        refuse(f"{name} do not fall: entry {rise} is {array[rise]:g} after {array[rise - 1]:g}", where=where,
               fix="order them from noise to picture")  # fmt: skip
    return array
