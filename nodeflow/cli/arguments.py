"""What `--set` and `--sweep` mean: texts become values of the type that the graph's input has."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from ..errors import NodeflowError
from ..graph.flatten import flattened

if TYPE_CHECKING:
    from ..declaration import Input
    from ..graph import Graph
    from ..packs import Library

_SWITCH = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}

_UNITS = {"MB": 10**6, "GB": 10**9, "MIB": 1 << 20, "GIB": 1 << 30}


def read_bytes(text: str) -> int:
    """A size with its unit, "6GB", "512 MiB", in bytes.

    Raises:
        NodeflowError: NF701, it is none.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?) *([MG]i?B)", text.strip(), re.IGNORECASE)
    size = round(float(found[1]) * _UNITS[found[2].upper()]) if found else 0
    if not size:
        raise NodeflowError("NF701", f"{text!r} is no size", fix="write a number and its unit, as in 6GB or 512MB")
    return size


def read_values(graph: Graph, library: Library, settings: list[str], sweeps: list[str]) -> dict[str, Any]:
    """The values of public inputs.

    Args:
        settings: "name=value" each.
        sweeps: "name=0:8" (end not included), "name=0:8:2" or "name=a,b,c" each; a JSON list for texts with commas.

    Raises:
        NodeflowError: NF213 for an unknown name, NF205 for a text that is no value of its type, NF701 without "=".
    """
    values: dict[str, Any] = {}
    for text in settings:
        name, port, value = _split(graph, library, text)
        values[name] = _value(value, port, name)
    for text in sweeps:
        name, port, value = _split(graph, library, text)
        values[name] = {"sweep": [_value(item, port, name) for item in _items(value)]}
    return values


def _split(graph: Graph, library: Library, text: str) -> tuple[str, Input | None, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise NodeflowError("NF701", f"{text!r} is not name=value", fix='write --set prompt="a red heart"')
    if name not in graph.inputs:
        known = ", ".join(sorted(graph.inputs)) or "none"
        raise NodeflowError("NF213", f"the graph has no input {name!r}", where=graph.path or "", fix=f"it has: {known}")
    graph = flattened(graph, library).graph
    node, _, port = graph.targets(name)[0].partition(".")
    spec = library.spec(graph.nodes[node].type) if node in graph.nodes else None
    return name, spec.input(port) if spec else None, value


def _items(text: str) -> list[str]:
    if text.startswith("["):
        try:
            return [item if isinstance(item, str) else json.dumps(item) for item in json.loads(text)]
        except ValueError as error:
            raise NodeflowError("NF205", f"{text!r} is not a JSON list: {error}", where="--sweep") from error
    parts = text.split(":")
    if len(parts) in (2, 3):
        try:
            return [str(number) for number in range(*map(int, parts))]
        except ValueError:
            pass
    return text.split(",")


def _value(text: str, port: Input | None, name: str) -> Any:
    kind = port.type if port else "any"
    try:
        if port and port.many:
            return [_value(item, None, name) for item in _items(text)]
        match kind:
            case "int":
                return int(text)
            case "float":
                return float(text)
            case "bool":
                return _SWITCH[text.lower()]
            case "dict":
                return _mapping(text)
            case "any":
                return _guess(text)
    except (ValueError, KeyError):
        raise NodeflowError("NF205", f"{text!r} is not a value of type {kind}", where=name) from None
    return text


def _mapping(text: str) -> dict[str, Any]:
    """A JSON object, or "name=value,name=value"."""
    if text.lstrip().startswith("{"):
        return json.loads(text)
    pairs = [part.split("=", 1) for part in text.split(",") if part.strip()]
    return {name.strip(): _guess(value) for name, value in pairs}


def _guess(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
