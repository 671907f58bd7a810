"""Which output fits which input, and what stands in for a node that is bypassed.

A type is known by its lineage: its own name and those of the types it extends, most special first; () = not known,
which fits anything. A wire carries one value or a list of them; one fits where a list is taken, and a list into a
port for one maps the node, so being a list never makes a wire wrong.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..specs import Input, NodeSpec, Output

Lineage = tuple[str, ...]


class Ports:
    """The ports of a node type, by name; `variable` says that an output carries what arrives."""

    __slots__ = ("inputs", "outputs", "required", "spec", "variable")

    def __init__(self, spec: NodeSpec) -> None:
        self.spec = spec
        self.inputs: dict[str, Input] = {port.name: port for port in spec.inputs}
        self.outputs: dict[str, Output] = {port.name: port for port in spec.outputs}
        self.required = tuple(port for port in spec.inputs if port.required)
        self.variable = any(port.type.startswith("~") for port in spec.outputs)


def fits(lineage: Lineage, type: str) -> bool:
    """Does a value of this lineage fit a port of this type?"""
    return not lineage or type == "any" or type in lineage or (type == "float" and "int" in lineage)


def common(one: Lineage, other: Lineage) -> Lineage | None:
    """The most special type that holds both; None when there is none."""
    if not one or not other:
        return one or other
    if {one[0], other[0]} == {"int", "float"}:
        return ("float",)
    shared = next((place for place, name in enumerate(one) if name in other), None)
    return None if shared is None else one[shared:]


def lineage_of(port: Output) -> Lineage:
    """The lineage that a declared output has; () for "any" and for type variables."""
    return () if port.type == "any" or port.type.startswith("~") else port.lineage or (port.type,)


def bypass_routes(spec: NodeSpec, there: Container[str]) -> dict[str, str]:
    """The input that stands in for each output while a node is bypassed; outputs without one are left out.

    It is the first input of the output's type that has a wire or a value; else the first with a default. One value
    does not stand in for a list, nor a list for one value.

    Args:
        spec: The node type.
        there: The inputs of the node that have a wire or a value.
    """
    routes = {}
    for output in spec.outputs:
        alike = [port for port in spec.inputs if port.many == output.many and output.type in _lineage(port.type)]
        usable = [port.name for port in alike if port.name in there]
        usable += [port.name for port in alike if port.default is not None]
        if usable:
            routes[output.name] = usable[0]
    return routes


def _lineage(type: str) -> Lineage:
    from ..values import Value

    known = Value.types.get(type)
    return known.lineage() if known else (type,)


def nearest(word: str, known: Iterable[str]) -> str:
    """What to say to someone who wrote `word`: the known name that is closest, or all of them where they are few."""
    names = list(known)
    near = max(names, key=lambda name: _likeness(word, name), default="")
    if near and _likeness(word, near) > 0.6:
        return f"did you mean {near!r}?"
    return f"it has: {', '.join(names[:12])}" if names else ""


def _likeness(one: str, other: str) -> float:
    """The share of two names that is equal at their beginning and end; one slip of the finger leaves nearly all."""
    one, other = one.casefold(), other.casefold()
    shorter, longer = sorted((len(one), len(other)))
    head = next((place for place in range(shorter) if one[place] != other[place]), shorter)
    tail = next((place for place in range(shorter - head) if one[-1 - place] != other[-1 - place]), shorter - head)
    return (head + tail) / longer if longer else 1.0
