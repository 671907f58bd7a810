"""One open graph: every change with undo, who is told, what may be wired to what, what is wrong.

No Qt. A view listens and shows; nothing but a document changes a graph.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import Fault, NodeflowError
from ..graph import Graph, Node, check, dumps, save
from ..graph.edits import (
    AddNode,
    Batch,
    ClearValue,
    Connect,
    Disconnect,
    Edit,
    Place,
    RemoveNode,
    Rename,
    SetBypass,
    SetValue,
)
from ..graph.graph import split
from ..graph.history import History
from ..graph.order import ordered, sources, upstream
from ..graph.ports import Ports, fits
from ..graph.wiring import Wiring
from .clipping import clipped, pasted

if TYPE_CHECKING:
    from ..packs import Library
    from ..specs import NodeSpec

Spot = tuple[float, float]


class Document:
    """A graph being edited.

    Args:
        graph: The graph; from now on changed only here.
        library: The node types.
    """

    def __init__(self, graph: Graph, library: Library) -> None:
        self.graph = graph
        self.library = library
        self.history = History(graph)
        self.listeners: list[Callable[[], object]] = []
        self._ports: dict[str, Ports | None] = {}

    @property
    def path(self) -> str:
        """Its file; empty before it has one."""
        return self.graph.path or ""

    @property
    def title(self) -> str:
        return Path(self.path).name if self.path else "Untitled"

    @property
    def text(self) -> str:
        """The file's text as it would be saved now."""
        return dumps(self.graph)

    def spec(self, name: str) -> NodeSpec | None:
        """The type of a node; None when no pack has it."""
        return self.library.spec(self.graph.nodes[name].type)

    def ports(self, name: str) -> Ports | None:
        """The ports of a node's type."""
        kind = self.graph.nodes[name].type
        if kind not in self._ports:
            spec = self.library.spec(kind)
            self._ports[kind] = Ports(spec) if spec else None
        return self._ports[kind]

    # Changes

    def do(self, edit: Edit, label: str, *, merge: bool = False) -> None:
        """Apply an edit as one step of undo, or as part of the step before.

        Raises:
            NodeflowError: NF214, the edit does not fit; nothing is changed.
        """
        self.history.do(edit, label, merge=merge)
        self.tell()

    def undo(self) -> str:
        """Take the last step back; returns its label."""
        label = self.history.undo()
        self.tell()
        return label

    def redo(self) -> str:
        """Do again what was undone last; returns its label."""
        label = self.history.redo()
        self.tell()
        return label

    def tell(self) -> None:
        """Tell all who listen that the graph has changed."""
        for listener in list(self.listeners):
            listener()

    def save(self, path: str = "") -> None:
        """Write the file; the graph belongs to this path from now on.

        Raises:
            NodeflowError: NF108 and others, as `nodeflow.graph.save`; the old file is kept.
        """
        save(self.graph, path or self.path)
        self.graph.path = path or self.path
        self.history.mark_saved()
        self.tell()

    def add(self, kind: str, at: Spot, *, source: str = "", target: str = "") -> str:
        """Add a node of a type, wired to the first port that fits; returns its name.

        Args:
            kind: The type's id.
            at: Where it stands.
            source: A "node.output" to wire to it.
            target: A "node.input" to wire it to.
        """
        spec = self.library.spec(kind)
        name = self.graph.free_name(kind)
        view = {"at": [round(at[0]), round(at[1])]}
        edits: list[Edit] = [AddNode(name, Node(kind, spec.version if spec else 1)), Place(name, view)]
        if spec and source:
            lineage = self._wiring().lineage(source)
            if into := next((port for port in spec.inputs if fits(lineage, port.type) or port.type[0] == "~"), None):
                edits.append(Connect(source, f"{name}.{into.name}", at=-1 if into.many else None))
        if spec and target:
            node, port = split(target)
            ports = self.ports(node)
            wanted = ports.inputs.get(port) if ports else None
            out = next((out for out in spec.outputs if wanted and fits(out.lineage or (out.type,), wanted.type)), None)
            if wanted and out:
                edits.append(Connect(f"{name}.{out.name}", target, at=-1 if wanted.many else None))
        self.do(Batch(tuple(edits)), f"Add {spec.title if spec else kind}")
        return name

    def remove(self, names: Iterable[str]) -> None:
        """Remove nodes with their wires; frames by their names too."""
        names = list(names)
        nodes = tuple(name for name in names if name in self.graph.nodes)
        frames = [Place(name, None) for name in names if name not in self.graph.nodes and name in self.graph.view]
        if nodes or frames:
            edits: list[Edit] = [*frames, *([RemoveNode(nodes)] if nodes else [])]
            self.do(Batch(tuple(edits)), f"Remove {_count(names)}")

    def place(self, places: Mapping[str, Spot], *, merge: bool = False, label: str = "") -> None:
        """Move nodes and frames."""
        edits = []
        for name, (x, y) in places.items():
            view = self.graph.view.get(name)
            edits.append(Place(name, {**(view if isinstance(view, dict) else {}), "at": [round(x), round(y)]}))
        if edits:
            self.do(Batch(tuple(edits)), label or f"Move {_count(places)}", merge=merge)

    def show(self, name: str, label: str, **view: Any) -> None:
        """Change how a node or frame is shown; None takes a field away."""
        old = self.graph.view.get(name)
        new = {**(old if isinstance(old, dict) else {}), **view}
        self.do(Place(name, {key: item for key, item in new.items() if item is not None} or None), label)

    def set_value(self, name: str, port: str, value: Any, *, merge: bool = False) -> None:
        """Give an input a value, if it is another one."""
        if not merge and self.value(name, port) == value and port in self.graph.nodes[name].values:
            return
        self.do(SetValue(name, port, value), f"Set {port}", merge=merge)

    def clear_value(self, name: str, port: str) -> None:
        """Back to the default."""
        if port in self.graph.nodes[name].values:
            self.do(ClearValue(name, port), f"Reset {port}")

    def value(self, name: str, port: str) -> Any:
        """The value of an input, or its default."""
        node, ports = self.graph.nodes[name], self.ports(name)
        if port in node.values:
            return node.values[port]
        return ports.inputs[port].default if ports and port in ports.inputs else None

    def rename(self, old: str, new: str) -> None:
        """Give a node another name; all that names it follows."""
        if old != new:
            self.do(Rename(old, new), f"Rename {old}")

    def bypass(self, names: Iterable[str]) -> None:
        """Bypass nodes, or none of them where all are bypassed."""
        names = [name for name in names if name in self.graph.nodes]
        on = not all(self.graph.nodes[name].bypass for name in names)
        if names:
            edits = tuple(SetBypass(name, on) for name in names)
            self.do(Batch(edits), f"{'Bypass' if on else 'Use'} {_count(names)}")

    def disconnect(self, target: str, source: str | None = None) -> None:
        """Remove a wire."""
        self.do(Disconnect(target, source), "Disconnect")

    def connect(self, source: str, target: str, *, instead_of: tuple[str, str] | None = None) -> None:
        """Wire an output to an input.

        Args:
            source: "node.output".
            target: "node.input".
            instead_of: A wire (source, target) that this one replaces.

        Raises:
            NodeflowError: NF204 or NF207, with the reason in one clause.
        """
        if reason := self.refusals([(source, target)])[0]:
            raise NodeflowError("NF207" if "circle" in reason else "NF204", reason, where=target)
        node, port = split(target)
        ports = self.ports(node)
        many = bool(ports and port in ports.inputs and ports.inputs[port].many)
        edits: list[Edit] = []
        if instead_of and instead_of != (source, target):
            edits.append(Disconnect(instead_of[1], instead_of[0]))
        edits.append(Connect(source, target, at=-1 if many else None))
        self.do(Batch(tuple(edits)), "Connect")

    # What may be wired

    def refusals(self, pairs: Iterable[tuple[str, str]]) -> list[str]:
        """Why each (source, target) may not be wired, as a clause; empty for those that may."""
        wiring, feeding = self._wiring(), sources(self.graph)
        above: dict[str, set[str]] = {}
        found = []
        for source, target in pairs:
            node, port = split(target)
            start = split(source)[0]
            if start not in above:
                above[start] = upstream(feeding, [start])
            ports = self.ports(node)
            taken = ports.inputs.get(port) if ports else None
            lineage = wiring.lineage(source)
            if node in above[start]:
                found.append("that would close a circle")
            elif taken is None or taken.type.startswith("~") or fits(lineage, taken.type):
                found.append("")
            else:
                found.append(f"{split(source)[1]} is {lineage[0]}, {port} takes {taken.type}")
        return found

    def could_take(self, kind: str, *, source: str = "", target: str = "") -> bool:
        """Could a new node of this type be wired to a "node.output", or from a "node.input"?"""
        spec = self.library.spec(kind)
        if spec is None:
            return False
        if source:
            lineage = self._wiring().lineage(source)
            return any(fits(lineage, port.type) or port.type.startswith("~") for port in spec.inputs)
        node, port = split(target)
        ports = self.ports(node)
        wanted = ports.inputs.get(port) if ports else None
        return wanted is None or any(
            out.type.startswith("~") or wanted.type.startswith("~") or fits(out.lineage or (out.type,), wanted.type)
            for out in spec.outputs
        )

    def _wiring(self) -> Wiring:
        known = {name: ports for name in self.graph.nodes if (ports := self.ports(name))}
        wiring = Wiring(self.graph, known)
        for _ in wiring.faults(ordered(sources(self.graph))):
            pass
        return wiring

    def faults(self) -> list[Fault]:
        """What is wrong, from types and values alone: no pack is imported, no file read."""
        return check(self.graph, self.library, deep=False)

    # Text

    def copied(self, names: Iterable[str]) -> str:
        """Nodes as the text of a graph, for the clipboard."""
        return clipped(self.graph, names)

    def paste(self, text: str, at: Spot | None = None, *, label: str = "Paste") -> list[str]:
        """Add the nodes of a graph's text; returns their names.

        Raises:
            NodeflowError: NF1xx, the text is no graph.
        """
        edits, names = pasted(self.graph, text, at)
        if edits:
            self.do(Batch(tuple(edits)), label)
        return names

    def duplicate(self, names: Iterable[str], by: Spot = (40, 40), *, keep_inputs: bool = False) -> list[str]:
        """Copy nodes beside themselves; with `keep_inputs`, wired to what the originals are wired to."""
        names = [name for name in names if name in self.graph.nodes]
        text = clipped(self.graph, names, outside=keep_inputs)
        edits, made = pasted(self.graph, text, by=by)
        if edits:
            self.do(Batch(tuple(edits)), f"Duplicate {_count(names)}")
        return made


def _count(names: Iterable[str]) -> str:
    names = list(names)
    return names[0] if len(names) == 1 else f"{len(names)} nodes"
