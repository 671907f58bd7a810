"""Values as bytes: one safetensors file each, arrays as tensors and the rest as JSON in the header. No code inside."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from . import training  # noqa: F401  (its values are stored too)
from .errors import NodeflowError
from .values import Value, is_array

Plain = None | bool | int | float | str | list[Any] | dict[str, Any]


def serialise(value: object) -> bytes:
    """A value as one safetensors file.

    What comes back from `deserialise` is bit-equal, laid out in memory as before, on the CPU; any mapping comes back
    as a dict.

    Raises:
        NodeflowError: NF502, when the value holds something that is neither array nor plain data.
    """
    tensors: dict[str, Any] = {}
    tree = json.dumps(_outline(value, tensors), allow_nan=True)
    if not tensors:
        header = json.dumps({"__metadata__": {"value": tree}}).encode()
        return len(header).to_bytes(8, "little") + header
    from safetensors.torch import save

    return save(tensors, {"value": tree})


def deserialise(data: bytes) -> Any:
    """The value that `serialise` wrote.

    Raises:
        ValueError: When the bytes are not whole, or hold a type of value that is not known here.
    """
    try:
        length = int.from_bytes(data[:8], "little")
        header = json.loads(data[8 : 8 + length])
        tree = json.loads(header.pop("__metadata__")["value"])
        return _rebuilt(tree, _tensors(data) if header else {})
    except Exception as error:
        raise ValueError(f"the stored value is damaged: {error}") from error


def _tensors(data: bytes) -> dict[str, Any]:
    from safetensors.torch import load

    return load(data)


def _outline(value: object, tensors: dict[str, Any]) -> Plain:
    """The value as JSON, its arrays put into `tensors`; everything but plain data is an object with one marked key."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if is_array(value):
        return {"array": _kept(value, tensors)}
    if isinstance(value, Value):
        fields = {name: _outline(part, tensors) for name, part in value.parts().items()}
        return {"type": type(value).__name__, "fields": fields}
    if isinstance(value, Mapping):
        return {"map": [[_outline(key, tensors), _outline(item, tensors)] for key, item in value.items()]}
    if isinstance(value, list | tuple):
        return {"list" if isinstance(value, list) else "tuple": [_outline(item, tensors) for item in value]}
    raise _refused(value)


def _refused(value: object) -> NodeflowError:
    return NodeflowError("NF502", f"a {type(value).__name__} cannot be stored", fix="return values, numbers or texts")


def _kept(array: Any, tensors: dict[str, Any]) -> list[Any]:
    """[name, order of its dimensions in memory]: `channels_last` may round differently, so it must come back."""
    if not hasattr(array, "stride"):
        raise _refused(array)
    name = str(len(tensors))
    order = sorted(range(array.dim()), key=lambda axis: (-array.stride(axis), axis))
    tensors[name] = array.detach().permute(order).contiguous().clone()
    return [name, order]


def _rebuilt(tree: Any, tensors: dict[str, Any]) -> Any:
    match tree:
        case {"array": [name, order]}:
            return tensors[name].permute([order.index(axis) for axis in range(len(order))])
        case {"type": kind, "fields": fields}:
            return Value.types[kind](**{name: _rebuilt(item, tensors) for name, item in fields.items()})
        case {"map": pairs}:
            return {_rebuilt(key, tensors): _rebuilt(item, tensors) for key, item in pairs}
        case {"list": items}:
            return [_rebuilt(item, tensors) for item in items]
        case {"tuple": items}:
            return tuple(_rebuilt(item, tensors) for item in items)
    return tree
