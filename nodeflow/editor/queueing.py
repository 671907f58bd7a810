"""The window's queue: its panel, its file on disk, and what comes of jobs whose graph is not open any more."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer

from ..worker import Job
from ..worker import messages as say
from .made import Made
from .waiting import KEPT, Waiting

if TYPE_CHECKING:
    from .window import Window
    from .workspace import Workspace

WRITE_MS = 300


class Queueing(QObject):
    """The queue of a window.

    Args:
        window: The window.
    """

    def __init__(self, window: Window) -> None:
        super().__init__(window)
        self.window, self.panel = window, window.jobs
        self.file = Waiting()
        self.left: dict[str, Job] = {}
        """Jobs of windows that are gone."""
        self._soon = QTimer(self, singleShot=True, interval=0)
        self._soon.timeout.connect(self.show)
        self._write = QTimer(self, singleShot=True, interval=WRITE_MS)
        self._write.timeout.connect(self.write)
        window.hub.job_changed.connect(self._changed)
        window.hub.heard.connect(self._heard)
        self.panel.cancel_wanted.connect(self.cancel)
        self.panel.retry_wanted.connect(self.retry)
        self.panel.move_wanted.connect(lambda id, before: window.hub.queue.move(id, before))
        self.panel.graph_wanted.connect(self.open_graph)
        self.panel.clear_wanted.connect(self.clear)

    @property
    def jobs(self) -> list[Job]:
        """All jobs, oldest first."""
        return [*self.left.values(), *(self.window.hub.jobs.values())][-KEPT:]

    def take_over(self) -> int:
        """Show what windows that are gone left behind; returns how many of it did not end."""
        for job, title in self.file.take_over():
            self.left[job.id] = job
            self.panel.titles[job.id] = title
        self._changed()
        return sum(job.state == "interrupted" for job in self.left.values())

    def named(self, job: Job, title: str) -> None:
        """What the queue calls a job."""
        self.panel.titles[job.id] = title
        self._changed()

    def retry(self, id: str) -> None:
        """Run a job again; what it had finished is not computed again."""
        queue, job = self.window.hub.queue, self.left.pop(id, None)
        if job is not None:
            queue.adopt(job)
        job = queue.jobs[id]
        if job.state == "set aside":
            again = queue.submit(job.run.graph, path=job.run.path, folder=job.run.folder, wanted=job.run.wanted)
            self.named(again, self.panel.titles.get(id, ""))
        elif (space := self._owner(id)) is not None:
            space.runs.resume()
        else:
            queue.resume(id)

    def cancel(self, id: str) -> None:
        """Stop a job, or take it out of the queue."""
        if id in self.window.hub.jobs:
            self.window.hub.queue.cancel(id)

    def retry_all(self) -> None:
        """Run all that windows that are gone left unfinished."""
        for id in [id for id, job in self.left.items() if job.state == "interrupted"]:
            self.retry(id)

    def clear(self) -> None:
        """Forget what is over."""
        self.left = {}
        self.window.hub.forget()
        self._changed()

    def open_graph(self, id: str) -> None:
        """Open the graph of a job."""
        if job := self.left.get(id) or self.window.hub.jobs.get(id):
            self.window.files.open_text(job.run.graph)

    def show(self) -> None:
        self.panel.show_jobs(self.jobs)

    def write(self) -> None:
        """Bring the file up to date."""
        self.file.write(self.jobs, self.panel.titles)

    def close(self) -> None:
        """The window closes: what runs or waits is there for the next one."""
        self._soon.stop()
        self._write.stop()
        self.window.hub.job_changed.disconnect(self._changed)
        self.window.hub.heard.disconnect(self._heard)
        self.write()

    def _owner(self, id: str) -> Workspace | None:
        return next((space for space in self.window.spaces if space.runs.job and space.runs.job.id == id), None)

    def _changed(self, job: object = None) -> None:
        self._soon.start()
        self._write.start()

    def _heard(self, heard: object) -> None:
        """Outputs of jobs that no open graph waits for."""
        assert isinstance(heard, list)
        for each in heard:
            if isinstance(each, say.Output) and self._owner(each.job) is None and each.job in self.window.hub.jobs:
                items: tuple[say.Picture | say.Sound, ...] = (*each.pictures, *each.sounds)
                graph = self.window.hub.jobs[each.job].run.graph
                for item in items:
                    title = f"{Path(self.panel.titles.get(each.job, '')).stem} {each.name}"
                    self.window.viewing.made(Made(title, item, graph, at=time.time()), self.window.settings.keep)
