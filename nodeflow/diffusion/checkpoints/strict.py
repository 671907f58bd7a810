"""JSON that came with a model, read strictly: no name twice, no NaN, no number or nesting without end."""

from __future__ import annotations

import json
from typing import Any, NoReturn


def decode(data: bytes) -> Any:
    """The value of a JSON text.

    Raises:
        ValueError: It is not strict UTF-8 JSON.
    """
    try:
        return json.loads(data.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) != len(pairs):
        raise ValueError("a name stands twice")
    return content


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
