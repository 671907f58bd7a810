"""Gestures with a real mouse and keyboard: an X server without a screen, and xdotool."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("PySide6")
LACKS = [name for name in ("Xvfb", "xdotool") if shutil.which(name) is None]
pytestmark = pytest.mark.skipif(bool(LACKS), reason=f"there is no {' and no '.join(LACKS)} here")

STAGE = Path(__file__).with_name("stage.py")
GRAPH = {
    "nodeflow": 1,
    "nodes": {
        "empty": {"type": "latent/empty", "values": {"width": 64, "height": 64}},
        "number": {"type": "value/integer", "values": {"value": 100}},
        "steps": {"type": "schedule/steps", "values": {"steps": 20}},
    },
    "view": {"empty": {"at": [400, 0]}, "number": {"at": [0, 0]}, "steps": {"at": [0, 260]}},
}


class Stage:
    """A window on an X server, and hands."""

    def __init__(self) -> None:
        read, write = os.pipe()
        self.server = subprocess.Popen(
            ["Xvfb", "-displayfd", str(write), "-screen", "0", "1280x800x24", "-nolisten", "tcp"],
            pass_fds=[write], stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(write)
        with os.fdopen(read) as number:
            self.env = {**os.environ, "DISPLAY": f":{number.readline().strip()}", "QT_QPA_PLATFORM": "xcb"}
        self.window = subprocess.Popen(
            [sys.executable, str(STAGE)], env=self.env, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        if not self.window.stdout.readline():
            self.close()
            pytest.skip("Qt shows no window on this X server")

    def ask(self, expression: str) -> Any:
        """The value of an expression in the window's process."""
        self.window.stdin.write(expression + "\n")
        self.window.stdin.flush()
        said = json.loads(self.window.stdout.readline())
        assert "error" not in said, f"{expression}: {said}"
        return said["value"]

    def until(self, expression: str) -> Any:
        """Its value as soon as that is true."""
        ends = time.monotonic() + 10
        while not (value := self.ask(expression)):
            assert time.monotonic() < ends, f"never true: {expression}"
            time.sleep(0.02)
        return value

    def hand(self, *words: Any) -> None:
        subprocess.run(["xdotool", *map(str, words)], env=self.env, check=True, capture_output=True)

    def at(self, point: str) -> list[int]:
        """The place on the screen of a point in the scene."""
        return self.ask(f"screen({point})")

    def drag(self, start: list[int], end: list[int], button: int = 1) -> None:
        """In a few moves, as a hand does."""
        self.hand("mousemove", *start, "mousedown", button)
        for share in (0.1, 0.4, 0.7, 1.0):
            self.hand("mousemove", *(round(a + (b - a) * share) for a, b in zip(start, end, strict=True)))
        self.hand("mouseup", button)

    def close(self) -> None:
        if self.window.stdin:
            self.window.stdin.close()
        for process in (self.window, self.server):
            try:
                process.wait(0 if process is self.server else 15)
            except subprocess.TimeoutExpired:
                process.terminate()
                process.wait(10)


@pytest.fixture(scope="module")
def theatre() -> Iterator[Stage]:
    made = Stage()
    yield made
    made.close()


@pytest.fixture
def stage(theatre: Stage, tmp_path: Path) -> Stage:
    """The small graph in a tab of its own, at 100 %."""
    path = tmp_path / "small.json"
    path.write_text(json.dumps(GRAPH))
    theatre.ask(f"window.files.open_path({str(path)!r}) and None")
    theatre.ask("[window.docks[name].hide() for name in window.docks] and None")
    theatre.ask("canvas.map.hide()")
    theatre.until("canvas.viewport().width() > 1000")
    theatre.ask("setattr(canvas, 'untouched', False)")
    theatre.ask("canvas._scene_range.setRect(-200, -150, canvas.viewport().width(), 600)")
    theatre.ask("canvas._update_scene()")
    theatre.ask("[window.activateWindow(), canvas.setFocus()] and None")
    theatre.until("canvas.hasFocus()")
    return theatre


def test_the_middle_button_pans(stage: Stage) -> None:
    before = stage.ask("scene(500, 400)")
    stage.drag([500, 500], [620, 430], button=2)
    after = stage.ask("scene(620, 330)")
    assert after == pytest.approx(before, abs=1.5)


def test_the_wheel_zooms_at_the_cursor(stage: Stage) -> None:
    place = stage.at("QPointF(150, 100)")
    stage.hand("mousemove", *place, "click", "--repeat", 3, 4)
    stage.until("canvas.zoom > 1.5")
    assert stage.at("QPointF(150, 100)") == pytest.approx(place, abs=2)
    stage.hand("click", "--repeat", 3, 5)
    stage.until("canvas.zoom < 1.05")


def test_a_band_selects(stage: Stage) -> None:
    stage.drag(stage.at("QPointF(-30, -30)"), stage.at("QPointF(300, 240)"))
    assert stage.until("canvas.selected()") == ["number"]


def test_a_node_is_dragged_on_the_grid(stage: Stage) -> None:
    start = stage.at("canvas.nodes['number'].pos() + QPointF(90, 15)")
    stage.drag(start, [start[0] + 83, start[1] - 41])
    assert stage.until("document.graph.view['number']['at'] != [0, 0] and document.graph.view['number']['at']") == [
        80,
        -40,
    ]
    stage.hand("key", "ctrl+z")
    stage.until("canvas.nodes['number'].x() == 0")


def test_a_wire_is_dragged_onto_a_port(stage: Stage) -> None:
    start = stage.at("canvas.nodes['number'].port_place('out', 'value')")
    end = stage.at("canvas.nodes['empty'].port_place('in', 'width')")
    stage.drag(start, end)
    assert stage.until("document.graph.nodes['empty'].wires") == {"width": "number.value"}
    assert stage.ask("len(canvas.wires)") == 1


def test_a_wire_dropped_on_nothing_asks_what_to_add(stage: Stage) -> None:
    stage.drag(stage.at("canvas.nodes['empty'].port_place('out', 'latent')"), stage.at("QPointF(760, 300)"))
    stage.until("window.popup is not None and window.popup.isVisible()")
    stage.hand("type", "decode")
    stage.until("window.popup.line.text() == 'decode'")
    stage.hand("key", "Return")
    stage.until("len(document.graph.nodes) == 4")
    assert stage.ask("[(w.source, w.target) for w in document.graph.wires()]") == [["empty", "decode"]]


def test_a_double_click_searches(stage: Stage) -> None:
    stage.hand("mousemove", *stage.at("QPointF(500, 400)"), "click", "--repeat", 2, "--delay", 60, 1)
    stage.until("window.popup is not None and window.popup.isVisible()")
    stage.hand("type", "load model")
    stage.until("window.popup.line.text() == 'load model'")
    stage.hand("key", "Return")
    stage.until("'load' in canvas.nodes")


def test_delete_removes_and_ctrl_z_brings_back(stage: Stage) -> None:
    stage.hand("mousemove", *stage.at("canvas.nodes['empty'].pos() + QPointF(60, 15)"), "click", 1)
    stage.until("canvas.selected() == ['empty']")
    stage.hand("key", "Delete")
    stage.until("set(canvas.nodes) == {'number', 'steps'}")
    stage.hand("key", "ctrl+z")
    stage.until("len(canvas.nodes) == 3 and document.value('empty', 'width') == 64")


def test_a_number_is_dragged_and_shift_is_finer(stage: Stage) -> None:
    moved = []
    for held in (False, True):
        middle = "canvas.nodes['number'].mapToScene(120, canvas.nodes['number'].face.field('value').y + 13)"
        start = stage.at(middle)
        if held:
            stage.hand("keydown", "shift")
        stage.drag(start, [start[0] + 100, start[1]])
        if held:
            stage.hand("keyup", "shift")
        moved.append(
            stage.until("document.value('number', 'value') != 100 and document.value('number', 'value')") - 100
        )
        stage.hand("key", "ctrl+z")
        stage.until("document.value('number', 'value') == 100")
    assert moved[0] > 3 * moved[1] > 0


def test_a_click_on_nothing_lets_go_and_ctrl_a_takes_all(stage: Stage) -> None:
    stage.hand("key", "ctrl+a")
    stage.until("len(canvas.selected()) == 3")
    stage.hand("mousemove", *stage.at("QPointF(600, 380)"), "click", 1)
    stage.until("canvas.selected() == []")
