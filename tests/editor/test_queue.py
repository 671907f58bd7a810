"""The queue panel, its file on disk, and the timeline of a run."""

from __future__ import annotations

import os
import signal
import time

import pytest

from nodeflow.worker import messages as say

from .conftest import Hands

pytest.importorskip("PySide6")


@pytest.fixture
def clean(window):
    """Nothing of earlier tests in the queue."""
    window.queueing.clear()
    yield window.queueing
    for id, job in list(window.hub.jobs.items()):
        if not job.over:
            window.hub.queue.cancel(id)


def states(window):
    window.queueing.show()
    tree = window.jobs.tree
    return [tree.topLevelItem(place).text(0) for place in range(tree.topLevelItemCount())]


def test_runs_wait_are_moved_and_taken_out(window, opened, clean, hands: Hands, qtbot):
    from PySide6.QtCore import Qt
    from PySide6.QtTest import QTest

    space = window.current
    space.document.set_value("schedule", "steps", 300)
    window.run()
    seeds = []
    for seed in (7, 8, 9):
        space.document.set_value("denoise", "seed", seed)
        seeds.append(seed)
        hands.do("enqueue")
    assert states(window) == ["running", "queued", "queued", "queued"]
    tree, queue = window.jobs.tree, window.hub.queue
    window.docks["Queue"].raise_()
    tree.setFocus()
    last = window.jobs.jobs[3].id
    tree.setCurrentItem(tree.topLevelItem(3))
    QTest.keyClick(tree, Qt.Key.Key_Up, Qt.KeyboardModifier.AltModifier)
    assert [job.id for job in queue.jobs.values()].index(last) == 2
    qtbot.waitUntil(lambda: window.jobs.jobs[2].id == last, timeout=2000)
    window.jobs.move_wanted.emit(last, window.jobs.jobs[1].id)
    states(window)
    assert window.jobs.jobs[1].id == last and '"seed": 9' in window.jobs.jobs[1].run.graph
    tree.setCurrentItem(tree.topLevelItem(3))
    QTest.keyClick(tree, Qt.Key.Key_Delete)
    assert states(window).count("cancelled") == 1
    space.runs.cancel()
    qtbot.waitUntil(lambda: queue.jobs[last].state == "running", timeout=30_000)
    assert space.runs.job.id == last and space.marks.job == last
    assert states(window)[:2] == ["running", "queued"]
    gone = next(job for job in window.jobs.jobs if job.state == "cancelled")
    window.jobs.retry_wanted.emit(gone.id)
    assert queue.jobs[gone.id].state == "queued"


def test_what_waited_is_there_after_a_restart(window, opened, clean, monkeypatch, qtbot):
    from nodeflow.editor import waiting

    space = window.current
    space.document.set_value("positive", "text", "a green leaf, flat style")
    space.document.set_value("schedule", "steps", 2)
    window.run()
    window.queueing.write()
    window.hub.queue.cancel(space.runs.job.id)
    qtbot.waitUntil(lambda: space.runs.job.over, timeout=30_000)
    monkeypatch.setattr(waiting, "alive", lambda pid: False)
    window.files.close_tab(0)
    window.files.drop(space) if space in window.spaces else None
    other = waiting.Waiting()
    monkeypatch.setattr(window.queueing, "file", other)
    window.hub.forget()
    assert window.queueing.take_over() >= 1
    job = next(job for job in window.queueing.left.values() if "green leaf" in job.run.graph)
    assert job.state == "interrupted" and window.jobs.titles[job.id] == "heart.json"
    began = time.time()
    window.queueing.retry(job.id)
    qtbot.waitUntil(lambda: window.hub.jobs[job.id].state == "done", timeout=60_000)

    def made():
        """What this run brought; files of runs before it may still be coming in."""
        return [each for each in window.gallery.shelf.items if each.at >= began and "green leaf" in each.graph]

    qtbot.waitUntil(lambda: bool(made()), timeout=60_000)
    assert len(made()) == 1


def test_a_record_that_ended_stays_as_it_was(tmp_path):
    from nodeflow.editor import waiting
    from nodeflow.worker import Job

    file = waiting.Waiting(tmp_path)
    done, ran = Job(say.Run("a", "{}"), "done"), Job(say.Run("b", "{}", wanted=("x",)), "running")
    file.write([done, ran], {"a": "one"})
    assert waiting.Waiting(tmp_path).take_over() == []
    for path in tmp_path.glob("*.json"):
        path.write_text(path.read_text().replace(str(os.getpid()), "999999999"))
    first, second = waiting.Waiting(tmp_path).take_over()
    assert (first[0].state, first[1]) == ("done", "one")
    assert second[0].state == "interrupted" and second[0].run.wanted == ("x",)
    assert list(tmp_path.glob("*.json")) == []


def test_a_job_that_kills_its_worker_twice_is_set_aside_and_the_next_one_runs(window, opened, clean, hands, qtbot):
    space = window.current
    space.document.set_value("schedule", "steps", 500)
    window.run()
    first = space.runs.job
    space.document.set_value("schedule", "steps", 2)
    hands.do("enqueue")
    for _ in range(2):
        qtbot.waitUntil(lambda: first.state == "running" and first.step[0] >= 1, timeout=60_000)
        os.kill(window.hub.queue.client.pid, signal.SIGKILL)
        qtbot.waitUntil(lambda: first.state in ("interrupted", "set aside"), timeout=20_000)
        if first.state == "interrupted":
            window.jobs.retry_wanted.emit(first.id)
            last = window.hub.queue.jobs[first.id]
            window.hub.queue.move(first.id, next(iter(window.hub.jobs)))
            assert last is first
    assert first.state == "set aside" and "set aside" in states(window)
    qtbot.waitUntil(lambda: all(job.over for job in window.hub.jobs.values()), timeout=60_000)
    assert [job.state for job in window.hub.jobs.values() if job is not first] == ["done"]


def test_a_timeline_tells_weights_from_computing():
    from nodeflow.editor.timeline import Timeline

    clock = [10.0]
    line = Timeline(lambda: clock[0])
    script = (
        (0.0, say.JobStarted("j", 3)),
        (0.0, say.NodeStarted("j", "load")),
        (0.5, say.NodeFinished("j", "load", 0.5, bytes=2048)),
        (0.5, say.NodeFinished("j", "text", 0.0, "disk")),
        (0.5, say.NodeStarted("j", "denoise")),
        (1.0, say.Loaded("j", "denoise", 0.4)),
        (2.5, say.NodeFinished("j", "denoise", 2.0)),
        (2.5, say.JobFinished("j", 2.5)),
    )
    for at, message in script:
        clock[0] = 10.0 + at
        line.told(message)
    spans = line.spans
    assert (spans["denoise"].begin, spans["denoise"].end, spans["denoise"].loading) == (0.5, 2.5, 0.4)
    assert spans["load"].words == "0.50 s, 2 KiB" and spans["text"].words == "cached (disk)"
    assert line.seconds == 2.5 and line.length == 2.5


def test_the_timeline_of_a_run_is_painted_and_leads_to_its_nodes(window, opened, clean, hands: Hands):
    from PySide6.QtCore import QPoint, Qt
    from PySide6.QtTest import QTest

    window.current.document.set_value("denoise", "seed", 4242)
    hands.run()
    line = window.current.runs.timeline
    assert line.seconds > 0 and {"denoise", "decode"} <= line.spans.keys()
    denoise = line.spans["denoise"]
    assert denoise.begin <= denoise.end <= line.spans["decode"].end and not denoise.cached
    window.docks["Timeline"].raise_()
    rows = window.timeline.rows
    place = [span.node for span in rows._spans].index("denoise")
    QTest.mouseClick(rows, Qt.MouseButton.LeftButton, pos=QPoint(20, 26 + 24 * place + 12))
    assert window.current.canvas.selected() == ["denoise"]
