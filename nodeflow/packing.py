"""Values as bytes: one safetensors file each, arrays as tensors and the rest as JSON in the header. No code inside."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from .errors import NodeflowError
from .values import Value, is_array

Plain = None | bool | int | float | str | list[Any] | dict[str, Any]


def serialise(value: object) -> bytes:
    """A value as one safetensors file: arrays as tensors, the rest as JSON in its header.

    Raises:
        NodeflowError: NF502, when the value holds something that is neither.
    """
    tensors: dict[str, Any] = {}
    tree = json.dumps(_outline(value, tensors), allow_nan=True)
    if not tensors:
        header = json.dumps({"__metadata__": {"value": tree}}).encode()
        return len(header).to_bytes(8, "little") + header
    from safetensors.torch import save

    return save(tensors, {"value": tree})


def deserialise(data: bytes) -> Any:
    """The value that `serialise` wrote; `ValueError` when the bytes are not whole."""
    length = int.from_bytes(data[:8], "little")
    if len(data) < 8 + length:
        raise ValueError("the stored value is cut")
    tree = json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["value"])
    tensors: dict[str, Any] = {}
    if len(data) > 8 + length:
        from safetensors.torch import load

        tensors = load(data)
    return _rebuilt(tree, tensors)


def _outline(value: object, tensors: dict[str, Any]) -> Plain:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if is_array(value):
        name = str(len(tensors))
        tensors[name] = value.detach().contiguous().clone() if hasattr(value, "detach") else value
        return {"array": name}
    if isinstance(value, Value):
        fields = {name: _outline(getattr(value, name), tensors) for name in value.__dataclass_fields__}
        return {"type": type(value).__name__, "fields": fields}
    if isinstance(value, Mapping):
        return {"map": {key: _outline(item, tensors) for key, item in value.items()}}
    if isinstance(value, list | tuple):
        return {"list" if isinstance(value, list) else "tuple": [_outline(item, tensors) for item in value]}
    raise NodeflowError("NF502", f"a {type(value).__name__} cannot be stored", fix="return values, numbers or texts")


def _rebuilt(tree: Any, tensors: dict[str, Any]) -> Any:
    if not isinstance(tree, dict):
        return tree
    if "array" in tree:
        return tensors[tree["array"]]
    if "type" in tree:
        fields = {name: _rebuilt(item, tensors) for name, item in tree["fields"].items()}
        return Value.types[tree["type"]](**fields)
    if "map" in tree:
        return {key: _rebuilt(item, tensors) for key, item in tree["map"].items()}
    kind, items = next(iter(tree.items()))
    rebuilt = [_rebuilt(item, tensors) for item in items]
    return tuple(rebuilt) if kind == "tuple" else rebuilt
