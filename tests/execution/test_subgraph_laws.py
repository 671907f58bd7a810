"""A graph and its grouped version are one: equal keys, equal results, and what one has computed the other finds."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nodeflow.execution import Cache
from nodeflow.graph.graph import Graph
from nodeflow.graph.grouping import grouped

from .test_random_graphs import _bench, graphs, plain_outputs


def keys(bench: Any, graph: Graph) -> list[bytes | None]:
    return sorted(step.key or b"" for step in bench.plan(graph).steps)


@given(st.data())
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_a_graph_and_its_grouped_version_have_equal_keys_and_results(data: Any) -> None:
    bench = _bench()
    graph = data.draw(graphs())
    whole, level = graph.copy(), ""
    for depth in range(data.draw(st.integers(1, 3))):
        home = graph.graphs[level] if level else graph
        names = data.draw(st.lists(st.sampled_from(sorted(home.nodes)), min_size=1, unique=True))
        edit, _ = grouped(graph, level, names, f"G{depth}", bench.library)
        graph.apply(edit)
        level = data.draw(st.sampled_from(["", *graph.graphs]))
    assert keys(bench, graph) == keys(bench, whole)
    cache = Cache(10**6, 10**6)
    clean = bench.run(whole, cache=cache)
    calls = bench.count()
    again = bench.run(graph, cache=cache)
    if not clean.faults:
        assert bench.count() == calls
    assert plain_outputs(again) == plain_outputs(clean)
    assert plain_outputs(bench.run(graph)) == plain_outputs(clean)
    assert sorted(fault.code for fault in again.faults) == sorted(fault.code for fault in clean.faults)


def test_a_node_inside_is_asked_for_by_its_path_and_errors_name_it(bench, make):
    graph = make("a add a=1", "b fail a=@a", "c add a=@a b=2", out="c", bad="b")
    edit, name = grouped(graph, "", ["b", "c"], "Both", bench.library)
    graph.apply(edit)
    report = bench.run(graph)
    assert report.outputs == {"out": 3} and [fault.where for fault in report.faults] == [f"{name} / b"]
    assert bench.run(graph, wanted=[f"{name} / c"]).ran() == ["a", f"{name} / c"]
    assert bench.run(graph, wanted=[f"{name}.value_2"]).faults or bench.run(graph, wanted=[name]).faults


def test_a_bypassed_subgraph_passes_on_what_it_is_wired_to(bench, make):
    graph = make("a add a=1", "b add a=@a b=5", "c add a=@b b=10", out="c")
    edit, name = grouped(graph, "", ["b"], "Plus", bench.library)
    graph.apply(edit)
    assert bench.run(graph).outputs == {"out": 16}
    graph.nodes[name].bypass = True
    assert bench.run(graph).outputs == {"out": 11}


def test_a_sweep_of_a_subgraph_input_sets_all_its_ports_together(bench, make):
    graph = make("a add a=1 b=1", "b add a=@a b=0", out="b")
    graph.inputs = {"both": ["a.a", "b.b"]}
    edit, name = grouped(graph, "", ["a", "b"], "Part", bench.library)
    graph.apply(edit)
    graph.nodes[name].values["a"] = {"sweep": [1, 2, 3]}
    assert bench.run(graph).outputs == {"out": [3, 5, 7]}


def test_what_is_muted_does_not_run_nor_what_hangs_on_it_and_is_no_fault(bench, make):
    graph = make("a add a=1", "b add a=@a", "c add a=@b b=1", "d add a=5", "s sink a=@b", out="c", other="d")
    graph.nodes["b"].mute = True
    report = bench.run(graph)
    assert report.outputs == {"other": 5} and report.faults == [] and report.ran() == ["d"]
    assert report.plan.silent == {"b": "it is muted", "c": "b is muted", "s": "b is muted"}
    edit, name = grouped(graph, "", ["b", "c"], "Part", bench.library)
    graph.apply(edit)
    assert bench.run(graph).outputs == {"other": 5}
    assert bench.plan(graph).silent[f"{name} / c"] == f"{name} / b is muted"
