"""What can be known of a graph's values before anything runs, and which parts do not fit each other because of it.

A node type may describe its outputs from what is known of its inputs: the latent space of a latent, the family of a
denoiser. Facts are plain dicts that travel along the wires; None = unknown, and what is unknown is not refused.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import Fault, NodeflowError
from .graph import Graph, Node, split
from .plain import is_sweep
from .ports import Ports
from .wiring import Wiring

if TYPE_CHECKING:
    from ..packs import Library
    from ..specs import Input


class Facts:
    """The facts of a graph, and the faults that come to light with them.

    Args:
        graph: The graph.
        library: Where the describing functions are.
        ports: The ports of each node whose type is known.
        wiring: Which input stands in for the outputs of a bypassed node.
    """

    def __init__(self, graph: Graph, library: Library, ports: Mapping[str, Ports], wiring: Wiring) -> None:
        self._graph = graph
        self._library = library
        self._ports = ports
        self._wiring = wiring
        self._known: dict[str, Mapping[str, Any]] = {}

    def of(self, source: str) -> Any:
        """The facts of "node.output"; None when nothing is known."""
        name, output = split(source)
        return self._known.get(name, {}).get(output)

    def faults(self, order: Sequence[str]) -> Iterator[Fault]:
        """All that does not fit, of these nodes; sources come before what they feed."""
        if not any(ports.spec.describes for ports in self._ports.values()):
            return
        for name in order:
            node, ports = self._graph.nodes[name], self._ports.get(name)
            if ports is None:
                continue
            try:
                self._known[name] = self._node(name, node, ports)
            except NodeflowError as error:
                yield from (_located(fault, name, ports) for fault in error.faults)
            except Exception as error:
                what = f"{ports.spec.id} cannot describe itself: {type(error).__name__}: {error}"
                yield Fault("NF303", what, name, "report it to the author of its pack")

    def _node(self, name: str, node: Node, ports: Ports) -> Mapping[str, Any]:
        spec = ports.spec
        if node.bypass:
            routes = self._wiring.routes(name)
            return {output: self._input(node, ports.inputs[given]) for output, given in routes.items()}
        if spec.describes:
            describe = self._library.type(spec.id).describe
            known = {port.name: self._input(node, port) for port in spec.inputs}
            return (describe(**_taken(describe, known)) or {}) if describe else {}
        if spec.passes:
            passed = ports.inputs.get(self._passed(node, ports))
            return dict.fromkeys(ports.outputs, self._input(node, passed)) if passed else {}
        return {}

    def _passed(self, node: Node, ports: Ports) -> str:
        """The input that such a node passes on; empty while that depends on what is not known."""
        if ports.spec.passes != "?":
            return ports.spec.passes
        choose = self._library.type(ports.spec.id).chosen
        wired = (port.name in node.wires for port in ports.inputs.values() if not port.wired)
        if choose is None or any(wired):
            return ""
        known = {port.name: self._input(node, port) for port in ports.spec.inputs if not port.wired}
        return choose(**_taken(choose, known))

    def _input(self, node: Node, port: Input) -> Any:
        """What is known of an input: facts of what is wired to it, or its value."""
        wired = node.wires.get(port.name)
        if wired is not None:
            return self.of(wired) if isinstance(wired, str) else [self.of(source) for source in wired]
        value = node.values.get(port.name, port.default)
        return None if is_sweep(value) else value


def _taken(function: Callable[..., Any], offered: Mapping[str, Any]) -> dict[str, Any]:
    """Of what is offered, what a function takes as keyword arguments."""
    parameters = inspect.signature(function).parameters
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return dict(offered)
    return {name: value for name, value in offered.items() if name in parameters}


def _located(fault: Fault, name: str, ports: Ports) -> Fault:
    """The fault at its node, or at the input it names; a file it names becomes part of what it says."""
    if fault.where in ports.inputs:
        return Fault(fault.code, fault.what, f"{name}.{fault.where}", fault.fix)
    what = f"{fault.where}: {fault.what}" if fault.where else fault.what
    return Fault(fault.code, what, name, fault.fix)
