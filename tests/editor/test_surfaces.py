"""The first page, the palette's favourites, packs that change while the window is open, names for those who listen."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import GRAPHS, Hands

pytest.importorskip("PySide6")


@pytest.fixture(autouse=True)
def at_first():
    """Settings of one test are not those of the next."""
    from nodeflow.editor.settings import Settings

    Settings().save()
    yield
    Settings().save()


def test_the_first_page_has_pictures_recent_files_and_keys(window, tmp_path, qtbot):
    from PySide6.QtCore import Qt
    from PySide6.QtTest import QTest

    from nodeflow.editor import icons
    from nodeflow.editor.welcome import drawn_for, made_by, templates

    for file in [file for files in templates().values() for file in files]:
        drawn = drawn_for(file)
        assert made_by(file) is not None or (drawn and drawn[0] in icons.STROKES), file
    pictured = [file.stem for file in templates()[""] if made_by(file)]
    assert {"text-to-image", "text-to-sound", "inpaint", "variations"} <= set(pictured)
    own = tmp_path / "my-hearts.json"
    own.write_text((GRAPHS / "text-to-image.json").read_text())
    window.files.open_path(str(own))
    window.files.close_tab(0)
    first = window.welcome.cards[0]
    assert window.stack.currentWidget() is window.welcome
    assert first.text() == "my-hearts   just now" and window.welcome.focusWidget() is first
    QTest.keyClick(first, Qt.Key.Key_Down)
    below = window.welcome.focusWidget()
    assert below is window.welcome.cards[1] and below.text() == "Text to image"
    QTest.keyClick(below, Qt.Key.Key_Right)
    QTest.keyClick(window.welcome.focusWidget(), Qt.Key.Key_Left)
    assert window.welcome.focusWidget() is below
    QTest.keyClick(below, Qt.Key.Key_Return)
    assert len(window.current.document.graph.nodes) == 7 and window.current.document.path == ""


def test_favourites_stand_on_top_and_are_remembered(window, qtbot):
    from PySide6.QtCore import Qt
    from PySide6.QtTest import QTest

    from nodeflow.editor.settings import Settings

    palette = window.palette_
    palette.line.setText("resize")
    palette.tree.setFocus()
    QTest.keyClick(palette.tree, Qt.Key.Key_Insert)
    assert Settings.load()[0].favourites == ["image/resize"]
    palette.line.clear()
    top = palette.tree.topLevelItem(0)
    assert "Favourites" in top.text(0) and top.child(0).text(0) == "Resize image"
    palette.favour(window.settings.favourites[0])
    assert palette.tree.topLevelItem(0).text(0) == "Audio" and Settings.load()[0].favourites == []


def test_a_type_is_dragged_from_the_palette_onto_the_canvas(window, opened):
    from PySide6.QtCore import QPoint, QPointF, Qt
    from PySide6.QtGui import QDragEnterEvent, QDropEvent
    from PySide6.QtWidgets import QApplication

    palette, canvas = window.palette_, window.current.canvas
    palette.line.setText("resize")
    data = palette.tree.mimeData([palette.tree.topLevelItem(0)])
    spot, action, left = QPoint(40, 40), Qt.DropAction.CopyAction, Qt.MouseButton.LeftButton
    enter = QDragEnterEvent(spot, action, data, left, Qt.KeyboardModifier.NoModifier)
    QApplication.sendEvent(canvas.viewport(), enter)
    drop = QDropEvent(QPointF(spot), action, data, left, Qt.KeyboardModifier.NoModifier)
    QApplication.sendEvent(canvas.viewport(), drop)
    assert window.current.document.graph.nodes["resize"].type == "image/resize"


PACK = '''"""A pack."""
from nodeflow import node


@node("mine/double")
def double(x: float) -> float:
    """Twice a number.

    Args:
        x: The number.

    Returns:
        Twice of it.
    """
    return x * {factor}
'''


def test_packs_are_used_again_without_a_restart(window, opened, hands: Hands, qtbot, tmp_path, monkeypatch):
    monkeypatch.setenv("NODEFLOW_PACKS", str(tmp_path / "packs"))
    window.settings.set("packs", str(tmp_path / "packs"))
    window.apply_settings()
    (tmp_path / "packs").mkdir()
    pack = tmp_path / "packs" / "mine.py"
    pack.write_text(PACK.format(factor=2))
    before = len(window.library.ids())
    hands.do("reload_packs")
    assert window.library.spec("mine/double") is not None and len(window.library.ids()) == before + 1
    name = window.current.document.add("mine/double", (0, 0))
    assert window.current.canvas.nodes[name].face.known
    qtbot.wait(50)
    pack.write_text("import nothing_of_that_name\n")
    qtbot.waitUntil(lambda: window.library.spec("mine/double") is None, timeout=20_000)
    assert not window.current.canvas.nodes[name].face.known and len(window.library.ids()) == before
    lines = [line for line in window.log.text.toPlainText().splitlines() if "mine" in line]
    assert len(lines) == 1 and "  NF301 " in lines[0] and "nothing_of_that_name" in lines[0]
    assert "nothing_of_that_name" in window.notice.text.text()
    pack.write_text(PACK.format(factor=3).replace("Twice a number", "Thrice a number"))
    hands.do("reload_packs")
    assert window.library.spec("mine/double").doc == "Thrice a number."
    assert window.current.canvas.nodes[name].face.known
    window.current.document.set_value(name, "x", 5.0)
    window.current.canvas.select([name])
    hands.do("make_output")
    window.current.runs.run((name,))
    qtbot.waitUntil(lambda: window.current.runs.job.over, timeout=60_000)
    assert window.current.runs.job.state == "done", window.current.runs.job.told
    pack.unlink()
    window.settings.set("packs", "")
    window.apply_settings()
    monkeypatch.delenv("NODEFLOW_PACKS", raising=False)
    hands.do("reload_packs")
    assert len(window.library.ids()) == before


def test_everything_that_takes_the_focus_has_a_name(window, opened, hands: Hands):
    from PySide6.QtCore import Qt
    from PySide6.QtWidgets import QAbstractButton, QLabel, QTabBar, QWidget

    window.current.canvas.select(["denoise"])
    dialog = window.show_settings()
    view = window.viewing.open("Outputs", [_picture()])

    def named(widget):
        if widget.accessibleName() or widget.windowTitle() or widget.focusProxy() is not None:
            return True
        if isinstance(widget, QAbstractButton) and (widget.text() or widget.toolTip()):
            return True
        parent = widget.parentWidget()
        inside = isinstance(parent, QWidget) and type(parent).__name__ in _HOLDERS and named(parent)
        return inside or any(label.buddy() is widget for label in widget.window().findChildren(QLabel))

    nameless = []
    for top in (window, dialog, view):
        for widget in top.findChildren(QWidget):
            takes = widget.focusPolicy() & Qt.FocusPolicy.TabFocus and widget.window() is top
            if takes and not isinstance(widget, QTabBar) and not named(widget):
                nameless.append(f"{type(widget).__name__} {widget.objectName()} in {type(widget.parent()).__name__}")
    dialog.close()
    view.close()
    assert not nameless, "\n".join(nameless)


_HOLDERS = ("QSpinBox", "QDoubleSpinBox", "QComboBox", "QKeySequenceEdit", "Keys", "_Folder")


def _picture():
    import numpy as np

    from nodeflow.editor.made import Made
    from nodeflow.media import images
    from nodeflow.worker.messages import Picture

    return Made("one", Picture(images.encode(np.zeros((8, 8, 3), np.uint8)), 8, 8))


def test_icons_are_sharp_at_every_scale_and_the_font_is_bundled(window):
    from PySide6.QtCore import QSize
    from PySide6.QtGui import QFontInfo

    from nodeflow.editor import icons, theme

    for name in icons.STROKES:
        for ratio in (1.0, 2.0, 3.0):
            pixels = icons.icon(name).pixmap(QSize(20, 20), ratio)
            assert pixels.width() == 20 * ratio
    for look in theme.LOOKS:
        for name in ("chevron", "close"):
            folder = Path(theme.__file__).parents[2] / "assets" / "icons"
            assert (folder / f"{name}-{look}.png").is_file() and (folder / f"{name}-{look}@2x.png").is_file()
    assert QFontInfo(theme.font(13)).family() == theme.FAMILY


def test_a_latent_of_an_unknown_space_shows_its_components_and_says_so():
    torch = pytest.importorskip("torch")
    from nodeflow.values import Latent, LatentSpace
    from nodeflow.worker.pictures import COMPONENTS, _components, preview

    ramp = torch.linspace(-1, 1, 16)
    data = torch.zeros(16, 16, 16)
    data[3] = 5 * ramp[None]
    data[7] = 2 * ramp[:, None]
    shown = _components(data)
    assert shown.shape == (3, 16, 16) and (shown[0].diff(dim=1) > 0).all() and (shown[1].diff(dim=0) > 0).all()
    assert (shown[0].std(0) < 1e-5).all()
    space = LatentSpace("of nobody", channels=16, factor=8)
    assert preview(Latent(data[None], space)).note == COMPONENTS == "principal components of the latent"
    for known in ("sdxl", "sd3", "flux"):
        assert preview(Latent(data[None, : 4 if known == "sdxl" else 16], LatentSpace(known, 16, 8))).note == COMPONENTS
    assert preview(Latent(data[None, :4], LatentSpace("sd1", 4, 8))).note == ""


def test_a_picture_of_components_is_labelled_on_the_node(window, opened, qtbot):
    import numpy as np
    from PySide6.QtCore import QRectF
    from PySide6.QtGui import QImage, QPainter

    from nodeflow.editor.canvas.tips import _tip
    from nodeflow.media.images import encode
    from nodeflow.worker.messages import Picture

    space = window.current
    node, mark = space.canvas.nodes["denoise"], space.marks.of("denoise")
    data = encode(np.full((8, 8, 3), 90, np.uint8))

    def corner(note: str) -> QImage:
        """What is painted at the lower left of its picture."""
        mark.picture = Picture(data, 8, 8, note=note)
        node.show_mark()
        rect = node.mapRectToScene(node.picture_rect)
        shown = QImage(200, 30, QImage.Format.Format_RGB32)
        painter = QPainter(shown)
        space.canvas.scene().render(painter, QRectF(shown.rect()), QRectF(rect.left(), rect.bottom() - 30, 200, 30))
        painter.end()
        return shown

    assert corner("") != corner("principal components of the latent")
    tip = _tip(space.canvas, node, node.picture_rect.center())
    assert "Principal components" in tip and "decoder" in tip


def test_a_node_inside_is_found_and_gone_to(window, opened, hands: Hands, qtbot):
    from PySide6.QtCore import Qt
    from PySide6.QtTest import QTest

    space = window.current
    space.document.group(["denoise", "schedule"], "Sampler")
    hands.do("find")
    QTest.keyClicks(window.popup.line, "sampler / denoise")
    QTest.keyClick(window.popup.line, Qt.Key.Key_Return)
    assert space.document.inside == ("Sampler",) and space.canvas.selected() == ["denoise"]
    hands.do("find")
    QTest.keyClicks(window.popup.line, "red heart")
    QTest.keyClick(window.popup.line, Qt.Key.Key_Return)
    assert space.document.inside == () and space.canvas.selected() == ["positive"]


def test_the_log_is_filtered_by_source_and_words(window, opened, qtbot):
    from PySide6.QtTest import QTest

    from nodeflow.editor.log import NODE, WORKER

    log = window.log
    log.clear()
    log.add("denoise: step 1 of 4", NODE)
    log.add("a warning of a library\nin two lines", WORKER)
    assert log.text.toPlainText().count("\n") == 2 and log.count.text() == "3"
    QTest.keyClicks(log.line, "WARN library")
    assert log.text.toPlainText().endswith("a warning of a library") and log.count.text() == "1 of 3"
    assert {mark.cursor.selectedText() for mark in log.text.extraSelections()} == {"warn", "library"}
    log.add("no warning", WORKER)
    log.add("the library says: another warning", NODE)
    assert log.count.text() == "2 of 5" and log.text.blockCount() == 2
    log.line.clear()
    log.sources.setCurrentIndex(log.sources.findData(NODE))
    log.sources.activated.emit(1)
    assert log.text.toPlainText().splitlines()[0].endswith("step 1 of 4") and log.text.blockCount() == 2
