"""The form of a graph document: plain data ↔ `Graph`, and all that is wrong with the data, each located.

Fields that this program does not know are kept, wherever they stand. What a file may hold and a run may not
(unknown types, dangling wires, cycles) is no question of form: `check` tells.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..errors import Fault, NodeflowError
from .graph import FORMAT, NAME_LIMIT, Graph, Node, is_port, name_problem
from .plain import copied

_GRAPH_FIELDS = ("nodeflow", "inputs", "outputs", "nodes", "view")
_NODE_FIELDS = ("type", "version", "bypass", "values", "wires")


def graph_of(data: Any) -> Graph:
    """The graph that a document of the current format describes.

    Raises:
        NodeflowError: NF105, a fault for each field that is missing or has the wrong form.
    """
    faults = list(faults_of(data))
    if faults:
        raise NodeflowError.of(faults)
    return Graph(
        {name: _node_of(entry) for name, entry in data["nodes"].items()},
        data.get("inputs", {}),
        data.get("outputs", {}),
        data.get("view", {}),
        {key: item for key, item in data.items() if key not in _GRAPH_FIELDS},
        format=data["nodeflow"],
    )


def node_of(name: str, data: Any) -> Node:
    """The node that an entry of a document describes.

    Raises:
        NodeflowError: NF105, as `graph_of`.
    """
    faults = list(_node_faults(name, data))
    if faults:
        raise NodeflowError.of(faults)
    return _node_of(data)


def data_of(graph: Graph) -> dict[str, Any]:
    """The document of a graph, sharing nothing with it.

    Raises:
        NodeflowError: NF103 to NF105 for what a file cannot hold.
    """
    _refuse_clash(graph.extra, _GRAPH_FIELDS, "")
    return {
        "nodeflow": FORMAT,
        "inputs": copied(graph.inputs),
        "outputs": copied(graph.outputs),
        "nodes": {name: node_data(name, node) for name, node in graph.nodes.items()},
        **copied(graph.extra),
        "view": copied(graph.view),
    }


def node_data(name: str, node: Node) -> dict[str, Any]:
    """The entry of a node in a document, sharing nothing with it."""
    _refuse_clash(node.extra, _NODE_FIELDS, name)
    data: dict[str, Any] = {"type": node.type, "version": node.version}
    if node.bypass:
        data["bypass"] = True
    data["values"] = {key: copied(value, f"{name}.{key}") for key, value in node.values.items()}
    data["wires"] = copied(node.wires, name)
    return data | copied(node.extra, name)


def faults_of(data: Any) -> Iterator[Fault]:
    """All that is wrong with the form of a document, in its own order."""
    if not isinstance(data, dict) or "nodeflow" not in data:
        fix = 'a graph is an object with "nodeflow" and "nodes"'
        yield Fault("NF105", 'the field "nodeflow" is missing, so this is no graph', fix=fix)
        return
    if not _whole(data["nodeflow"]):
        yield Fault("NF105", f'"nodeflow" is the format, a whole number from 1, not {data["nodeflow"]!r:.40}')
    if "nodes" not in data:
        yield Fault("NF105", 'the field "nodes" is missing')
    for field in ("inputs", "outputs", "nodes", "view"):
        if not isinstance(data.get(field, {}), dict):
            yield Fault("NF105", f'"{field}" is an object, not {_kind(data[field])}')
    for name, entry in _entries(data, "nodes"):
        yield from _node_faults(name, entry)
    for name, target in _entries(data, "inputs"):
        yield from _name_faults(name, f"inputs.{name}")
        if not is_port(target) and not _is_ports(target):
            yield Fault("NF105", f'an input is "node.port" or a list of them, not {_kind(target)}', f"inputs.{name}")
    for name, source in _entries(data, "outputs"):
        yield from _name_faults(name, f"outputs.{name}")
        if not is_port(source):
            yield Fault("NF105", f'an output is "node.port", not {_kind(source)}', f"outputs.{name}")
    for name, place in _entries(data, "view"):
        if place is None:
            yield Fault("NF105", "the view of a node is not nothing", name, "remove the entry")


def _node_faults(name: str, data: Any) -> Iterator[Fault]:
    yield from _name_faults(name, name)
    if not isinstance(data, dict):
        yield Fault("NF105", f"a node is an object, not {_kind(data)}", name)
        return
    kind = data.get("type")
    if not isinstance(kind, str) or not 0 < len(kind) <= NAME_LIMIT:
        what = f'"type" is the id of a node type, a text of up to {NAME_LIMIT} characters, not {_kind(kind)}'
        yield Fault("NF105", what, name)
    if not _whole(data.get("version", 1)):
        yield Fault("NF105", f'"version" is a whole number from 1, not {data["version"]!r:.40}', name)
    if not isinstance(data.get("bypass", False), bool):
        yield Fault("NF105", f'"bypass" is true or false, not {_kind(data["bypass"])}', name)
    for field in ("values", "wires"):
        if not isinstance(data.get(field, {}), dict):
            yield Fault("NF105", f'"{field}" is an object, not {_kind(data[field])}', name)
    for key, source in _entries(data, "wires"):
        if not is_port(source) and not _is_ports(source):
            yield Fault("NF105", f'a wire is "node.port" or a list of them, not {_kind(source)}', f"{name}.{key}")


def _node_of(data: Mapping[str, Any]) -> Node:
    return Node(
        data["type"],
        data.get("version", 1),
        data.get("values", {}),
        data.get("wires", {}),
        data.get("bypass", False),
        {key: item for key, item in data.items() if key not in _NODE_FIELDS},
    )


def _entries(data: Mapping[str, Any], field: str) -> Iterator[tuple[str, Any]]:
    entries = data.get(field)
    return iter(entries.items() if isinstance(entries, dict) else ())


def _name_faults(name: str, where: str) -> Iterator[Fault]:
    if problem := name_problem(name):
        yield Fault("NF105", f"the name {name[:40]!r}: {problem}", where)


def _is_ports(item: Any) -> bool:
    return isinstance(item, list) and bool(item) and all(map(is_port, item))


def _whole(item: Any) -> bool:
    return type(item) is int and item >= 1


def _kind(item: Any) -> str:
    """Plain data in the words of JSON."""
    if isinstance(item, str):
        return f"{item[:40]!r}"
    if isinstance(item, dict | list):
        return "an object" if isinstance(item, dict) else f"a list of {len(item)}"
    return "nothing" if item is None else f"{item!r:.40}"


def _refuse_clash(extra: Mapping[str, Any], fields: tuple[str, ...], where: str) -> None:
    clash = next((key for key in extra if key in fields), None)
    if clash:
        raise NodeflowError("NF105", f"{clash!r} is a known field, not an extra one", where=where)
