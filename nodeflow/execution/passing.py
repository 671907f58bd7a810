"""Nodes that pass an input on as it is: bypassed ones, reroutes, switches.

They make no step: their output is the source of their input, so keys go through them and nothing runs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..errors import Fault, NodeflowError
from ..values import Value
from .kinds import Kind, Port, asked
from .steps import MISSING, Const, Ref, Source
from .sweeps import Swept, combined, places

if TYPE_CHECKING:
    from ..graph.graph import Node
    from .wiring import Outputs, Wiring


class Passing:
    """Finds what passes through a node.

    Args:
        wiring: Knows what feeds an input.
    """

    def __init__(self, wiring: Wiring) -> None:
        self._wiring = wiring

    def used(self, name: str, node: Node, kind: Kind) -> list[str]:
        """The inputs a bypassed or passing node may pass on."""
        if node.bypass:
            return [port.name for port in self._stand_ins(name, node, kind).values() if port]
        if kind.spec.passes != "?":
            return [kind.spec.passes]
        chosen = [self._chosen(kind, literals) for _, literals in self._switches(name, node, kind)]
        return list(node.wires) if None in chosen else [each for each in dict.fromkeys(chosen) if each]

    def _stand_ins(self, name: str, node: Node, kind: Kind) -> dict[str, Port | None]:
        """For each output of a bypassed node, the first input of its type that has something."""
        there = {*node.wires, *node.values, *self._wiring.given.get(name, ())}
        found: dict[str, Port | None] = {}
        for output in kind.spec.outputs:
            fitting = [p for p in kind.ports if p.many == output.many and output.type in _lineage(p.type)]
            fitting.sort(key=lambda port: port.name not in there)
            usable = (p for p in fitting if p.name in there or p.default.value is not None)
            found[output.name] = next(usable, None)
        return found

    def bypassed(self, name: str, node: Node, kind: Kind) -> Outputs:
        given = self._wiring.given.get(name)
        outputs: dict[str, Source | Swept] = {}
        self._wiring.calls[name] = []
        for output, port in self._stand_ins(name, node, kind).items():
            if port is None:
                fault = Fault("NF203", f"the node is bypassed and no input can stand in for {output}", name)
                outputs[output] = Ref(self._wiring.make.broken(name, fault), 0)
            else:
                outputs[output] = self._wiring.input(name, node, port, given)
        return outputs

    def passed(self, name: str, node: Node, kind: Kind) -> Outputs | None:
        """The outputs of a reroute or switch; None when only running it tells which input it passes."""
        given, output = self._wiring.given.get(name), next(iter(kind.outputs))
        ports = {port.name: port for port in kind.ports}
        self._wiring.calls[name] = []
        if kind.spec.passes != "?":
            return {output: self._wiring.input(name, node, ports[kind.spec.passes], given)}
        axes, lengths = combined(list(self._switch_values(name, node, kind).values()))
        cells: list[Source | Swept] = []
        for _, literals in self._switches(name, node, kind):
            chosen = self._chosen(kind, literals)
            if chosen is None:
                return None
            if chosen not in ports:
                raise NodeflowError("NF205", f"there is no input {chosen!r} to pass on")
            cells.append(self._wiring.input(name, node, ports[chosen], given))
        if not axes:
            return {output: cells[0]}
        return {output: _interleaved(axes, lengths, cells)}

    def _switch_values(self, name: str, node: Node, kind: Kind) -> dict[str, Source | Swept]:
        """The inputs of a switch that are literal values."""
        given = self._wiring.given.get(name, {})
        found: dict[str, Source | Swept] = {}
        for port in kind.ports:
            there = port.name in node.values or port.default is not MISSING
            if port.name in given or (there and not port.lazy and port.name not in node.wires):
                cached = found.setdefault(port.name, self._wiring.input(name, node, port, given))
                if port.name in node.values and type(cached) is Swept:
                    self._wiring.given.setdefault(name, {})[port.name] = cached  # the same axis at each look
        return found

    def _switches(self, name: str, node: Node, kind: Kind) -> list[tuple[dict[int, int], dict[str, Any]]]:
        """(place, literal values) for each combination of swept literals of a switch."""
        values = self._switch_values(name, node, kind)
        found = []
        for place in places(*combined(list(values.values()))):
            cell = {port: s.at(place) if type(s) is Swept else s for port, s in values.items()}
            found.append((place, {port: s.value for port, s in cell.items() if type(s) is Const}))
        return found

    def _chosen(self, kind: Kind, literals: dict[str, Any]) -> str | None:
        """The input a switch passes on; None when that depends on a value that is wired."""
        function: Callable[..., str] | None = kind.type.chosen
        assert function is not None
        try:
            return function(**{name: literals[name] for name in asked(function, literals)})
        except TypeError:
            return None


def _interleaved(axes: list[int], lengths: list[int], cells: list[Source | Swept]) -> Swept:
    """One table out of a cell for each combination of `axes`, where cells may be tables themselves."""
    all_axes, all_lengths = combined([Swept(axes, lengths, []), *cells])
    by_place = {tuple(place.values()): cell for place, cell in zip(places(axes, lengths), cells, strict=True)}
    table: list[Source] = []
    for place in places(all_axes, all_lengths):
        cell = by_place[tuple(place[axis] for axis in axes)]
        table.append(cell.at(place) if isinstance(cell, Swept) else cell)
    return Swept(all_axes, all_lengths, table)


def _lineage(type: str) -> tuple[str, ...]:
    known = Value.types.get(type)
    return known.lineage() if known else (type,)
