"""Every scheduler and its options as plain data, without torch.

`schedulers/table.json` is made from the classes by `make tables`; see `schedulers/options.py`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, NoReturn

from ..errors import NodeflowError

FILE = Path(__file__).parent / "schedulers" / "table.json"


def variants() -> Mapping[str, Mapping[str, Any]]:
    """As `table`, each option once: a usual name is "like" its classes, and its "options" are those that differ."""
    classes, usual = _data()["classes"], _data()["usual"]
    return {name: table()[name] for name in classes} | {
        name: {
            "like": [base for base in (flow, cls) if base],
            "options": {key: table()[name]["options"][key] for key in told if key in table()[name]["options"]},
        }
        for name, (cls, flow, told) in usual.items()
    }


@cache
def table() -> Mapping[str, Mapping[str, Any]]:
    """By class name, then by usual name: {"doc", "noises", "options": {name: {"type", "default", "menu", "doc"}}}."""
    data = _data()
    classes = {
        name: {
            "doc": about["doc"],
            "noises": about["noises"],
            "options": {key: {**option, "doc": data["help"][key]} for key, option in about["options"].items()},
        }
        for name, about in data["classes"].items()
    }
    return {**classes, **{name: _usual(classes, *about) for name, about in data["usual"].items()}}


def sigmas() -> tuple[str, ...]:
    """The names that stand for noise levels."""
    return tuple(_data()["sigmas"])


def timesteps() -> tuple[str, ...]:
    """The names that stand for timesteps."""
    return tuple(_data()["timesteps"])


def refuse_scheduler(name: str) -> NoReturn:
    """Raise for a name that no scheduler has: NF409."""
    near = get_close_matches(name, table(), n=1, cutoff=0.5)
    fix = f"did you mean {near[0]!r}?" if near else "`nodeflow nodes schedule/steps` lists them"
    raise NodeflowError("NF409", f"there is no scheduler named {name!r}", where="scheduler", fix=fix)


def refuse_option(scheduler: str, name: str, has: Iterable[str]) -> NoReturn:
    """Raise for an option that a scheduler does not have: NF410."""
    near = get_close_matches(name, has, n=1, cutoff=0.5)
    fix = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(sorted(has))}"
    raise NodeflowError("NF410", f"{scheduler} has no option {name!r}", where="options", fix=fix)


def check_fit(scheduler: str, config: Mapping[str, Any], options: Mapping[str, Any]) -> None:
    """Refuse a scheduler for a model whose configuration says what it cannot do.

    Args:
        scheduler: A class name.
        config: The model's own configuration.
        options: What the user says; wins over it.

    Raises:
        NodeflowError: NF409 at "scheduler", NF410 at "options" for an option that the class lacks, else at "scheduler".
    """
    if scheduler not in table():
        refuse_scheduler(scheduler)
    check_noise(scheduler, config)
    has = table()[scheduler]["options"]
    for name in options:
        if name not in has:
            refuse_option(scheduler, name, has)
    for name, value in config.items():
        menu = has.get(name, {}).get("menu")
        if menu and value is not None and value not in menu and name not in options:
            what = f"the model's {name} is {value!r}, and {scheduler} knows {', '.join(map(str, menu))}"
            raise NodeflowError("NF410", what, where="scheduler", fix="choose a scheduler of the model's kind")


def check_noise(scheduler: str, config: Mapping[str, Any]) -> None:
    """Refuse a scheduler that walks another kind of noise than the model's own.

    Args:
        scheduler: A name.
        config: The model's own configuration; without a known `_class_name` nothing is refused.

    Raises:
        NodeflowError: NF410 at "scheduler".
    """
    own = str(config.get("_class_name", ""))
    theirs, ours = (table().get(name, {}).get("noises", []) for name in (own, scheduler))
    if theirs and ours and not {*theirs} & {*ours}:
        what = f"{scheduler} walks down {' or '.join(ours)}, and the model's {own} {' or '.join(theirs)}"
        raise NodeflowError("NF410", what, where="scheduler", fix="choose a scheduler of the model's kind")


def check_numbers(port: str, text: str, names: Sequence[str]) -> None:
    """Refuse a text that is neither one of these names nor a list of falling numbers.

    Raises:
        NodeflowError: NF410 at the port.
    """
    if not text.strip() or text.strip() in names:
        return
    try:
        numbers = [float(part) for part in text.strip().strip("[]()").replace(",", " ").split()]
    except ValueError:
        near = get_close_matches(text, names, n=1, cutoff=0.5)
        fix = f"did you mean {near[0]!r}?" if near else f"use {', '.join(names)}, or falling numbers"
        raise NodeflowError("NF410", f"{text!r} is neither a name nor a list of numbers", where=port, fix=fix) from None
    for one, next_ in pairwise(numbers):
        if not one > next_:
            what = f"{port} do not fall: {one:g} is followed by {next_:g}"
            raise NodeflowError("NF410", what, where=port, fix="order them from noise to picture")


def _usual(classes: Mapping[str, Any], table: str, flow: str | None, told: Mapping[str, Any]) -> dict[str, Any]:
    """What a usual name stands for: the options of its class, or of the one that takes its place on a flow."""
    options = {**(classes[flow]["options"] if flow else {}), **classes[table]["options"]}
    changed = {key: {**option, "default": told[key]} for key, option in options.items() if key in told}
    noises = [*classes[table]["noises"], *(classes[flow]["noises"] if flow else [])]
    return {"doc": classes[table]["doc"], "noises": noises, "options": {**options, **changed}}


@cache
def _data() -> Any:
    return json.loads(FILE.read_bytes())
