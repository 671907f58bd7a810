"""Plain data: what a graph file can hold. None, booleans, numbers, texts, and lists and dicts of them."""

from __future__ import annotations

import json
import math
from typing import Any

from ..errors import NodeflowError

DEPTH_LIMIT = 64
"""Lists and dicts inside each other."""

DIGITS_LIMIT = 100
"""Digits of a whole number."""

text = json.JSONEncoder(ensure_ascii=False, allow_nan=False, sort_keys=True).encode
"""Plain data on one line, the same for equal data, and for 7 another than for 7.0."""

_ATOMS = frozenset((str, int, float, bool, type(None)))
_LARGEST = 10**DIGITS_LIMIT


def copied(value: Any, where: str = "", depth: int = DEPTH_LIMIT) -> Any:
    """The same data, sharing nothing that can change.

    Raises:
        NodeflowError: NF105 for anything but plain data, NF103 for a number that a file cannot hold, NF104 for data
            nested too deeply.
    """
    kind = type(value)
    if kind in _ATOMS:
        if kind is not bool and value is not None:
            _refuse_atom(value, where)
        return value
    if depth == 0:
        raise NodeflowError("NF104", f"the value is nested more than {DEPTH_LIMIT} deep", where=where)
    if isinstance(value, list | tuple):
        return [copied(item, where, depth - 1) for item in value]
    if isinstance(value, dict):
        return {_key(key, where): copied(item, where, depth - 1) for key, item in value.items()}
    if isinstance(value, str):
        return str(value)
    fix = "give a text, a number, true, false, null, or a list or dict of them"
    raise NodeflowError("NF105", f"{kind.__name__} cannot be saved in a graph", where=where, fix=fix)


def _key(key: object, where: str) -> str:
    if not isinstance(key, str):
        raise NodeflowError("NF105", f"a dict's keys are texts, {key!r} is none", where=where)
    _refuse_atom(key, where)
    return key


def _refuse_atom(value: str | int | float, where: str) -> None:
    """Raise for what JSON cannot say."""
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            raise NodeflowError("NF105", "the text holds half a character (a lone surrogate)", where=where) from None
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise NodeflowError("NF103", f"{value} is not a finite number", where=where)
    elif not -_LARGEST < value < _LARGEST:
        raise NodeflowError("NF103", f"the number has more than {DIGITS_LIMIT} digits", where=where)


def is_options(value: object) -> bool:
    """Is it a mapping of options by name, which are compared, merged and written one by one?"""
    return isinstance(value, dict) and not is_sweep(value)


def is_sweep(value: object) -> bool:
    """Is it `{"sweep": [...]}`, which stands for each of its elements in turn?"""
    return isinstance(value, dict) and len(value) == 1 and "sweep" in value
