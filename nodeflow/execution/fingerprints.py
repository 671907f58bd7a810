"""Fingerprints: what a node says of the outside world, as part of its key.

A fingerprint gets those inputs that it names. Where one is wired, its value must be there first; a list maps the
fingerprint as it maps the node.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..errors import Fault, NodeflowError
from .keys import token
from .kinds import Kind, asked

UNKNOWN = object()
"""Stands for a value that is not computed yet."""


def wanted_places(kind: Kind) -> list[int]:
    """The numbers of the inputs that a type's fingerprint takes; lazy ones are not computed for it."""
    function = kind.type.fingerprint
    assert function is not None
    names = set(asked(function, [port.name for port in kind.ports if not port.lazy]))
    return [place for place, port in enumerate(kind.ports) if port.name in names]


def fingerprint(kind: Kind, places: Sequence[int], value: Callable[[int], Any]) -> bytes | None:
    """The token of a node's fingerprint; None while a value it takes is not known.

    Args:
        kind: The node type.
        places: From `wanted_places`.
        value: The value of an input by its number, or `UNKNOWN`.

    Raises:
        NodeflowError: NF504, when the fingerprint fails.
    """
    values = {kind.ports[place].name: value(place) for place in places}
    if any(item is UNKNOWN for item in values.values()):
        return None
    lists = {kind.ports[p].name for p in places if not kind.ports[p].many} & {
        name for name, item in values.items() if isinstance(item, list | tuple)
    }
    if not lists:
        return _called(kind, values)
    count = min(len(values[name]) for name in lists)
    each = ({name: item[i] if name in lists else item for name, item in values.items()} for i in range(count))
    return b"".join(_called(kind, one) for one in each)


def _called(kind: Kind, values: dict[str, Any]) -> bytes:
    function = kind.type.fingerprint
    assert function is not None
    try:
        return token(function(**values))
    except NodeflowError as error:
        fault = error.faults[0]
        raise NodeflowError.of([Fault(fault.code, fault.what, "", fault.fix)]) from error
    except Exception as error:
        raise NodeflowError("NF504", f"the fingerprint failed: {type(error).__name__}: {error}") from error
