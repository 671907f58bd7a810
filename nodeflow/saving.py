"""What a run made into its output folder, named by a template, each file with the graph that makes it again inside."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from .graph import Graph, dumps
from .graph.binding import set_port
from .media import images, sounds
from .media.outputs import save_all
from .values import Audio, Image

NAME = "{graph}-{seed}-{index:04}"
"""How files are named unless the user says otherwise; without `{seed}-` where the graph has no such input."""


class Saver:
    """Saves what one run made.

    Args:
        graph: The graph that is run.
        folder: The output folder; made when the first file is there.
        values: What the caller set, by public input name.
    """

    def __init__(self, graph: Graph, folder: Path, values: Mapping[str, Any]) -> None:
        self.graph = with_values(graph, values)
        self.folder = folder
        self.started = datetime.now()

    def save(
        self,
        value: Image | Audio,
        name: str = NAME,
        suffix: str = "",
        embed: bool = True,
        settings: Mapping[str, Any] | None = None,
    ) -> list[str]:
        """Write each picture or sound of a batch.

        Args:
            value: The pictures or sounds.
            name: The template of their names.
            suffix: Their format; by default PNG and FLAC.
            embed: Whether they carry the graph.
            settings: What a sweep set for them, by "node.port".

        Raises:
            NodeflowError: NF603 for a name that leaves the folder, NF605 for what the format cannot hold, NF108 if a
                file cannot be written.
        """
        graph = with_ports(self.graph, settings or {})
        if name == NAME and "seed" not in graph.inputs:
            name = NAME.replace("{seed}-", "")
        carried = dumps(graph) if embed else None
        suffix = suffix or (".flac" if isinstance(value, Audio) else ".png")
        written = save_all(_encoded(value, suffix, carried), self.folder, name, suffix, self.fields(graph))
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


def _encoded(value: Image | Audio, suffix: str, graph: str | None) -> Iterator[bytes]:
    if isinstance(value, Audio):
        format = sounds.format_of(f"sound{suffix}")
        return (sounds.encode(samples, value.rate, format, graph=graph) for samples in value.numpy())
    format = images.format_of(f"picture{suffix}")
    return (images.encode(pixels, format, graph=graph) for pixels in value.numpy())


def with_values(graph: Graph, values: Mapping[str, Any]) -> Graph:
    """The graph with public inputs set to plain values: what makes the same result without a caller."""
    plain = {name: value for name, value in values.items() if is_plain(value)}
    return with_ports(graph, {port: value for name, value in plain.items() for port in graph.targets(name)})


def with_ports(graph: Graph, values: Mapping[str, Any]) -> Graph:
    """A copy of the graph with values by "node.port", or "group / node.port", in the place of what was there."""
    bound = graph.copy()
    for target, value in values.items():
        set_port(bound, target, value)
    return bound


def is_plain(value: object) -> bool:
    """Whether a graph file could hold it."""
    return value is None or isinstance(value, bool | int | float | str | list | dict)


def _value(graph: Graph, name: str) -> Any:
    node, _, port = graph.targets(name)[0].partition(".")
    value = graph.nodes[node].values.get(port, "") if node in graph.nodes else ""
    return "sweep" if isinstance(value, dict) else value
