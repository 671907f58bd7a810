"""The cache never lies: on random graphs with random edits, a cached run equals a clean run."""

from __future__ import annotations

import copy
import importlib.util
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nodeflow.execution import Cache
from nodeflow.graph.graph import Graph, Node

KINDS = {
    "t/add": ("a", "b"),
    "t/two": ("a",),
    "t/real": ("a",),
    "t/sum": ("xs",),
    "t/count": ("n",),
    "t/pick": ("a", "b", "first"),
    "t/maybe": ("x", "other"),
    "t/reroute": ("value",),
    "t/switch": ("a", "b", "first"),
    "t/same": ("value",),
    "t/read": ("extra",),
    "t/fail": ("a", "on"),
    "t/box": ("size",),
    "t/read_box": ("box",),
}
OUTPUT = {"t/two": "right", "t/count": "values", "t/box": "box"}
LITERALS = st.one_of(
    st.integers(0, 3),
    st.lists(st.integers(0, 2), min_size=2, max_size=2),
    st.lists(st.integers(0, 3), min_size=1, max_size=3).map(lambda values: {"sweep": values}),
)


@st.composite
def inputs(draw: Any, kind: str, above: list[str]) -> Node:
    """A node of a kind with literals and wires from earlier nodes."""
    node = Node(kind, bypass=draw(st.integers(0, 9)) == 0)
    for port in KINDS[kind]:
        if port == "first":
            node.values[port] = draw(st.sampled_from([True, False, {"sweep": [True, False]}]))
        elif port == "on":
            node.values[port] = 2
        elif port == "xs" and above:
            node.wires[port] = draw(st.lists(st.sampled_from(above), min_size=1, max_size=3))
        elif above and (port == "box" or draw(st.integers(0, 3))):
            node.wires[port] = draw(st.sampled_from(above))
        else:
            node.values[port] = draw(LITERALS)
    return node


@st.composite
def graphs(draw: Any) -> Graph:
    """Up to 9 nodes wired backwards; the last ones are outputs."""
    graph, above = Graph(), []
    for index in range(draw(st.integers(2, 9))):
        kind = draw(st.sampled_from(sorted(KINDS)))
        name = f"n{index}"
        graph.nodes[name] = draw(inputs(kind, above))
        above.append(f"{name}.{OUTPUT.get(kind, 'value')}")
    graph.outputs = {f"o{place}": end for place, end in enumerate(above[-3:])}
    return graph


@st.composite
def edited(draw: Any, graph: Graph) -> Graph:
    """The same graph with one node made anew, or a literal changed."""
    graph = copy.deepcopy(graph)
    names = list(graph.nodes)
    place = draw(st.integers(0, len(names) - 1))
    above = [f"{name}.{OUTPUT.get(graph.nodes[name].type, 'value')}" for name in names[:place]]
    graph.nodes[names[place]] = draw(inputs(graph.nodes[names[place]].type, above))
    return graph


def plain(value: Any) -> Any:
    if isinstance(value, list):
        return [plain(item) for item in value]
    return tuple(value.data.data) if hasattr(value, "data") else value


@given(st.data())
@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
def test_a_cached_run_equals_a_clean_run(data):
    bench = _bench()
    caches = [Cache(10**9, 10**9), Cache(0, 2500), Cache(0, 0)]
    graph = data.draw(graphs())
    seen = [graph]
    for _ in range(data.draw(st.integers(1, 4))):
        clean = bench.run(graph)
        for cache in caches:
            for _again in range(2):
                report = bench.run(graph, cache=cache)
                assert plain_outputs(report) == plain_outputs(clean)
                assert {(f.code, f.node) for f in report.faults} <= {(f.code, f.node) for f in clean.faults}
        before = bench.count()
        assert plain_outputs(bench.run(graph, cache=caches[0])) == plain_outputs(clean)
        if not clean.faults:
            assert bench.count() == before
        bench.world += data.draw(st.integers(0, 1))
        graph = data.draw(edited(data.draw(st.sampled_from(seen))))
        seen.append(graph)


def plain_outputs(report: Any) -> dict[str, Any]:
    return {name: plain(value) for name, value in report.outputs.items()}


def _bench() -> Any:
    spec = importlib.util.spec_from_file_location("execution_bench", Path(__file__).with_name("conftest.py"))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    global _module
    if _module is None:
        import sys

        sys.modules["execution_bench"] = module
        spec.loader.exec_module(module)
        _module = module
    return _module.Bench()


_module: Any = None
