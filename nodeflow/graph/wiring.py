"""The types on the wires: each source against the port it arrives at, type variables settled node by node."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from ..errors import Fault
from .graph import Graph, Node, split
from .ports import Lineage, Ports, bypass_routes, common, fits, lineage_of, nearest

if TYPE_CHECKING:
    from ..specs import Input


class Wiring:
    """What the outputs of a graph's nodes carry.

    Args:
        graph: The graph.
        ports: The ports of each node whose type is known.
        given: Each "node.port" that a caller of the graph will set.
    """

    def __init__(self, graph: Graph, ports: Mapping[str, Ports], given: Container[str] = ()) -> None:
        self._graph = graph
        self._ports = ports
        self._given = given
        self._settled: dict[str, dict[str, Lineage]] = {}
        self._routes: dict[str, dict[str, str]] = {}

    def faults(self, order: Sequence[str]) -> Iterator[Fault]:
        """All wires that do not fit, of these nodes; sources come before what they feed."""
        for name in order:
            node = self._graph.nodes[name]
            if name in self._ports:
                yield from self._node(name, node, self._ports[name])
            else:
                found = (self.dangling(source, f"{name}.{input}") for input, source in node.sources())
                yield from filter(None, found)

    def used(self, name: str) -> Mapping[str, Input]:
        """The inputs of a node that count: of a bypassed one, those that stand in for its outputs."""
        ports = self._ports[name]
        if not self._graph.nodes[name].bypass:
            return ports.inputs
        return {given: ports.inputs[given] for given in self.routes(name).values()}

    def routes(self, name: str) -> dict[str, str]:
        """The input that stands in for each output of a bypassed node."""
        if name not in self._routes:
            node, ports = self._graph.nodes[name], self._ports[name]
            given = (input for input in ports.inputs if f"{name}.{input}" in self._given)
            self._routes[name] = bypass_routes(ports.spec, {*node.wires, *node.values, *given})
        return self._routes[name]

    def dangling(self, source: str, where: str) -> Fault | None:
        """Why nothing comes from "node.output"; None when something does, or may."""
        name, output = split(source)
        if name not in self._graph.nodes:
            return Fault("NF206", f"the node {name!r} does not exist", where, "wire another, or remove the wire")
        if name not in self._ports:
            return None
        ports = self._ports[name]
        if output not in ports.outputs:
            fix = nearest(output, ports.outputs) or "it has no outputs"
            return Fault("NF202", f"{name} ({ports.spec.id}) has no output {output!r}", where, fix)
        if self._graph.nodes[name].bypass and output not in self.routes(name):
            what = f"{name} is bypassed, and none of its inputs can stand in for {output!r}"
            return Fault("NF206", what, where, "do not bypass it, or wire another node")
        return None

    def lineage(self, source: str) -> Lineage:
        """What "node.output" carries; () when that is not known."""
        name, output = split(source)
        ports = self._ports.get(name)
        port = ports.outputs.get(output) if ports else None
        if port is None:
            return ()
        return self._settled.get(name, {}).get(port.type, ()) if port.type.startswith("~") else lineage_of(port)

    def _node(self, name: str, node: Node, ports: Ports) -> Iterator[Fault]:
        settled: dict[str, Lineage] = {}
        used = self.used(name)
        for input, wired in node.wires.items():
            port = used.get(input)
            if port is None:
                continue
            where = f"{name}.{input}"
            if isinstance(wired, list) and not port.many:
                yield Fault("NF204", f"{len(wired)} wires arrive, {port.type} takes one", where, "keep one of them")
            for source in [wired] if isinstance(wired, str) else wired:
                yield from self._wire(source, port, where, settled)
        if settled:
            self._settled[name] = settled

    def _wire(self, source: str, port: Input, where: str, settled: dict[str, Lineage]) -> Iterator[Fault]:
        if fault := self.dangling(source, where):
            yield fault
            return
        lineage = self.lineage(source)
        if not port.type.startswith("~"):
            if not fits(lineage, port.type):
                what = f"{source} is {_a(lineage[0])}, the input takes {_a(port.type)}"
                yield Fault("NF204", what, where, f"wire an output of type {port.type}")
            return
        both = common(settled.get(port.type, ()), lineage)
        if both is None:
            what = f"{source} is {_a(lineage[0])}, another input of the node is {_a(settled[port.type][0])}"
            yield Fault("NF204", what, where, "wire both from the same type")
        else:
            settled[port.type] = both


def _a(type: str) -> str:
    return f"{'an' if type[0] in 'AEIOUaeio' else 'a'} {type}"
