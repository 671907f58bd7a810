"""Looks and settings: one file, validated, applied at once; every colour from the theme."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import nodeflow.editor

pytest.importorskip("PySide6")

SOURCES = [
    file
    for file in Path(nodeflow.editor.__file__).parent.rglob("*.py")
    if file.name not in ("theme.py", "sheet.py", "colours.py")
]


def _luminance(code: str) -> float:
    """WCAG 2.2, relative luminance."""
    parts = [int(code[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("name", ["dark", "light"])
def test_what_is_written_can_be_read(name):
    from nodeflow.editor import theme

    look = theme.LOOKS[name]
    assert look.keys() == theme.LOOKS["dark"].keys()
    grounds = [look[role] for role in (theme.WINDOW, theme.PANEL, theme.SUNK, theme.FLOAT, theme.BODY, theme.FIELD)]
    for ground in grounds:
        assert contrast(look[theme.TEXT], ground) >= 7 and contrast(look[theme.DIM], ground) >= 4.5
        assert contrast(look[theme.FAINT], ground) >= 3
    assert contrast(look[theme.ON_ACCENT], look[theme.ACCENT]) >= 4.5
    assert contrast(look[theme.TEXT], look[theme.SELECTED]) >= 4.5
    assert contrast(look[theme.TEXT], look[theme.NOTICE]) >= 7
    for header in [*theme.CATEGORIES.values(), look[theme.BAD_DARK]]:
        assert contrast(look[theme.ON_HEADER], header) >= 3


def test_no_colour_is_said_elsewhere():
    literal = re.compile(r"""["']#[0-9a-fA-F]{3,8}["']|QColor\(\s*\d""")
    found = [f"{file.name}: {line.strip()}" for file in SOURCES for line in file.read_text().splitlines()
             if literal.search(line) and "`" not in line]  # fmt: skip
    assert found == []


@pytest.fixture(autouse=True)
def at_first():
    """Settings of one test are not those of the next."""
    yield
    from nodeflow.editor.settings import Settings

    Settings().save()


def test_an_entry_that_is_not_valid_is_told_and_the_others_stay():
    from nodeflow.editor.settings import Settings, _file

    _file().parent.mkdir(parents=True, exist_ok=True)
    _file().write_text(json.dumps({"theme": "blue", "font_size": 15, "previews": 1000, "colour": 1}))
    found, faults = Settings.load()
    assert (found.theme, found.font_size, found.previews) == ("dark", 15, 30)
    assert [fault.what.partition(":")[0] for fault in faults] == ["theme", "previews", "colour"]
    _file().write_text("{")
    assert Settings.load()[1][0].code == "NF107"


def test_another_look_is_seen_at_once(window, opened):
    from nodeflow.editor import theme

    def ground():
        image = window.current.canvas.grab().toImage()
        return image.pixelColor(3, image.height() // 2).name()

    assert ground() == theme.LOOKS["dark"][theme.CANVAS]
    dialog = window.show_settings()
    menu = dialog.rows["Appearance"]["theme"].control
    menu.setCurrentIndex(menu.findData("light"))
    menu.activated.emit(menu.currentIndex())
    assert ground() == theme.LOOKS["light"][theme.CANVAS]
    assert window.palette().window().color().name() == theme.LOOKS["light"][theme.WINDOW]
    dialog.rows["Appearance"]["font_size"].control.setValue(16)
    assert window.font().pixelSize() == 16
    dialog._reset()
    assert ground() == theme.LOOKS["dark"][theme.CANVAS] and window.font().pixelSize() == 13
    dialog.close()


def test_settings_are_searched_over_all_sections(window):
    dialog = window.show_settings("Shortcuts")
    assert dialog.rows["Shortcuts"]["undo"].isVisible() and not dialog.rows["Memory"]["host_gib"].isVisible()
    dialog.line.setText("memory")
    shown = {name for rows in dialog.rows.values() for name, row in rows.items() if row.isVisible()}
    assert shown == {"dtype", "host_gib", "device_gib"}
    dialog.close()


def test_no_two_actions_share_a_key():
    from nodeflow.editor.actions import ACTIONS

    keys = [action.keys for action in ACTIONS if action.keys]
    assert sorted(keys) == sorted(set(keys))


def test_a_shortcut_is_changed_refused_and_reset(window):
    from PySide6.QtGui import QKeySequence

    from nodeflow.editor.settings import Settings

    dialog = window.show_settings("Shortcuts")
    keys = dialog.rows["Shortcuts"]["run"].control
    keys.edit.setKeySequence(QKeySequence("Ctrl+Alt+9"))
    keys.edit.editingFinished.emit()
    assert window.keys_of("run") == "Ctrl+Alt+9" and Settings.load()[0].shortcuts == {"run": "Ctrl+Alt+9"}
    keys.edit.setKeySequence(QKeySequence("Ctrl+S"))
    keys.edit.editingFinished.emit()
    assert window.keys_of("run") == "Ctrl+Alt+9" and "Save" in dialog.words.text()
    assert keys.edit.keySequence().toString() == "Ctrl+Alt+9"
    dialog._reset()
    assert window.keys_of("run") == "Ctrl+Return" and Settings.load()[0].shortcuts == {}
    dialog.close()


def test_the_worker_does_as_the_settings_say(window, opened, qtbot, tmp_path):
    qtbot.waitUntil(lambda: window.hub.ready is not None, timeout=60_000)
    window.settings.set("device", "cuda:7")
    window.apply_settings()
    qtbot.waitUntil(lambda: "cuda:7" in window.notice.text.text(), timeout=60_000)
    assert window.hub.ready.device == "cpu" and window.hub.ready.refused.code == "NF411"
    window.settings.set("device", "cpu")
    window.settings.set("dtype", "bfloat16")
    window.apply_settings()
    qtbot.waitUntil(lambda: "bfloat16" in window.worker_words.text(), timeout=60_000)
    window.settings.set("dtype", "auto")
    window.apply_settings()
    qtbot.waitUntil(lambda: window.hub.ready.dtype == "float32", timeout=60_000)


def test_folders_hold_for_this_process_and_the_worker(window, tmp_path, monkeypatch):
    from nodeflow import content

    at_first = content.user_folder("models")
    window.settings.set("models", str(tmp_path))
    window.apply_settings()
    assert content.user_folder("models") == tmp_path
    assert window.settings.setup.folders == {"models": str(tmp_path)}
    window.settings.set("models", "")
    window.apply_settings()
    assert content.user_folder("models") == at_first


def test_weights_have_a_budget_and_more_folders_are_looked_into(window, tmp_path, monkeypatch):
    from nodeflow import content, shelf

    monkeypatch.setenv("NODEFLOW_DATA", str(tmp_path / "data"))
    other, comment = tmp_path / "other tool", "# by hand\n"
    other.mkdir()
    (tmp_path / "data").mkdir()
    (content.data_folder() / "model-paths.txt").write_text(comment)
    dialog = window.show_settings("Folders")
    folders = dialog.rows["Folders"]["more_models"].control
    folders.add(str(other))
    assert other in shelf.places() and (content.data_folder() / "model-paths.txt").read_text() == f"{comment}{other}\n"
    folders.list.setCurrentRow(0)
    folders._take()
    assert other not in shelf.places() and window.settings.more_models == []
    dialog.rows["Memory"]["vram_gib"].control.setValue(6.5)
    assert window.settings.setup.vram == 6.5 * 2**30
    dialog.close()
