"""The real window with a real worker, driven by gestures and keys."""

from __future__ import annotations

import json

import pytest

from nodeflow.graph import load

from .conftest import GRAPHS, Hands, keys

pytest.importorskip("PySide6")


def test_every_template_opens_as_it_is_and_saves_equal(window, tmp_path):
    for file in sorted(GRAPHS.rglob("*.json")):
        space = window.files.open_path(str(file), template=True)
        assert set(space.canvas.nodes) == set(space.document.graph.nodes)
        assert len(space.canvas.wires) == len(list(space.document.graph.wires()))
        space.document.save(str(tmp_path / "copy.json"))
        ours, theirs = load(tmp_path / "copy.json"), load(file)
        assert (ours.nodes, ours.inputs, ours.outputs) == (theirs.nodes, theirs.inputs, theirs.outputs)
    assert window.current is window.spaces[-1]


def test_a_number_is_dragged_in_one_step_of_undo(window, opened, hands: Hands):
    from PySide6.QtCore import QPointF, Qt

    document = window.current.document
    start = hands.field("schedule", "steps")
    hands.drag(start, start + QPointF(60, 0))
    fast = document.value("schedule", "steps")
    assert fast > 4 and document.history.labels()[0] == "Set steps"
    hands.do("undo")
    assert document.value("schedule", "steps") == 4 and document.history.labels()[0] == ""
    hands.drag(start, start + QPointF(60, 0), held=Qt.KeyboardModifier.ShiftModifier)
    assert 4 < document.value("schedule", "steps") < fast


def test_a_wire_is_dragged_refused_taken_off_and_put_back(window, opened, hands: Hands, qtbot):
    from PySide6.QtWidgets import QToolTip

    document, canvas = window.current.document, window.current.canvas
    before = document.text
    lit, said = {}, []

    def look():
        lit.update({name: node.lit for name, node in canvas.nodes.items()})
        said.append(QToolTip.text())

    wrong = (hands.port("load", "out", "scheduler"), hands.port("decode", "in", "latent"))
    hands.drag(*wrong, before=look)
    assert document.text == before and ("in", "default") in lit["schedule"] and not lit["decode"]
    assert said == ["scheduler is SchedulerConfig, latent takes Latent"]
    assert all(node.lit is None for node in canvas.nodes.values()) and not canvas.live.isVisible()
    hands.drag(hands.port("denoise", "out", "estimate"), hands.port("decode", "in", "latent"))
    assert document.graph.nodes["decode"].wires["latent"] == "denoise.estimate"
    hands.do("undo")
    assert document.text == before
    end = hands.port("decode", "in", "latent")
    hands.drag(end, canvas.visible().topLeft() + type(end)(30, 30))
    assert "latent" not in document.graph.nodes["decode"].wires
    assert len(canvas.wires) == len(list(document.graph.wires()))
    hands.do("undo")
    assert document.text == before and len(canvas.wires) == len(list(document.graph.wires()))


def test_a_wire_dropped_on_nothing_offers_what_fits(window, opened, hands: Hands, qtbot):
    from PySide6.QtCore import QPointF, Qt

    document, canvas = window.current.document, window.current.canvas
    start = hands.port("decode", "out", "image")
    hands.drag(start, start + QPointF(60, 300))
    popup = window.popup
    offered = {choice.data for choice in popup.model.found}
    assert "image/resize" in offered and "latent/empty" not in offered
    keys(popup.line, "resize", Qt.Key.Key_Return)
    assert document.graph.nodes["resize"].wires == {"image": "decode.image"} and canvas.selected() == ["resize"]


def test_text_is_edited_in_place_and_escape_leaves_it(window, opened, hands: Hands):
    from PySide6.QtCore import Qt

    document, canvas = window.current.document, window.current.canvas
    spot = hands.field("positive", "text")
    hands.click(spot)
    keys(canvas.fields.open, "a cat", Qt.Key.Key_Escape)
    assert document.value("positive", "text") == "a red heart, flat style"
    hands.click(spot)
    text = canvas.fields.open
    keys(text, "a cat face")
    hands.click(canvas.visible().topLeft() + spot.__class__(5, 5))
    assert document.value("positive", "text") == "a cat face" and canvas.fields.open is None


def test_dice_switch_and_menu(window, opened, hands: Hands):
    from PySide6.QtCore import Qt

    document, canvas = window.current.document, window.current.canvas
    hands.click(hands.field("denoise", "seed", 0.97))
    assert document.value("denoise", "seed") != 0 and canvas.fields.open is None
    name = document.add("latent/encode", (0, -600))
    canvas.show_node(name)
    hands.click(hands.field(name, "sample", 0.5))
    assert document.value(name, "sample") is True
    canvas.fit()
    hands.click(hands.field("load", "dtype"))
    keys(canvas.fields.popup.line, "float32", Qt.Key.Key_Return)
    assert document.value("load", "dtype") == "float32"


def test_moving_copying_pasting_and_removing(window, opened, hands: Hands):
    from PySide6.QtCore import QPointF, Qt

    document, canvas = window.current.document, window.current.canvas
    before = document.text
    head = canvas.nodes["decode"].pos() + QPointF(60, 15)
    hands.drag(head, head + QPointF(50, 40))
    x, y = document.graph.view["decode"]["at"]
    assert [x, y] != load(opened).view["decode"]["at"] and x % 10 == y % 10 == 0
    hands.do("copy"), hands.do("paste")
    assert "decode_2" in canvas.nodes and canvas.selected() == ["decode_2"]
    hands.do("delete")
    assert "decode_2" not in canvas.nodes
    canvas.fit()
    there = document.graph.view["latent"]["at"]
    head = canvas.nodes["latent"].pos() + QPointF(60, 15)
    assert canvas.node_at(head) is canvas.nodes["latent"]
    hands.drag(head, head + QPointF(-200, 40), held=Qt.KeyboardModifier.AltModifier)
    assert "latent_2" in document.graph.nodes and document.graph.view["latent"]["at"] == there
    for name in ("bypass", "collapse", "frame", "arrange"):
        canvas.select(["latent", "schedule"])
        hands.do(name)
    assert document.graph.nodes["latent"].bypass and canvas.nodes["latent"].face.collapsed and len(canvas.frames) == 1
    while document.undo():
        pass
    assert document.text == before and not canvas.frames


def test_a_node_dropped_on_a_wire_goes_into_it(window, opened, hands: Hands):

    document, canvas = window.current.document, window.current.canvas
    name = document.add("logic/reroute", (700, 700))
    canvas.fit()
    middle = next(wire for key, wire in canvas.wires.items() if key[1] == "schedule.default").path().pointAtPercent(0.5)
    node = canvas.nodes[name]
    grip = node.mapToScene(node.body.center())
    hands.drag(grip, middle)
    assert document.graph.nodes[name].wires == {"value": "load.scheduler"}
    assert document.graph.nodes["schedule"].wires["default"] == f"{name}.value"
    assert document.undo() == "Insert into wire"


def test_problems_name_node_and_port_and_lead_to_it(window, opened, hands: Hands, qtbot):
    space = window.current
    space.document.set_value("denoise", "guidance", 99.0)
    qtbot.waitUntil(lambda: bool(space.runs.problems), timeout=20_000)
    assert window.problems.topLevelItemCount() == 1
    item = window.problems.topLevelItem(0)
    assert item.text(0) == "denoise.guidance" and "99.0 is above 30" in item.text(1)
    assert space.canvas.nodes["denoise"].mark.problems
    window.problems.itemClicked.emit(item, 0)
    assert space.canvas.selected() == ["denoise"]


def test_keys_alone_build_a_graph(window, hands: Hands, qtbot):
    from PySide6.QtCore import Qt

    window.files.open_empty()
    document, canvas = window.current.document, window.current.canvas
    hands.do("add_node")
    keys(window.popup.line, "load model", Qt.Key.Key_Return)
    hands.do("add_node")
    keys(window.popup.line, "empty latent", Qt.Key.Key_Return)
    assert set(document.graph.nodes) == {"load", "empty"}
    document.place({"empty": (400, 0), "load": (0, 0)})
    canvas.select(["load"])
    hands.do("go_right")
    assert canvas.selected() == ["empty"]
    hands.do("edit_field")
    keys(canvas.fields.open, "64", Qt.Key.Key_Tab)
    keys(canvas.fields.open, "32", Qt.Key.Key_Return)
    assert document.graph.nodes["empty"].values == {"width": 64, "height": 32}
    hands.do("commands")
    keys(window.popup.line, "undo", Qt.Key.Key_Return)
    assert document.value("empty", "height") == 0


def test_keys_alone_lead_from_an_empty_canvas_to_a_picture(window, hands: Hands):
    from PySide6.QtCore import Qt

    window.files.open_empty()
    document, canvas = window.current.document, window.current.canvas

    def chosen(action: str, words: str) -> None:
        hands.do(action)
        keys(window.popup.line, words, Qt.Key.Key_Return)

    def add(kind: str) -> str:
        before = set(document.graph.nodes)
        chosen("add_node", document.library.spec(kind).title)
        (name,) = set(document.graph.nodes) - before
        return name

    def wire(source: str, target: str) -> None:
        chosen("find", target.split(".")[0])
        assert canvas.selected() == [target.split(".")[0]]
        chosen("wire", f"{source} {target}")
        assert (source, target) in {(f"{w.source}.{w.output}", f"{w.target}.{w.input}") for w in document.graph.wires()}

    kinds = ("model/load", "text/encode", "schedule/steps", "latent/empty", "sampling/denoise", "latent/decode")
    model, text, steps, latent, denoise, decode = (add(kind) for kind in kinds)
    wire(f"{model}.text_encoder", f"{text}.text_encoder")
    wire(f"{model}.scheduler", f"{steps}.default")
    wire(f"{model}.denoiser", f"{latent}.model")
    wire(f"{model}.denoiser", f"{denoise}.model")
    wire(f"{text}.conditioning", f"{denoise}.positive")
    wire(f"{steps}.schedule", f"{denoise}.schedule")
    wire(f"{latent}.latent", f"{denoise}.latent")
    wire(f"{model}.autoencoder", f"{decode}.autoencoder")
    wire(f"{denoise}.latent", f"{decode}.latent")
    chosen("find", text)
    hands.do("edit_field")
    keys(canvas.fields.open, "a red heart")
    canvas.setFocus()
    assert document.value(text, "text") == "a red heart"
    chosen("find", denoise)
    hands.do("edit_field")
    keys(canvas.fields.open, "1", Qt.Key.Key_Return)
    assert document.value(denoise, "guidance") == 1
    chosen("find", decode)
    hands.do("make_output")
    hands.run()
    assert not canvas.nodes[decode].image.isNull()


def test_the_inspector_edits_all_that_is_selected(window, opened):
    space = window.current
    space.canvas.select(["positive", "negative"])
    editor = space.inspector.editors["clip_skip"]
    editor.setText("1")
    editor.editingFinished.emit()
    assert [space.document.value(name, "clip_skip") for name in ("positive", "negative")] == [1, 1]
    assert space.document.undo() == "Set clip_skip"


def test_unsaved_work_is_in_the_journal_and_offered(window, opened, qtbot, monkeypatch):
    from nodeflow import content
    from nodeflow.editor import journal

    space = window.current
    space.document.set_value("denoise", "seed", 77)
    folder = content.user_folder("unsaved")
    qtbot.waitUntil(lambda: any("77" in file.read_text() for file in folder.glob("*.json")), timeout=60_000)
    monkeypatch.setattr(journal, "alive", lambda pid: False)
    window.files.recover()
    assert "heart.json" in window.notice.text.text()
    window.notice.buttons["Recover"].click()
    assert window.current is not space and window.current.document.value("denoise", "seed") == 77
    assert window.current.changed


def test_a_fault_in_a_handler_is_told_and_the_window_goes_on(window, opened, hands: Hands, qtbot, monkeypatch):
    from nodeflow.editor import guard

    monkeypatch.setattr(window.current.canvas, "node_at", lambda at: 1 / 0)
    with qtbot.capture_exceptions() as caught:
        hands.click(window.current.canvas.visible().center())
    assert caught and caught[0][0] is ZeroDivisionError
    monkeypatch.undo()
    monkeypatch.setattr("sys.excepthook", None)
    guard.tell_window(window)
    guard.guarded(lambda: 1 / 0)()
    assert "ZeroDivisionError" in window.log.text.toPlainText() and "fault" in window.statusBar().currentMessage()
    hands.do("select_all")
    assert len(window.current.canvas.selected()) == 7


def test_a_file_that_somebody_else_wrote_is_not_overwritten_unasked(window, opened):
    space = window.current
    space.document.set_value("denoise", "seed", 5)
    theirs = opened.read_text().replace("a red heart", "a blue whale")
    opened.write_text(theirs)
    window.commands.do("save")
    assert opened.read_text() == theirs and "changed by another program" in window.notice.text.text()
    window.notice.buttons["Keep mine"].click()
    assert '"seed": 5' in opened.read_text() and not space.changed
    opened.write_text(theirs)
    window.files.look_outside()
    window.notice.buttons["Reload"].click()
    assert window.current is not space
    assert window.current.document.value("positive", "text") == "a blue whale, flat style"


def test_settings_remember_files_and_keys(window, opened, qtbot):
    from nodeflow.editor.settings import Settings, _file

    assert Settings.load()[0].recent[0] == str(opened.resolve())
    window.settings.shortcuts["run"] = "F5"
    window.settings.save()
    assert json.loads(_file().read_text())["shortcuts"] == {"run": "F5"}


def test_a_change_on_disk_is_noticed_while_the_window_is_in_front(window, opened, qtbot):
    opened.write_text(opened.read_text().replace("a red heart", "a blue whale"))
    qtbot.waitUntil(lambda: "changed by another program" in window.notice.text.text(), timeout=10_000)


def test_an_editor_is_closed_though_the_window_has_no_focus(window, opened, hands: Hands, qtbot):
    from PySide6.QtWidgets import QApplication

    canvas, document = window.current.canvas, window.current.document
    hands.do("note")
    (note,) = [key for key in document.graph.view if key.startswith(".note")]
    canvas.fields.open.setPlainText("Start here")
    QApplication.setActiveWindow(None)
    canvas.fields.close()
    assert canvas.fields.open is None and document.graph.view[note]["text"] == "Start here"


def test_a_colour_and_a_path_are_chosen_on_the_node(window, opened, hands: Hands, tmp_path):
    from PySide6.QtGui import QColor
    from PySide6.QtWidgets import QColorDialog, QFileDialog

    space = window.current
    mask = space.document.add("mask/from-color", (0, 900))
    picture = space.document.add("image/load", (400, 900))
    space.canvas.show_node(mask)
    hands.click(hands.field(mask, "color"))
    dialog = window.findChild(QColorDialog)
    dialog.colorSelected.emit(QColor("#12ab34"))
    dialog.close()
    assert space.document.value(mask, "color") == "#12ab34"
    space.canvas.show_node(picture)
    hands.click(hands.field(picture, "path"))
    chooser = window.findChild(QFileDialog)
    assert any("*.png" in each for each in chooser.nameFilters())
    chooser.fileSelected.emit(str(tmp_path / "x.png"))
    chooser.close()
    assert space.document.value(picture, "path") == str(tmp_path / "x.png")
    hands.do("undo")
    hands.do("undo")
    assert space.document.value(mask, "color") != "#12ab34" and not space.document.value(picture, "path")


def test_all_that_was_left_behind_is_offered_one_after_the_other(window, qtbot, monkeypatch, tmp_path):
    import msgspec

    from nodeflow import content
    from nodeflow.editor.journal import Entry

    folder = content.user_folder("unsaved")
    for file in folder.glob("*.json"):
        file.unlink()
    folder.mkdir(parents=True, exist_ok=True)
    text = (GRAPHS / "unconditional.json").read_text()
    for name in "ab":
        gone = Entry(text, str(tmp_path / f"{name}.json"), 2**22 + 1, 1.0)
        (folder / f"{name}.json").write_bytes(msgspec.json.encode(gone))
    window.files.recover()
    window.notice.buttons["Recover"].click()
    assert len(window.spaces) == 1 and "left behind" in window.notice.text.text()
    window.notice.buttons["Discard"].click()
    assert len(window.spaces) == 1 and not window.notice.isVisible()
    assert [each.name for each in folder.glob("?.json")] == []


def test_wires_are_cut_nodes_fold_and_the_map_leads(window, opened, hands: Hands, qtbot):
    from PySide6.QtCore import QPointF, Qt
    from PySide6.QtTest import QTest

    document, canvas = window.current.document, window.current.canvas
    before, count = document.text, len(canvas.wires)
    ends = [hands.port(*each) for each in (("positive", "out", "conditioning"), ("denoise", "in", "positive"))]
    middle = (ends[0] + ends[1]) / 2
    held = Qt.KeyboardModifier.AltModifier | Qt.KeyboardModifier.ShiftModifier
    hands.drag(middle + QPointF(-30, -60), middle + QPointF(30, 60), held=held)
    assert "positive" not in document.graph.nodes["denoise"].wires and len(canvas.wires) < count
    hands.do("undo")
    assert document.text == before and len(canvas.wires) == count
    head = canvas.nodes["denoise"].pos() + QPointF(100, 12)
    QTest.mouseDClick(canvas.viewport(), Qt.MouseButton.LeftButton, pos=hands.point(head))
    assert canvas.nodes["denoise"].face.collapsed and document.undo() == "Collapse"
    hands.do("zoom_100")
    assert canvas.zoom == pytest.approx(1.0) and canvas.map.isVisible()
    canvas.select(["decode"])
    hands.do("fit_selected")
    assert canvas.visible().contains(canvas.nodes["decode"].pos())
    small = canvas.map
    QTest.mouseClick(small, Qt.MouseButton.LeftButton, pos=small.rect().center())
    assert canvas.visible().contains(canvas.whole().center())
    hands.do("fit_all")
    assert canvas.visible().contains(canvas.whole()) and not small.isVisible()
