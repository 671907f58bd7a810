"""The queue on disk: jobs are graphs, graphs are data, so what waited when a window ended can be run by the next one.

One file a process, replaced whole after each change; the next window takes over the files of processes that are gone.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterable
from pathlib import Path

import msgspec

from .. import content
from ..atomic import atomic_write
from ..errors import NodeflowError
from ..worker import Job
from ..worker import messages as say
from .journal import alive

KEPT = 200
"""Jobs that are remembered, the newest ones."""
LEFT = "its window ended before it did; what was finished is kept: run it again"


class Record(msgspec.Struct):
    """A job as data.

    Args:
        graph: What it runs.
        path: The file the graph belongs to.
        folder: Where nodes that save write.
        wanted: What of it is wanted.
        title: What the queue calls it.
        state: As of a `Job`.
        told: What became of it.
        deaths: Workers it has cost.
    """

    graph: str
    path: str = ""
    folder: str = "."
    wanted: tuple[str, ...] = ()
    title: str = ""
    state: str = "done"
    told: str = ""
    deaths: int = 0

    def job(self) -> Job:
        """The job again; one that waited or ran was interrupted."""
        job = Job(say.Run(secrets.token_hex(4), self.graph, self.path, self.folder, self.wanted))
        over = self.state not in ("queued", "running")
        job.state, job.told, job.deaths = (self.state, self.told, self.deaths) if over else ("interrupted", LEFT, 0)
        return job


class Kept(msgspec.Struct):
    """The jobs of a process."""

    pid: int
    jobs: list[Record]


class Waiting:
    """The file of this window.

    Args:
        folder: Where it lies.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or content.user_folder("queue")
        self._file = self._folder / f"{os.getpid()}-{secrets.token_hex(4)}.json"

    def write(self, jobs: Iterable[Job], titles: dict[str, str]) -> None:
        """Keep the jobs as they are now; a folder that cannot be written costs the memory of a session."""
        records = [
            Record(job.run.graph, job.run.path, job.run.folder, job.run.wanted, titles.get(job.id, ""), job.state,
                   job.told, job.deaths)
            for job in jobs
        ]  # fmt: skip
        with contextlib.suppress(OSError, NodeflowError):
            if not records:
                self._file.unlink(missing_ok=True)
                return
            self._folder.mkdir(parents=True, exist_ok=True)
            atomic_write(self._file, msgspec.json.encode(Kept(os.getpid(), records[-KEPT:])))

    def take_over(self) -> list[tuple[Job, str]]:
        """The jobs of windows that are gone, oldest first, each with its title; their files are removed."""
        found = []
        files = sorted(self._folder.glob("*.json"), key=lambda file: file.stat().st_mtime)
        for file in files:
            with contextlib.suppress(OSError, msgspec.MsgspecError):
                kept = msgspec.json.decode(file.read_bytes(), type=Kept)
                if file != self._file and not alive(kept.pid):
                    found += [(record.job(), record.title) for record in kept.jobs]
                    file.unlink()
        return found[-KEPT:]
