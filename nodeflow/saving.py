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
"""How pictures are named unless the user says otherwise."""


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

    def save(self, image: Image, name: str = NAME, suffix: str = ".png", embed: bool = True) -> list[str]:
        """Write each picture of a batch.

        Raises:
            NodeflowError: NF603 for a name that leaves the folder, NF108 if a file cannot be written.
        """
        carried = dumps(self.graph) if embed else None
        written = save_pictures(image.numpy(), self.folder, name, suffix, self.fields(), carried)
        return [str(path) for path in written]

    def fields(self) -> dict[str, Any]:
        """What a name may mention: {graph}, {date}, {time}, {seed}, and each public input."""
        inputs = {name: _value(self.graph, name) for name in self.graph.inputs}
        fixed = {
            "graph": Path(self.graph.path).stem if self.graph.path else "graph",
            "date": self.started.strftime("%Y-%m-%d"),
            "time": self.started.strftime("%H-%M-%S"),
        }
        return {"seed": "", **inputs, **fixed}


def with_values(graph: Graph, values: Mapping[str, Any]) -> Graph:
    """The graph with public inputs set to plain values: what makes the same result without a caller."""
    bound = graph.copy()
    for name, value in values.items():
        for target in bound.targets(name):
            node, _, port = target.partition(".")
            if is_plain(value) and node in bound.nodes:
                bound.nodes[node].values[port] = value
                bound.nodes[node].wires.pop(port, None)
    return bound


def is_plain(value: object) -> bool:
    """Whether a graph file could hold it."""
    return value is None or isinstance(value, bool | int | float | str | list | dict)


def _value(graph: Graph, name: str) -> Any:
    node, _, port = graph.targets(name)[0].partition(".")
    value = graph.nodes[node].values.get(port, "") if node in graph.nodes else ""
    return "sweep" if isinstance(value, dict) else value
