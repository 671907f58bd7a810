"""Subgraphs, muting and what else gives a graph a structure: in the document, and in the real window."""

from __future__ import annotations

from itertools import pairwise

import pytest

from nodeflow.editor.document import Document
from nodeflow.editor.faces import face
from nodeflow.editor.levels import INPUTS, NEW, OUTPUTS
from nodeflow.editor.structure import saved_names
from nodeflow.errors import NodeflowError
from nodeflow.graph import check, load, loads, save
from nodeflow.graph.edits import SetValue
from nodeflow.graph.flatten import flattened
from nodeflow.graph.grouping import grouped

from .conftest import GRAPHS

PARTS = ["denoise", "schedule", "latent"]


def undone(document: Document) -> str:
    while document.undo():
        pass
    return document.text


def test_grouping_shows_one_node_and_ungrouping_brings_back_the_same(document: Document):
    before = document.text
    name = document.group(PARTS, "Sampler")
    assert name == "Sampler" and document.is_subgraph(name) and set(document.graph.nodes).isdisjoint(PARTS)
    assert document.faults() == []
    spec = document.spec(name)
    assert spec and {"steps", "seed", "guidance", "positive"} <= {port.name for port in spec.inputs}
    shown = face(document, name, frozenset({"latent"}))
    assert shown.subgraph and shown.field("steps").value == 20
    document.set_value(name, "steps", 8)
    assert document.graph.nodes[name].values == {"steps": 8}
    document.undo()
    assert set(document.ungroup([name])) == set(PARTS)
    assert document.text == before
    assert undone(document) == before


def test_inside_edits_are_made_where_one_is_and_undo_goes_there(document: Document):
    name = document.group(PARTS, "Sampler")
    document.enter(name)
    assert document.level == "Sampler" and set(document.graph.nodes) == set(PARTS)
    document.set_value("denoise", "guidance", 5.0)
    assert document.root.graphs["Sampler"].nodes["denoise"].values["guidance"] == 5.0
    assert document.leave() == name and document.leave() == ""
    assert document.undo() == "Set guidance" and document.inside == (name,)
    document.undo()
    assert document.inside == () and "denoise" in document.graph.nodes


def test_panels_promote_wire_and_take_back(document: Document):
    name = document.group(PARTS, "Sampler")
    document.enter(name)
    assert ("denoise.latent", f"{OUTPUTS}.latent") in document.crossing()
    document.connect(f"{INPUTS}.{NEW}", "denoise.latent")
    assert document.graph.inputs["latent"] == "denoise.latent" and "latent" not in document.graph.nodes["denoise"].wires
    document.undo()
    document.connect("denoise.estimate", f"{OUTPUTS}.{NEW}")
    document.connect("denoise.latent", f"{OUTPUTS}.estimate")
    assert document.graph.outputs["estimate"] == "denoise.latent"
    assert document.refusals([(f"{INPUTS}.positive", "denoise.schedule")]) == [
        "positive is Conditioning, schedule takes Schedule"
    ]
    document.disconnect("denoise.positive", f"{INPUTS}.positive")
    assert "positive" not in document.graph.inputs
    document.leave()
    assert "positive" not in document.graph.nodes[name].wires


def test_ports_are_renamed_ordered_and_all_uses_follow(document: Document):
    name = document.group(PARTS, "Sampler")
    other = document.duplicate([name], keep_inputs=True)[0]
    document.set_value(other, "steps", 3)
    document.enter(name)
    assert document.places() == 2
    document.rename_port("inputs", "steps", "how many")
    document.move_port("inputs", "how many", -100)
    document.rename_port("outputs", "latent", "result")
    document.leave()
    assert document.graph.nodes[other].values == {"how many": 3}
    assert document.root.inputs["steps"] == f"{name}.how many"
    assert document.graph.nodes["decode"].wires["latent"] == f"{name}.result"
    assert document.spec(name).inputs[0].name == "how many" and document.faults() == []
    with pytest.raises(NodeflowError, match="NF214"):
        document.enter(name)
        document.rename_port("inputs", "how many", "seed")


def test_copies_share_a_subgraph_until_one_is_made_independent(document: Document):
    name = document.group(PARTS, "Sampler")
    other = document.duplicate([name], keep_inputs=True)[0]
    assert list(document.root.graphs) == ["Sampler"]
    document.make_own(other)
    assert document.graph.nodes[other].type == "graph/Sampler 2"
    document.remove([other])
    assert list(document.root.graphs) == ["Sampler"]
    document.undo()
    document.rename_subgraph("Sampler 2", "Mine")
    assert document.graph.nodes[other].type == "graph/Mine" and document.faults() == []


def test_a_pasted_subgraph_comes_with_what_is_inside_and_not_into_itself(document: Document, empty: Document):
    inner = document.group(["denoise"], "Inner")
    name = document.group([inner, "schedule"], "Outer")
    text = document.copied([name])
    made = empty.paste(text)
    assert made == ["Outer"] and set(empty.root.graphs) == {"Outer", "Inner"}
    assert empty.paste(text) == ["Outer_2"] and set(empty.root.graphs) == {"Outer", "Inner"}
    assert loads(empty.text) == empty.root
    before = document.text
    document.enter(name)
    with pytest.raises(NodeflowError, match="NF215"):
        document.paste(text)
    with pytest.raises(NodeflowError, match="NF215"):
        document.add("graph/Outer", (0, 0))
    document.enter(inner)
    with pytest.raises(NodeflowError, match="NF215"):
        document.add("graph/Outer", (0, 0))
    assert document.text == before


def test_a_kept_subgraph_is_a_graph_file_and_a_node_of_other_graphs(
    document: Document, empty: Document, tmp_path, monkeypatch
):
    monkeypatch.setenv("NODEFLOW_DATA", str(tmp_path))
    inner = document.group(["denoise"], "Inner")
    name = document.group([inner, "schedule", "latent"], "Sampler")
    file = document.keep(name, "My sampler")
    assert saved_names() == ["My sampler"]
    assert set(load(file).outputs) == {"latent"} and "steps" in load(file).inputs
    added = empty.add("saved/My sampler", (10, 20))
    assert empty.root.graphs["My sampler"].extra["origin"] == "My sampler" and "Inner" in empty.root.graphs
    assert empty.spec(added).title == "My sampler"
    file.unlink()
    assert loads(empty.text) == empty.root
    again = Document(loads(empty.text), empty.library.base)
    assert again.is_subgraph(added)


def test_muted_nodes_are_marked_and_saved(document: Document):
    document.mute(["negative"])
    assert document.graph.nodes["negative"].mute and '"mute": true' in document.text
    assert face(document, "negative").mute and document.undo() == "Mute negative"
    document.redo()
    document.mute(["negative"])
    assert not document.graph.nodes["negative"].mute


def test_a_grouped_template_unfolds_into_the_template(document: Document):
    whole = document.root.copy()
    document.group(PARTS, "Sampler")
    flat = flattened(loads(document.text), document.library.base)
    assert check(document.root, document.library.base) == []
    assert {name.rpartition(" / ")[2] for name in flat.graph.nodes} == set(whole.nodes)


# In the window


def test_a_group_is_made_entered_run_and_left_by_gestures(window, opened, hands, qtbot):
    from PySide6.QtCore import QPointF, Qt
    from PySide6.QtTest import QTest

    space = window.current
    document, canvas = space.document, space.canvas
    document.set_value("denoise", "seed", 77)
    before = document.text
    canvas.select(PARTS)
    hands.do("group")
    QTest.keyClicks(window.popup.line, "Sampler")
    QTest.keyClick(window.popup.line, Qt.Key.Key_Return)
    assert canvas.selected() == ["Sampler"] and set(canvas.nodes) == set(document.graph.nodes)
    assert len(canvas.wires) == len(list(document.graph.wires()))
    hands.run()
    assert canvas.nodes["Sampler"].mark.state in ("done", "") and canvas.nodes["Sampler"].image is not None
    assert space.runs.summary == "nothing to run, 7 nodes cached"
    head = canvas.nodes["Sampler"].pos() + QPointF(90, 15)
    QTest.mouseDClick(canvas.viewport(), Qt.MouseButton.LeftButton, pos=hands.point(head))
    assert document.inside == ("Sampler",) and set(canvas.nodes) == {*PARTS, INPUTS, OUTPUTS}
    assert canvas.crumbs.isVisible() and [each.text() for each in canvas.crumbs.buttons] == ["heart.json", "Sampler"]
    assert len(canvas.wires) == len(list(document.graph.wires())) + len(document.crossing())
    assert canvas.nodes["denoise"].mark is space.marks.of("Sampler / denoise")
    assert canvas.nodes["denoise"].image is not None
    hands.drag(hands.port(INPUTS, "out", NEW), hands.port("schedule", "in", "timesteps"))
    assert document.graph.inputs["timesteps"] == "schedule.timesteps"
    assert canvas.nodes[INPUTS].face.port("out", "timesteps").wired
    assert canvas.nodes["schedule"].face.port("in", "timesteps").wired
    hands.do("undo")
    hands.drag(hands.port("denoise", "out", "estimate"), hands.port(OUTPUTS, "in", NEW))
    assert document.graph.outputs["estimate"] == "denoise.estimate"
    grip = canvas.nodes[INPUTS].pos() + QPointF(60, 15)
    hands.drag(grip, grip + QPointF(-60, 40))
    assert "at" in document.graph.view[".inputs"]
    QTest.keyClick(canvas, Qt.Key.Key_Escape)
    assert document.inside == () and canvas.selected() == ["Sampler"] and not canvas.crumbs.isVisible()
    hands.do("add_node")
    assert document.inside == ("Sampler",)
    canvas.crumbs.buttons[0].click()
    assert document.inside == ()
    hands.do("ungroup")
    assert set(canvas.nodes) == set(load(opened).nodes)
    while document.history.labels()[0] != "Set seed":
        document.undo()
    assert document.text == before and set(canvas.nodes) == set(document.graph.nodes)


def test_a_problem_inside_leads_inside(window, opened, hands, qtbot):
    space = window.current
    name = space.document.group(PARTS, "Sampler")
    space.document.enter(name)
    space.document.set_value("denoise", "guidance", 99.0)
    space.document.take_back("inputs", "guidance")
    space.document.leave()
    qtbot.waitUntil(lambda: bool(space.runs.problems), timeout=20_000)
    item = window.problems.topLevelItem(0)
    assert item.text(0) == f"{name} / denoise.guidance" and space.canvas.nodes[name].mark.problems
    window.problems.itemClicked.emit(item, 0)
    assert space.document.inside == (name,) and space.canvas.selected() == ["denoise"]


def test_muting_by_key_is_seen_on_what_hangs_on_it(window, opened, hands, qtbot):
    space = window.current
    space.canvas.select(["negative"])
    hands.do("mute")
    hands.settle()
    assert space.canvas.nodes["negative"].face.mute
    assert "negative is muted" in space.marks.of("decode").tip
    assert "muted" in space.runs.summary


def test_a_dot_in_a_wire_is_typed_passes_keys_and_leaves_nothing_when_removed(document: Document):
    before = document.text
    flat = dict(document.graph.nodes["decode"].wires)
    one = document.put_dot("denoise.latent", "decode.latent", (800, 0))
    two = document.put_dot(f"{one}.value", "decode.latent", (850, 0))
    assert document.graph.nodes["decode"].wires["latent"] == f"{two}.value"
    shown = face(document, two, frozenset({"value"}))
    assert shown.dot and {spot.type for spot in shown.ports} == {"Latent"} and document.faults() == []
    assert document.refusals([(f"{two}.value", "decode.autoencoder")]) == [
        "value is Latent, autoencoder takes Autoencoder"
    ]
    document.remove([one, two])
    assert document.graph.nodes["decode"].wires == flat and document.text == before
    document.undo()
    document.remove([one])
    assert document.graph.nodes[two].wires == {"value": "denoise.latent"}
    name = document.group(PARTS, "Sampler")
    document.enter(name)
    dot = document.put_dot(f"{INPUTS}.positive", "denoise.positive", (0, 0))
    assert document.graph.inputs["positive"] == f"{dot}.value" and face(document, dot).ports[0].type == "Conditioning"
    with pytest.raises(NodeflowError, match="cannot run through a reroute"):
        document.put_dot(f"{INPUTS}.seed", "denoise.seed", (0, 0))
    document.remove([dot])
    assert document.graph.inputs["positive"] == "denoise.positive"
    assert "positive" not in document.graph.nodes["denoise"].wires
    out = document.put_dot("denoise.latent", f"{OUTPUTS}.latent", (0, 0))
    assert document.graph.outputs["latent"] == f"{out}.value" and document.faults() == []


def test_notes_and_frames_are_copied_and_coloured(document: Document):
    from nodeflow.editor.canvas.notes import new_note

    key, view = new_note(document.graph, (5, 6), "**Hello**")
    from nodeflow.graph.edits import Place

    document.do(Place(key, view), "Add note")
    document.paste(document.copied(["decode", key]), (100, 100))
    assert document.graph.view[".note 2"]["text"] == "**Hello**" and "decode_2" in document.graph.nodes
    document.tint(["decode", key], "#3f8f55")
    assert document.graph.view[key]["color"] == face(document, "decode").tint == "#3f8f55"
    document.tint(["decode"], None)
    assert face(document, "decode").tint == "" and "at" in document.graph.view["decode"]
    name = document.group(["decode", key], "Part")
    assert key not in document.graph.view and key in document.root.graphs["Part"].view
    document.ungroup([name])
    assert document.graph.view[key]["text"] == "**Hello**"


def test_gaps_are_made_equal_and_the_outermost_stay():
    from nodeflow.editor.layout import distributed

    starts = distributed({"a": (0, 10), "b": (12, 30), "c": (200, 20), "d": (50, 10)})
    assert starts["a"] == 0 and starts["c"] == 200
    ends = {"a": 10, "b": 30, "c": 20, "d": 10}
    order = sorted(starts, key=lambda name: starts[name])
    gaps = {round(starts[right] - starts[left] - ends[left], 6) for left, right in pairwise(order)}
    assert gaps == {50.0}


def test_a_file_without_places_or_with_nodes_over_each_other_is_laid_out(library, tmp_path, window):
    from nodeflow.editor.layout import overlapping

    graph = load(GRAPHS / "text-to-image.json")
    edit, _ = grouped(graph, "", PARTS, "Sampler", library)
    graph.apply(edit)
    for spoil in ({}, {name: {"at": [0, 0]} for name in graph.nodes}, {"load": {"at": [0, 0]}}):
        graph.view = dict(spoil)
        graph.graphs["Sampler"].view = {".inputs": graph.graphs["Sampler"].view.get(".inputs", {})}
        save(graph, tmp_path / "bare.json")
        space = window.files.open_path(str(tmp_path / "bare.json"))
        document = space.document
        assert not space.changed
        for inside in ((), ("Sampler",)):
            document.inside = inside
            document.tell()
            heights = {name: face(document, name).height for name in document.graph.nodes}
            places = {name: tuple(document.graph.view[name]["at"]) for name in heights}
            assert not overlapping(places, heights)
            for wire in document.graph.wires():
                assert spoil.get("load") or places[wire.source][0] < places[wire.target][0]
        window.files.drop(space)


def test_dots_notes_frames_and_distribution_by_hand(window, opened, hands, qtbot):
    from PySide6.QtCore import QPointF, Qt
    from PySide6.QtTest import QTest

    space = window.current
    document, canvas = space.document, space.canvas
    wire = next(wire for key, wire in canvas.wires.items() if key[1] == "decode.latent")
    middle = wire.path().pointAtPercent(0.5)
    QTest.mouseDClick(canvas.viewport(), Qt.MouseButton.LeftButton, pos=hands.point(middle))
    (dot,) = canvas.selected()
    node = canvas.nodes[dot]
    assert node.face.dot and node.face.ports[0].type == "Latent"
    assert (node.mapToScene(node.body.center()) - middle).manhattanLength() < 4
    start = node.mapToScene(node.body.center())
    hands.drag(start, start + QPointF(0, 60))
    assert document.graph.view[dot]["at"][1] > middle.y()
    assert document.graph.nodes["decode"].wires["latent"] == f"{dot}.value"
    other = next(wire for key, wire in canvas.wires.items() if key[1] == "decode.autoencoder")
    points = [other.path().pointAtPercent(place / 20) for place in range(20)]
    bare = next(each for each in points if canvas.node_at(each) is None and canvas.wire_at(each) is other)
    alt = Qt.KeyboardModifier.AltModifier
    QTest.mouseClick(canvas.viewport(), Qt.MouseButton.LeftButton, alt, hands.point(bare))
    assert document.graph.nodes["decode"].wires["autoencoder"].startswith("reroute")
    hands.do("note")
    (key,) = canvas.selected()
    QTest.keyClicks(canvas.fields.open, "# Hearts")
    QTest.keyClick(canvas.fields.open, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    assert document.graph.view[key]["text"] == "# Hearts" and canvas.frames[key].text == "# Hearts"
    canvas.select(["positive", "negative"])
    hands.do("frame")
    inner = next(name for name in canvas.frames if name.startswith(".frame"))
    canvas.select(["positive", "negative", "latent", "schedule"])
    hands.do("frame")
    outer = next(name for name in canvas.frames if name.startswith(".frame") and name != inner)
    frame = canvas.frames[outer]
    was = {name: document.graph.view[name]["at"] for name in ("positive", "latent", inner, outer, "decode")}
    canvas.fit()
    grip = frame.mapToScene(frame.rect().width() - 40, 12)
    hands.drag(grip, grip + QPointF(-100, -50))
    now = {name: document.graph.view[name]["at"] for name in was}
    moved = {name: (now[name][0] - was[name][0], now[name][1] - was[name][1]) for name in was}
    assert moved["decode"] == (0, 0) and len({moved[name] for name in ("positive", "latent", inner, outer)}) == 1
    assert moved["positive"] != (0, 0)
    canvas.select(["positive", "negative", "schedule"])
    hands.do("distribute_down"), hands.do("align_right")
    assert len({canvas.nodes[name].x() for name in ("positive", "negative", "schedule")}) == 1


def test_several_nodes_are_edited_at_once_what_they_have_alike(window, opened, qtbot):
    space = window.current
    document, inspector = space.document, space.inspector
    document.set_value("positive", "clip_skip", 1)
    space.canvas.select(["positive", "negative"])
    editor = inspector.editors["clip_skip"]
    assert editor.text() == "" and editor.placeholderText() == "several values"
    editor.editingFinished.emit()
    inspector.editors["text"].left()
    assert (
        document.value("positive", "clip_skip") == 1 and document.value("positive", "text") == "a red heart, flat style"
    )
    editor.setText("2")
    editor.editingFinished.emit()
    assert [document.value(name, "clip_skip") for name in ("positive", "negative")] == [2, 2]
    assert document.undo() == "Set clip_skip"
    space.canvas.select(["positive", "latent"])
    assert "clip_skip" not in inspector.editors and not inspector.editors
    menu = inspector._colour
    menu.setCurrentIndex(menu.findText("Teal"))
    menu.activated.emit(menu.currentIndex())
    assert all(document.graph.view[name]["color"] == menu.currentData() for name in ("positive", "latent"))
    assert space.canvas.nodes["latent"].face.tint and document.undo() == "Colour"


def test_undo_is_unlimited_and_a_step_is_small(document: Document):
    import tracemalloc

    before = document.text
    steps = 3000
    document.history.do(SetValue("denoise", "seed", 1), "Set seed")
    tracemalloc.start()
    for seed in range(steps):
        document.history.do(SetValue("denoise", "seed", seed), "Set seed")
    bytes_a_step = tracemalloc.get_traced_memory()[0] / steps
    tracemalloc.stop()
    assert bytes_a_step < 800
    for _ in range(steps + 1):
        assert document.history.undo()
    assert document.text == before and document.history.labels()[0] == ""


def test_a_copy_is_brought_up_to_date_with_the_kept_one(document: Document, empty: Document, tmp_path, monkeypatch):
    from nodeflow.editor.origins import outdated, update

    monkeypatch.setenv("NODEFLOW_DATA", str(tmp_path))
    inner = document.group(["denoise"], "Inner")
    name = document.group([inner, "schedule", "latent"], "Sampler")
    document.keep(name, "Mine")
    one, two = empty.add("saved/Mine", (0, 0)), empty.add("graph/Mine", (0, 300))
    sink = empty.add("latent/decode", (600, 0))
    empty.connect(f"{one}.latent", f"{sink}.latent")
    empty.set_value(two, "guidance", 5.0)
    empty.set_value(two, "width", 64)
    before = empty.text
    assert not outdated(empty, one) and update(empty, one) is None
    document.enter(name)
    document.take_back("inputs", "width")
    document.enter(inner)
    document.set_value("denoise", "rescale", 0.7)
    document.leave(0)
    document.keep(name, "Mine")
    assert outdated(empty, one) and outdated(empty, two) and empty.text == before
    assert update(empty, one) == ["width"]
    assert not outdated(empty, two) and empty.graph.nodes[two].values == {"guidance": 5.0}
    assert empty.graph.nodes[sink].wires["latent"] == f"{one}.latent"
    (changed,) = [level for level in empty.root.graphs.values() if "denoise" in level.nodes]
    assert changed.nodes["denoise"].values["rescale"] == 0.7
    assert loads(empty.text) == empty.root and len(empty.root.graphs) == 2
    assert empty.undo() == "Update Mine" and empty.text == before
