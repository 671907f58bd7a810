"""Laws of migrating, comparing and merging graphs."""

from __future__ import annotations

from typing import Any

import pytest

from nodeflow import NodeflowError, node
from nodeflow.graph import Graph, Node, Port, check, compare, dumps, merge, migrated
from nodeflow.graph.edits import RemoveNode, Rename
from nodeflow.graph.migrate import to_current
from nodeflow.packs import Library


@node("paint/denoise", version=3, formerly=("paint/sample",))
def denoise(guidance: float = 7.0, steps: int = 20) -> float:
    """A node with a past."""
    return guidance


@denoise.migrate(1)
def _from_1(saved: dict[str, Any]) -> dict[str, Any]:
    return saved | {"renamed": {"inputs": {"scale": "cfg"}, "outputs": {"out": "result"}}}


@denoise.migrate(2)
def _from_2(saved: dict[str, Any]) -> dict[str, Any]:
    values = saved["values"]
    if "count" in values:
        values["steps"] = int(values.pop("count"))
    return saved | {"renamed": {"inputs": {"cfg": "guidance"}, "outputs": {"result": "value"}}}


@node("paint/gap", version=3)
def gap() -> int:
    """A node whose history is lost."""
    return 1


@node("paint/wrong", version=2)
def wrong() -> int:
    """A node whose migration has a bug."""
    return 1


@wrong.migrate(1)
def _wrong(saved: dict[str, Any]) -> dict[str, Any]:
    return {"type": saved["values"]["nothing"]}


LIBRARY = Library.of(denoise, gap, wrong)


def _old() -> Graph:
    graph = Graph()
    node = Node("paint/sample", 1, {"scale": 5.0, "count": "30"}, {}, extra={"note": "keep me"})
    graph.nodes["old"] = node
    graph.nodes["user"] = Node("paint/denoise", 3, {}, {"guidance": "old.out"})
    graph.inputs, graph.outputs = {"cfg": "old.scale"}, {"x": "old.out"}
    graph.view["old"] = {"at": [1, 2]}
    return graph


def test_an_old_node_arrives_at_the_present_with_all_that_names_its_ports() -> None:
    graph = _old()
    text = dumps(graph)
    new, faults, notes = migrated(graph, LIBRARY)
    assert faults == []
    assert new.nodes["old"] == Node("paint/denoise", 3, {"guidance": 5.0, "steps": 30}, {}, extra={"note": "keep me"})
    assert new.nodes["user"].wires == {"guidance": "old.value"}
    assert (new.inputs, new.outputs, new.view) == ({"cfg": "old.guidance"}, {"x": "old.value"}, graph.view)
    assert notes == ["old: paint/sample 1 → paint/denoise 3"]
    assert dumps(graph) == text, "the graph itself is changed by whoever asks for it, not by migrating"
    assert check(graph, LIBRARY) == []
    assert migrated(new, LIBRARY).graph is new


@pytest.mark.parametrize(
    ("kind", "version", "code"),
    [("paint/denoise", 4, "NF208"), ("paint/gap", 1, "NF209"), ("paint/wrong", 1, "NF209")],
)
def test_a_node_that_cannot_be_migrated_stays_as_it_is(kind: str, version: int, code: str) -> None:
    graph = _old()
    graph.nodes["stuck"] = Node(kind, version, {"x": 1}, {"y": "old.out"}, extra={"z": 2})
    new, faults, _ = migrated(graph, LIBRARY)
    assert [(fault.code, fault.where) for fault in faults] == [(code, "stuck")]
    assert new.nodes["stuck"].values == {"x": 1}
    assert new.nodes["stuck"].extra == {"z": 2}
    assert (code, "stuck") in {(fault.code, fault.where) for fault in check(graph, LIBRARY)}


def test_old_formats_are_lifted_one_by_one() -> None:
    formats = {1: lambda old: old | {"two": 2}, 2: lambda old: {"nodes": old["boxes"], "two": old["two"]}}
    made = to_current({"nodeflow": 1, "boxes": {}}, formats, 3)
    assert made == {"nodeflow": 3, "nodes": {}, "two": 2}
    with pytest.raises(NodeflowError, match="NF105"):
        to_current({"nodeflow": 1}, formats, 3)


def _base() -> Graph:
    graph = Graph()
    load = graph.add("model/load", model="one")
    denoise = graph.add("sampling/denoise", model=load["denoiser"], guidance=7.0, images=[load["a"]])
    graph.inputs["seed"] = denoise["seed"]
    graph.outputs["latent"] = denoise["latent"]
    graph.view = {"load": {"at": [0, 0]}}
    return graph


def test_a_difference_is_read_line_by_line() -> None:
    old, new = _base(), _base()
    node = new.nodes["denoise"]
    node.values = {"guidance": 7.5, "steps": 20}
    node.wires = {"model": "lora.model", "images": ["load.a", "load.b"]}
    node.bypass = True
    new.apply(Rename("load", "loader"))
    new.add("model/lora", strength=1.0)
    new.outputs.clear()
    new.view["loader"] = {"at": [5, 5]}
    assert compare(old, new).lines() == [
        "load is now loader",
        "denoise: bypass: false → true",
        "denoise.guidance: 7.0 → 7.5",
        "denoise.steps: default → 20",
        "denoise.images ← loader.a, loader.b (was loader.a)",
        "denoise.model ← lora.model (was loader.denoiser)",
        "+ lora (model/lora): strength=1.0",
        'outputs.latent: "denoise.latent" → nothing',
    ]
    assert compare(old, new).lines(moves=True)[-1] == 'loader moved: {"at": [0, 0]} → {"at": [5, 5]}'
    assert compare(new, Graph()).lines()[0].startswith("- denoise (sampling/denoise)")


def test_seven_and_seven_point_nought_differ() -> None:
    old, new = _base(), _base()
    new.nodes["denoise"].values["guidance"] = 7
    assert compare(old, new).lines() == ["denoise.guidance: 7.0 → 7"]


def test_of_a_long_text_the_part_that_differs_is_shown() -> None:
    old, new = _base(), _base()
    old.nodes["load"].values["model"] = "x" * 500 + " red heart"
    new.nodes["load"].values["model"] = "x" * 500 + " blue heart"
    (line,) = compare(old, new).lines()
    assert "red heart" in line
    assert "blue heart" in line
    assert len(line) < 200


def test_where_both_changed_the_same_ours_stays_and_both_are_said() -> None:
    base, ours, theirs = _base(), _base(), _base()
    ours.nodes["denoise"].values["guidance"] = 8.0
    theirs.nodes["denoise"].values["guidance"] = 9.0
    result = merge(base, ours, theirs)
    assert [fault.line for fault in result.conflicts] == [
        "NF110 denoise.guidance: we say 8.0, they say 9.0, before it was 7.0; ours is kept; set it to what is right"
    ]
    assert result.graph.nodes["denoise"].values["guidance"] == 8.0


def test_a_node_that_one_removed_and_the_other_changed_is_kept() -> None:
    base, ours, theirs = _base(), _base(), _base()
    ours.apply(RemoveNode("load"))
    theirs.nodes["load"].values["model"] = "two"
    for one, other in ((ours, theirs), (theirs, ours)):
        result = merge(base, one, other)
        assert [(fault.code, fault.where) for fault in result.conflicts] == [("NF110", "load")]
        assert result.graph.nodes["load"].values["model"] == "two"


def test_a_new_wire_from_a_node_that_the_other_side_removed_is_a_conflict() -> None:
    base, ours, theirs = _base(), _base(), _base()
    ours.apply(RemoveNode("load"))
    theirs.add("sampling/denoise", model=Port("load.denoiser"))
    result = merge(base, ours, theirs)
    assert [(fault.code, fault.where) for fault in result.conflicts] == [("NF110", "denoise_2.model")]
    assert "load" not in result.graph.nodes


def test_two_new_nodes_of_one_name_are_both_kept() -> None:
    base, ours, theirs = _base(), _base(), _base()
    ours.outputs["ours"] = ours.add("model/lora", file="one")["model"]
    theirs.outputs["theirs"] = theirs.add("model/lora", file="two")["model"]
    theirs.view["lora"] = {"at": [3, 3]}
    result = merge(base, ours, theirs)
    assert result.conflicts == []
    assert result.notes == ["their new node lora is called lora_2, because we have another lora"]
    assert [result.graph.nodes[name].values["file"] for name in ("lora", "lora_2")] == ["one", "two"]
    assert result.graph.outputs["theirs"] == "lora_2.model"
    assert result.graph.view["lora_2"] == {"at": [3, 3]}


def test_a_rename_on_one_side_and_an_edit_on_the_other_meet() -> None:
    base, ours, theirs = _base(), _base(), _base()
    ours.apply(Rename("denoise", "walk"))
    theirs.nodes["denoise"].values["guidance"] = 9.0
    for one, other in ((ours, theirs), (theirs, ours)):
        result = merge(base, one, other)
        assert result.conflicts == []
        assert result.graph.nodes["walk"].values["guidance"] == 9.0
        assert "denoise" not in result.graph.nodes
        assert result.graph.outputs == {"latent": "walk.latent"}


def test_moves_never_conflict() -> None:
    base, ours, theirs = _base(), _base(), _base()
    ours.view["load"], theirs.view["load"] = {"at": [1, 1]}, {"at": [2, 2]}
    result = merge(base, ours, theirs)
    assert result.conflicts == []
    assert result.graph.view["load"] == {"at": [1, 1]}
