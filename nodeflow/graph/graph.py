"""The document: nodes by name, wires by the names of their ends, what a caller may set and gets.

    g = Graph()
    load = g.add("model/load", model="sd15")
    d = g.add("sampling/denoise", model=load["denoiser"], steps=20)
    g.inputs["seed"] = d["seed"]
    g.outputs["latent"] = d["latent"]

A wire is written where it arrives: `node.wires[input] = "source.output"`, so a node with all that it needs is one
entry, and a removed node leaves nothing elsewhere but dangling ends that `check` finds. A graph may hold what this
program does not know (node types, ports, fields); all of it is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import NodeflowError
from .plain import copied

if TYPE_CHECKING:
    from .edits import Edit

FORMAT = 2
"""The newest format of graph files that this program reads. A graph is written in the lowest that says all of it:
1, or 2 where it has subgraphs or muted nodes, which a program of format 1 would take for fields it may pass over."""

NAME_LIMIT = 200
"""Characters in a name."""


class Wire(NamedTuple):
    """From the output of one node to an input of another."""

    source: str
    output: str
    target: str
    input: str


class Port(str):
    """A text "node.port" that `Graph.add` knows for a wire, where any other text is a value."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Handle:
    """A node just added: `handle["latent"]` is a port of it, for wires and exposures."""

    name: str

    def __getitem__(self, port: str) -> Port:
        return Port(f"{self.name}.{port}")


@dataclass(slots=True)
class Node:
    """One node of a graph.

    Args:
        type: The id of its node type, "family/name".
        version: The version of the type that its values and wires were written for.
        values: Plain data by input; `{"sweep": [...]}` stands for each of its elements in turn.
        wires: "node.port" by input; a list of them for an input that takes a list.
        bypass: Its outputs are its inputs, as if it were not there.
        extra: Fields of the file that this program does not know.
        mute: It does not run, nor what its wires lead to.
    """

    type: str
    version: int = 1
    values: dict[str, Any] = field(default_factory=dict)
    wires: dict[str, str | list[str]] = field(default_factory=dict)
    bypass: bool = False
    extra: dict[str, Any] = field(default_factory=dict)
    mute: bool = False

    def copy(self) -> Node:
        """The same node, sharing nothing that can change."""
        values, wires, extra = copied(self.values), copied(self.wires), copied(self.extra)
        return Node(self.type, self.version, values, wires, self.bypass, extra, self.mute)

    def sources(self) -> Iterator[tuple[str, str]]:
        """(input, "node.port") for each wire that arrives."""
        for name, source in self.wires.items():
            if isinstance(source, str):
                yield name, source
            else:
                for each in source:
                    yield name, each


@dataclass(slots=True)
class Graph:
    """A graph of nodes.

    Args:
        nodes: By name.
        inputs: What a caller may set: one "node.port", or several that are set alike, by public name.
        outputs: What a caller gets: "node.port" by public name.
        view: How an editor shows it; changes no logic. `view[name]["at"]` is the place of node `name`.
        extra: Fields of the file that this program does not know.
        path: The file it was read from.
        format: The format of that file; newer than `FORMAT` means that it must not be written.
        graphs: Its subgraphs by name; a node of type "graph/name" stands for one. They hold none of their own, and may
            name each other.
    """

    nodes: dict[str, Node] = field(default_factory=dict)
    inputs: dict[str, str | list[str]] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)
    view: dict[str, Any] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)
    path: str | None = field(default=None, compare=False)
    format: int = field(default=FORMAT, compare=False)
    graphs: dict[str, Graph] = field(default_factory=dict)
    _taken: dict[str, int] = field(default_factory=dict, init=False, repr=False, compare=False)

    def add(self, type: str, /, **inputs: Any) -> Handle:
        """Add a node named after its type; each input is a value, a port to wire from, or a list of ports.

        Raises:
            NodeflowError: NF105 for a value that is not plain data.
        """
        node, name = Node(type), self.free_name(type)
        for key, item in inputs.items():
            if isinstance(item, Handle):
                fix = f'name the output, as in {item.name}["…"]'
                raise NodeflowError("NF105", "a whole node is no value", where=f"{name}.{key}", fix=fix)
            if isinstance(item, Port):
                node.wires[key] = str(item)
            elif isinstance(item, list) and item and all(isinstance(each, Port) for each in item):
                node.wires[key] = [str(each) for each in item]
            else:
                node.values[key] = copied(item, where=f"{name}.{key}")
        self.nodes[name] = node
        return Handle(name)

    def free_name(self, type: str) -> str:
        """A name for a node of this type that no node has: "denoise", "denoise_2", …"""
        base = type.rpartition("/")[2].replace(".", "_")[: NAME_LIMIT - 20] or "node"
        count = self._taken.get(base, 0) + 1
        while (name := base if count == 1 else f"{base}_{count}") in self.nodes:
            count += 1
        self._taken[base] = count
        return name

    def wires(self) -> Iterator[Wire]:
        """All wires, node by node."""
        for target, node in self.nodes.items():
            for name, source in node.sources():
                yield Wire(*split(source), target, name)

    def targets(self, name: str) -> list[str]:
        """The ports that the public input `name` sets, as "node.port"."""
        target = self.inputs[name]
        return [target] if isinstance(target, str) else list(target)

    def repoint(self, output: Callable[[str], str], input: Callable[[str], str]) -> None:
        """Put another "node.output" wherever one is named, and another "node.input" where the inputs name one."""
        for name, node in self.nodes.items():
            wires = {input: _each(wired, output) for input, wired in node.wires.items()}
            if wires != node.wires:
                self.nodes[name] = replace(node, wires=wires)
        self.inputs = {name: _each(target, input) for name, target in self.inputs.items()}
        self.outputs = {name: output(source) for name, source in self.outputs.items()}

    def copy(self) -> Graph:
        """The same graph, sharing nothing that can change."""
        nodes = {name: node.copy() for name, node in self.nodes.items()}
        inputs, view, extra = copied(self.inputs), copied(self.view), copied(self.extra)
        graphs = {name: graph.copy() for name, graph in self.graphs.items()}
        return Graph(nodes, inputs, dict(self.outputs), view, extra, self.path, self.format, graphs)

    def apply(self, edit: Edit) -> Edit:
        """Change the graph by an edit, and return the edit that takes it back.

        Raises:
            NodeflowError: NF214 when the edit does not fit; nothing is changed.
        """
        return edit.apply(self)


def _each(ports: str | list[str], change: Callable[[str], str]) -> str | list[str]:
    return change(ports) if isinstance(ports, str) else [change(port) for port in ports]


def split(port: str) -> tuple[str, str]:
    """The text "node.port" as (node, port); node names hold no full stop."""
    node, _, name = port.partition(".")
    return node, name


def renamed(port: str, names: Mapping[str, str]) -> str:
    """The port "old.x" as "new.x", for each old name; any other port as it is."""
    node, name = split(port)
    return f"{names[node]}.{name}" if node in names else port


def name_problem(name: object) -> str:
    """Why this cannot name a node, input or output; empty when it can."""
    if not isinstance(name, str) or not name:
        return "a name is a text that is not empty"
    if len(name) > NAME_LIMIT:
        return f"a name has at most {NAME_LIMIT} characters"
    if "." in name:
        return "a name holds no full stop"
    if not name.isprintable() or name != name.strip():
        return "a name holds no control characters, and no spaces around it"
    return ""


def is_port(text: object) -> bool:
    """Is it "node.port"?"""
    if not isinstance(text, str):
        return False
    node, port = split(text)
    return 0 < len(port) <= NAME_LIMIT and port.isprintable() and not name_problem(node)
