"""A scheduler's configuration: what a published `scheduler_config.json` says, over the class's own defaults.

A value that was given outlives a change of scheduler class; a default does not. Keys that a class does not know are
kept aside, so that a file comes back whole.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, NoReturn

from nodeflow.errors import NodeflowError

FORMAT_VERSION = "0.42.1"
"""The version of the published configuration format that is written where a file brought none of its own."""


class ScheduleError(NodeflowError, ValueError):
    """NF410: an option or a list of noise levels that is not valid."""


def refuse(what: str, *, where: str = "", fix: str = "") -> NoReturn:
    """Raise NF410 in one sentence."""
    raise ScheduleError("NF410", what, where=where, fix=fix)


SPACINGS = ("linspace", "leading", "trailing")
BETAS = ("linear", "scaled_linear", "squaredcos_cap_v2", "sigmoid", "laplace", "exp")

MENUS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "beta_schedule": BETAS,
        "timestep_spacing": SPACINGS,
        "final_sigmas_type": ("zero", "sigma_min"),
        "interpolation_type": ("linear", "log_linear"),
        "timestep_type": ("discrete", "continuous"),
        "time_shift_type": ("exponential", "linear"),
        "prediction_type": ("epsilon", "sample", "v_prediction"),
    }
)
"""What an option may say, unless a class narrows or widens it."""

TRAINING: Mapping[str, Any] = MappingProxyType(
    {
        "num_train_timesteps": 1000,
        "beta_start": 0.0001,
        "beta_end": 0.02,
        "beta_schedule": "linear",
        "trained_betas": None,
        "prediction_type": "epsilon",
    }
)
"""How the noise of a model was laid at training time: the options that every table-based class has."""

THRESHOLDING: Mapping[str, Any] = MappingProxyType(
    {"thresholding": False, "dynamic_thresholding_ratio": 0.995, "sample_max_value": 1.0}
)


SPACED: Mapping[str, Any] = MappingProxyType({"timestep_spacing": "linspace", "steps_offset": 0})

WARPED: Mapping[str, Any] = MappingProxyType(
    {"use_karras_sigmas": False, "use_exponential_sigmas": False, "use_beta_sigmas": False}
)

FLOWING: Mapping[str, Any] = MappingProxyType(
    {
        "use_flow_sigmas": False,
        "flow_shift": 1.0,
        "use_dynamic_shifting": False,
        "time_shift_type": "exponential",
    }
)


class Config(Mapping[str, Any]):
    """Given values over defaults; reads by item and by attribute, cannot be changed.

    Args:
        defaults: What the class says of its own.
        given: What a file or the caller says, unknown keys included.
    """

    def __init__(self, defaults: Mapping[str, Any], given: Mapping[str, Any]) -> None:
        self.given: Mapping[str, Any] = MappingProxyType(dict(given))
        self._all = {**defaults, **self.given}

    def __getitem__(self, key: str) -> Any:
        return self._all[key]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "_all":
            raise AttributeError(name)
        try:
            return self._all[name]
        except KeyError:
            raise AttributeError(f"the scheduler's configuration has no {name!r}") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    def __repr__(self) -> str:
        return f"Config({self._all})"

    def text(self, class_name: str) -> str:
        """The configuration file: JSON, indent 2, sorted keys, the class's name and the format's version inside."""
        version = self._all.get("_diffusers_version", FORMAT_VERSION)
        document = {**self._all, "_class_name": class_name, "_diffusers_version": version}
        return json.dumps(document, indent=2, sort_keys=True, default=_plain) + "\n"


def given_values(config: Mapping[str, Any]) -> dict[str, Any]:
    """What a configuration says on purpose: not the defaults its class filled in."""
    if isinstance(config, Config):
        return dict(config.given)
    filled_in = {*config.get("_use_default_values", ()), "_use_default_values"}
    return {key: value for key, value in config.items() if key not in filled_in}


def check_option(key: str, value: Any, default: Any, menu: tuple[str, ...] | None, where: str) -> None:
    """Refuse a value that is not on its menu or not of its default's kind.

    Raises:
        ScheduleError: NF410.
    """
    if menu is not None:
        if value not in menu:
            refuse(f"{key} is {value!r}", where=where, fix=f"choose one of {', '.join(map(str, menu))}")
    elif isinstance(default, bool):
        if value is not None and not isinstance(value, bool):
            refuse(f"{key} is {value!r}", where=where, fix="give true or false")
    elif isinstance(default, (int, float)) and (isinstance(value, bool) or not isinstance(value, (int, float))):
        refuse(f"{key} is {value!r}", where=where, fix="give a number")


def require_known(options: Iterable[str], known: Iterable[str], where: str) -> None:
    """Refuse an option that is not known.

    Raises:
        ScheduleError: NF410, with the options that are.
    """
    if unknown := sorted(set(options) - set(known)):
        fix = f"it knows {', '.join(sorted(known)) or 'none'}"
        refuse(f"unknown option {', '.join(unknown)}", where=where, fix=fix)


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"a scheduler's configuration cannot hold a {type(value).__name__}")
