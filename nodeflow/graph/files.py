"""Graph files: strict in, canonical out.

The text of a graph is a function of the graph alone: fields in one order, entries sorted by name, one value a line, so
that one changed parameter is one changed line; `view` stands apart and last, so that a moved node changes no logic.
Opening a file reads that file and nothing else: no code runs, nothing is fetched.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any

from ..errors import NodeflowError
from .form import data_of, faults_of, graph_of
from .graph import FORMAT, Graph
from .plain import is_options, text
from .strict import SIZE_LIMIT, parse


def load(source: str | os.PathLike[str] | bytes, *, newer: bool = False, empty: bool = False) -> Graph:
    """The graph in a file, or in a file's content.

    Args:
        source: A path, or bytes.
        newer: Open what a newer program wrote as far as it is understood; such a graph cannot be saved.
        empty: A file with nothing in it is an empty graph: git hands one for a side that has no such file.

    Raises:
        NodeflowError: NF107 when the file cannot be read, NF101 to NF106 for what is in it.
    """
    path = None if isinstance(source, bytes) else os.fspath(source)
    data = source if isinstance(source, bytes) else _read(os.fspath(source))
    graph = Graph() if empty and not data.strip() else _graph(data, path or "", newer)
    graph.path = path
    return graph


def loads(document: str) -> Graph:
    """The graph in a text; raises as `load`."""
    return load(document.encode("utf-8", "surrogatepass"))


def save(graph: Graph, path: str | os.PathLike[str]) -> None:
    """Write a graph to a file: the whole of it or nothing.

    Raises:
        NodeflowError: NF106 for a graph of a newer format, NF103 to NF105 for what a file cannot hold, NF108 when the
            file cannot be written; the old file is untouched.
    """
    data = dumps(graph).encode()
    if len(data) > SIZE_LIMIT:
        what = f"the graph has {len(data):,} bytes, more than {SIZE_LIMIT:,}"
        raise NodeflowError("NF104", what, where=os.fspath(path), fix="keep large data in files of their own")
    from ..atomic import atomic_write

    atomic_write(path, data)


def dumps(graph: Graph) -> str:
    """The canonical text of a graph.

    Raises:
        NodeflowError: NF106 for a graph of a newer format, NF103 to NF105 for what a file cannot hold.
    """
    if graph.format > FORMAT:
        what, fix = f"it is read-only here: {_made_with(graph.format)}", "update nodeflow"
        raise NodeflowError("NF106", what, where=graph.path or "", fix=fix)
    data = data_of(graph)
    faults = list(faults_of(data))
    if faults:
        raise NodeflowError.of(faults)
    return text_of(data)


def text_of(data: dict[str, Any]) -> str:
    """The canonical text of a document; nodes and view may be texts of their entries in order, as of `node_text`."""
    return _level(data, "") + "\n"


def node_text(name: str, data: dict[str, Any], indent: str) -> str:
    """The entry of a node in the text of a document.

    Args:
        name: The node.
        data: As of `node_data`.
        indent: What its graph is indented by: nothing, or four spaces for a subgraph.
    """
    return _line(name, _node(data, indent + "  "))


def entry_text(name: str, item: Any) -> str:
    """An entry of a view, of inputs or of outputs in the text of a document."""
    return _line(name, text(item))


def _level(data: dict[str, Any], indent: str) -> str:
    """A graph or subgraph."""
    fields, inside = [], indent + "  "
    for key, item in data.items():
        if key == "nodes":
            item = _block(_texts(item, lambda name, entry: node_text(name, entry, indent)), inside)
        elif key == "graphs":
            item = _block((_line(name, _level(each, inside + "  ")) for name, each in sorted(item.items())), inside)
        elif key in ("inputs", "outputs", "view"):
            if not item:
                continue
            item = _block(_texts(item, entry_text), inside)
        else:
            item = text(item)
        fields.append((_RANK.get(key, 4), key, item))
    return _block((_line(key, item) for _, key, item in sorted(fields)), indent)


_RANK = {"nodeflow": 0, "inputs": 1, "outputs": 1, "nodes": 2, "graphs": 3, "view": 5}
"""The order of a graph's fields; those that are not known stand at 4."""

_NODE_RANK = {"type": 0, "version": 1, "bypass": 2, "mute": 2, "values": 3, "wires": 4}


def _node(data: dict[str, Any], indent: str) -> str:
    fields, inside = [], indent + "    "
    for key in sorted(data, key=lambda key: (_NODE_RANK.get(key, 5), key)):
        if key in ("values", "wires"):
            entries = (_line(each, _value(item, inside + "  ")) for each, item in sorted(data[key].items()))
            if data[key]:
                fields.append(_line(key, _block(entries, inside)))
        else:
            fields.append(_line(key, text(data[key])))
    return _block(fields, indent + "  ")


def _texts(entries: dict[str, Any] | list[str], written: Callable[[str, Any], str]) -> Iterable[str]:
    return entries if isinstance(entries, list) else (written(name, item) for name, item in sorted(entries.items()))


def _entries(data: dict[str, Any], indent: str) -> str:
    return _block(_texts(data, entry_text), indent)


def _value(item: Any, indent: str) -> str:
    """A value of a node on one line; several options of a mapping stand on one line each."""
    return _entries(item, indent) if is_options(item) and len(item) > 1 else text(item)


def _line(key: str, rest: str) -> str:
    return f"{text(key)}: {rest}"


def _block(lines: Iterable[str], indent: str) -> str:
    inside = f",\n{indent}  ".join(lines)
    return f"{{\n{indent}  {inside}\n{indent}}}" if inside else "{}"


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(SIZE_LIMIT + 1)
    except FileNotFoundError:
        raise NodeflowError("NF107", "there is no such file", where=path, fix="check the name") from None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise NodeflowError("NF107", f"the file cannot be read: {why.lower()}", where=path) from error


def _graph(data: bytes, name: str, newer: bool) -> Graph:
    document = parse(data, name)
    made = document.get("nodeflow") if isinstance(document, dict) else None
    if type(made) is int and made > FORMAT and not newer:
        fix = "update nodeflow, or open it read-only"
        raise NodeflowError("NF106", f"the file was {_made_with(made)}", where=name, fix=fix)
    if type(made) is int and 1 <= made < FORMAT:
        from .migrate import to_current

        document = to_current(document)
    try:
        return graph_of(document)
    except NodeflowError as error:
        raise NodeflowError.of(fault.at(name) for fault in error.faults) from None


def _made_with(made: int) -> str:
    return f"made with graph format {made}, and this nodeflow knows formats up to {FORMAT}"
