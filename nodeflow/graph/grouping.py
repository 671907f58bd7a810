"""Nodes into a subgraph, and out of it again: edits that leave what the graph computes as it is.

A level is named as in `subgraphs.levels`: "" for the graph itself, else a subgraph. What is wired across the border
becomes a port; so do ports that a caller of the level may set, and outputs that it gets.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ..errors import NodeflowError
from .binding import free_name
from .edits import AddNode, Batch, Define, Edit, Expose, In, Place, Rewire, TakeNode
from .graph import Graph, Node, renamed, split
from .subgraphs import PREFIX, instances, subgraph_named, subgraph_of

if TYPE_CHECKING:
    from ..packs import Library

Wires = str | tuple[str, ...]
FAR = 1e9
"""Nothing is placed farther out."""
BRIDGE = "bridge"
"""Marks the view of a node that only brings a wire in, and goes when its group is dissolved."""


def at_level(level: str, edits: Iterable[Edit]) -> Edit:
    """Edits of a level as one edit of the graph."""
    batch = Batch(tuple(edits))
    return In(level, batch) if level else batch


def level_of(graph: Graph, level: str) -> Graph:
    """The graph, or one of its subgraphs."""
    return graph.graphs[level] if level else graph


def grouped(graph: Graph, level: str, names: Iterable[str], title: str, library: Library) -> tuple[Batch, str]:
    """The edit that makes one node of several, and that node's name.

    Args:
        graph: The graph.
        level: Where the nodes are.
        names: The nodes, and frames or notes by their names in the view.
        title: What the subgraph is called; gets a number where the name is taken.
        library: The node types.

    Raises:
        NodeflowError: NF214 when there is no node among them, or a list is wired from inside and outside and no node
            type passes a value on.
    """
    return _Grouping(graph, level, list(dict.fromkeys(names)), title, library).edit()


class _Grouping:
    def __init__(self, graph: Graph, level: str, names: list[str], title: str, library: Library) -> None:
        self.level, self.home = level, level_of(graph, level)
        self.library = library
        self.names = [name for name in names if name in self.home.nodes]
        self.seen = [name for name in names if name in self.home.view and name not in self.home.nodes]
        if not self.names:
            raise NodeflowError("NF214", "there is no node to group", fix="select nodes")
        self.title = free_name(graph, title)
        self.name = Graph(dict(self.home.nodes)).free_name(PREFIX + self.title)
        self.inner = Graph({name: self.home.nodes[name].copy() for name in self.names})
        self.inner.view = {name: self.home.view[name] for name in (*self.names, *self.seen) if name in self.home.view}
        self.given: dict[str, Wires] = {}
        self.public: dict[tuple[str, ...], str] = {}

    def edit(self) -> tuple[Batch, str]:
        self._inputs()
        outer = list(self._outer())
        self.inner.view[".inputs"] = {"order": self._ordered()}
        self.inner.view[".outputs"] = {"order": list(self.inner.outputs)}
        node = Node(PREFIX + self.title)
        node.wires = {port: wires if isinstance(wires, str) else list(wires) for port, wires in self.given.items()}
        taken: list[Edit] = [Place(name, None) for name in (*self.names, *self.seen) if name in self.home.view]
        taken += [TakeNode(name) for name in self.names]
        made: list[Edit] = [AddNode(self.name, node)]
        if (at := middle(self.inner)) is not None:
            made.append(Place(self.name, {"at": list(at)}))
        edits = [*outer, *taken, *made]
        return Batch((Define(self.title, self.inner), at_level(self.level, edits))), self.name

    def _inputs(self) -> None:
        """Turn wires from outside into inputs; those alike become one."""
        inside = set(self.names)
        alike: dict[Wires, list[str]] = {}
        for name in sorted(self.names, key=lambda name: _spot(self.home.view.get(name))):
            node = self.inner.nodes[name]
            for port in self._in_order(node):
                wires = node.wires[port]
                several = [wires] if isinstance(wires, str) else wires
                outside = [split(source)[0] not in inside for source in several]
                if all(outside):
                    alike.setdefault(wires if isinstance(wires, str) else tuple(wires), []).append(f"{name}.{port}")
                    del node.wires[port]
                elif any(outside):
                    node.wires[port] = [
                        self._bridge(source, f"{name}.{port}", alike) if out else source
                        for source, out in zip(several, outside, strict=True)
                    ]
        for wired, targets in alike.items():
            self.given[self._expose(targets)] = wired

    def _ordered(self) -> list[str]:
        """The inputs as people read them: wired ones first, then node by node, each as its type has them."""

        def rank(public: str) -> tuple[bool, tuple[float, float], int]:
            node, port = split(self.inner.targets(public)[0])
            spec = self.library.spec(self.inner.nodes[node].type)
            names = [each.name for each in spec.inputs] if spec else []
            place = _spot(self.home.view.get(node))
            return public not in self.given, place, names.index(port) if port in names else len(names)

        return sorted(self.inner.inputs, key=rank)

    def _in_order(self, node: Node) -> list[str]:
        spec = self.library.spec(node.type)
        known = [port.name for port in spec.inputs] if spec else []
        return sorted(node.wires, key=lambda port: known.index(port) if port in known else len(known))

    def _bridge(self, source: str, end: str, alike: dict[Wires, list[str]]) -> str:
        """A node inside that passes one wire of a list on."""
        kinds = [spec for id in self.library.ids() if (spec := self.library.spec(id)) and spec.passes not in ("", "?")]
        spec = next((spec for spec in kinds if len(spec.inputs) == len(spec.outputs) == 1), None)
        if spec is None:
            what = "the list is wired from inside and outside, and no node type passes a wire on"
            raise NodeflowError("NF214", what, where=end, fix="group what feeds it, too")
        name = self.inner.free_name(f"bridge/{split(end)[1]}")
        self.inner.nodes[name] = Node(spec.id, spec.version)
        self.inner.view[name] = {**_shown(self.home.view.get(split(end)[0])), BRIDGE: True}
        alike.setdefault(source, []).append(f"{name}.{spec.inputs[0].name}")
        return f"{name}.{spec.outputs[0].name}"

    def _expose(self, targets: list[str], several: bool = False) -> str:
        """A public input of the subgraph for these inner ports."""
        node, port = split(targets[0])
        bridge = BRIDGE in _shown(self.inner.view.get(node))
        base = node if bridge else port
        name, count = base, 2
        while name in self.inner.inputs:
            name, count = f"{node}_{port}" if count == 2 and not bridge else f"{base}_{count}", count + 1
        name = _legal(name)
        self.inner.inputs[name] = list(targets) if several or len(targets) > 1 else targets[0]
        return name

    def _outer(self) -> list[Edit]:
        """What names the nodes from outside names the new node instead."""
        inside, edits = set(self.names), list[Edit]()
        for public, source in self.home.outputs.items():
            if split(source)[0] in inside:
                edits.append(Expose("outputs", public, self._output(source)))
        for target, node in self.home.nodes.items():
            for input, wires in node.wires.items() if target not in inside else ():
                if any(split(source)[0] in inside for source in ([wires] if isinstance(wires, str) else wires)):
                    edits.append(Rewire(target, input, self._outward(wires)))
        for public, ends in self.home.inputs.items():
            if isinstance(ends, str):
                if split(ends)[0] in inside:
                    edits.append(Expose("inputs", public, f"{self.name}.{self._caller((ends,))}"))
            elif any(split(end)[0] in inside for end in ends):
                edits.append(Expose("inputs", public, tuple(self._runs(ends, inside))))
        return edits

    def _outward(self, wires: str | list[str]) -> Wires:
        return self._output(wires) if isinstance(wires, str) else tuple(self._output(source) for source in wires)

    def _output(self, source: str) -> str:
        """The new node's output for an inner one; any other source as it is."""
        name, port = split(source)
        if name not in self.inner.nodes:
            return source
        for public, end in self.inner.outputs.items():
            if end == source:
                return f"{self.name}.{public}"
        public, count = _legal(port), 2
        while public in self.inner.outputs:
            public, count = _legal(f"{name}_{port}" if count == 2 else f"{port}_{count}"), count + 1
        self.inner.outputs[public] = source
        return f"{self.name}.{public}"

    def _caller(self, ends: tuple[str, ...], several: bool = False) -> str:
        key = (*ends, "several") if several else ends
        if key not in self.public:
            self.public[key] = self._expose(list(ends), several)
        return self.public[key]

    def _runs(self, ends: list[str], inside: set[str]) -> list[str]:
        """Neighbours inside as one port each, so that the order of the list stays."""
        found: list[str] = []
        run: list[str] = []
        for end in [*ends, ""]:
            if end and split(end)[0] in inside:
                run.append(end)
                continue
            if run:
                found.append(f"{self.name}.{self._caller(tuple(run), True)}")
                run = []
            found += [end] if end else []
        return found


def ungrouped(graph: Graph, level: str, name: str) -> tuple[Batch, list[str]]:
    """The edit that puts what is inside a node in its place, and the names that it gets there.

    The subgraph goes when nothing else stands for it.

    Raises:
        NodeflowError: NF214 for a node that stands for no subgraph, or is bypassed.
    """
    home = level_of(graph, level)
    node = home.nodes.get(name)
    inner = subgraph_of(graph, node) if node else None
    if node is None or inner is None:
        raise NodeflowError("NF214", "it is no subgraph", where=name, fix="select a node that was grouped")
    if node.bypass:
        raise NodeflowError(
            "NF214", "it is bypassed, and its parts would run", where=name, fix="do not bypass it first"
        )
    return _Ungrouping(graph, level, name, node, inner).edit()


class _Ungrouping:
    def __init__(self, graph: Graph, level: str, name: str, node: Node, inner: Graph) -> None:
        self.graph, self.level, self.home = graph, level, level_of(graph, level)
        self.name, self.node, self.inner = name, node, inner.copy()
        others = {each for each in self.home.nodes if each != name}
        self.bridges = {
            each: wire
            for each in self.inner.nodes
            if BRIDGE in _shown(self.inner.view.get(each)) and isinstance(wire := self._wire_to(each), str)
        }
        self.names = _free_names([each for each in self.inner.nodes if each not in self.bridges], others)

    def _wire_to(self, bridge: str) -> str | list[str] | None:
        for public in self.inner.inputs:
            if any(split(end)[0] == bridge for end in self.inner.targets(public)):
                return self.node.wires.get(public)
        return None

    def edit(self) -> tuple[Batch, list[str]]:
        for public in self.inner.inputs:
            for end in self.inner.targets(public):
                self._give(*split(end), public)
        edits = [*self._outer(), Place(self.name, None), TakeNode(self.name)]
        for name, new in self.names.items():
            node = self.inner.nodes[name]
            node.mute = node.mute or self.node.mute
            edits.append(AddNode(new, node))
        edits += self._places()
        kind = subgraph_named(self.node.type)
        last = len(instances(self.graph, kind)) == 1
        gone: list[Edit] = [Define(kind, None)] if last else []
        return Batch((at_level(self.level, edits), *gone)), list(self.names.values())

    def _give(self, name: str, port: str, public: str) -> None:
        node = self.inner.nodes.get(name)
        if node is None or name in self.bridges:
            return
        if public in self.node.wires:
            wires = self.node.wires[public]
            node.wires[port] = wires if isinstance(wires, str) else list(wires)
        elif public in self.node.values:
            node.values[port] = self.node.values[public]
            node.wires.pop(port, None)

    def _outer(self) -> list[Edit]:
        wired = [public for public in self.inner.inputs if public in self.node.wires]
        given = {split(end) for public in wired for end in self.inner.targets(public)}
        for name, node in self.inner.nodes.items():
            for port, wires in node.wires.items():
                if (name, port) not in given:
                    node.wires[port] = self._inside(wires) if isinstance(wires, str) else [*map(self._inside, wires)]
        edits: list[Edit] = []
        for target, node in self.home.nodes.items():
            for input, wires in node.wires.items() if target != self.name else ():
                if any(split(source)[0] == self.name for source in ([wires] if isinstance(wires, str) else wires)):
                    new = self._source(wires) if isinstance(wires, str) else tuple(map(self._source, wires))
                    edits.append(Rewire(target, input, new))
        for name in self.names:
            for input, wires in self.inner.nodes[name].wires.items():
                if (name, input) in given:
                    new_wires = self._source(wires) if isinstance(wires, str) else [*map(self._source, wires)]
                    self.inner.nodes[name].wires[input] = new_wires
        for public, source in self.home.outputs.items():
            if split(source)[0] == self.name:
                edits.append(Expose("outputs", public, self._source(source)))
        for public, ends in self.home.inputs.items():
            if any(split(end)[0] == self.name for end in self.home.targets(public)):
                edits.append(Expose("inputs", public, self._targets(ends)))
        return edits

    def _inside(self, source: str) -> str:
        name = split(source)[0]
        if name not in self.bridges:
            return renamed(source, self.names)
        node, port = split(self.bridges[name])
        inner = self.inner.outputs.get(port, "") if node == self.name else ""
        return renamed(inner, self.names) if inner else self.bridges[name]

    def _source(self, source: str) -> str:
        name, port = split(source)
        inner = self.inner.outputs.get(port) if name == self.name else None
        return source if inner is None else self._inside(inner)

    def _targets(self, ends: str | list[str]) -> Wires | None:
        found: list[str] = []
        single = isinstance(ends, str)
        for end in [ends] if isinstance(ends, str) else ends:
            name, port = split(end)
            if name != self.name:
                found.append(end)
            elif port in self.inner.inputs:
                single = single and isinstance(self.inner.inputs[port], str)
                found += [renamed(each, self.names) for each in self.inner.targets(port)]
        return None if not found else found[0] if single else tuple(found)

    def _places(self) -> list[Edit]:
        here, there = _spot(self.home.view.get(self.name)), middle(self.inner)
        placed = there is not None and "at" in _shown(self.home.view.get(self.name))
        by = (here[0] - there[0], here[1] - there[1]) if placed and there is not None else (0, 0)
        frames = [name for name in self.inner.view if name.startswith(".") and name not in (".inputs", ".outputs")]
        others = {*self.home.view, *self.names.values()} - {self.name}
        names = self.names | _free_names(frames, others)
        return [Place(new, _moved(self.inner.view[name], by)) for name, new in names.items() if name in self.inner.view]


def middle(graph: Graph) -> tuple[int, int] | None:
    """The mean place of the nodes that have one."""
    spots = [_spot(graph.view[name]) for name in graph.nodes if "at" in _shown(graph.view.get(name))]
    if not spots:
        return None
    x, y = (sum(spot[side] for spot in spots) / len(spots) for side in (0, 1))
    return round(max(-FAR, min(FAR, x))), round(max(-FAR, min(FAR, y)))


def _moved(view: Any, by: tuple[float, float]) -> Any:
    at = view.get("at") if isinstance(view, dict) else None
    if by == (0, 0) or not isinstance(at, list) or len(at) != 2:
        return view
    return {**view, "at": [at[0] + by[0], at[1] + by[1]]}


def _shown(view: object) -> dict[str, Any]:
    return view if isinstance(view, dict) else {}


def _spot(view: object) -> tuple[float, float]:
    at = _shown(view).get("at")
    if isinstance(at, list) and len(at) == 2 and all(isinstance(each, int | float) for each in at):
        return at[0], at[1]
    return 0, 0


def _free_names(names: Iterable[str], taken: set[str]) -> dict[str, str]:
    """A name that is not taken for each: its own, or with a number."""
    found: dict[str, str] = {}
    taken = set(taken)
    for name in names:
        mark = " " if name.startswith(".") else "_"
        base, _, number = name.rpartition(mark)
        base = base if base and number.isdigit() else name
        new, count = name, 2
        while new in taken:
            new, count = f"{base}{mark}{count}", count + 1
        taken.add(new)
        found[name] = new
    return found


def _legal(name: str) -> str:
    """A port's name as a public one: those hold no full stop."""
    return name.replace(".", "_").strip()[:190] or "port"
