"""A queue of runs over a worker that may die.

One job runs at a time. When the worker dies, the job that ran is *interrupted*: what it had finished is in the cache
on disk, so `resume` goes on from there with a new worker. A job that was running when its worker died twice is *set
aside*; the queue goes on with the next one.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from . import messages as say
from .client import Client, Died, Heard

DEATHS = 2
"""Workers that a job may cost."""
STILLBORN = 3
"""Workers that may die before they are ready, one after the other."""
CANCEL_PATIENCE = 20.0
"""Seconds that a cancelled job may go on; then its worker is ended."""


@dataclass
class Job:
    """A run that was asked for.

    Args:
        run: What was asked.
        state: "queued", "running", "done", "failed", "cancelled", "interrupted" or "set aside".
        told: What became of it, in a sentence; empty while nothing is to be told.
        node: The node that runs, or ran last.
        step: (done, of) of that node.
        deaths: How many workers died of it.
        cancelled: When it was cancelled, by the monotonic clock; 0 = it was not.
        began: When it began to run, likewise.
        ended: When it was over.
    """

    run: say.Run
    state: str = "queued"
    told: str = ""
    node: str = ""
    step: tuple[int, int] = (0, 0)
    deaths: int = 0
    cancelled: float = 0.0
    began: float = 0.0
    ended: float = 0.0
    log: tuple[str, ...] = field(default=(), repr=False)

    @property
    def id(self) -> str:
        return self.run.job

    @property
    def over(self) -> bool:
        return self.state not in ("queued", "running")

    @property
    def seconds(self) -> float:
        """How long it ran; 0 = it did not, or runs still."""
        return self.ended - self.began if self.ended else 0.0

    @property
    def place(self) -> str:
        """Where it is: "denoise, step 7 of 20"."""
        done, of = self.step
        return f"{self.node}, step {done} of {of}" if of else self.node


class Queue:
    """Runs jobs one after the other; call `poll` when `wake` was called, and `watch` about once a second.

    Args:
        wake: Called from another thread when there is something to poll.
        start: Makes a client; for tests.
        changed: Called from `submit`, `poll`, `cancel` and `resume` with each job whose state changed.
    """

    def __init__(
        self,
        wake: Callable[[], object] = lambda: None,
        start: Callable[[Callable[[], object]], Client] = Client,
        changed: Callable[[Job], object] = lambda job: None,
    ) -> None:
        self._wake = wake
        self._start = start
        self._changed = changed
        self.jobs: dict[str, Job] = {}
        self.running: Job | None = None
        self._look: say.Look | None = None
        self._setup: say.Setup | None = None
        self._stillborn = 0
        self.broken = ""
        """Why no worker can be started; empty while one can."""
        self.client = start(wake)

    def submit(self, graph: str, *, path: str = "", folder: str = ".", wanted: tuple[str, ...] = ()) -> Job:
        """Queue a run of a graph."""
        job = Job(say.Run(secrets.token_hex(4), graph, path, folder, wanted))
        self.jobs[job.id] = job
        self._set(job, "queued")
        self._next()
        return job

    def cancel(self, id: str) -> None:
        """Stop a job, or take it out of the queue."""
        job = self.jobs[id]
        if job.state == "queued":
            self._set(job, "cancelled")
        elif job.state == "running" and not job.cancelled:
            job.cancelled = time.monotonic()
            self.client.send(say.Cancel(id))

    def move(self, id: str, before: str = "") -> None:
        """Run a waiting job before another one; before nothing: last."""
        if self.jobs[id].state == "queued" and id != before:
            job = self.jobs.pop(id)
            rest = [*self.jobs.items()]
            place = next((place for place, (other, _) in enumerate(rest) if other == before), len(rest))
            self.jobs = dict([*rest[:place], (id, job), *rest[place:]])
            self._changed(job)

    def adopt(self, job: Job) -> None:
        """Know a job of another queue, that may be resumed."""
        self.jobs[job.id] = job

    def forget(self) -> None:
        """Forget jobs that are over."""
        self.jobs = {id: job for id, job in self.jobs.items() if not job.over}

    def resume(self, id: str) -> None:
        """Run an interrupted job again; what it had finished is not computed again. One set aside stays so."""
        job = self.jobs[id]
        if job.state in ("interrupted", "failed", "cancelled"):
            job.told, job.cancelled, job.step, job.node = "", 0.0, (0, 0), ""
            self.jobs[id] = self.jobs.pop(id)
            self._set(job, "queued")
            self._next()

    def set_up(self, setup: say.Setup) -> None:
        """Compute there and within these budgets; a new worker is told again."""
        self._setup = setup
        self.client.send(setup)

    def reload(self) -> None:
        """Use node packs as they are now."""
        self.client.send(say.Reload())

    def look(self, asked: say.Look) -> None:
        """Ask what is wrong with a graph and what a run would do; a new worker is asked again."""
        self._look = asked
        self.client.send(asked)

    def poll(self) -> list[Heard]:
        """What was heard since the last call; the states of the jobs follow it."""
        heard = self.client.poll()
        for reply in heard:
            self._follow(reply)
        return heard

    def watch(self) -> None:
        """Notice a worker that hangs, or that does not stop a cancelled job."""
        job = self.running
        if job and job.cancelled and time.monotonic() - job.cancelled > CANCEL_PATIENCE:
            self.client.end(f"it did not stop within {CANCEL_PATIENCE:.0f} s")
        self.client.watch()

    def close(self) -> None:
        """End the worker."""
        self.client.close()

    def _follow(self, reply: Heard) -> None:
        job = self.running
        match reply:
            case Died():
                self._bury(reply)
            case say.NodeStarted(node=node) if job:
                job.node, job.step = node, (0, 0)
            case say.Progress(node=node, step=step, total=total) if job:
                job.node, job.step = node, (step, total)
            case say.JobFinished() if job and reply.job == job.id:
                self._conclude(job, reply)
            case say.Seen(serial=serial) if self._look and serial == self._look.serial:
                self._look = None

    def _conclude(self, job: Job, reply: say.JobFinished) -> None:
        self.running = None
        causes = [fault for fault in reply.faults if fault.code != "NF508"]
        job.told = causes[0].line if causes else ""
        state = "cancelled" if reply.cancelled else "failed" if causes else "done"
        self._set(job, state)
        self._next()

    def _bury(self, died: Died) -> None:
        """Start another worker, and settle the job that the old one ran.

        Workers that die before they are ready are started a few times, not for ever: then what is asked fails.
        """
        job, self.running = self.running, None
        was_ready = self.client.ready is not None
        self._stillborn = 0 if was_ready else self._stillborn + 1
        if self._stillborn >= STILLBORN:
            last = next((line for line in reversed(died.log) if line.strip()), "it printed nothing")
            self.broken = f"the worker does not start: {died.cause}: {last}"
            for waiting in [*([job] if job else []), *self.jobs.values()]:
                self._give_up(waiting)
            return
        self.client = self._start(self._wake)
        if self._setup is not None:
            self.client.send(self._setup)
        if self._look is not None:
            self.client.send(self._look)
        if job is not None and not was_ready:
            self._set(job, "queued")
        elif job is not None:
            job.deaths += 1
            job.log = died.log
            where = f" in {job.place}" if job.place else ""
            aside = job.deaths >= DEATHS
            next_ = "it is set aside after ending two workers" if aside else "what was finished is kept: resume"
            job.told = f"the worker died{where}: {died.cause}; {next_}"
            cancelled = job.cancelled and not aside
            self._set(job, "cancelled" if cancelled else "set aside" if aside else "interrupted")
        self._next()

    def _give_up(self, job: Job) -> None:
        if not job.over:
            job.told = self.broken
            self._set(job, "failed")

    def _next(self) -> None:
        if self.broken:
            for each in self.jobs.values():
                self._give_up(each)
        elif self.running is None:
            job = next((job for job in self.jobs.values() if job.state == "queued"), None)
            if job is not None:
                self.running = job
                self._set(job, "running")
                self.client.send(job.run)

    def _set(self, job: Job, state: str) -> None:
        job.state = state
        if state == "running":
            job.began, job.ended = time.monotonic(), 0.0
        elif job.over and job.began and not job.ended:
            job.ended = time.monotonic()
        self._changed(job)
