"""Subgraphs unfolded: the same graph without them, for whatever plans, checks or runs it.

A node inside is called after all that it is in, "group / denoise". Only what is not data of a node is settled here:
which wire or value arrives at which inner port. So keys, results and errors are those of the graph that a person would
have drawn without groups.

Bounded: a subgraph that contains itself, or that unfolds into too much, stays folded, and is a fault at its node.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ..errors import Fault
from .graph import Graph, Node, split
from .order import circles, ordered, upstream
from .plain import copied, is_sweep
from .ports import bypass_routes
from .subgraphs import SEPARATOR, levels, spec_of, specs, subgraph_named, subgraph_of, uses

if TYPE_CHECKING:
    from ..packs import Library
    from ..specs import NodeSpec

DEEPEST = 64
"""Subgraphs inside each other."""
MOST = 100_000
"""Nodes that subgraphs may unfold into."""


@dataclass
class Flat:
    """A graph without subgraphs.

    Args:
        graph: The graph; the very one that was given when it has no subgraphs.
        faults: What could not be unfolded.
        outer: The port of the node outside that sets a port inside, both as "node.port".
        folded: What each unfolded node stands for: how the names of the nodes inside begin, and its outputs by name as
            "node.port".
        sinks: The nodes inside subgraphs that save or show.
        shared: Sweeps that several ports take together: those ports, and the sweep.
    """

    graph: Graph
    faults: list[Fault] = field(default_factory=list)
    outer: dict[str, str] = field(default_factory=dict)
    folded: dict[str, tuple[str, dict[str, str]]] = field(default_factory=dict)
    sinks: list[str] = field(default_factory=list)
    shared: list[tuple[list[str], dict[str, Any]]] = field(default_factory=list)

    def ends(self, wanted: str) -> tuple[dict[str, str], list[str]]:
        """What is wanted by "node" or "node.port" of an unfolded node: ends by the names asked for, and sinks."""
        node, port = split(wanted)
        prefix, outputs = self.folded[node]
        if port:
            return {wanted: outputs.get(port, wanted)}, []
        sinks = [name for name in self.sinks if name.startswith(prefix)]
        return {f"{node}.{name}": end for name, end in outputs.items()}, sinks

    def outward(self, fault: Fault) -> Fault:
        """The fault at the outermost port that it is about."""
        where = fault.where
        while where in self.outer:
            where = self.outer[where]
        return fault if where == fault.where else replace(fault, where=where)


def flattened(graph: Graph, library: Library) -> Flat:
    """Unfold all subgraphs of a graph.

    Args:
        graph: The graph; not changed.
        library: The node types, to know what passes through a bypassed subgraph.
    """
    if not graph.graphs:
        return Flat(graph)
    return _Unfolding(graph, library).all()


@dataclass
class _Level:
    """One use of a subgraph: the graph, what its nodes' names begin with, the node that stands for it, and where."""

    graph: Graph
    prefix: str
    node: Node | None = None
    name: str = ""
    path: str = ""
    above: _Level | None = None
    mute: bool = False


class _Unfolding:
    def __init__(self, graph: Graph, library: Library) -> None:
        self.root = graph
        self.library = library
        self.closed = _closed(graph)
        self.flat = Flat(Graph(view=graph.view, extra=graph.extra, path=graph.path, format=graph.format))
        self.inside: dict[str, _Level] = {}
        """Each unfolded node."""
        self.passing: dict[str, tuple[_Level, Node]] = {}
        """Each bypassed node that stands for a subgraph, and the level it is on."""
        self.home: dict[str, _Level] = {}
        self.specs: dict[str, NodeSpec] = {}
        self.separated = any(SEPARATOR in name for _, each in levels(graph) for name in each.nodes)

    def all(self) -> Flat:
        flat, top = self.flat, _Level(self.root, "")
        self._unfold(top)
        for name, node in flat.graph.nodes.items():
            level = self.home[name]
            node.wires = {port: self._wired(level, wire) for port, wire in node.wires.items()}
        for level in reversed(self.inside.values()):
            self._give(level)
        for public, target in self.root.inputs.items():
            found = [end for each in self.root.targets(public) for end in self._targets(top, each)]
            flat.graph.inputs[public] = found[0] if isinstance(target, str) and len(found) == 1 else found
        flat.graph.outputs = {public: self._source(top, end) for public, end in self.root.outputs.items()}
        for name, level in self.inside.items():
            outputs = {public: self._source(level, end) for public, end in level.graph.outputs.items()}
            flat.folded[name] = level.prefix, outputs
        inner = (name for name, level in self.home.items() if level is not top)
        kinds = ((name, self.library.spec(flat.graph.nodes[name].type)) for name in inner)
        flat.sinks = [name for name, spec in kinds if spec and spec.sink]
        return flat

    def _unfold(self, level: _Level) -> None:
        """Make the nodes of a level and of those inside it; at most `DEEPEST` calls deep."""
        for name, node in level.graph.nodes.items():
            path = level.prefix + name
            inner = subgraph_of(self.root, node)
            if inner is None or (fault := self._refusal(node, path)):
                self.home[path] = level
                self.flat.graph.nodes[path] = made = node.copy()
                made.mute = made.mute or level.mute
                if inner is not None and fault:
                    self.flat.faults.append(fault)
            elif node.bypass:
                self.passing[path] = level, node
            else:
                below = _Level(inner, self._prefix(level, path), node, name, path, level, level.mute or node.mute)
                self.inside[path] = below
                self._unfold(below)

    def _prefix(self, level: _Level, path: str) -> str:
        """How the names of nodes inside begin; other than those of nodes beside it, which may hold a separator, too."""
        prefix = path + SEPARATOR
        while self.separated and any((level.prefix + name).startswith(prefix) for name in level.graph.nodes):
            path += "'"
            prefix = path + SEPARATOR
        return prefix

    def _refusal(self, node: Node, path: str) -> Fault | None:
        name = subgraph_named(node.type)
        if name in self.closed:
            return Fault("NF215", self.closed[name], path, "take one of them out")
        return None

    def _wired(self, level: _Level, wire: str | list[str]) -> str | list[str]:
        return self._source(level, wire) if isinstance(wire, str) else [self._source(level, each) for each in wire]

    def _source(self, level: _Level, end: str) -> str:
        """Where "node.output" of a level comes from."""
        seen = set()
        while True:
            name, port = split(end)
            path = level.prefix + name
            if path in seen:
                return f"{path}.{port}"
            if path in self.inside and port in self.inside[path].graph.outputs:
                level = self.inside[path]
                end = level.graph.outputs[port]
            elif path in self.passing and (given := self._stand_in(path, port)):
                seen.add(path)
                level, end = self.passing[path][0], given
            else:
                return f"{path}.{port}"

    def _stand_in(self, path: str, port: str) -> str:
        """The wire that passes through a bypassed subgraph to an output; empty when there is none."""
        node = self.passing[path][1]
        name = subgraph_named(node.type)
        self.specs = self.specs or specs(self.root, self.library)
        spec = spec_of(name, self.root.graphs[name], self.library, self.specs)
        wired = {port for port, wire in node.wires.items() if isinstance(wire, str)}
        given = bypass_routes(spec, wired).get(port, "")
        wire = node.wires.get(given)
        return wire if isinstance(wire, str) else ""

    def _targets(self, level: _Level, end: str) -> list[str]:
        """The inner ports that "node.input" of a level sets."""
        found, waiting = [], [(level, end)]
        while waiting:
            level, end = waiting.pop(0)
            name, port = split(end)
            below = self.inside.get(level.prefix + name)
            if below is None or port not in below.graph.inputs:
                found.append(f"{level.prefix}{end}")
                continue
            path = f"{level.prefix}{end}"
            for target in below.graph.targets(port):
                self.flat.outer[f"{below.prefix}{target}"] = path
                waiting.append((below, target))
        return found

    def _give(self, level: _Level) -> None:
        """Put what a node gives its subgraph where it arrives; inner ones come first, so that outer ones count."""
        assert level.node is not None and level.above is not None
        for public in level.graph.inputs:
            targets = self._targets(level.above, f"{level.name}.{public}")
            value = level.node.values.get(public) if public not in level.node.wires else None
            if is_sweep(value) and len(targets) > 1:
                self.flat.shared.append((targets, copied(value)))
            for end in targets:
                name, port = split(end)
                node = self.flat.graph.nodes.get(name)
                if node is None:
                    continue
                if public in level.node.wires:
                    node.wires[port] = self._wired(level.above, level.node.wires[public])
                elif public in level.node.values:
                    node.values[port] = copied(level.node.values[public])
                    node.wires.pop(port, None)
        for public in dict.fromkeys((*level.node.wires, *level.node.values)):
            if public not in level.graph.inputs:
                kind = subgraph_named(level.node.type)
                what = f"the subgraph {kind} has no input {public!r}"
                self.flat.faults.append(Fault("NF202", what, f"{level.path}.{public}", "remove it"))


def _closed(graph: Graph) -> dict[str, str]:
    """The subgraphs that cannot be unfolded, and why."""
    using = uses(graph)
    found: dict[str, str] = {}
    for circle in circles(using):
        path = " → ".join([*circle, circle[0]])
        found |= dict.fromkeys(circle, f"the subgraph contains itself: {path}")
    order = ordered(using)
    placed = set(order)
    for name in using:
        if name not in placed and name not in found:
            inside = next((each for each in upstream(using, [name]) if each in found), "")
            found[name] = f"a subgraph in it contains itself: {inside}" if inside else "it contains itself"
    sizes, depths = dict[str, int](), dict[str, int]()
    for name in order:
        level = graph.graphs[name]
        kinds = [subgraph_named(node.type) for node in level.nodes.values()]
        sizes[name] = sum(sizes.get(kind, 1) for kind in kinds)
        depths[name] = 1 + max((depths.get(kind, 0) for kind in kinds), default=0)
        if sizes[name] > MOST:
            found[name] = f"it unfolds into {sizes[name]:,} nodes, more than {MOST:,}"
            sizes[name] = 1
        elif depths[name] > DEEPEST:
            found[name] = f"subgraphs stand in each other more than {DEEPEST} deep"
            depths[name] = 0
    total = sum(sizes.get(subgraph_named(node.type), 1) for node in graph.nodes.values())
    if total > MOST:
        what = f"the subgraphs unfold into {total:,} nodes, more than {MOST:,}"
        found |= {name: what for name in sizes if sizes[name] > 1 and name not in found}
    return found


def wanted_nodes(flat: Flat, wanted: Iterable[str]) -> list[str]:
    """Names of outputs and nodes, with those of unfolded nodes replaced by what they stand for."""
    found: list[str] = []
    for name in wanted:
        if name not in flat.graph.outputs and split(name)[0] in flat.folded:
            ends, sinks = flat.ends(name)
            found += [*ends.values(), *sinks]
        else:
            found.append(name)
    return found
