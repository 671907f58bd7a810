"""One open graph: every change with undo, who is told, what may be wired to what, what is wrong.

No Qt. A view listens and shows; nothing but a document changes a graph.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import Fault, NodeflowError
from ..graph import Graph, Node, check, save
from ..graph.edits import (
    AddNode,
    Batch,
    ClearValue,
    Connect,
    Define,
    Edit,
    In,
    Place,
    RemoveNode,
    Rename,
    SetBypass,
    SetValue,
)
from ..graph.graph import split
from ..graph.grouping import at_level
from ..graph.history import History
from ..graph.order import Feeding, downstream, ordered, upstream
from ..graph.ports import fits
from ..graph.subgraphs import reached, subgraph_named
from ..graph.wiring import Wiring
from ..graph.writing import Writer
from .clipping import clipped, pasted
from .dots import put_in, taken_out
from .levels import SIDES
from .structure import SAVED, Structure

if TYPE_CHECKING:
    from ..packs import Library
    from ..specs import NodeSpec

Spot = tuple[float, float]


class Document(Structure):
    """A graph being edited: `root` is the whole of it, `graph` the level that is shown.

    Args:
        graph: The graph; from now on changed only here.
        library: The node types.
    """

    def __init__(self, graph: Graph, library: Library) -> None:
        super().__init__(graph, library)
        self.history = History(graph)
        self._writer = Writer()
        self.listeners: list[Callable[[], object]] = []

    @property
    def path(self) -> str:
        """Its file; empty before it has one."""
        return self.root.path or ""

    @property
    def title(self) -> str:
        return Path(self.path).name if self.path else "Untitled"

    @property
    def text(self) -> str:
        """The file's text as it would be saved now."""
        return self._writer.text(self.root)

    def spec(self, name: str) -> NodeSpec | None:
        """The type of a node, or of a panel; None when no pack has it."""
        if name in SIDES:
            return self.panel(name)
        return self.library.spec(self.graph.nodes[name].type)

    # Changes

    def do(self, edit: Edit, label: str, *, merge: bool = False) -> None:
        """Apply an edit of the level that is shown as one step of undo, or as part of the step before.

        Raises:
            NodeflowError: NF214, the edit does not fit; nothing is changed.
        """
        self.do_whole(In(level, edit) if (level := self.level) else edit, label, merge=merge)

    def do_whole(self, edit: Edit, label: str, *, merge: bool = False) -> None:
        self.history.do(edit, label, merge=merge, place=self.inside)
        self.tell()

    def undo(self) -> str:
        """Take the last step back, where it was done; returns its label."""
        if label := self.history.undo():
            self.inside = self.history.place
        self.tell()
        return label

    def redo(self) -> str:
        """Do again what was undone last; returns its label."""
        if label := self.history.redo():
            self.inside = self.history.place
        self.tell()
        return label

    def tell(self) -> None:
        """Tell all who listen that the graph has changed, or that another level is shown."""
        self.forget()
        self.stay()
        for listener in list(self.listeners):
            listener()

    def save(self, path: str = "") -> None:
        """Write the file; the graph belongs to this path from now on.

        Raises:
            NodeflowError: NF108 and others, as `nodeflow.graph.save`; the old file is kept.
        """
        save(self.root, path or self.path)
        self.root.path = path or self.path
        self.history.mark_saved()
        self.tell()

    def add(
        self, kind: str, at: Spot, *, source: str = "", target: str = "", values: Mapping[str, Any] | None = None
    ) -> str:
        """Add a node of a type, wired to the first port that fits; returns its name.

        Args:
            kind: The type's id.
            at: Where it stands.
            source: A "node.output" to wire to it.
            target: A "node.input" to wire it to.
            values: What its parameters are.
        """
        if kind.startswith(SAVED):
            return self.insert_saved(kind[len(SAVED) :], at)
        spec = self.library.spec(kind)
        if (inner := subgraph_named(kind)) and self.level in (inner, *reached(self.root, self.root.graphs[inner])):
            raise NodeflowError("NF215", f"{self.level} would contain itself", where=kind, fix="add it outside")
        name = self.graph.free_name(kind)
        view = {"at": [round(at[0]), round(at[1])]}
        node_ = Node(kind, spec.version if spec else 1, values=dict(values or {}))
        edits: list[Edit] = [AddNode(name, node_), Place(name, view)]
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
            edits: list[Edit] = [*frames, *taken_out(self, nodes), *([RemoveNode(nodes)] if nodes else [])]
            self.do_whole(Batch((at_level(self.level, edits), *self._unused(nodes))), f"Remove {_count(names)}")

    def _unused(self, gone: tuple[str, ...]) -> list[Edit]:
        """The edits that take away subgraphs which nothing needs once these nodes are gone."""
        if not self.root.graphs:
            return []
        left = self.root.copy()
        left.apply(at_level(self.level, [RemoveNode(gone)]))
        needed = set(reached(left, left))
        before = set(reached(self.root, self.root))
        return [Define(name, None) for name in self.root.graphs if name in before - needed]

    def put_dot(self, source: str, target: str, at: Spot) -> str:
        """Put a reroute into a wire; returns its name, empty where no pack has one."""
        edits, name = put_in(self, source, target, at)
        if edits:
            self.do(Batch(tuple(edits)), "Add reroute")
        return name

    def tint(self, names: Iterable[str], color: str | None) -> None:
        """Colour nodes, frames and notes; None = as their kind is."""
        edits: list[Edit] = []
        for name in names:
            old = self.graph.view.get(name)
            view = {**(old if isinstance(old, dict) else {}), "color": color}
            if name in self.graph.nodes or name in self.graph.view:
                edits.append(Place(name, {key: item for key, item in view.items() if item is not None} or None))
        if edits:
            self.do(Batch(tuple(edits)), "Colour")

    def place(
        self, places: Mapping[str, Spot], *, merge: bool = False, label: str = "", with_: Iterable[Edit] = ()
    ) -> None:
        """Move nodes, frames, notes and panels, with other edits of the level in the same step."""
        edits = list(with_)
        for name, (x, y) in places.items():
            name = f".{SIDES[name]}" if name in SIDES else name
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
        """Remove a wire, be it to a panel."""
        self.do_whole(self.cut(target, source), "Disconnect")

    def disconnect_all(self, wires: Iterable[tuple[str, str]]) -> None:
        """Remove wires, as (source, target)."""
        edits = [self.cut(target, source) for source, target in wires]
        if edits:
            self.do_whole(Batch(tuple(edits)), "Cut wires")

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
        edits: list[Edit] = []
        if instead_of and instead_of != (source, target):
            edits.append(self.cut(instead_of[1], instead_of[0]))
        across = self.wired_across(source, target)
        if across is None:
            ports = self.ports(node)
            many = bool(ports and port in ports.inputs and ports.inputs[port].many)
            across = [at_level(self.level, [*self._free(target), Connect(source, target, at=-1 if many else None)])]
        self.do_whole(Batch((*edits, *across)), "Connect")

    def _free(self, target: str) -> list[Edit]:
        """The edits that part a port from the panel of inputs, because a wire takes it."""
        public = [name for name in self.graph.inputs if target in self.graph.targets(name)] if self.inside else []
        return [edit for name in public for edit in self._less(name, target)]

    # What may be wired

    def refusals(self, pairs: Iterable[tuple[str, str]]) -> list[str]:
        """Why each (source, target) may not be wired, as a clause; empty for those that may."""
        pairs = list(pairs)
        wiring, closing, found = self._wiring(), self._closing(pairs), []
        for source, target in pairs:
            (start, out), (node, port) = split(source), split(target)
            ports = self.ports(node)
            taken = ports.inputs.get(port) if ports else None
            lineage = wiring.lineage(source)
            if closing(start, node):
                found.append("that would close a circle")
            elif start in SIDES and node in SIDES:
                found.append("put a reroute between an input and an output")
            elif taken is None or taken.type.startswith("~") or fits(lineage, taken.type):
                found.append("")
            else:
                found.append(f"{out} is {lineage[0]}, {port} takes {taken.type}")
        return found

    def _closing(self, pairs: list[tuple[str, str]]) -> Callable[[str, str], bool]:
        """Would a wire from one node to another close a circle? For the nodes of these pairs.

        Of the two ends, that of which there are fewer is looked around from: a wire is pulled out of one port.
        """
        graph = self.graph
        starts = {name for source, _ in pairs if (name := split(source)[0]) in graph.nodes}
        ends = {name for _, target in pairs if (name := split(target)[0]) in graph.nodes}
        if len(starts) <= len(ends):
            above = {name: upstream(Feeding(graph), [name]) for name in starts}
            return lambda start, end: end in above.get(start, ())
        below = {name: downstream(graph, [name]) for name in ends}
        return lambda start, end: start in below.get(end, ())

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
        """What outputs carry; only where a type is a variable is it looked for, along the wires that lead there."""
        known = {name: ports for name in (*self.graph.nodes, *self.panels()) if (ports := self.ports(name))}
        wiring, graph = Wiring(self.graph, known), self.graph
        open_ = {name for name in graph.nodes if name in known and known[name].variable}
        feeding = Feeding(graph)
        for _ in wiring.faults(ordered({name: [each for each in feeding[name] if each in open_] for name in open_})):
            pass
        return wiring

    def faults(self) -> list[Fault]:
        """What is wrong, from types and values alone: no pack is imported, no file read."""
        return check(self.root, self.library.base, deep=False)

    # Text

    def copied(self, names: Iterable[str]) -> str:
        """Nodes as the text of a graph, for the clipboard."""
        return clipped(self.root, names, level=self.level)

    def paste(self, text: str, at: Spot | None = None, *, label: str = "Paste") -> list[str]:
        """Add the nodes of a graph's text; returns their names.

        Raises:
            NodeflowError: NF1xx, the text is no graph.
        """
        edits, names = pasted(self.root, text, at, level=self.level)
        if edits:
            self.do_whole(Batch(tuple(edits)), label)
        return names

    def duplicate(self, names: Iterable[str], by: Spot = (40, 40), *, keep_inputs: bool = False) -> list[str]:
        """Copy nodes beside themselves; with `keep_inputs`, wired to what the originals are wired to."""
        names = [name for name in names if name in self.graph.nodes]
        text = clipped(self.root, names, outside=keep_inputs, level=self.level)
        edits, made = pasted(self.root, text, by=by, level=self.level)
        if edits:
            self.do_whole(Batch(tuple(edits)), f"Duplicate {_count(names)}")
        return made


def _count(names: Iterable[str]) -> str:
    names = list(names)
    return names[0] if len(names) == 1 else f"{len(names)} nodes"
