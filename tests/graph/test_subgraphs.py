"""Subgraphs: the file, grouping and its inverse, unfolding, check, migration, comparison and merge."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeflow.errors import NodeflowError
from nodeflow.graph import Graph, Node, check, compare, dumps, loads, merge
from nodeflow.graph.edits import Define, Expose, In, SetValue
from nodeflow.graph.flatten import MOST, flattened
from nodeflow.graph.grouping import grouped, ungrouped
from nodeflow.graph.subgraphs import specs
from nodeflow.packs import Library
from nodeflow.saving import with_ports

from .test_graph_laws import graphs, values

placed = st.builds(
    lambda graph, spots: Graph(
        graph.nodes, graph.inputs, graph.outputs, {n: {"at": list(spots[i % 7])} for i, n in enumerate(graph.nodes)}
    ),
    graphs,
    st.lists(st.tuples(st.integers(-900, 900), st.integers(-900, 900)), min_size=7, max_size=7),
)


def made(graph: Graph, names: list[str], library: Library, title: str = "Part", level: str = "") -> str:
    edit, name = grouped(graph, level, names, title, library)
    graph.apply(edit)
    return name


def numbers() -> Graph:
    """one → two → three, where two also gives an output, and the caller sets `b` of two."""
    graph = Graph(view={"one": {"at": [0, 0]}, "two": {"at": [300, 40]}, "three": {"at": [600, 0]}})
    graph.nodes = {
        "one": Node("toy/number", values={"value": 2.0}),
        "two": Node("toy/add", values={"b": 3.0}, wires={"a": "one.value"}),
        "three": Node("toy/add", values={"b": 0.5}, wires={"a": "two.value"}),
    }
    graph.inputs, graph.outputs = {"b": "two.b"}, {"sum": "three.value", "part": "two.value"}
    return graph


@given(placed, st.data())
def test_grouping_and_ungrouping_is_the_identity_and_undo_takes_each_back(graph: Graph, data: Any) -> None:
    library = _library()
    names = data.draw(st.lists(st.sampled_from(sorted(graph.nodes)), min_size=1, unique=True)) if graph.nodes else []
    before = dumps(graph)
    if not names:
        with pytest.raises(NodeflowError, match="no node to group"):
            grouped(graph, "", names, "Part", library)
        return
    edit, name = grouped(graph, "", names, "Part", library)
    undo = graph.apply(edit)
    assert set(graph.nodes) == (set(json.loads(before)["nodes"]) - set(names)) | {name}
    assert loads(dumps(graph)) == graph
    if name not in names:
        back, _ = ungrouped(graph, "", name)
        redo = graph.apply(back)
        assert dumps(graph) == before
        graph.apply(redo)
    graph.apply(undo)
    assert dumps(graph) == before


@given(placed, st.data())
def test_a_grouped_graph_unfolds_into_the_same_nodes_and_wires(graph: Graph, data: Any) -> None:
    if not graph.nodes:
        return
    library, whole = _library(), graph.copy()
    names = data.draw(st.lists(st.sampled_from(sorted(graph.nodes)), min_size=1, unique=True))
    name = made(graph, names, library)
    if data.draw(st.booleans()):
        names = [f"{name} / {each}" if each in names else each for each in sorted(whole.nodes)]
        made(graph, [name], library, "Around")
    flat = flattened(graph, library).graph
    short = {each: each.rpartition(" / ")[2] for each in flat.nodes}
    bridges = {each: str(*node.wires.values()) for each, node in flat.nodes.items() if short[each] not in whole.nodes}

    def end(port: str) -> str:
        while port.partition(".")[0] in bridges:
            port = bridges[port.partition(".")[0]]
        return f"{short.get(port.partition('.')[0], port.partition('.')[0])}.{port.partition('.')[2]}"

    for each, node in flat.nodes.items():
        if each not in bridges:
            wires = {p: end(w) if isinstance(w, str) else [*map(end, w)] for p, w in node.wires.items()}
            assert (wires, node.values) == (whole.nodes[short[each]].wires, whole.nodes[short[each]].values)
    assert {public: end(port) for public, port in flat.outputs.items()} == whole.outputs
    targets = {public: [end(port) for port in flat.targets(public)] for public in flat.inputs}
    assert targets == {public: whole.targets(public) for public in whole.inputs}


def _library() -> Library:
    from . import conftest

    return Library.of(conftest.number, conftest.add, conftest.total, conftest.reroute)


def test_a_graph_without_subgraphs_is_a_file_of_format_1_and_one_with_is_of_format_2(library: Library) -> None:
    graph = numbers()
    before = dumps(graph)
    assert before.startswith('{\n  "nodeflow": 1,') and loads(before) == graph
    made(graph, ["two"], library)
    assert dumps(graph).startswith('{\n  "nodeflow": 2,')
    muted = numbers()
    muted.nodes["two"].mute = True
    assert dumps(muted).startswith('{\n  "nodeflow": 2,') and loads(dumps(muted)) == muted


def test_one_change_inside_is_one_changed_line_and_a_subgraph_used_twice_stands_once(
    library: Library,
) -> None:
    graph = numbers()
    name = made(graph, ["two"], library)
    graph.nodes["again"] = graph.nodes[name].copy()
    old = dumps(graph).splitlines()
    assert sum('"a": "one.value"' in line for line in old) == 2 and sum('"b": 3.0' in line for line in old) == 1
    graph.apply(In("Part", SetValue("two", "b", 4.0)))
    new = dumps(graph).splitlines()
    assert [(a.strip(), b.strip()) for a, b in zip(old, new, strict=True) if a != b] == [('"b": 3.0', '"b": 4.0')]


def test_ports_of_a_subgraph_are_those_of_the_nodes_inside(library: Library) -> None:
    graph = numbers()
    made(graph, ["two"], library)
    spec = specs(graph, library)["graph/Part"]
    assert [(port.name, port.type, port.required, port.default) for port in spec.inputs] == [
        ("a", "float", True, None),
        ("b", "float", False, 3.0),
    ]
    assert [(port.name, port.type) for port in spec.outputs] == [("value", "float")]
    assert graph.inputs == {"b": "Part.b"}


def test_faults_are_at_the_port_outside_or_at_the_node_inside(library: Library) -> None:
    graph = numbers()
    name = made(graph, ["two"], library)
    assert check(graph, library) == []
    del graph.nodes[name].wires["a"]
    graph.graphs["Part"].nodes["two"].values["b"] = "text"
    graph.nodes[name].values["nope"] = 1
    found = {fault.where: fault.code for fault in check(graph, library)}
    assert found == {f"{name}.a": "NF203", f"{name}.b": "NF205", f"{name}.nope": "NF202"}
    inside = {fault.where for fault in check(graph, library, inside=True)}
    assert f"{name} / two.a" in inside


def test_recursion_and_endless_unfolding_are_located_faults(library: Library) -> None:
    graph = Graph(outputs={"x": "a.value"})
    graph.nodes["a"] = Node("graph/A")
    graph.nodes["c"] = Node("graph/C")
    graph.graphs = {
        "A": Graph({"b": Node("graph/B")}),
        "B": Graph({"a": Node("graph/A")}),
        "C": Graph({"inner": Node("graph/A")}),
    }
    found = {fault.where: fault for fault in check(graph, library) if fault.code == "NF215"}
    assert "A → B → A" in found["a"].what and set(found) == {"a", "c"}
    bomb = Graph({"a": Node("graph/0")}, outputs={"x": "a.value"})
    bomb.graphs = {str(i): Graph({n: Node(f"graph/{i + 1}") for n in "xyz"}) for i in range(40)}
    bomb.graphs["40"] = Graph({"one": Node("toy/number")})
    assert f"more than {MOST:,}" in next(fault.what for fault in check(bomb, library) if fault.code == "NF215")
    deep = Graph({"a": Node("graph/0")}, outputs={"x": "a.value"})
    deep.graphs = {str(i): Graph({"n": Node(f"graph/{i + 1}")}) for i in range(3000)}
    deep.graphs["3000"] = Graph({"one": Node("toy/number")})
    assert any(fault.code == "NF215" for fault in check(deep, library))


@pytest.mark.parametrize(
    ("spoil", "where"),
    [
        (lambda data: data["graphs"].update(Part=[]), "graphs.Part"),
        (lambda data: data.update(graphs=[]), ""),
        (lambda data: data["graphs"]["Part"].update(graphs={}), "graphs.Part"),
        (lambda data: data["graphs"]["Part"].update(nodeflow=1), "graphs.Part"),
        (lambda data: data["graphs"]["Part"]["nodes"]["two"].update(mute=1), "Part / two"),
        (lambda data: data["graphs"]["Part"].pop("nodes"), "graphs.Part"),
        (lambda data: data["graphs"].update({"a.b": {"nodes": {}}}), "graphs.a.b"),
    ],
)
def test_what_is_no_subgraph_is_refused_where_it_stands(library: Library, spoil: Any, where: str) -> None:
    graph = numbers()
    made(graph, ["two"], library)
    data = json.loads(dumps(graph))
    spoil(data)
    with pytest.raises(NodeflowError, match="NF105") as caught:
        loads(json.dumps(data))
    assert caught.value.faults[0].where == where


def test_a_value_inside_is_set_where_it_counts_and_for_one_use_only(library: Library) -> None:
    graph = numbers()
    name = made(graph, ["two"], library)
    assert with_ports(graph, {f"{name} / two.b": 7.0}).nodes[name].values == {"b": 7.0}
    graph.apply(In("Part", Expose("inputs", "b", None)))
    graph.nodes["again"] = graph.nodes[name].copy()
    bound = with_ports(graph, {f"{name} / two.b": 7.0})
    flat = flattened(bound, library).graph
    assert (flat.nodes[f"{name} / two"].values["b"], flat.nodes["again / two"].values["b"]) == (7.0, 3.0)


def test_nodes_inside_are_migrated(library: Library) -> None:
    graph = numbers()
    made(graph, ["two"], library)
    graph.graphs["Part"].nodes["two"].version = 9
    (fault,) = check(graph, library)
    assert (fault.code, fault.where) == ("NF208", "Part / two")


@given(values)
def test_define_has_an_inverse(value: Any) -> None:
    graph = numbers()
    before = dumps(graph)
    undo = graph.apply(Define("X", Graph({"a": Node("t", values={"v": value})})))
    again = graph.apply(undo)
    assert dumps(graph) == before
    graph.apply(again)
    assert graph.graphs["X"].nodes["a"].values == {"v": value}


def test_changes_inside_are_compared_and_merged(library: Library) -> None:
    base = numbers()
    name = made(base, ["two"], library)
    ours, theirs = base.copy(), base.copy()
    ours.apply(In("Part", SetValue("two", "b", 4.0)))
    theirs.apply(SetValue("one", "value", 9.0))
    theirs.apply(In("Part", Expose("outputs", "more", "two.value")))
    assert compare(base, ours).lines() == ["Part / two.b: 3.0 → 4.0"]
    joined = merge(base, ours, theirs)
    assert joined.conflicts == [] and joined.graph.nodes["one"].values == {"value": 9.0}
    part = joined.graph.graphs["Part"]
    assert part.nodes["two"].values == {"b": 4.0} and part.outputs["more"] == "two.value"
    theirs.apply(In("Part", SetValue("two", "b", 5.0)))
    (conflict,) = merge(base, ours, theirs).conflicts
    assert conflict.where == "Part / two.b"
    ours.apply(ungrouped(ours, "", name)[0])
    assert [fault.where for fault in merge(base, ours, theirs).conflicts if "subgraph" in fault.what] == ["Part"]
    assert compare(base, ours).lines()[-1].startswith("- Part")


def test_two_new_subgraphs_of_one_name_are_both_kept(library: Library) -> None:
    base, ours, theirs = numbers(), numbers(), numbers()
    made(ours, ["two"], library)
    made(theirs, ["one"], library)
    joined = merge(base, ours, theirs)
    assert set(joined.graph.graphs) == {"Part", "Part 2"} and "Part 2" in joined.notes[0]


@given(graphs, st.data())
def test_merging_with_itself_changes_nothing(graph: Graph, data: Any) -> None:
    if graph.nodes:
        made(graph, data.draw(st.lists(st.sampled_from(sorted(graph.nodes)), min_size=1, unique=True)), _library())
    joined = merge(graph, graph, graph)
    assert joined.graph == graph and not joined.conflicts
