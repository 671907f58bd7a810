"""The form of a graph document: plain data ↔ `Graph`, and all that is wrong with the data, each located.

Fields that this program does not know are kept, wherever they stand. What a file may hold and a run may not
(unknown types, dangling wires, cycles) is no question of form: `check` tells.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..errors import Fault, NodeflowError
from .graph import NAME_LIMIT, Graph, Node, is_port, name_problem
from .plain import copied

_GRAPH_FIELDS = ("nodeflow", "inputs", "outputs", "nodes", "graphs", "view")
_NODE_FIELDS = ("type", "version", "bypass", "mute", "values", "wires")


def graph_of(data: Any) -> Graph:
    """The graph that a document of the current format describes.

    Raises:
        NodeflowError: NF105, a fault for each field that is missing or has the wrong form.
    """
    faults = list(faults_of(data))
    if faults:
        raise NodeflowError.of(faults)
    graph = _level_of(data)
    graph.format = data["nodeflow"]
    graph.graphs = {name: _level_of(level) for name, level in data.get("graphs", {}).items()}
    return graph


def subgraph_of(name: str, data: Any) -> Graph:
    """The subgraph that an entry of a document describes.

    Raises:
        NodeflowError: NF105, as `graph_of`.
    """
    faults = list(_subgraph_faults(name, data))
    if faults:
        raise NodeflowError.of(faults)
    return _level_of(data)


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
    data: dict[str, Any] = {"nodeflow": format_of(graph), **_level_data(graph)}
    if graph.graphs:
        data["graphs"] = {name: subgraph_data(name, level) for name, level in graph.graphs.items()}
    return data


def subgraph_data(name: str, graph: Graph) -> dict[str, Any]:
    """The entry of a subgraph in a document, sharing nothing with it.

    Raises:
        NodeflowError: NF105 for one that holds subgraphs of its own, NF103 to NF105 for what a file cannot hold.
    """
    if graph.graphs:
        raise NodeflowError("NF105", "a subgraph holds no subgraphs of its own", where=name, fix="put them beside it")
    return _level_data(graph)


def _level_data(graph: Graph) -> dict[str, Any]:
    """What graphs and subgraphs have alike."""
    _refuse_clash(graph.extra, _GRAPH_FIELDS, "")
    return {
        "inputs": copied(graph.inputs),
        "outputs": copied(graph.outputs),
        "nodes": {name: node_data(name, node) for name, node in graph.nodes.items()},
        **copied(graph.extra),
        "view": copied(graph.view),
    }


def format_of(graph: Graph) -> int:
    """The lowest format that says all of a graph."""
    levels = (graph, *graph.graphs.values())
    return 2 if graph.graphs or any(node.mute for level in levels for node in level.nodes.values()) else 1


def node_data(name: str, node: Node) -> dict[str, Any]:
    """The entry of a node in a document, sharing nothing with it."""
    _refuse_clash(node.extra, _NODE_FIELDS, name)
    data: dict[str, Any] = {"type": node.type, "version": node.version}
    if node.bypass:
        data["bypass"] = True
    if node.mute:
        data["mute"] = True
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
    yield from _level_faults(data)
    if not isinstance(data.get("graphs", {}), dict):
        yield Fault("NF105", f'"graphs" is an object, not {_kind(data["graphs"])}')
    for name, level in _entries(data, "graphs"):
        yield from _subgraph_faults(name, level)


def _subgraph_faults(name: str, data: Any) -> Iterator[Fault]:
    """What is wrong with a subgraph, located at "graphs.name" or "name / node.port"."""
    yield from _name_faults(name, f"graphs.{name}")
    if not isinstance(data, dict):
        yield Fault("NF105", f"a subgraph is an object, not {_kind(data)}", f"graphs.{name}")
        return
    for field in ("nodeflow", "graphs"):
        if field in data:
            yield Fault("NF105", f'a subgraph has no field "{field}"', f"graphs.{name}", "remove it")
    for fault in _level_faults(data):
        yield Fault(fault.code, fault.what, f"{name} / {fault.where}" if fault.where else f"graphs.{name}", fault.fix)


def _level_faults(data: dict[str, Any]) -> Iterator[Fault]:
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
    for field in ("bypass", "mute"):
        if not isinstance(data.get(field, False), bool):
            yield Fault("NF105", f'"{field}" is true or false, not {_kind(data[field])}', name)
    for field in ("values", "wires"):
        if not isinstance(data.get(field, {}), dict):
            yield Fault("NF105", f'"{field}" is an object, not {_kind(data[field])}', name)
    for key, source in _entries(data, "wires"):
        if not is_port(source) and not _is_ports(source):
            yield Fault("NF105", f'a wire is "node.port" or a list of them, not {_kind(source)}', f"{name}.{key}")


def _level_of(data: Mapping[str, Any]) -> Graph:
    return Graph(
        {name: _node_of(entry) for name, entry in data["nodes"].items()},
        data.get("inputs", {}),
        data.get("outputs", {}),
        data.get("view", {}),
        {key: item for key, item in data.items() if key not in _GRAPH_FIELDS},
    )


def _node_of(data: Mapping[str, Any]) -> Node:
    return Node(
        data["type"],
        data.get("version", 1),
        data.get("values", {}),
        data.get("wires", {}),
        data.get("bypass", False),
        {key: item for key, item in data.items() if key not in _NODE_FIELDS},
        data.get("mute", False),
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
