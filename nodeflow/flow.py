"""A graph as a Python function.

flow = nodeflow.load("graphs/text-to-image.json")
flow(prompt="a red heart", seed=3).image.save("heart.png")
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

from .engine import Engine, default_engine
from .errors import NodeflowError
from .graph import Graph
from .graph.flatten import flattened
from .opening import open_graph


class Outputs(Mapping[str, Any]):
    """What a flow returned, by name: `result.image` or `result["image"]`."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = dict(values)

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["_values"][name]
        except KeyError:
            raise AttributeError(f"the flow has no output {name!r}; it has {', '.join(self._values)}") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._values]

    def __repr__(self) -> str:
        from .values import describe

        return f"Outputs({', '.join(f'{name}={describe(value)}' for name, value in self._values.items())})"


class Flow:
    """A graph that can be called.

    Args:
        graph: The document.
        engine: Where it runs; by default the process's own.
    """

    def __init__(self, graph: Graph, engine: Engine | None = None) -> None:
        self.graph = graph
        self.engine = engine or default_engine()

    @property
    def inputs(self) -> dict[str, Any]:
        """What a caller may set, with what it is when not set (None = the node's own default)."""
        found, graph = {}, flattened(self.graph, self.engine.library).graph
        for name in graph.inputs:
            node, _, port = graph.targets(name)[0].partition(".")
            found[name] = graph.nodes[node].values.get(port) if node in graph.nodes else None
        return found

    @property
    def outputs(self) -> list[str]:
        """What a call returns."""
        return list(self.graph.outputs)

    def __call__(self, **values: Any) -> Outputs:
        """Run the graph with these inputs; what has not changed since the last call is not computed again.

        Raises:
            NodeflowError: The graph is refused, or a node failed; every fault is located.
            KeyboardInterrupt: Ctrl-C; what is finished is kept for the next call.
        """
        report = self.engine.run(self.engine.plan(self.graph, values=values))
        if report.faults:
            raise NodeflowError.of(report.faults)
        return Outputs(report.outputs)

    def __repr__(self) -> str:
        return f"Flow({self.graph.path or 'unsaved'}: {', '.join(self.inputs)} -> {', '.join(self.outputs)})"


def load(
    path: str | os.PathLike[str], *, device: str | None = None, dtype: str | None = None, engine: Engine | None = None
) -> Flow:
    """Read a graph file, or a picture that carries one, as a function.

    Args:
        path: Graph JSON, or a PNG, WebP or JPEG that nodeflow saved.
        device: "auto", "cpu", "cuda", "cuda:1", "mps"; by default the process's engine decides.
        dtype: "auto", "float32", "float16", "bfloat16".
        engine: Where it runs; excludes the two before.

    Raises:
        NodeflowError: NF1xx, located by line and column; NF604 for a picture without a graph.
    """
    if engine is None and (device or dtype):
        engine = Engine(device=device or "auto", dtype=dtype or "auto")
    return Flow(open_graph(path), engine)
