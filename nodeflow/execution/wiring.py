"""From nodes to steps: what feeds each input, and what the key of each step is.

One walk, depth first and without recursion, over the ancestors of what is wanted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ..errors import Fault, NodeflowError
from ..graph.plain import is_sweep
from .keys import once
from .kinds import Kind, Port
from .passing import Passing
from .stepping import StepMaker
from .steps import MISSING, Const, Gather, Ref, Source, Step
from .sweeps import Axis, Swept, combined, places, sweep_values

if TYPE_CHECKING:
    from ..graph.graph import Graph, Node
    from ..packs import Library
    from .run import Environment

Outputs = Mapping[str, Source | Swept]


class _Broken(dict[str, Source | Swept]):
    """The outputs of a node that cannot run: whatever is asked for comes from its failed step."""

    def __init__(self, step: Step) -> None:
        self.step = step

    def __missing__(self, port: str) -> Source:
        return Ref(self.step, 0)


_OPEN: Outputs = {}
"""The outputs of a node whose ancestors are still being walked."""


class Wiring:
    """Makes the steps for some nodes of a graph and all that they need.

    Args:
        graph: The document.
        library: Its node types.
        environment: Where the steps will run.
        make: Turns a node with its sources into a step.
        faults: What is known to be wrong, by node; such nodes do not run.
    """

    def __init__(
        self, graph: Graph, library: Library, environment: Environment, make: StepMaker, faults: Mapping[str, Fault]
    ) -> None:
        self.nodes = graph.nodes
        self.calls: dict[str, list[Step]] = {}
        self._library = library
        self._environment = environment
        self.make = make
        self._faults = faults
        self._kinds: dict[str, Kind | None] = {}
        self.given: dict[str, dict[str, Const | Swept]] = {}
        self._made: dict[str, Outputs] = {}
        self.axes: list[Axis] = []
        self._passing = Passing(self)

    def kind(self, type: str) -> Kind | None:
        """A node type made ready; None when no pack has it."""
        try:
            return self._kinds[type]
        except KeyError:
            spec = self._library.spec(type)
            kind = None if spec is None else Kind(spec, self._library, self._environment)
            return self._kinds.setdefault(type, kind)

    def give(self, ports: Iterable[str], value: Any, name: str) -> None:
        """Set a public input: the value takes the place of what these ports have."""
        ports = tuple(ports)
        values = sweep_values(value, name) if is_sweep(value) else None
        axis = len(self.axes)
        if values is not None:
            self.axes.append(Axis(ports, values))
        for end in ports:
            node, _, port_name = end.partition(".")
            kind = self.kind(self.nodes[node].type) if node in self.nodes else None
            port = next((port for port in kind.ports if port.name == port_name), None) if kind else None
            if port is None:
                if node in self.nodes and kind is None:
                    continue
                raise NodeflowError("NF210", f"the graph input leads to {end}, which is not there", where=name)
            if values is None:
                source: Const | Swept = _given_const(port, value)
            else:
                source = Swept([axis], [len(values)], [_given_const(port, each) for each in values])
            self.given.setdefault(node, {})[port_name] = source

    def walk(self, names: Iterable[str]) -> None:
        """Make the steps of these nodes and of their ancestors, ancestors first."""
        made = self._made
        for root in names:
            if root in made or root not in self.nodes:
                continue
            made[root] = _OPEN
            stack = [(root, iter(self._ancestors(root)))]
            while stack:
                name, rest = stack[-1]
                for child in rest:
                    if child not in made and child in self.nodes:
                        made[child] = _OPEN
                        stack.append((child, iter(self._ancestors(child))))
                        break
                else:
                    stack.pop()
                    made[name] = self._outputs(name)

    def source(self, end: str) -> Source | Swept:
        """What comes out of "node.port".

        Raises:
            NodeflowError: NF206 when it is not there, NF207 when it is part of a cycle.
        """
        name, _, port = end.partition(".")
        made = self._made.get(name)
        if made is None:
            raise NodeflowError("NF206", f"the wire from {end} comes from nowhere", fix="remove or rewire it")
        if made is _OPEN:
            raise NodeflowError("NF207", f"the wire from {end} closes a cycle", fix="cut one of its wires")
        try:
            return made[port]
        except KeyError:
            what = f"the wire from {end} comes from nowhere: {name} has no such output"
            raise NodeflowError("NF206", what, fix=f"it has {', '.join(made) or 'none'}") from None

    def _ancestors(self, name: str) -> list[str]:
        """The nodes that feed the inputs a node uses."""
        node = self.nodes[name]
        kind = self.kind(node.type)
        if kind is None or not node.wires:
            return []
        ports: Iterable[str] = [port.name for port in kind.ports if port.name in node.wires]
        if node.bypass or kind.spec.passes:
            ports = self._passing.used(name, node, kind)
        given, found = self.given.get(name, ()), []
        for port in ports:
            wire = node.wires.get(port)
            if wire is None or port in given:
                continue
            for end in (wire,) if type(wire) is str else wire:
                found.append(end.partition(".")[0])
        return found

    def _outputs(self, name: str) -> Outputs:
        node = self.nodes[name]
        kind = self.kind(node.type)
        try:
            if kind is None:
                raise NodeflowError("NF201", f"no pack has a node {node.type!r}", fix="install its pack")
            if name in self._faults:
                raise NodeflowError.of([self._faults[name]])
            self._refuse_unknown_ports(node, kind)
            if node.bypass:
                return self._passing.bypassed(name, node, kind)
            if kind.spec.passes:
                passed = self._passing.passed(name, node, kind)
                if passed is not None:
                    return passed
            return self._called(name, node, kind)
        except NodeflowError as error:
            return self._broken(name, error.faults[0])

    def _broken(self, name: str, fault: Fault) -> Outputs:
        step = self.make.broken(name, fault.at(name))
        self.calls[name] = [step]
        return _Broken(step)

    def _refuse_unknown_ports(self, node: Node, kind: Kind) -> None:
        if not (kind.names >= node.wires.keys() and kind.names >= node.values.keys()):
            unknown = sorted((node.wires.keys() | node.values.keys()) - kind.names)
            raise NodeflowError("NF202", f"{kind.spec.id} has no input {', '.join(unknown)}", fix="remove it")

    def _called(self, name: str, node: Node, kind: Kind) -> Outputs:
        given = self.given.get(name)
        sources = [self.input(name, node, port, given) for port in kind.ports]
        if Swept not in map(type, sources):
            step = self.make(name, node, kind, sources)  # type: ignore[arg-type]
            self.calls[name] = [step]
            return dict(zip(kind.outputs, step.refs, strict=True))
        axes, lengths = combined(sources)
        steps = []
        for place in places(axes, lengths):
            cell = [source.at(place) if isinstance(source, Swept) else source for source in sources]
            steps.append(self.make(name, node, kind, cell, tuple(place.values())))
        self.calls[name] = steps
        refs = zip(*(step.refs for step in steps), strict=True)
        return {port: Swept(axes, lengths, cells) for port, cells in zip(kind.outputs, refs, strict=True)}

    def input(self, name: str, node: Node, port: Port, given: Mapping[str, Const | Swept] | None) -> Source | Swept:
        """What feeds one input: a value from the caller, a wire, a value of the node, or the default."""
        if given is not None and port.name in given:
            return given[port.name]
        try:
            if port.name in node.wires:
                return self._wired(node.wires[port.name], port)
            if port.name in node.values:
                return self._literal(node.values[port.name], port, f"{name}.{port.name}")
        except NodeflowError as error:
            raise NodeflowError.of([error.faults[0].at(f"{name}.{port.name}")]) from error
        if port.default is MISSING:
            raise NodeflowError("NF203", "a required input has no value", where=f"{name}.{port.name}", fix="wire it")
        return port.default

    def _wired(self, wire: str | list[str], port: Port) -> Source | Swept:
        if not port.many:
            return self.source(wire if type(wire) is str else wire[0])
        parts: list[Source] = []
        for end in (wire,) if type(wire) is str else wire:
            source = self.source(end)
            parts.extend(source.cells if type(source) is Swept else [source])  # type: ignore[list-item]
        return Gather(parts)

    def _literal(self, value: Any, port: Port, where: str) -> Source | Swept:
        if not is_sweep(value):
            return port.const(value)
        values = sweep_values(value, where)
        self.axes.append(Axis((where,), values))
        return Swept([len(self.axes) - 1], [len(values)], [port.const(each) for each in values])


def _given_const(port: Port, value: Any) -> Const:
    """A value from a caller; one that cannot be stored gets a key of its own, so nothing is reused wrongly."""
    try:
        return port.const(value)
    except NodeflowError:
        return Const(value, b"x" + once())
