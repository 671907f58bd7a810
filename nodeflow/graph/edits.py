"""Edits: frozen values that change a graph and return what takes the change back.

    undo = graph.apply(SetValue("denoise", "steps", 30))
    graph.apply(undo)

An edit that does not fit is refused with NF214 (what a file cannot hold with NF103 to NF105), and the graph is as
before. Applying an edit and then its inverse gives the same graph, byte for byte in its file, whatever the graph holds:
dangling wires and unknown fields too.

An edit changes no node: it puts another in its place. Who keeps the nodes that were there sees what has changed by
`is`, at a cost that does not depend on what the nodes hold; the same goes for the entries of the view.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

from ..errors import NodeflowError
from .form import node_data, node_of, subgraph_data, subgraph_of
from .graph import Graph, Node, is_port, name_problem, renamed, split
from .plain import copied


class Edit(Protocol):
    """A change to a graph."""

    def apply(self, graph: Graph) -> Edit:
        """Change the graph; returns the inverse.

        Raises:
            NodeflowError: NF214 when the edit does not fit; nothing is changed.
        """


@dataclass(frozen=True)
class Batch:
    """Several edits as one: all of them, or none."""

    edits: tuple[Edit, ...]

    def apply(self, graph: Graph) -> Batch:
        done: list[Edit] = []
        try:
            for edit in self.edits:
                done.append(edit.apply(graph))
        except Exception:
            for undo in reversed(done):
                undo.apply(graph)
            raise
        return Batch(tuple(reversed(done)))


@dataclass(frozen=True)
class AddNode:
    """Add a node; wires that dangled for want of its name find it. Its place is another edit, `Place`."""

    name: str
    node: Node

    def apply(self, graph: Graph) -> TakeNode:
        _refuse_name(graph, self.name)
        graph.nodes[self.name] = node_of(self.name, node_data(self.name, self.node))
        return TakeNode(self.name)


@dataclass(frozen=True)
class TakeNode:
    """Take a node away and leave all that names it; the inverse of `AddNode`. People remove with `RemoveNode`."""

    name: str

    def apply(self, graph: Graph) -> AddNode:
        _node(graph, self.name)
        return AddNode(self.name, graph.nodes.pop(self.name))


@dataclass(frozen=True)
class RemoveNode:
    """Remove nodes with all that names them: wires, inputs and outputs of the graph, their places."""

    names: str | tuple[str, ...]

    def apply(self, graph: Graph) -> Batch:
        names = dict.fromkeys((self.names,) if isinstance(self.names, str) else self.names)
        for name in names:
            _node(graph, name)
        places = [Place(name, None) for name in names if name in graph.view]
        cuts = list(_naming(graph, set(names), cut=True))
        return Batch((*cuts, *places, *(TakeNode(name) for name in names))).apply(graph)


@dataclass(frozen=True)
class ReplaceNode:
    """Put another node under the same name, such as one of a newer version."""

    name: str
    node: Node

    def apply(self, graph: Graph) -> ReplaceNode:
        old, new = _node(graph, self.name), node_of(self.name, node_data(self.name, self.node))
        graph.nodes[self.name] = new
        return ReplaceNode(self.name, old)


@dataclass(frozen=True)
class Rename:
    """Give a node another name; all that names it follows."""

    old: str
    new: str

    def apply(self, graph: Graph) -> Batch:
        _node(graph, self.old)
        _refuse_name(graph, self.new)
        undo = Batch((Rename(self.new, self.old), *_naming(graph, {self.new})))
        graph.nodes = {self.new if name == self.old else name: node for name, node in graph.nodes.items()}
        names = {self.old: self.new}
        graph.repoint(lambda port: renamed(port, names), lambda port: renamed(port, names))
        swap = {self.old: self.new, self.new: self.old}
        graph.view = {swap.get(name, name): view for name, view in graph.view.items()}
        return undo


@dataclass(frozen=True)
class SetValue:
    """Give an input a value."""

    node: str
    input: str
    value: Any

    def apply(self, graph: Graph) -> Edit:
        node = _node(graph, self.node)
        new = copied({self.input: self.value}, f"{self.node}.{self.input}")
        graph.nodes[self.node] = replace(node, values={**node.values, **new})
        if self.input in node.values:
            return SetValue(self.node, self.input, node.values[self.input])
        return ClearValue(self.node, self.input)


@dataclass(frozen=True)
class ClearValue:
    """Take the value of an input away, so that its default counts."""

    node: str
    input: str

    def apply(self, graph: Graph) -> Edit:
        node = _node(graph, self.node)
        if self.input not in node.values:
            raise _refused(f"{self.node}.{self.input}", "it has no value to clear")
        left = {name: value for name, value in node.values.items() if name != self.input}
        graph.nodes[self.node] = replace(node, values=left)
        return SetValue(self.node, self.input, node.values[self.input])


@dataclass(frozen=True)
class Rewire:
    """Set all the wires of an input: "node.port", a tuple of them for a list, None for no wire."""

    node: str
    input: str
    wires: str | tuple[str, ...] | None

    def apply(self, graph: Graph) -> Rewire:
        node, where = _node(graph, self.node), f"{self.node}.{self.input}"
        for source in (self.wires,) if isinstance(self.wires, str) else self.wires or ():
            _refuse_port(source, where)
        if self.wires == ():
            raise _refused(where, "a list of wires has at least one")
        copied({self.input: None}, where)
        wires = {name: wired for name, wired in node.wires.items() if name != self.input}
        if self.wires is not None:
            wires[self.input] = self.wires if isinstance(self.wires, str) else list(self.wires)
        graph.nodes[self.node] = replace(node, wires=wires)
        return Rewire(self.node, self.input, _frozen(node.wires.get(self.input)))


@dataclass(frozen=True)
class Connect:
    """Wire "node.output" to "node.input", in place of what is wired there.

    Args:
        source: Where the wire comes from.
        target: Where it arrives.
        at: For an input that takes a list: the place in it where the wire is put in; -1 = last.
    """

    source: str
    target: str
    at: int | None = None

    def apply(self, graph: Graph) -> Rewire:
        node, input = split(self.target)
        _node(graph, split(self.source)[0])
        wires: str | tuple[str, ...] = self.source
        if self.at is not None:
            old = _node(graph, node).wires.get(input, [])
            several = [old] if isinstance(old, str) else list(old)
            several.insert(len(several) if self.at < 0 else self.at, self.source)
            wires = tuple(several)
        return Rewire(node, input, wires).apply(graph)


@dataclass(frozen=True)
class Disconnect:
    """Remove the wire to "node.input"; of a list, the wire from `source` that comes first, or all without one."""

    target: str
    source: str | None = None

    def apply(self, graph: Graph) -> Rewire:
        node, input = split(self.target)
        old = _node(graph, node).wires.get(input)
        several = [old] if isinstance(old, str) else list(old or ())
        if not several or (self.source is not None and self.source not in several):
            raise _refused(self.target, "there is no such wire")
        if self.source is not None:
            several.remove(self.source)
        left = tuple(several) if self.source is not None and several else None
        return Rewire(node, input, left).apply(graph)


@dataclass(frozen=True)
class SetBypass:
    """Bypass a node, or stop bypassing it."""

    node: str
    bypass: bool

    def apply(self, graph: Graph) -> SetBypass:
        node = _node(graph, self.node)
        graph.nodes[self.node] = replace(node, bypass=bool(self.bypass))
        return SetBypass(self.node, node.bypass)


@dataclass(frozen=True)
class SetMute:
    """Mute a node, or let it run again."""

    node: str
    mute: bool

    def apply(self, graph: Graph) -> SetMute:
        node = _node(graph, self.node)
        graph.nodes[self.node] = replace(node, mute=bool(self.mute))
        return SetMute(self.node, node.mute)


@dataclass(frozen=True)
class Define:
    """Put a subgraph under a name, in place of what is there; None takes it away."""

    name: str
    graph: Graph | None

    def apply(self, graph: Graph) -> Define:
        if problem := name_problem(self.name):
            raise _refused(f"graphs.{self.name}", problem)
        new = None if self.graph is None else subgraph_of(self.name, subgraph_data(self.name, self.graph))
        undo = Define(self.name, graph.graphs.pop(self.name, None))
        if new is not None:
            graph.graphs[self.name] = new
        return undo


@dataclass(frozen=True)
class In:
    """An edit inside a subgraph."""

    graph: str
    edit: Edit

    def apply(self, graph: Graph) -> In:
        if self.graph not in graph.graphs:
            raise _refused(f"graphs.{self.graph}", "there is no such subgraph")
        return In(self.graph, self.edit.apply(graph.graphs[self.graph]))


@dataclass(frozen=True)
class Place:
    """Set how an editor shows a node, or anything else by name; None = nothing."""

    name: str
    view: Any

    def apply(self, graph: Graph) -> Place:
        new = copied({self.name: self.view}, self.name)
        old = graph.view.pop(self.name, None)
        if self.view is not None:
            graph.view.update(new)
        return Place(self.name, old)


@dataclass(frozen=True)
class Expose:
    """Name what a caller of the graph may set ("inputs") or gets ("outputs").

    Args:
        side: "inputs" or "outputs".
        name: The public name.
        port: "node.port"; for an input also several that are set alike; None takes the name away.
    """

    side: Literal["inputs", "outputs"]
    name: str
    port: str | tuple[str, ...] | None

    def apply(self, graph: Graph) -> Expose:
        exposed: dict[str, Any] = graph.inputs if self.side == "inputs" else graph.outputs
        where = f"{self.side}.{self.name}"
        if problem := name_problem(self.name):
            raise _refused(where, problem)
        if self.port == () or (self.side == "outputs" and isinstance(self.port, tuple)):
            raise _refused(where, "an output is one port, an input at least one")
        for port in (self.port,) if isinstance(self.port, str) else self.port or ():
            _refuse_port(port, where)
        old = exposed.pop(self.name, None)
        if self.port is not None:
            exposed[self.name] = self.port if isinstance(self.port, str) else list(self.port)
        return Expose(self.side, self.name, _frozen(old))


def unexpose(side: Literal["inputs", "outputs"], name: str) -> Expose:
    """The edit that takes a public name away."""
    return Expose(side, name, None)


def _naming(graph: Graph, names: set[str], cut: bool = False) -> Iterator[Edit]:
    """The edits that leave all that names these nodes as it is now; with `cut`, without them."""

    def kept(ports: str | list[str]) -> str | tuple[str, ...] | None:
        if isinstance(ports, str):
            return None if cut else ports
        return tuple(port for port in ports if not cut or split(port)[0] not in names) or None

    def is_named(ports: str | list[str]) -> bool:
        return any(split(port)[0] in names for port in ([ports] if isinstance(ports, str) else ports))

    for target, node in graph.nodes.items():
        if not (cut and target in names):
            for input, wired in node.wires.items():
                if is_named(wired):
                    yield Rewire(target, input, kept(wired))
    for name, ports in graph.inputs.items():
        if is_named(ports):
            yield Expose("inputs", name, kept(ports))
    for name, port in graph.outputs.items():
        if is_named(port):
            yield Expose("outputs", name, kept(port))


def _frozen(ports: str | list[str] | None) -> str | tuple[str, ...] | None:
    return tuple(ports) if isinstance(ports, list) else ports


def _node(graph: Graph, name: str) -> Node:
    node = graph.nodes.get(name)
    if node is None:
        raise _refused(name, "there is no such node")
    return node


def _refuse_name(graph: Graph, name: str) -> None:
    if problem := name_problem(name):
        raise _refused(name, problem)
    if name in graph.nodes:
        raise _refused(name, "the name is taken", "choose another")


def _refuse_port(port: object, where: str) -> None:
    if not is_port(port):
        raise _refused(where, f'{port!r:.40} is not "node.port"')


def _refused(where: str, why: str, fix: str = "") -> NodeflowError:
    return NodeflowError("NF214", why, where=where, fix=fix)
