"""Pictures of a run into its output folder, named by a template, each with the graph that makes it again inside."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from .graph import Graph, dumps
from .media.outputs import save_pictures
from .values import Image

NAME = "{graph}-{seed}-{index:04}"
"""How pictures are named unless the user says otherwise; without `{seed}-` where the graph has no such input."""


class Saver:
    """Saves the pictures of one run.

    Args:
        graph: The graph that is run.
        folder: The output folder; made when the first picture is there.
        values: What the caller set, by public input name.
    """

    def __init__(self, graph: Graph, folder: Path, values: Mapping[str, Any]) -> None:
        self.graph = with_values(graph, values)
        self.folder = folder
        self.started = datetime.now()

    def save(
        self,
        image: Image,
        name: str = NAME,
        suffix: str = ".png",
        embed: bool = True,
        settings: Mapping[str, Any] | None = None,
    ) -> list[str]:
        """Write each picture of a batch.

        Args:
            image: The pictures.
            name: The template of their names.
            suffix: Their format.
            embed: Whether they carry the graph.
            settings: What a sweep set for them, by "node.port".

        Raises:
            NodeflowError: NF603 for a name that leaves the folder, NF108 if a file cannot be written.
        """
        graph = with_ports(self.graph, settings or {})
        if name == NAME and "seed" not in graph.inputs:
            name = NAME.replace("{seed}-", "")
        carried = dumps(graph) if embed else None
        written = save_pictures(image.numpy(), self.folder, name, suffix, self.fields(graph), carried)
        return [str(path) for path in written]

    def fields(self, graph: Graph) -> dict[str, Any]:
        """What a name may mention: {graph}, {date}, {time}, and each public input."""
        inputs = {name: _value(graph, name) for name in graph.inputs}
        fixed = {
            "graph": Path(graph.path).stem if graph.path else "graph",
            "date": self.started.strftime("%Y-%m-%d"),
            "time": self.started.strftime("%H-%M-%S"),
        }
        return {**inputs, **fixed}


def with_values(graph: Graph, values: Mapping[str, Any]) -> Graph:
    """The graph with public inputs set to plain values: what makes the same result without a caller."""
    plain = {name: value for name, value in values.items() if is_plain(value)}
    return with_ports(graph, {port: value for name, value in plain.items() for port in graph.targets(name)})


def with_ports(graph: Graph, values: Mapping[str, Any]) -> Graph:
    """A copy of the graph with values by "node.port", each in the place of what was there."""
    bound = graph.copy()
    for target, value in values.items():
        name, _, port = target.partition(".")
        if node := bound.nodes.get(name):
            node.values[port] = value
            node.wires.pop(port, None)
    return bound


def is_plain(value: object) -> bool:
    """Whether a graph file could hold it."""
    return value is None or isinstance(value, bool | int | float | str | list | dict)


def _value(graph: Graph, name: str) -> Any:
    node, _, port = graph.targets(name)[0].partition(".")
    value = graph.nodes[node].values.get(port, "") if node in graph.nodes else ""
    return "sweep" if isinstance(value, dict) else value
