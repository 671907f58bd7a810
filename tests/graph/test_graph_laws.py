"""Laws of graphs on generated ones: files, undo, merge."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeflow.errors import NodeflowError
from nodeflow.graph import Graph, Node, compare, dumps, loads, merge
from nodeflow.graph.edits import (
    AddNode,
    Batch,
    ClearValue,
    Connect,
    Disconnect,
    Edit,
    Expose,
    Place,
    RemoveNode,
    Rename,
    ReplaceNode,
    Rewire,
    SetBypass,
    SetValue,
    TakeNode,
    unexpose,
)
from nodeflow.graph.history import History
from nodeflow.graph.writing import Writer

letters = st.characters(exclude_categories=["Cs", "Cc"])
texts = st.text(letters, max_size=8)
names = st.sampled_from(["a", "b", "c", "d", "ä 日", "node-1"])
inputs = st.sampled_from(["x", "y", "z"])
ports = st.builds("{}.{}".format, names, inputs)
numbers = st.integers(-(10**20), 10**20) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | numbers | st.text(max_size=5).filter(lambda text: text.isprintable()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=4,
)
wires = ports | st.lists(ports, min_size=1, max_size=3)
extras = st.dictionaries(texts.map("?{}".format), values, max_size=2)
nodes = st.builds(
    Node,
    st.sampled_from(["toy/add", "toy/number", "gone/away"]),
    st.integers(1, 3),
    st.dictionaries(inputs, values, max_size=3),
    st.dictionaries(inputs, wires, max_size=3),
    st.booleans(),
    extras,
)
views = st.dictionaries(names, st.fixed_dictionaries({"at": st.tuples(numbers, numbers).map(list)}), max_size=3)
graphs = st.builds(
    Graph,
    st.dictionaries(names, nodes, max_size=5),
    st.dictionaries(inputs, wires, max_size=2),
    st.dictionaries(inputs, ports, max_size=2),
    views,
    extras,
)


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


edits: st.SearchStrategy[Edit] = st.one_of(
    st.builds(AddNode, names, nodes),
    st.builds(TakeNode, names),
    st.builds(RemoveNode, st.lists(names, min_size=1, max_size=3).map(tuple)),
    st.builds(ReplaceNode, names, nodes),
    st.builds(Rename, names, names),
    st.builds(SetValue, names, inputs, values),
    st.builds(ClearValue, names, inputs),
    st.builds(Connect, ports, ports, st.none() | st.integers(-1, 3)),
    st.builds(Disconnect, ports, st.none() | ports),
    st.builds(Rewire, names, inputs, st.none() | wires.map(_frozen)),
    st.builds(SetBypass, names, st.booleans()),
    st.builds(Place, names, st.none() | st.just({"at": [1, 2]})),
    st.builds(Expose, st.sampled_from(["inputs", "outputs"]), inputs, st.none() | wires.map(_frozen)),
    st.builds(unexpose, st.sampled_from(["inputs", "outputs"]), inputs),
)
batches = edits | st.lists(edits, max_size=3).map(lambda several: Batch(tuple(several)))


@given(graphs)
def test_a_graph_that_is_saved_and_opened_is_the_same_byte_for_byte(graph: Graph) -> None:
    text = dumps(graph)
    again = loads(text)
    assert again == graph
    assert dumps(again) == text


@given(graphs, st.lists(batches, max_size=12))
def test_undoing_any_edits_gives_the_same_graph_byte_for_byte(graph: Graph, sequence: list[Edit]) -> None:
    states, undo = [dumps(graph)], []
    for edit in sequence:
        try:
            undo.append(graph.apply(edit))
            states.append(dumps(graph))
        except NodeflowError:
            assert dumps(graph) == states[-1], "a refused edit changed the graph"
    for back in reversed(undo):
        states.pop()
        again = graph.apply(back)
        assert dumps(graph) == states[-1]
        graph.apply(graph.apply(again))
        assert dumps(graph) == states[-1], "an inverse has no inverse"


@given(graphs, st.lists(batches, max_size=12))
def test_a_writer_says_after_each_edit_what_the_file_would_hold(graph: Graph, sequence: list[Edit]) -> None:
    writer = Writer()
    for edit in (None, *sequence):
        try:
            undo = graph.apply(edit) if edit is not None else None
        except NodeflowError:
            continue
        assert writer.text(graph) == dumps(graph)
        if undo is not None:
            redo = graph.apply(undo)
            assert writer.text(graph) == dumps(graph)
            graph.apply(redo)


@given(graphs, st.lists(batches, max_size=8), st.randoms())
def test_undo_and_redo_walk_through_the_same_states(graph: Graph, sequence: list[Edit], random: Any) -> None:
    history, states = History(graph), [dumps(graph)]
    for edit in sequence:
        try:
            history.do(edit, "edit")
        except NodeflowError:
            continue
        states.append(dumps(graph))
    place = len(states) - 1
    for _ in range(20):
        if random.random() < 0.5:
            place -= bool(history.undo())
        else:
            place += bool(history.redo())
        assert dumps(graph) == states[place]


@given(graphs)
def test_a_copy_shares_nothing(graph: Graph) -> None:
    text, copy = dumps(graph), graph.copy()
    assert dumps(copy) == text
    for node in copy.nodes.values():
        node.wires.clear()
        for value in (*node.values.values(), *node.extra.values()):
            if isinstance(value, list | dict):
                value.clear()
    copy.view.clear()
    assert dumps(graph) == text


def _tried(graph: Graph, sequence: list[Edit]) -> None:
    for edit in sequence:
        try:
            graph.apply(edit)
        except NodeflowError:
            continue


def _on(side: str) -> st.SearchStrategy[Edit]:
    """Edits that touch only the nodes, values and public names of one side."""
    own = st.sampled_from([f"{side}1", f"{side}2", f"{side}3"])
    port, node = st.builds("{}.{}".format, own, inputs), nodes.map(lambda node: Node(node.type, 1, node.values))
    return st.one_of(
        st.builds(AddNode, own, node),
        st.builds(RemoveNode, own),
        st.builds(Rename, own, own),
        st.builds(SetValue, own, inputs, values),
        st.builds(SetValue, st.just("shared"), st.just(side), values),
        st.builds(Connect, port, port),
        st.builds(Connect, port, st.just(f"shared.{side}")),
        st.builds(SetBypass, own, st.booleans()),
        st.builds(Place, own, st.just({"at": [1, 2]})),
        st.builds(Expose, st.just("inputs"), st.just(side), port),
        st.builds(Expose, st.just("outputs"), st.just(side), port),
    )


@given(st.lists(_on("o") | _on("t"), max_size=8), st.lists(_on("o"), max_size=6), st.lists(_on("t"), max_size=6))
def test_independent_edits_never_conflict_and_merge_as_if_both_were_made(
    before: list[Edit], ours: list[Edit], theirs: list[Edit]
) -> None:
    base = Graph()
    base.apply(AddNode("shared", Node("toy/shared")))
    _tried(base, before)
    our, their, both = base.copy(), base.copy(), base.copy()
    _tried(our, ours)
    _tried(their, theirs)
    _tried(both, [*ours, *theirs])
    for one, other in ((our, their), (their, our)):
        result = merge(base, one, other)
        assert result.conflicts == []
        assert dumps(result.graph) == dumps(both)


@given(graphs, graphs)
def test_a_side_that_changed_nothing_leaves_the_other(base: Graph, other: Graph) -> None:
    for result in (merge(base, other, base), merge(base, base, other), merge(base, other, other)):
        assert result.conflicts == []
        assert dumps(result.graph) == dumps(other)


@given(graphs, graphs, graphs)
def test_a_merge_of_anything_can_be_saved(base: Graph, ours: Graph, theirs: Graph) -> None:
    result = merge(base, ours, theirs)
    assert loads(dumps(result.graph)) == result.graph
    assert all(fault.code == "NF110" and fault.where for fault in result.conflicts)


@given(graphs, graphs)
def test_graphs_differ_exactly_when_their_files_do(old: Graph, new: Graph) -> None:
    difference = compare(old, new)
    assert bool(difference.changes or difference.moves) == (dumps(old) != dumps(new))
    assert all("\n" not in line for line in difference.lines(moves=True))
    assert compare(old, old.copy()).lines(moves=True) == []


def test_a_refused_edit_says_what_is_wrong() -> None:
    graph = Graph()
    graph.add("toy/add")
    for edit in (
        RemoveNode("nobody"),
        Rename("add", "a.b"),
        Rename("add", "add"),
        AddNode("add", Node("t")),
        Connect("add.x", "nobody.y"),
        Connect("nobody.x", "add.y"),
        Disconnect("add.x"),
        ClearValue("add", "x"),
        Rewire("add", "x", "nowhere"),
        Expose("outputs", "", "add.x"),
        Expose("outputs", "o", ("add.x", "add.y")),
    ):
        with pytest.raises(NodeflowError, match="NF214"):
            graph.apply(edit)
    with pytest.raises(NodeflowError, match="NF103"):
        graph.apply(SetValue("add", "x", float("nan")))


def test_dragging_a_slider_is_one_step_to_undo() -> None:
    graph = Graph()
    graph.add("toy/number", value=1)
    history = History(graph)
    for step, value in enumerate(range(2, 50)):
        history.do(SetValue("number", "value", value), "Set value", merge=step > 0)
    assert history.labels() == ("Set value", "")
    history.undo()
    assert graph.nodes["number"].values == {"value": 1}
    assert history.labels() == ("", "Set value")
    history.redo()
    assert graph.nodes["number"].values == {"value": 49}


def test_history_knows_whether_the_graph_is_as_saved() -> None:
    graph = Graph()
    graph.add("toy/number", value=1)
    history = History(graph)
    assert not history.changed
    history.do(SetValue("number", "value", 2), "Set")
    assert history.changed
    history.undo()
    assert not history.changed
    history.redo()
    history.mark_saved()
    history.undo()
    assert history.changed
    history.do(SetValue("number", "value", 3), "Set")
    assert history.changed


def test_names_are_made_from_the_type_and_each_is_found_at_once() -> None:
    graph = Graph()
    found = [graph.add("toy/add").name for _ in range(3)] + [graph.add("other/add").name, graph.add("plain").name]
    assert found == ["add", "add_2", "add_3", "add_4", "plain"]


def test_a_graph_built_in_code_tells_wires_from_texts() -> None:
    graph = Graph()
    load = graph.add("model/load", model="a.b")
    one = graph.add("toy/add", a=load["denoiser"], items=[load["x"], load["y"]], text="load.denoiser")
    assert graph.nodes["add"].wires == {"a": "load.denoiser", "items": ["load.x", "load.y"]}
    assert graph.nodes["add"].values == {"text": "load.denoiser"}
    with pytest.raises(NodeflowError, match="a whole node is no value"):
        graph.add("toy/add", a=one)
