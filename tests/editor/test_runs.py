"""Runs in the real window: what it shows while a graph runs, and what is left when one ends."""

from __future__ import annotations

import os
import signal

import pytest

from nodeflow.graph import load

from .conftest import Hands, keys

pytest.importorskip("PySide6")


def test_a_picture_is_painted_and_a_late_change_runs_late_nodes_only(window, opened, hands: Hands, qtbot):
    from PySide6.QtCore import Qt

    hands.run()
    space = window.current
    assert not space.canvas.nodes["decode"].image.isNull() and space.marks.of("decode").final
    assert space.canvas.nodes["denoise"].image.width() == 64
    assert len(space.marks.of("schedule").curve) == 5 and not space.canvas.nodes["schedule"].plot_rect.isEmpty()
    assert space.runs.summary == "nothing to run, 7 nodes cached"
    hands.click(hands.field("denoise", "guidance"))
    line = space.canvas.fields.open
    keys(line, "3.5", Qt.Key.Key_Return)
    assert space.document.value("denoise", "guidance") == 3.5
    hands.settle()
    assert space.runs.summary.startswith("2 of 7 nodes will run")
    assert "Out of date, will run: guidance 2.0 → 3.5" in space.marks.of("denoise").tip
    assert "denoise: guidance 2.0 → 3.5" in window.summary.toolTip() and "about" in space.runs.summary
    assert space.marks.of("decode").stale and not space.marks.of("load").stale
    hands.run()
    states = {name: space.marks.of(name) for name in space.document.graph.nodes}
    assert {name for name, mark in states.items() if mark.began > states["denoise"].began - 0.001} >= {
        "denoise",
        "decode",
    }
    hands.do("undo")
    assert load(opened).nodes == space.document.graph.nodes


def test_a_killed_worker_is_named_and_the_run_resumed(window, opened, hands: Hands, qtbot):
    space = window.current
    space.document.set_value("schedule", "steps", 400)
    space.runs.run()
    qtbot.waitUntil(lambda: space.marks.of("denoise").step[0] >= 2, timeout=60_000)
    os.kill(window.hub.queue.client.pid, signal.SIGKILL)
    qtbot.waitUntil(lambda: window.notice.isVisible(), timeout=20_000)
    assert "in denoise, step" in window.notice.text.text() and "SIGKILL" in window.notice.text.text()
    window.notice.buttons["Resume"].click()
    qtbot.waitUntil(lambda: space.marks.of("denoise").step[0] >= 2 and space.runs.running, timeout=60_000)
    space.runs.cancel()
    qtbot.waitUntil(lambda: space.runs.job.state == "cancelled", timeout=20_000)


def test_what_fails_while_running_is_a_problem_of_its_node(window, opened, hands: Hands, qtbot):
    space = window.current
    space.document.set_value("latent", "width", 60)
    space.runs.run()
    qtbot.waitUntil(lambda: space.runs.job.over, timeout=60_000)
    assert space.runs.job.state == "failed" and space.marks.of("latent").state == "failed"
    qtbot.waitUntil(lambda: bool(space.runs.problems), timeout=20_000)
    assert window.problems.topLevelItem(0).text(2) == "NF414"
    space.document.undo()
    hands.run()
    assert space.runs.problems == []


def test_pictures_of_the_session_are_kept_and_open_their_graph(window, opened, hands: Hands):
    hands.run()
    gallery = window.gallery
    made = gallery.shelf.items[0]
    gallery.line.setText("red heart")
    assert gallery.shelf.shown[0] is made
    gallery.line.setText("blue whale")
    assert made not in gallery.shelf.shown
    gallery.graph_wanted.emit(made)
    assert window.current.document.graph.nodes == load(opened).nodes and window.current.document.path == ""


def test_a_saved_picture_opens_its_graph(window, opened, hands: Hands, tmp_path, qtbot):
    hands.run()
    window.viewing.look_at(window.current, "decode")
    (view,) = window.viewing.viewers
    view.write(str(tmp_path / "heart.png"), view.made)
    view.close()
    space = window.files.open_path(str(tmp_path / "heart.png"))
    assert space.document.graph.nodes == load(opened).nodes and space.document.path == ""


def test_live_mode_runs_on_each_edit_and_stops_what_runs(window, opened, hands: Hands, qtbot):
    space = window.current
    space.document.set_value("schedule", "steps", 400)
    hands.do("live")
    qtbot.waitUntil(lambda: space.marks.of("denoise").step[0] > 2, timeout=60_000)
    assert "denoise, step" in window.summary.text() and "left" in window.summary.text()
    long = space.runs.job
    space.document.set_value("schedule", "steps", 3)
    qtbot.waitUntil(lambda: long.over and space.runs.job is not long and space.runs.job.over, timeout=60_000)
    assert long.state == "cancelled" and space.runs.job.state == "done" and long.seconds > 0
    done = space.runs.job
    hands.settle()
    assert space.runs.job is done, "nothing changed, so nothing runs again"
    hands.do("live")
    space.document.set_value("denoise", "guidance", 2.71)

    def planned() -> None:
        assert " of 7 nodes will run" in space.runs.summary

    qtbot.waitUntil(planned, timeout=20_000)
    assert space.runs.job is done and not window.actions_["live"].isChecked()


def test_a_seed_says_what_becomes_of_it_and_menus_offer_what_applies(window, opened, hands: Hands):
    space = window.current
    space.canvas.select(["denoise"])
    menu = next(box for box in space.inspector.findChildren(type(space.inspector._colour))
                if box.accessibleName() == "After each run, the seed")  # fmt: skip
    menu.activated.emit(menu.findData("next"))
    assert space.canvas.nodes["denoise"].face.field("seed").text == "+1  0"
    assert window._applies("seed_policy", "denoise") and not window._applies("seed_policy", "decode")
    assert not window._applies("ungroup", "denoise") and window._applies("bypass", "denoise")
    hands.run()
    assert space.document.value("denoise", "seed") == 1
    hands.do("undo")
    hands.do("undo")
    assert space.canvas.nodes["denoise"].face.field("seed").text == "0"
