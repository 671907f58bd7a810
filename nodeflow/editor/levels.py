"""Inside subgraphs: where in a graph a document is, and the two panels there that stand for what is outside.

No Qt. A level has a panel of inputs on its left and one of outputs on its right: nodes to the eye and the hand, and to
the graph its public names. Their names begin with a space, which no node's does; the port "+" makes a new one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..graph import Graph
from ..graph.edits import Disconnect, Edit, Expose, Place, Rewire
from ..graph.graph import split
from ..graph.grouping import at_level, level_of
from ..graph.ports import Ports
from ..graph.promotion import promoted, taken_back
from ..graph.subgraphs import PREFIX, SEPARATOR, Side, instances, order_of, specs, subgraph_named
from ..packs import Library
from ..specs import Input, NodeSpec, Output
from ..values import Value

if TYPE_CHECKING:
    from ..declaration import NodeType
    from ..errors import Fault

INPUTS, OUTPUTS = " inputs", " outputs"
SIDES: dict[str, Side] = {INPUTS: "inputs", OUTPUTS: "outputs"}
NEW = "+"


class Known(Library):
    """Node types and the subgraphs of a graph, as one library.

    Args:
        base: The node types.
        graph: Whose subgraphs are known.
    """

    def __init__(self, base: Library, graph: Graph) -> None:
        super().__init__()
        self.base, self.graph = base, graph
        self.faults: list[Fault] = base.faults
        self._made: dict[str, NodeSpec] | None = None

    def forget(self) -> None:
        """The subgraphs may have changed."""
        self._made = None

    @property
    def made(self) -> dict[str, NodeSpec]:
        """The subgraphs as node types."""
        if self._made is None:
            self._made = specs(self.graph, self.base) if self.graph.graphs else {}
        return self._made

    def ids(self) -> list[str]:
        return sorted([*self.base.ids(), *self.made])

    def spec(self, id: str) -> NodeSpec | None:
        return (self.made.get(id) if id.startswith(PREFIX) else None) or self.base.spec(id)

    def type(self, id: str) -> NodeType:
        return self.base.type(id)


class Levels:
    """Where in a graph somebody is.

    Args:
        graph: The whole graph.
        library: The node types.
    """

    def __init__(self, graph: Graph, library: Library) -> None:
        self.root = graph
        self.library = Known(library, graph)
        self.inside: tuple[str, ...] = ()
        """The nodes that were entered, from the outermost."""
        self._ports: dict[str, Ports | None] = {}

    @property
    def level(self) -> str:
        """The subgraph that is shown; empty for the graph itself."""
        level = ""
        for name in self.inside:
            level = subgraph_named(level_of(self.root, level).nodes[name].type)
        return level

    @property
    def graph(self) -> Graph:
        """The graph that is shown."""
        return level_of(self.root, self.level) if self.inside else self.root

    def is_subgraph(self, name: str) -> bool:
        """Does a node stand for a subgraph?"""
        node = self.graph.nodes.get(name)
        return node is not None and subgraph_named(node.type) in self.root.graphs and node.type.startswith(PREFIX)

    def spec_at(self, name: str) -> NodeSpec | None:
        """The type of a node; None when no pack has it."""
        return self.library.spec(self.graph.nodes[name].type)

    def where(self, name: str) -> str:
        """What a node is called in runs: after all that it is in."""
        return SEPARATOR.join((*self.inside, name))

    def here(self, path: str) -> str:
        """The node that is shown for one in a run: itself, or what it is inside of; empty when it is elsewhere."""
        parts = path.split(SEPARATOR)
        depth = len(self.inside)
        return parts[depth] if len(parts) > depth and tuple(parts[:depth]) == self.inside else ""

    def places(self) -> int:
        """How many nodes stand for the subgraph that is shown."""
        return len(instances(self.root, self.level)) if self.level else 0

    def stay(self) -> bool:
        """Go out of what is no longer there; returns whether anything was."""
        was, kept, level = self.inside, list[str](), ""
        for name in was:
            node = level_of(self.root, level).nodes.get(name)
            kind = subgraph_named(node.type) if node else ""
            if kind not in self.root.graphs:
                break
            kept.append(name)
            level = kind
        self.inside = tuple(kept)
        return self.inside != was

    # Panels

    def panels(self) -> list[str]:
        """The panels that are shown."""
        return [INPUTS, OUTPUTS] if self.inside else []

    def panel(self, name: str) -> NodeSpec:
        """A panel as a node type: the other side of the subgraph's own ports, and one to make new ones."""
        spec = self.library.spec(PREFIX + self.level) or NodeSpec(id=PREFIX + self.level)
        if name == INPUTS:
            known = {port.name: port for port in spec.inputs}
            outs = [
                Output(each, port.type, port.many, lineage=_lineage(port.type), doc=port.doc)
                if (port := known.get(each))
                else Output(each, "any")
                for each in order_of(self.graph, "inputs")
            ]
            return NodeSpec(id=INPUTS, title="Inputs", outputs=(*outs, Output(NEW, "any", doc="Makes an input.")))
        made = {each: spec.output(each) or Output(each, "any") for each in order_of(self.graph, "outputs")}
        ins = [Input(each, port.type, wired=True, doc=port.doc) for each, port in made.items()]
        new = Input(NEW, "any", wired=True, doc="Makes an output.")
        return NodeSpec(id=OUTPUTS, title="Outputs", inputs=(*ins, new))

    def panels_back(self) -> list[Edit]:
        """The edits of the level that let the panels stand beside the nodes again."""
        views = {f".{side}": self.graph.view.get(f".{side}") for side in SIDES.values()}
        return [
            Place(key, {field: item for field, item in view.items() if field != "at"})
            for key, view in views.items()
            if isinstance(view, dict) and "at" in view
        ]

    def crossing(self) -> list[tuple[str, str]]:
        """The wires from and to the panels, as ("node.output", "node.input")."""
        if not self.inside:
            return []
        graph = self.graph
        found = [(f"{INPUTS}.{public}", end) for public in graph.inputs for end in graph.targets(public)]
        found += [(end, f"{OUTPUTS}.{public}") for public, end in graph.outputs.items()]
        return [(source, target) for source, target in found if self._there(source) and self._there(target)]

    def _there(self, end: str) -> bool:
        return split(end)[0] in SIDES or split(end)[0] in self.graph.nodes

    def wired_across(self, source: str, target: str) -> list[Edit] | None:
        """The edits of the whole graph that wire something to a panel; None for a wire between nodes."""
        start, end = split(source), split(target)
        if start[0] == INPUTS:
            if start[1] == NEW:
                return [promoted(self.root, self.level, "inputs", target)[0]]
            targets = dict.fromkeys((*self.graph.targets(start[1]), target))
            edits: list[Edit] = [Rewire(*end, None)] if end[1] in self.graph.nodes[end[0]].wires else []
            for public in self.graph.inputs:
                if public != start[1] and target in self.graph.targets(public):
                    edits += self._less(public, target)
            return [at_level(self.level, [*edits, Expose("inputs", start[1], tuple(targets))])]
        if end[0] == OUTPUTS:
            if end[1] == NEW:
                return [promoted(self.root, self.level, "outputs", source)[0]]
            return [at_level(self.level, [Expose("outputs", end[1], source)])]
        return None

    def _less(self, public: str, target: str) -> list[Edit]:
        left = tuple(each for each in self.graph.targets(public) if each != target)
        return [Expose("inputs", public, left or None)]

    def cut(self, target: str, source: str | None) -> Edit:
        """The edit of the whole graph that removes a wire, be it to a panel."""
        if source is not None and split(source)[0] == INPUTS:
            public = split(source)[1]
            if self.graph.targets(public) == [target]:
                return taken_back(self.root, self.level, "inputs", public)
            return at_level(self.level, self._less(public, target))
        if split(target)[0] == OUTPUTS:
            return taken_back(self.root, self.level, "outputs", split(target)[1])
        return at_level(self.level, [Disconnect(target, source)])

    def ports(self, name: str) -> Ports | None:
        """The ports of a node's type, or of a panel."""
        if name in SIDES:
            return Ports(self.panel(name))
        kind = self.graph.nodes[name].type
        if kind not in self._ports:
            spec = self.library.spec(kind)
            self._ports[kind] = Ports(spec) if spec else None
        return self._ports[kind]

    def forget(self) -> None:
        """The graph has changed: subgraphs may have other ports."""
        self.library.forget()
        for kind in [kind for kind in self._ports if kind.startswith(PREFIX)]:
            del self._ports[kind]


def _lineage(type: str) -> tuple[str, ...]:
    known = Value.types.get(type)
    return known.lineage() if known else () if type == "any" or type.startswith("~") else (type,)
