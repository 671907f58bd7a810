"""A worker process: runs, reruns, cancels, dies and is replaced."""

from __future__ import annotations

import io
import os
import signal
import sys
import threading
import time

import pytest
from PIL import Image

from nodeflow import content
from nodeflow.media.images import graph_in
from nodeflow.worker import Client, Queue
from nodeflow.worker import messages as say
from nodeflow.worker.client import Died, Printed

from .conftest import Desk, graph

SUM = {"type": "toy/add", "a": 2, "b": 3}


def test_a_run_tells_what_happens_and_what_came_out(desk: Desk):
    job = desk.run(graph("sum", sum=dict(SUM), walk={"type": "toy/steps", "a": "@sum.value"}))
    assert job.state == "done" and [state for _, state in desk.told] == ["queued", "running", "done"]
    (output,) = desk.of(say.Output)
    assert (output.name, output.port, output.text) == ("out", "sum.value", "5")
    assert desk.of(say.JobFinished)[0].nodes[0][:2] == ("sum", "ran")
    assert any(line.text == "adding 2 3" for line in desk.of(Printed))


def test_a_rerun_computes_nothing_and_a_late_change_only_what_is_late(desk: Desk):
    nodes = {"sum": SUM, "walk": {"type": "toy/steps", "a": "@sum.value"}}
    desk.run(graph("walk", **{name: dict(node) for name, node in nodes.items()}))
    again = desk.run(graph("walk", **{name: dict(node) for name, node in nodes.items()}))
    late = desk.run(graph("walk", sum=dict(SUM), walk={"type": "toy/steps", "a": "@sum.value", "count": 2}))
    ran = [
        [node for node, status, _ in desk.of(say.JobFinished, job)[0].nodes if status == "ran"] for job in (again, late)
    ]
    assert ran == [[], ["walk"]]


def test_a_cancel_stops_within_a_step_and_the_queue_goes_on(desk: Desk):
    slow = desk.queue.submit(graph("walk", walk={"type": "toy/steps", "count": 1000, "pause": 0.02}))
    waiting = desk.queue.submit(graph("sum", sum={"type": "toy/add", "a": 9}))
    dropped = desk.queue.submit(graph("sum", sum={"type": "toy/add", "a": 8}))
    desk.until(lambda: bool(desk.of(say.Progress, slow)))
    desk.queue.cancel(dropped.id)
    desk.queue.cancel(slow.id)
    desk.until(lambda: waiting.over)
    assert (slow.state, waiting.state, dropped.state) == ("cancelled", "done", "cancelled")


def test_a_fault_is_a_fault_of_the_job_not_of_the_worker(desk: Desk):
    pid = desk.queue.client.pid
    job = desk.run(graph("bad", bad={"type": "toy/fail", "a": 7}))
    assert job.state == "failed" and "no 7" in job.told and desk.of(say.NodeFailed, job)[0].node == "bad"
    assert desk.run(graph("x", x={"type": "toy/none"})).told.startswith("NF201")
    assert desk.queue.client.pid == pid


@pytest.mark.parametrize(
    ("how", "words"), [("kill", "it was killed (SIGKILL)"), ("crash", "SIGSEGV"), ("exit", "it ended with status 3")]
)
def test_a_death_names_cause_node_and_step_and_the_next_job_runs(desk: Desk, how: str, words: str):
    poison = desk.queue.submit(graph("die", die={"type": "toy/die", "how": how}))
    after = desk.queue.submit(graph("sum", sum=dict(SUM)))
    desk.until(lambda: after.over)
    assert (poison.state, after.state) == ("interrupted", "done")
    assert words in poison.told and "in die, step 3 of 7" in poison.told


def test_a_hung_worker_is_noticed_and_replaced(desk: Desk):
    job = desk.run(graph("die", die={"type": "toy/die", "how": "stop"}))
    assert job.state == "interrupted" and "did not answer" in job.told
    assert desk.run(graph("sum", sum=dict(SUM))).state == "done"


def test_a_job_that_ends_two_workers_is_set_aside(desk: Desk):
    job = desk.run(graph("die", die={"type": "toy/die"}))
    desk.queue.resume(job.id)
    desk.until(lambda: job.over)
    assert job.state == "set aside"
    desk.queue.resume(job.id)
    assert job.state == "set aside"


def test_a_resumed_job_goes_on(desk: Desk, tmp_path):
    reprieve = tmp_path / "reprieve"
    job = desk.run(graph("die", die={"type": "toy/die", "a": 4, "file": str(reprieve)}))
    reprieve.touch()
    desk.queue.resume(job.id)
    desk.until(lambda: job.over)
    assert job.state == "done" and desk.of(say.Output, job)[0].text == "4"


def test_a_worker_killed_from_outside_while_idle_is_replaced(desk: Desk):
    desk.until(lambda: desk.queue.client.ready is not None)
    os.kill(desk.queue.client.pid, signal.SIGKILL)
    desk.until(lambda: bool(desk.of(Died)))
    assert desk.run(graph("sum", sum=dict(SUM))).state == "done"


def test_a_look_tells_faults_and_what_a_run_would_do_while_another_runs(desk: Desk):
    text = graph(
        "walk",
        sum={"type": "toy/add", "a": 70},
        walk={"type": "toy/steps", "a": "@sum.value", "count": 40, "pause": 0.02},
    )
    desk.queue.look(say.Look(1, text))
    desk.until(lambda: bool(desk.of(say.Seen)))
    assert {state.node: state.status for state in desk.of(say.Seen)[0].states} == {"sum": "run", "walk": "run"}
    job = desk.queue.submit(text)
    desk.until(lambda: bool(desk.of(say.Progress, job)))
    desk.queue.look(
        say.Look(2, graph("walk", sum={"type": "toy/add", "a": 70}, walk={"type": "toy/steps", "a": "@sum.none"}))
    )
    desk.until(lambda: len(desk.of(say.Seen)) == 2)
    assert not job.over and desk.of(say.Seen)[1].faults[0].where == "walk.a"
    desk.until(lambda: job.over)
    desk.queue.look(say.Look(3, text))
    desk.until(lambda: len(desk.of(say.Seen)) == 3)
    assert {state.status for state in desk.of(say.Seen)[2].states} <= {"cached", "unneeded"}


def test_a_worker_that_does_not_start_is_said_and_not_started_for_ever():
    command = (sys.executable, "-c", "raise SystemExit('no libraries here')")
    started = []

    def start(wake):
        started.append(1)
        return Client(wake, command=command)

    queue = Queue(start=start)
    job = queue.submit(graph("sum", sum=dict(SUM)))
    deadline = time.monotonic() + 20
    while not job.over and time.monotonic() < deadline:
        queue.poll()
        time.sleep(0.01)
    assert job.state == "failed" and "does not start" in job.told and "no libraries here" in job.told
    assert len(started) == 3
    assert queue.submit(graph("sum", sum=dict(SUM))).state == "failed"
    queue.close()


def test_nothing_is_left_behind(desk: Desk):
    before = threading.active_count()
    desk.run(graph("sum", sum=dict(SUM)))
    client = desk.queue.client
    client.close()
    assert client._process.returncode is not None
    assert threading.active_count() <= before - 2


def test_the_embedded_model_paints_in_the_worker(desk: Desk, tmp_path):
    source = content.folder("graphs") / "text-to-image.json"
    job = desk.run(source.read_text().replace('"steps": 20', '"steps": 4'), path=str(source))
    assert job.state == "done", job.told
    shown = [each.picture for each in desk.of(say.Progress, job) if each.picture]
    assert shown and Image.open(io.BytesIO(shown[-1].data)).size == (shown[-1].width, shown[-1].height) == (64, 64)
    (output,) = desk.of(say.Output, job)
    picture = tmp_path / "heart.png"
    picture.write_bytes(output.pictures[0].data)
    desk.until(lambda: bool(desk.of(say.Result, job)))
    (curve,) = [each.curve for each in desk.of(say.Result, job) if each.node == "schedule"]
    assert len(curve) == 5 and sorted(curve, reverse=True) == list(curve)
    assert output.port == "decode.image" and "red heart" in graph_in(picture)
