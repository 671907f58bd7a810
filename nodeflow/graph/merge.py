"""Three-way merge: two edits of one graph, joined on the document and not on the text of its file.

Edits of different nodes, values, wires or names never conflict. Where both sides changed the same thing to different
ends, ours stays, and the conflict says both. Nobody's node is lost: one that a side removed and the other changed
stays, and two new nodes that happen to have one name are both kept, theirs under another name.

Four steps: bring the three graphs under one set of names, cut what either side removed out of all three, join entry
by entry, and report.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ..errors import Fault
from .binding import free_name
from .graph import Graph, Node, split
from .matching import content, renames, with_names
from .plain import copied, is_options, text
from .subgraphs import PREFIX, SEPARATOR, levels

_ABSENT: Any = object()

Entries = Mapping[str, Any]


@dataclass(frozen=True)
class Merge:
    """The result of a merge.

    Args:
        graph: Both edits; ours where they disagree.
        conflicts: NF110 at each "node.port" or name where they disagree.
        notes: What was decided without a conflict, one line each.
    """

    graph: Graph
    conflicts: list[Fault] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def conflict(self, where: str, what: str, fix: str) -> None:
        """Note that the sides disagree."""
        self.conflicts.append(Fault("NF110", what, where, fix))


def merge(base: Graph, ours: Graph, theirs: Graph) -> Merge:
    """Join two edits of one graph.

    Args:
        base: The graph both sides started from.
        ours: Our edit of it.
        theirs: Their edit of it.
    """
    theirs, notes = _apart(base, ours, theirs)
    result = _merged(base, ours, theirs)
    result.notes[:0] = notes
    for name in dict.fromkeys((*ours.graphs, *theirs.graphs)):
        sides = base.graphs.get(name), ours.graphs.get(name), theirs.graphs.get(name)
        inner = _subgraph(name, *sides, result)
        if inner is not None:
            result.graph.graphs[name] = inner
    return result


def _apart(base: Graph, ours: Graph, theirs: Graph) -> tuple[Graph, list[str]]:
    """Theirs, with new subgraphs that happen to have the name of another new one of ours under other names."""
    both = (ours.graphs.keys() & theirs.graphs.keys()) - base.graphs.keys()
    clash = [name for name in both if ours.graphs[name] != theirs.graphs[name]]
    if not clash:
        return theirs, []
    theirs, notes = theirs.copy(), list[str]()
    for name in sorted(clash):
        new = free_name(Graph(graphs={**base.graphs, **ours.graphs, **theirs.graphs}), name)
        theirs.graphs[new] = theirs.graphs.pop(name)
        for _, level in levels(theirs):
            for node in level.nodes.values():
                node.type = PREFIX + new if node.type == PREFIX + name else node.type
        notes.append(f"their new subgraph {name} is called {new}, because we have another {name}")
    return theirs, notes


def _subgraph(name: str, base: Graph | None, ours: Graph | None, theirs: Graph | None, result: Merge) -> Graph | None:
    """A subgraph of both edits; one that a side removed goes, unless the other changed or uses it."""
    if ours is None or theirs is None:
        kept = ours or theirs
        if base is None or kept is None:
            return kept
        needed = any(node.type == PREFIX + name for _, level in levels(result.graph) for node in level.nodes.values())
        if kept == base and not needed:
            return None
        if kept != base:
            who, other = ("they", "we") if ours else ("we", "they")
            result.conflict(name, f"{who} removed the subgraph, {other} changed it", "it is kept")
        return kept.copy()
    inner = _merged(base or ours, ours, theirs)
    result.conflicts.extend(replace(fault, where=f"{name}{SEPARATOR}{fault.where}") for fault in inner.conflicts)
    result.notes.extend(f"{name}{SEPARATOR}{note}" for note in inner.notes)
    return inner.graph


def _merged(base: Graph, ours: Graph, theirs: Graph) -> Merge:
    """One level."""
    result = Merge(Graph(path=ours.path))
    base, ours, theirs = _under_one_name(base, ours, theirs, result)
    gone = _gone(base, ours, theirs, result)
    by_us, by_them = gone & theirs.nodes.keys(), gone & ours.nodes.keys()
    _report_use(ours, base, by_them, "we use {}, they removed {}", result)
    _report_use(theirs, base, by_us, "they use {}, we removed {}", result)
    for side, names in ((base, gone), (ours, by_them), (theirs, by_us)):
        _cut(side, names)
    for name in dict.fromkeys((*ours.nodes, *theirs.nodes)):
        nodes = base.nodes.get(name), ours.nodes.get(name), theirs.nodes.get(name)
        result.graph.nodes[name] = _node(name, *nodes, result)
    result.graph.inputs = _entries("inputs.", base.inputs, ours.inputs, theirs.inputs, result)
    result.graph.outputs = _entries("outputs.", base.outputs, ours.outputs, theirs.outputs, result)
    result.graph.extra = _entries("", base.extra, ours.extra, theirs.extra, result)
    result.graph.view = _entries("", base.view, ours.view, theirs.view, Merge(Graph()))
    return result


def _under_one_name(base: Graph, ours: Graph, theirs: Graph, result: Merge) -> tuple[Graph, Graph, Graph]:
    """The three graphs with each node under the name that it has in the result."""
    we, they = renames(base, ours), renames(base, theirs)
    for old in we.keys() & they.keys():
        if we[old] != they[old]:
            result.conflict(we[old], f"we renamed {old} to {we[old]}, they to {they[old]}", "ours is kept")
    adopted = {old: new for old, new in they.items() if old not in we and new not in ours.nodes}
    final = we | adopted
    back = {they.get(old, old): new for old, new in final.items()} | {they[old]: old for old in they.keys() - final}
    taken = {*base.nodes, *ours.nodes, *theirs.nodes, *final.values()}
    for name in theirs.nodes.keys() - base.nodes.keys() - back.keys():
        if name in we.values() or (name in ours.nodes and not _same(ours.nodes[name], theirs.nodes[name])):
            back[name] = _free(name, taken)
            result.notes.append(f"their new node {name} is called {back[name]}, because we have another {name}")
    return with_names(base, final), with_names(ours, adopted), with_names(theirs, back)


def _gone(base: Graph, ours: Graph, theirs: Graph, result: Merge) -> set[str]:
    """The nodes that a side removed and the other left as they were."""
    removed = {name for name in base.nodes if name not in ours.nodes or name not in theirs.nodes}
    gone = set()
    for name in removed:
        kept = ours.nodes.get(name) or theirs.nodes.get(name)
        if kept is None or _same(_without(kept, removed), _without(base.nodes[name], removed)):
            gone.add(name)
        else:
            who, other = ("they", "we") if name in ours.nodes else ("we", "they")
            result.conflict(name, f"{who} removed the node, {other} changed it", "it is kept; remove it if not wanted")
    return gone


def _report_use(side: Graph, base: Graph, gone: set[str], said: str, result: Merge) -> None:
    """Conflicts for new wires, inputs and outputs that name a node which the other side removed."""
    before = set(_ends(base))
    for where, port in _ends(side):
        name = split(port)[0]
        if name in gone and split(where)[0] not in gone and (where, port) not in before:
            result.conflict(where, said.format(port, name), "it is removed; set it anew if needed")


def _ends(graph: Graph) -> list[tuple[str, str]]:
    """(where, "node.port") for all places that name a node."""
    found = [(f"{name}.{input}", port) for name, node in graph.nodes.items() for input, port in node.sources()]
    found += [(f"inputs.{name}", port) for name in graph.inputs for port in graph.targets(name)]
    return found + [(f"outputs.{name}", port) for name, port in graph.outputs.items()]


def _cut(graph: Graph, gone: set[str]) -> None:
    """Take nodes out of a graph with all that names them."""
    graph.nodes = {name: _without(node, gone) for name, node in graph.nodes.items() if name not in gone}
    graph.inputs = _left(graph.inputs, gone)
    graph.outputs = _left(graph.outputs, gone)
    graph.view = {name: view for name, view in graph.view.items() if name not in gone}


def _without(node: Node, gone: set[str]) -> Node:
    return replace(node, wires=_left(node.wires, gone))


def _left(ends: Mapping[str, Any], gone: set[str]) -> dict[str, Any]:
    """Wires or exposures without those that name these nodes; of a list, what is left of it."""
    left: dict[str, Any] = {}
    for key, ports in ends.items():
        if isinstance(ports, str):
            left |= {} if split(ports)[0] in gone else {key: ports}
        elif kept := [port for port in ports if split(port)[0] not in gone]:
            left[key] = kept
    return left


def _node(name: str, base: Node | None, ours: Node | None, theirs: Node | None, result: Merge) -> Node:
    if ours is None or theirs is None:
        kept = ours or theirs
        assert kept is not None
        return kept.copy()
    base = base or ours
    return Node(
        _one(name, base.type, ours.type, theirs.type, result),
        _one(name, base.version, ours.version, theirs.version, result),
        _entries(f"{name}.", base.values, ours.values, theirs.values, result),
        _entries(f"{name}.", base.wires, ours.wires, theirs.wires, result),
        _one(name, base.bypass, ours.bypass, theirs.bypass, result),
        _entries(f"{name}.", base.extra, ours.extra, theirs.extra, result),
        _one(name, base.mute, ours.mute, theirs.mute, result),
    )


def _entries(prefix: str, base: Entries, ours: Entries, theirs: Entries, result: Merge) -> dict[str, Any]:
    keys = dict.fromkeys((*ours, *theirs))
    joined = {}
    for key in keys:
        sides = base.get(key, _ABSENT), ours.get(key, _ABSENT), theirs.get(key, _ABSENT)
        value = _one(prefix + key, *sides, result)
        if value is not _ABSENT:
            joined[key] = copied(value)
    return joined


def _one(where: str, base: Any, ours: Any, theirs: Any, result: Merge) -> Any:
    was, our, their = _said(base), _said(ours), _said(theirs)
    if our == their or their == was:
        return ours
    if our == was:
        return theirs
    if is_options(ours) and is_options(theirs) and (base is _ABSENT or is_options(base)):
        return _entries(f"{where}.", {} if base is _ABSENT else base, ours, theirs, result)
    what = f"we say {our:.60}, they say {their:.60}, before it was {was:.60}"
    result.conflict(where, what, "ours is kept; set it to what is right")
    return ours


def _said(value: Any) -> str:
    return "nothing" if value is _ABSENT else text(value)


def _same(one: Node, other: Node) -> bool:
    return content(one) == content(other) and one.wires == other.wires


def _free(name: str, taken: set[str]) -> str:
    count = 2
    while f"{name}_{count}" in taken:
        count += 1
    taken.add(f"{name}_{count}")
    return f"{name}_{count}"
