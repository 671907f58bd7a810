"""All that is wrong with a graph, at once, each at its node and port, before anything runs and without torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from ..errors import Fault
from .allowed import option_faults, value_fault
from .facts import Facts
from .flatten import flattened, wanted_nodes
from .graph import Graph, Node, split
from .migrate import migrated
from .order import circles, ordered, sources, upstream
from .ports import Ports, nearest
from .silence import audible
from .wiring import Wiring

if TYPE_CHECKING:
    from ..packs import Library


def check(
    graph: Graph,
    library: Library,
    wanted: Iterable[str] | None = None,
    *,
    deep: bool = True,
    given: Iterable[str] = (),
    inside: bool = False,
) -> list[Fault]:
    """All that keeps a graph from running.

    Args:
        graph: The graph; old nodes are looked at as they are after migration.
        library: The node types.
        wanted: Outputs of the graph, or nodes, that are asked for: only they and what they need are looked at.
            None = everything.
        deep: Also ask the nodes whether their parts fit each other; imports the packs of those that can tell.
        given: Inputs of the graph that the caller will set: their ports need no value yet.
        inside: Name the nodes inside subgraphs, as a plan does, where a port of the subgraph would do.

    Returns:
        Faults located at "node", "node.port", "inputs.name" or "outputs.name"; "group / node.port" inside a subgraph.
        Empty when the graph can run. Muted nodes, and what hangs on them, are not looked at.
    """
    flat = flattened(graph, library)
    new, faults, _ = migrated(flat.graph, library)
    names = None if wanted is None else wanted_nodes(flat, wanted)
    whole, (new, silent) = new, audible(new)
    if names and silent:
        names = [name for name in names if split(whole.outputs.get(name, name))[0] not in silent]
        if not names:
            return []
    faults += [fault for fault in flat.faults if fault.code == "NF215"]
    set_later = {port for name in given if name in new.inputs for port in new.targets(name)}
    found = _Check(new, library, [fault for fault in faults if fault.node not in silent], set_later, bool(silent))
    all_faults = [*found.all(names, deep), *(fault for fault in flat.faults if fault.code != "NF215")]
    return all_faults if inside or new is graph else list(dict.fromkeys(map(flat.outward, all_faults)))


class _Check:
    """One check: what is looked at, and what was found."""

    def __init__(self, graph: Graph, library: Library, faults: list[Fault], given: set[str], silent: bool) -> None:
        self.silent = silent
        self.graph = graph
        self.library = library
        self.old = {fault.node: fault for fault in faults}
        self.ports: dict[str, Ports] = {}
        self.unknown: dict[str, Fault] = {}
        self.given = given
        self.wiring = Wiring(graph, self.ports, given)

    def all(self, wanted: Iterable[str] | None, deep: bool) -> list[Fault]:
        feeding = sources(self.graph)
        names = None if wanted is None else list(wanted)
        starts, faults = self._starts(names)
        scope = set(self.graph.nodes) if names is None else upstream(feeding, starts)
        feeding = {name: feeders for name, feeders in feeding.items() if name in scope}
        faults += self._types(feeding)
        faults += self._nothing(names)
        faults += self._nodes(feeding)
        for circle in circles(feeding):
            path = " → ".join([*circle[:8], *(["…"] if len(circle) > 8 else []), circle[0]])
            faults.append(Fault("NF207", f"the wires form a cycle: {path}", circle[0], "remove one of its wires"))
        order = ordered(feeding)
        placed = set(order)
        faults += self.wiring.faults([*order, *(name for name in feeding if name not in placed)])
        faults += self._exposures(names, scope)
        if deep:
            broken = {fault.node for fault in faults}
            facts = Facts(self.graph, self.library, self.ports, self.wiring)
            faults += facts.faults([name for name in order if name not in broken])
        return faults

    def _starts(self, wanted: list[str] | None) -> tuple[list[str], list[Fault]]:
        """The nodes that are asked for, and the names that ask for nothing."""
        outputs = self.graph.outputs
        starts, faults = [], []
        for name in outputs if wanted is None else wanted:
            node = split(outputs.get(name, name))[0]
            if node in self.graph.nodes:
                starts.append(node)
            elif name not in outputs:
                fix = nearest(name, outputs)
                faults.append(Fault("NF213", f"the graph has no output or node {name!r}", fix=fix))
        return starts, faults

    def _types(self, scope: Iterable[str]) -> Iterator[Fault]:
        """Look up the type of each node; those without a usable one are faults, and not looked at further."""
        known: dict[str, Ports | None] = {}
        for name in scope:
            kind = self.graph.nodes[name].type
            if kind not in known:
                spec = self.library.spec(kind)
                known[kind] = Ports(spec) if spec else None
            ports = known[kind]
            if name in self.old:
                yield self.old[name]
            elif ports is None:
                yield self._unknown(kind, name)
            else:
                self.ports[name] = ports

    def _unknown(self, kind: str, name: str) -> Fault:
        if kind not in self.unknown:
            near = nearest(kind, self.library.ids())
            fix = near if near.startswith("did") else "install its pack"
            self.unknown[kind] = Fault("NF201", f"no pack has a node type {kind!r}", "", fix)
        return self.unknown[kind].at(name)

    def _nothing(self, wanted: list[str] | None) -> Iterator[Fault]:
        if wanted is not None:
            if not wanted:
                yield Fault("NF212", "no output is asked for", fix="name one, or leave the list out for all")
        elif self.silent or self.graph.outputs or len(self.ports) < len(self.graph.nodes):
            return
        elif not any(ports.spec.sink for ports in self.ports.values()):
            yield Fault("NF212", "the graph has no outputs, and no node that saves or shows", fix="add an output")

    def _nodes(self, scope: Iterable[str]) -> Iterator[Fault]:
        """What is wrong with the inputs of each node by itself."""
        for name in scope:
            ports = self.ports.get(name)
            if ports:
                node = self.graph.nodes[name]
                yield from self._unknown_inputs(name, node, ports)
                yield from self._inputs(name, node)

    def _unknown_inputs(self, name: str, node: Node, ports: Ports) -> Iterator[Fault]:
        for input in dict.fromkeys((*node.values, *node.wires)):
            if input not in ports.inputs:
                fix = nearest(input, ports.inputs) or "it has no inputs"
                yield Fault("NF202", f"{ports.spec.id} has no input {input!r}", f"{name}.{input}", fix)

    def _inputs(self, name: str, node: Node) -> Iterator[Fault]:
        for port in self.wiring.used(name).values():
            if port.name in node.wires:
                continue
            where = f"{name}.{port.name}"
            if port.name in node.values:
                value = node.values[port.name]
                if fault := value_fault(port, value, where):
                    yield fault
                elif port.widget.kind == "options" and value:
                    yield from option_faults(port, value, self._choice(name, node, port.widget.by), where)
            elif port.required and where not in self.given:
                fix = f"wire an output of type {port.type} to it" if port.wired else "give it a value, or wire it"
                yield Fault("NF203", f"the input {port.name!r} is missing", where, fix)

    def _choice(self, name: str, node: Node, input: str) -> Any:
        """The value of an input that options follow; None where a wire or a caller brings it."""
        if input in node.wires or f"{name}.{input}" in self.given:
            return None
        port = self.ports[name].inputs.get(input)
        return node.values.get(input, port.default if port else None)

    def _exposures(self, wanted: list[str] | None, scope: set[str]) -> Iterator[Fault]:
        for name, target in self.graph.inputs.items():
            for port in [target] if isinstance(target, str) else target:
                if wanted is None or split(port)[0] in scope:
                    yield from self._exposed(port, f"inputs.{name}")
        for name, source in self.graph.outputs.items():
            if wanted is None or name in wanted:
                fault = self.wiring.dangling(source, f"outputs.{name}")
                if fault:
                    yield Fault("NF210", fault.what, fault.where, fault.fix)

    def _exposed(self, port: str, where: str) -> Iterator[Fault]:
        node, input = split(port)
        if node not in self.graph.nodes:
            yield Fault("NF210", f"the node {node!r} does not exist", where, "remove this input")
        elif node in self.ports and input not in self.ports[node].inputs:
            fix = nearest(input, self.ports[node].inputs) or "remove this input"
            yield Fault("NF210", f"{node} ({self.ports[node].spec.id}) has no input {input!r}", where, fix)
        elif input in self.graph.nodes[node].wires:
            yield Fault("NF210", f"{port} is wired, so setting it changes nothing", where, "remove the wire, or this")
