"""Two windows on one file: the second one reads, and writes only what it took over; killed windows hold nothing."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys

import msgspec
import pytest

from nodeflow.editor.ownership import Owner, Ownership

from .conftest import GRAPHS

pytest.importorskip("PySide6")


@pytest.fixture
def path(tmp_path):
    made = tmp_path / "heart.json"
    made.write_text((GRAPHS / "text-to-image.json").read_text())
    return made


@pytest.fixture
def elsewhere(path):
    """Another process that has the file."""
    code = (
        "import sys; from nodeflow.editor.ownership import Ownership; mine = Ownership(sys.argv[1]); "
        "print(mine.other is None, flush=True); sys.stdin.readline(); mine.release()"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout.readline().strip() == b"True"
    yield process
    process.kill()
    process.wait()
    process.stdin.close()
    process.stdout.close()


def lock(path):
    return path.with_name(f".{path.name}.lock")


def test_a_file_has_one_owner(path):
    first, second = Ownership(str(path)), Ownership(str(path))
    assert first.other is None and second.other is not None
    second.release()
    assert first.look() is None and lock(path).is_file()
    second.take_over()
    assert second.other is None and first.look() is not None
    first.release()
    assert second.look() is None
    second.release()
    assert not lock(path).exists() and first.look() is None


def test_the_lock_of_a_killed_window_holds_nothing(path, elsewhere):
    assert Ownership(str(path)).other == Owner(elsewhere.pid, socket.gethostname(), Ownership(str(path)).other.word)
    os.kill(elsewhere.pid, signal.SIGKILL)
    elsewhere.wait()
    assert Ownership(str(path)).other is None


@pytest.mark.parametrize("text", [b"", b"{", msgspec.json.encode(Owner(1, "another-host", "x"))])
def test_a_lock_that_tells_nothing_or_of_another_host_counts_until_taken_over(path, text):
    lock(path).write_bytes(text)
    mine = Ownership(str(path))
    assert mine.other is not None and lock(path).read_bytes() == text
    mine.take_over()
    assert mine.look() is None and Ownership(str(path)).other is not None


def test_the_second_window_reads_takes_over_and_is_then_the_owner(window, path, elsewhere):
    space = window.files.open_path(str(path))
    before = path.read_text()
    assert f"process {elsewhere.pid}" in window.notice.text.text() and "read-only" in space.title
    assert "read-only" in window.windowTitle()
    window.notice.buttons["OK"].click()
    space.document.set_value("denoise", "seed", 5)
    window.commands.do("save")
    assert path.read_text() == before and space.changed
    window.notice.buttons["Take over"].click()
    assert "read-only" not in space.title
    window.commands.do("save")
    assert '"seed": 5' in path.read_text() and not space.changed
    window.files.drop(space)
    assert not lock(path).exists()


def test_a_copy_may_be_saved_and_is_ours(window, path, elsewhere, tmp_path):
    space = window.files.open_path(str(path))
    window.files._write(space, str(tmp_path / "copy.json"), lambda: None)
    assert "read-only" not in space.title and lock(tmp_path / "copy.json").is_file()
    window.files._write(space, str(path), lambda: None)
    assert "open in another window" in window.notice.text.text() and space.document.title == "copy.json"
    window.files.drop(space)
    assert not lock(tmp_path / "copy.json").exists() and lock(path).is_file()


def test_a_window_learns_that_its_file_was_taken_over(window, path):
    space = window.files.open_path(str(path))
    other = Ownership("")
    other.move(str(path))
    other.take_over()
    window.files.look_outside()
    assert "open in another window" in window.notice.text.text() and "read-only" in space.title
    window.notice.buttons["OK"].click()
    other.release()
    window.files.look_outside()
    assert "read-only" not in space.title and "read-only" not in window.windowTitle()


def test_a_killed_window_loses_a_second_at_most(window, path):
    import json
    import time
    from pathlib import Path

    from nodeflow import content

    stage = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("stage.py"))],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip

    def ask(what):
        stage.stdin.write(what + "\n")
        stage.stdin.flush()
        return json.loads(stage.stdout.readline())

    try:
        assert stage.stdout.readline()
        ask(f"window.files.open_path({str(path)!r}) and 1")
        ask("document.set_value('denoise', 'guidance', 7.25)")
        time.sleep(1.0)
    finally:
        stage.kill()
        stage.wait()
        stage.stdin.close()
        stage.stdout.close()
    for file in content.user_folder("unsaved").glob("*.json"):
        if str(path) not in file.read_text():
            file.unlink()
    window.files.recover()
    assert path.name in window.notice.text.text()
    window.notice.buttons["Recover"].click()
    assert window.current.document.value("denoise", "guidance") == 7.25 and window.current.owner.other is None
