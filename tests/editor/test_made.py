"""Sounds on nodes, the viewer, the gallery over saved files."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from nodeflow.media import hearing, images, sounds
from nodeflow.worker.sounds import heard

from .conftest import GRAPHS, Hands

pytest.importorskip("PySide6")


class Silence:
    """Takes samples as a loudspeaker does."""

    def __init__(self):
        self.said = []

    def start(self, samples, rate):
        self.said.append((samples.shape, rate))

    def stop(self):
        self.said.append("stop")


def tone(seconds=0.5, rate=8000):
    return np.sin(2 * np.pi * 440 * np.arange(int(seconds * rate)) / rate)[None].astype(np.float32) * 0.5


def test_an_outline_holds_every_sample():
    wave = tone()
    columns = np.frombuffer(hearing.outline(wave, 50), np.int8).reshape(-1, 2)
    assert len(columns) == 50 and columns.max() == round(wave.max() * 127) and columns.min() == round(wave.min() * 127)
    assert len(hearing.outline(wave[:, :7], 50)) == 14


def test_a_spectrum_is_bright_where_the_tone_is():
    picture = hearing.spectrum(tone(rate=8000), 8000, 100, 200)
    loud = picture.sum(-1).mean(1).argmax()
    assert (
        picture.shape == (200, 100, 3)
        and abs(loud - 200 * (1 - np.log10(1 + 440 / 700) / np.log10(1 + 4000 / 700))) < 4
    )


@pytest.fixture
def speaker(window):
    window.viewing.player._output = Silence()
    return window.viewing.player._output


@pytest.fixture
def drum(window, hands: Hands):
    """Text to sound, run."""
    space = window.files.open_path(str(GRAPHS / "text-to-sound.json"), template=True)
    hands.run()
    return space


def test_a_sound_is_painted_played_and_stopped_on_its_node(window, drum, hands: Hands, speaker, qtbot):
    from PySide6.QtCore import QPointF

    name = next(name for name, mark in drum.marks.nodes.items() if mark.sounds)
    node = drum.canvas.nodes[name]
    assert not node.sound_rect.isEmpty() and node.mark.sounds[0].seconds > 0.2
    drum.canvas.show_node(name)
    button = node.mapToScene(node.sound_rect.left() + 20, node.sound_rect.center().y())
    hands.click(button)
    player = window.viewing.player
    assert player.playing and speaker.said[0][1] == node.mark.sounds[0].rate
    qtbot.waitUntil(lambda: 0 < node.played < 1, timeout=2000)
    hands.click(button)
    assert not player.playing and node.played == 0 and speaker.said[-1] == "stop"
    hands.click(button + QPointF(120, 0))
    assert player.share > 0.3
    qtbot.waitUntil(lambda: not player.playing, timeout=60_000)
    drum.canvas.select([name])
    hands.do("play_sound")
    assert player.playing
    hands.do("play_sound")


def test_a_sound_is_looked_at_and_kept_with_its_graph(window, drum, qtbot):
    made = window.gallery.shelf.items[0]
    assert made.is_sound
    qtbot.waitUntil(lambda: bool(window.gallery.shelf.items[0].file), timeout=60_000)
    made = window.gallery.shelf.items[0]
    assert sounds.read(made.file)[1] == made.item.rate
    view = window.viewing.open("Outputs", [made])
    assert view.stack.currentWidget() is view.hearing and not view.actions_["compare"].isVisible()
    assert "Hz" in view.words.text()
    image = view.hearing.grab().toImage()
    colors = {image.pixelColor(x, y).name() for x in range(20, 60, 4) for y in range(20, image.height() - 40, 5)}
    assert len(colors) > 8
    view.actions_["graph"].trigger()
    assert window.current is not drum and window.current.document.graph.nodes == drum.document.graph.nodes
    view.close()


def test_without_a_loudspeaker_the_user_is_told(window, drum, monkeypatch):
    def no_device(samples, rate):
        raise OSError("PortAudio library not found")

    monkeypatch.setattr(window.viewing.player._output, "start", no_device)
    name = next(name for name, mark in drum.marks.nodes.items() if mark.sounds)
    window.viewing.hear(drum, name, -1)
    assert "PortAudio library not found" in window.notice.text.text() and not window.viewing.player.playing
    assert "Open in my player" in window.notice.buttons


def test_pictures_are_compared_by_a_wipe(window, opened, hands: Hands, qtbot):
    from PySide6.QtCore import QPoint, Qt
    from PySide6.QtTest import QTest

    window.current.document.set_value("schedule", "steps", 3)
    hands.run()
    window.current.document.set_value("denoise", "seed", 5)
    window.viewing.remember(window.current)
    hands.run()
    window.viewing.look_at(window.current, "decode")
    (view,) = window.viewing.viewers
    assert len(view.items) == 2 and view.strip.count() == 2
    view.actions_["compare"].trigger()
    pane = view.pane
    assert pane.wipe == 0.5 and pane.other.size() == pane.image.size()
    shown = pane.grab().toImage()
    rect = pane._rect
    middle = int(rect.center().y())
    left, right = (int(rect.left() + (x + 0.5) * pane.scale) for x in (16, 48))
    y = int((middle - rect.top()) / pane.scale)
    assert shown.pixelColor(left, middle) == pane.other.pixelColor(16, y) != pane.image.pixelColor(16, y)
    assert shown.pixelColor(right, middle) == pane.image.pixelColor(48, y)
    QTest.mousePress(pane, Qt.MouseButton.LeftButton, pos=QPoint(left, middle))
    assert abs(pane.wipe - 0.25) < 0.02 and "B − A" in view.words.text()
    QTest.mouseRelease(pane, Qt.MouseButton.LeftButton, pos=QPoint(left, middle))
    view.pin()
    view.show_item(1)
    assert view.other is view.items[0]
    pane.zoom_to(1.0)
    scale = pane.scale
    QTest.keyClick(view, Qt.Key.Key_Plus)
    assert pane.scale > scale
    view.copy()
    from PySide6.QtGui import QGuiApplication

    assert QGuiApplication.clipboard().image().size() == pane.image.size()
    view.close()


def test_outputs_survive_a_restart_and_are_found_by_their_parameters(window, opened, hands: Hands, qtbot, library, hub):
    from nodeflow.editor.window import Window

    window.current.document.set_value("positive", "text", "a teal octopus")
    window.current.document.set_value("schedule", "steps", 3)
    hands.run()
    qtbot.waitUntil(lambda: bool(window.gallery.shelf.items[0].file), timeout=60_000)
    file = window.gallery.shelf.items[0].file
    closes, hub.close = hub.close, lambda: None
    other = Window(library, hub)
    other.show()
    other.docks["Outputs"].show()
    other.docks["Outputs"].raise_()
    other.gallery.look()
    qtbot.waitUntil(lambda: file in {made.file for made in other.gallery.shelf.items}, timeout=20_000)
    other.gallery.line.setText("teal octopus steps 3")
    assert [made.file for made in other.gallery.shelf.shown] == [file]
    view = other.viewing.open("Outputs", other.gallery.shelf.shown)
    assert view.pane.image.width() == 64
    view.actions_["graph"].trigger()
    assert other.current.document.value("positive", "text") == "a teal octopus"
    other.files.leaving = True
    other.close()
    hub.close = closes
    other.deleteLater()


def test_a_file_is_looked_into_once(tmp_path: Path, monkeypatch):
    from nodeflow.editor import indexing

    graph = (GRAPHS / "text-to-image.json").read_text()
    folder, cache = tmp_path / "out", tmp_path / "cache"
    (folder / "deep").mkdir(parents=True)
    images.write(folder / "a.png", np.zeros((40, 60, 3), np.uint8), graph=graph)
    sounds.write(folder / "deep" / "b.flac", tone(), 8000, graph=graph)
    (folder / "c.png").write_bytes(b"no picture")
    found = [made for batch in indexing.Index(cache).scan([folder]) for made in batch]
    assert {Path(made.file).name for made in found} == {"a.png", "b.flac", "c.png"}
    assert sum("red heart" in made.found_by for made in found) == 2
    assert sum(bool(made.thumb) and Path(made.thumb).is_file() for made in found) == 2
    monkeypatch.setattr(indexing.Index, "_looked", lambda *args: pytest.fail("looked into again"))
    again = [made for batch in indexing.Index(cache).scan([folder]) for made in batch]
    assert again == found


def test_many_outputs_do_not_hold_up_the_window(tmp_path: Path, qtbot):
    from nodeflow.editor.background import Background
    from nodeflow.editor.gallery import Gallery

    for place in range(60):
        images.write(tmp_path / f"{place}.png", np.full((64, 64, 3), place, np.uint8))
    background = Background()
    gallery = Gallery(background, lambda: [tmp_path])
    qtbot.addWidget(gallery)
    began = time.monotonic()
    gallery.show()
    gallery.look()
    assert time.monotonic() - began < 1.0
    qtbot.waitUntil(lambda: len(gallery.shelf.items) == 60, timeout=20_000)
    background.close()


def test_a_wav_of_many_channels_is_heard():
    data = sounds.encode(np.repeat(tone(), 10, 0), 8000, "WAV")
    assert heard(data).channels == 10
