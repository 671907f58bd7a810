"""The worker as Qt signals: one hub a program holds the worker's queue, each document has its runs.

hub = Hub()                      one worker, models in memory once
runs = Runs(document, marks, hub)
runs.run()
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, QTimer, Signal

from .. import content
from ..graph import Graph, loads
from ..worker import Client, Died, Job, Queue
from ..worker import messages as say
from ..worker.client import Heard, Printed
from .estimating import steps_for
from .log import NODE, WORKER
from .made import Made
from .marks import Marks, left, reasons, summary
from .timeline import Timeline

if TYPE_CHECKING:
    from .document import Document

PAUSE_MS = 120
"""Rest after an edit before the worker is asked to look at the graph."""
WATCH_MS = 1000


class Hub(QObject):
    """The queue of a worker; hands on what it says.

    Args:
        start: Makes a worker; for tests.
    """

    heard = Signal(object)
    job_changed = Signal(object)
    _woken = Signal()

    def __init__(self, start: Callable[[Callable[[], object]], Client] = Client) -> None:
        super().__init__()
        self._start = start
        self._queue: Queue | None = None
        self._serial = 0
        self._setup = say.Setup()
        self._woken.connect(self._poll, Qt.ConnectionType.QueuedConnection)
        self._watch = QTimer(self, interval=WATCH_MS)
        self._watch.timeout.connect(self._tick)

    @property
    def queue(self) -> Queue:
        """The queue; its worker is started on first use."""
        if self._queue is None:
            self._queue = Queue(self._woken.emit, self._start, self.job_changed.emit)
            self._queue.set_up(self._setup)
            self._watch.start()
        return self._queue

    @property
    def ready(self) -> say.Ready | None:
        """What the worker said when it was ready; None before."""
        return self._queue.client.ready if self._queue is not None else None

    def set_up(self, setup: say.Setup) -> None:
        """Where the worker computes and within which budgets, from now on."""
        if setup != self._setup:
            self._setup = setup
            if self._queue is not None:
                self._queue.set_up(setup)

    @property
    def jobs(self) -> dict[str, Job]:
        """The jobs by id, oldest first; asking for them starts no worker."""
        return self._queue.jobs if self._queue is not None else {}

    def forget(self) -> None:
        """Forget jobs that are over."""
        if self._queue is not None:
            self._queue.forget()

    def reload(self) -> None:
        """The worker uses node packs as they are now, from the next run on."""
        if self._queue is not None:
            self._queue.reload()

    def look(self, text: str, path: str, folder: str) -> int:
        """Ask what is wrong with a graph and what a run would do; returns the serial of the answer."""
        self._serial += 1
        self.queue.look(say.Look(self._serial, text, path, folder))
        return self._serial

    def close(self) -> None:
        """End the worker."""
        self._watch.stop()
        queue, self._queue = self._queue, None
        if queue is not None:
            queue.close()

    def _poll(self) -> None:
        if self._queue is not None and (heard := self._queue.poll()):
            self.heard.emit(heard)

    def _tick(self) -> None:
        if self._queue is not None:
            self._queue.watch()


class Runs(QObject):
    """Runs a document and says what happens.

    Args:
        document: What is run.
        marks: Where what is known of each node is kept.
        hub: Whose worker runs it.
    """

    changed = Signal(object)
    """These nodes have another mark."""
    summary_changed = Signal(str)
    problems_changed = Signal(object)
    job_changed = Signal(object)
    logged = Signal(str, str)
    """A line for the log, and who said it."""
    made = Signal(object)
    """A picture or a sound that is an output of the graph, as a `Made`."""

    def __init__(self, document: Document, marks: Marks, hub: Hub) -> None:
        super().__init__()
        self.document, self.marks, self.hub = document, marks, hub
        self.job: Job | None = None
        self.live = False
        """Run after each edit?"""
        self.timeline: Timeline | None = None
        """When each node of the last run computed."""
        self.waiting: list[str] = []
        """Jobs of this graph that wait behind the one that is on."""
        self.enqueued: set[str] = set()
        """Jobs that were put behind others."""
        self.problems: list[say.Fault] = []
        self.summary = self.reasons = ""
        self._ran: Graph | None = None
        """The graph that runs, once it is asked what it says."""
        self._failed: list[say.Fault] = []
        """What went wrong in the last run."""
        self._asked = ("", 0)
        self._place: tuple[str, ...] = (hub.ready.device, hub.ready.dtype) if hub.ready else ()
        self._soon = QTimer(self, singleShot=True, interval=PAUSE_MS)
        self._soon.timeout.connect(self._rested)
        hub.heard.connect(self._on_heard)
        hub.job_changed.connect(self._on_job)
        document.listeners.append(self._soon.start)

    def open(self) -> None:
        """Let the worker look at the graph soon."""
        self._asked = ("", 0)
        self._soon.start()

    def close(self) -> None:
        """Stop what runs, and listen no more."""
        self.cancel()
        self._soon.stop()
        self.document.listeners.remove(self._soon.start)
        self.hub.heard.disconnect(self._on_heard)
        self.hub.job_changed.disconnect(self._on_job)

    @property
    def running(self) -> bool:
        return self.job is not None and not self.job.over

    @property
    def progress(self) -> str:
        """Where the run is that is on: "denoise, step 7 of 20, about 3.1 s left"."""
        job = self.job
        if job is None or job.over:
            return ""
        if job.state == "queued":
            return "waiting"
        return f"{job.place}{left(self.marks, job.node)}" if job.node else "starting"

    @property
    def folder(self) -> str:
        """Where nodes that save write: beside the graph."""
        path = self.document.path
        return str(Path(path).resolve().parent / "out") if path else str(content.user_folder("outputs"))

    def run(self, wanted: tuple[str, ...] = ()) -> None:
        """Run the graph as it is now; a run of it that is on is stopped first."""
        self.cancel()
        path = self.document.path
        job = self.hub.queue.submit(self.document.text, path=path, folder=self.folder, wanted=wanted)
        if self.waiting:
            self.hub.queue.move(job.id, self.waiting[0])
        self._follow(job)
        self.job_changed.emit(job)

    def enqueue(self) -> None:
        """Run the graph as it is now, after the runs of it that are on and waiting."""
        if not self.running:
            self.run()
            return
        path = self.document.path
        job = self.hub.queue.submit(self.document.text, path=path, folder=self.folder)
        self.waiting.append(job.id)
        self.enqueued.add(job.id)
        self.job_changed.emit(job)

    def _follow(self, job: Job) -> None:
        """This is the run whose progress is shown."""
        self.job, self._failed, self.timeline, self._ran = job, [], Timeline(), None
        self.changed.emit(self.marks.begin(job.id))

    def cancel(self) -> None:
        """Stop the run that is on, within a step."""
        if self.running and self.job is not None:
            self.hub.queue.cancel(self.job.id)

    def resume(self) -> None:
        """Run again what a dead worker left; what was finished is not computed again."""
        if self.job is not None and self.job.state in ("interrupted", "failed", "cancelled"):
            self._follow(self.job)
            self.hub.queue.resume(self.job.id)

    def _rested(self) -> None:
        """No edit for a moment: look at the graph, if it is another than when that was asked last."""
        text = self.document.text
        if text == self._asked[0]:
            return
        self._asked = (text, self.hub.look(text, self.document.path, self.folder))
        if self.live and (self.job is None or text != self.job.run.graph):
            self.run()

    def _on_heard(self, heard: object) -> None:
        assert isinstance(heard, list)
        touched: set[str] = set()
        for each in heard:
            if self.timeline is not None and getattr(each, "job", "") == self.marks.job:
                self.timeline.told(each)
            touched |= self._hear(each)
        if touched:
            self.changed.emit(touched)

    def _hear(self, heard: Heard) -> set[str]:
        match heard:
            case say.Seen(serial=serial):
                return self._see(heard) if serial == self._asked[1] else set()
            case say.Ready(device=device, dtype=dtype):
                if self._place not in ((), (device, dtype)):
                    self.open()
                self._place = (device, dtype)
            case Printed(text=text):
                self.logged.emit(text, WORKER)
            case say.NodeLog(job=job, node=node, text=text) if job == self.marks.job:
                self.logged.emit(f"{node}: {text}" if node else text, NODE)
            case Died(cause=cause):
                self.logged.emit(f"The worker died: {cause}. A new one was started.", WORKER)
                self.open()
                return self.marks.stop()
            case say.JobFinished(job=job, faults=faults) if job == self.marks.job:
                self._failed = [fault for fault in faults if fault.code != "NF508"]
                self.open()
                return self.marks.stop()
            case say.Output(job=job) if self.job is not None and job == self.job.id:
                title = f"{Path(self.document.title).stem} {heard.name}"
                items: tuple[say.Picture | say.Sound, ...] = (*heard.pictures, *heard.sounds)
                for item in items:
                    self.made.emit(Made(title, item, self.job.run.graph, at=time.time()))
                return self.marks.told(heard)
            case say.NodeFinished(node=node, job=job, cached="") if job == self.marks.job and self.job is not None:
                self._ran = self._ran or loads(self.job.run.graph)
                self.marks.of(node).steps = steps_for(self._ran, self.document.library.base, node)
                return self.marks.told(heard)
            case _:
                return self.marks.told(heard)
        return set()

    def _see(self, seen: say.Seen) -> set[str]:
        touched = self.marks.seen(seen)
        for name, mark in self.marks.nodes.items():
            mark.coming = steps_for(self.document.root, self.document.library.base, name) if mark.steps else 0
        self.problems = list(dict.fromkeys([*seen.faults, *self._failed]))
        self.summary, self.reasons = summary(seen, self.marks), reasons(seen)
        self.problems_changed.emit(self.problems)
        self.summary_changed.emit(self.summary)
        return touched

    def _on_job(self, job: object) -> None:
        assert isinstance(job, Job)
        if job.id in self.waiting and job.state != "queued":
            self.waiting.remove(job.id)
            if job.state == "running":
                self._follow(job)
        if self.job is None or job.id != self.job.id:
            return
        if job.state in ("interrupted", "set aside") and job.node:
            mark = self.marks.of(job.node)
            mark.state, mark.fault = "failed", job.told
            self.changed.emit({job.node})
        self.job_changed.emit(job)
