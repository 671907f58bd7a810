"""The arrays inside a value: how many bytes, on which device, and a value in words.

An array is whatever has `nbytes`, `device` and `to(device)`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from .base import Value

T = TypeVar("T")


def is_array(value: object) -> bool:
    """Whether a value is a leaf that has bytes and lives on a device."""
    return hasattr(value, "nbytes") and hasattr(value, "to") and hasattr(value, "device")


def arrays(value: object) -> Iterator[Any]:
    """Every array inside a value."""
    if is_array(value):
        yield value
    elif isinstance(value, Value):
        for item in value.parts().values():
            yield from arrays(item)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from arrays(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from arrays(item)


def mapped(value: T, change: Callable[[Any], Any]) -> T:
    """The same value with each array replaced by `change(array)`; the very same object where nothing changed."""
    result: Any = value
    if is_array(value):
        result = change(value)
    elif isinstance(value, Value):
        parts = value.parts()
        new = {name: mapped(part, change) for name, part in parts.items()}
        if any(new[name] is not parts[name] for name in new):
            result = dataclasses.replace(value, **new)
    elif isinstance(value, Mapping):
        pairs = {key: mapped(item, change) for key, item in value.items()}
        if any(pairs[key] is not value[key] for key in pairs):
            result = pairs
    elif isinstance(value, list | tuple):
        items = [mapped(item, change) for item in value]
        if any(a is not b for a, b in zip(items, value, strict=True)):
            result = type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    return result


def nbytes(value: object) -> int:
    """Bytes of the arrays inside a value."""
    return sum(array.nbytes for array in arrays(value))


def device_of(value: object) -> str:
    """The device of a value's arrays, "cpu" for one without."""
    return next((str(array.device) for array in arrays(value)), "cpu")


def moved(value: T, device: str) -> T:
    """The same value with its arrays on `device`."""
    return mapped(value, lambda array: array if str(array.device) == device else array.to(device))


def stamp(value: object) -> tuple[int, ...]:
    """Changes when an array inside the value is written to; torch counts the writes of each tensor."""
    return tuple(getattr(array, "_version", 0) for array in arrays(value))


def describe(value: object) -> str:
    """A value in a few words, for errors and logs: "Latent float32 [1, 4, 64, 64] on cuda:0"."""
    if value is None or isinstance(value, bool | int | float | str):
        text = repr(value)
        return text if len(text) <= 60 else f"{text[:57]}…"
    if isinstance(value, list | tuple):
        return f"list of {len(value)}" + (f" × {describe(value[0])}" if value else "")
    first = next(arrays(value), None)
    if first is None:
        return type(value).__name__
    dtype = str(getattr(first, "dtype", "")).removeprefix("torch.")
    place = "" if str(first.device) == "cpu" else f" on {first.device}"
    return f"{type(value).__name__} {dtype} {list(getattr(first, 'shape', ()))}{place}"
