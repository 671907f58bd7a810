"""Old graphs under new programs: formats of the file, versions and names of node types.

A format migration turns the whole document of one format into the next. A node migration turns the saved entry of one
node (`{"type", "version", "values", "wires", …}`) of one version into the next; it may also return
`"renamed": {"inputs": {"cfg": "guidance"}, "outputs": {"sample": "latent"}}`, which is carried out on its own values
and wires, on wires that leave it, and on the graph's inputs and outputs.

Nothing is lost on the way: what a migration does not touch stays, and a node that cannot be migrated stays as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import Fault, NodeflowError
from .form import node_data, node_of
from .graph import FORMAT, Graph, Node, split

if TYPE_CHECKING:
    from ..packs import Library
    from ..specs import NodeSpec

Document = dict[str, Any]

FORMATS: Mapping[int, Callable[[Document], Document]] = {1: lambda document: document}
"""Turns a document of this format into one of the next."""

Renames = dict[str, dict[str, str]]
"""Old port name → new, under "inputs" and "outputs"."""


class Migrated(NamedTuple):
    """A graph at the versions of a library.

    Args:
        graph: The graph; the very same object when nothing was old.
        faults: Nodes that could not be migrated, or are newer than their pack.
        notes: What was changed, one line a node.
    """

    graph: Graph
    faults: list[Fault]
    notes: list[str]


def to_current(
    document: Document, formats: Mapping[int, Callable[[Document], Document]] = FORMATS, current: int = FORMAT
) -> Document:
    """The document in the current format.

    Raises:
        NodeflowError: NF105 when a migration cannot read the document.
    """
    while (made := document["nodeflow"]) < current:
        try:
            document = {**formats[made](document), "nodeflow": made + 1}
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            what = f"a graph of format {made} has not this form ({type(error).__name__}: {error})"
            raise NodeflowError("NF105", what, fix="check that the file is whole") from error
    return document


def migrated(graph: Graph, library: Library) -> Migrated:
    """The graph with each node at the version and under the name that the library knows.

    Unknown types stay as they are, and are no fault here. Subgraphs are lifted too; what is said of one is located at
    "name / node".
    """
    new, faults, notes = _lifted_level(graph, library)
    for level, inner in graph.graphs.items():
        lifted, inner_faults, inner_notes = _lifted_level(inner, library)
        faults += [replace(fault, where=f"{level} / {fault.where}") for fault in inner_faults]
        notes += [f"{level} / {note}" for note in inner_notes]
        if lifted is not inner:
            new = graph.copy() if new is graph else new
            new.graphs[level] = lifted
    return Migrated(new, faults, notes)


def _lifted_level(graph: Graph, library: Library) -> Migrated:
    new, faults, notes = graph, list[Fault](), list[str]()
    renames: dict[str, Renames] = {}
    for name, node in graph.nodes.items():
        spec = library.spec(node.type)
        if spec is None or (node.version, node.type) == (spec.version, spec.id):
            continue
        try:
            lifted, renames[name] = _lifted(name, node, spec, library)
        except NodeflowError as error:
            faults += error.faults
            continue
        new = graph.copy() if new is graph else new
        new.nodes[name] = lifted
        notes.append(f"{name}: {node.type} {node.version} → {spec.id} {spec.version}")
    if any(renames.values()):
        _rename_ports(new, renames)
    return Migrated(new, faults, notes)


def _lifted(name: str, node: Node, spec: NodeSpec, library: Library) -> tuple[Node, Renames]:
    if node.version > spec.version:
        what = f"{spec.id} was saved at version {node.version}, its pack here has {spec.version}"
        raise NodeflowError("NF208", what, where=name, fix="update the pack")
    data, renames = node_data(name, node), Renames(inputs={}, outputs={})
    for version in range(node.version, spec.version):
        change = library.type(spec.id).migrations.get(version)
        if change is None:
            what = f"{spec.id} has no way from version {version} to {version + 1}"
            raise NodeflowError("NF209", what, where=name, fix="put a new node in its place")
        try:
            data = {**change(data), "version": version + 1}
            _follow(data, renames)
            node_of(name, data)
        except Exception as error:
            what = f"{spec.id} failed to go from version {version} to {version + 1}: {type(error).__name__}: {error}"
            raise NodeflowError("NF209", what, where=name, fix="report it to the author of its pack") from error
    return node_of(name, {**data, "type": spec.id}), {side: ports for side, ports in renames.items() if ports}


def _follow(data: Document, renames: Renames) -> None:
    """Carry out what one migration renamed on the node's own entry, and add it to what was renamed before."""
    for side, ports in data.pop("renamed", {}).items():
        earlier = renames[side]
        for old, new in ports.items():
            if side == "inputs":
                for field in ("values", "wires"):
                    if old in data.get(field, {}):
                        data[field][new] = data[field].pop(old)
            start = next((first for first, last in earlier.items() if last == old), old)
            earlier[start] = new


def _rename_ports(graph: Graph, renames: Mapping[str, Renames]) -> None:
    """Carry out the renaming of ports on all that names them from elsewhere."""

    def port(text: str, side: str) -> str:
        node, name = split(text)
        return f"{node}.{renames.get(node, {}).get(side, {}).get(name, name)}"

    graph.repoint(lambda text: port(text, "outputs"), lambda text: port(text, "inputs"))
