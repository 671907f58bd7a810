"""A worker with a pack of toy nodes that count, wait, and die."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nodeflow.worker import Client, Job, Queue

PACK = '''
import ctypes, os, signal, time
from nodeflow import Run, node

@node("toy/add")
def add(a: int = 0, b: int = 0) -> int:
    """Add.

    Args:
        a: One.
        b: Other.
    """
    print("adding", a, b)
    return a + b

@node("toy/steps")
def steps(run: Run, a: int = 0, count: int = 5, pause: float = 0.0) -> int:
    """Take steps.

    Args:
        a: Passed on.
        count: How many.
        pause: Seconds a step.
    """
    for step in range(count):
        time.sleep(pause)
        run.progress(step + 1, count)
    return a

@node("toy/die")
def die(run: Run, a: int = 0, how: str = "kill", file: str = "") -> int:
    """Die, unless the file is there.

    Args:
        a: Passed on.
        how: How.
        file: A reprieve.
    """
    run.progress(3, 7)
    time.sleep(0.2)
    if file and os.path.exists(file):
        return a
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "crash":
        ctypes.string_at(0)
    if how == "stop":
        os.kill(os.getpid(), signal.SIGSTOP)
    os._exit(3)

@node("toy/fail")
def fail(a: int = 0) -> int:
    """Fail.

    Args:
        a: Told.
    """
    raise ValueError(f"no {a}")
'''


@pytest.fixture(scope="session")
def toys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a worker that knows the toy pack."""
    folder = tmp_path_factory.mktemp("toys")
    (folder / "packs").mkdir()
    (folder / "packs" / "toy.py").write_text(PACK)
    root = str(Path(__file__).parents[2])
    path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH", "")]))
    return {"NODEFLOW_DATA": str(folder), "NODEFLOW_CACHE": str(folder / "cache"), "PYTHONPATH": path}


def graph(output: str, **nodes: dict[str, Any]) -> str:
    """The text of a graph: each node its type, and its inputs as values or, with "@", wires."""
    made = {}
    for name, given in nodes.items():
        entry: dict[str, Any] = {"type": given.pop("type"), "version": 1, "values": {}, "wires": {}}
        for port, value in given.items():
            wired = isinstance(value, str) and value.startswith("@")
            entry["wires" if wired else "values"][port] = value[1:] if wired else value
        made[name] = entry
    return json.dumps({"nodeflow": 1, "nodes": made, "outputs": {"out": f"{output}.value"}})


class Desk:
    """A queue, what it heard, and patience."""

    def __init__(self, environment: dict[str, str], patience: float) -> None:
        self.heard: list[Any] = []
        self.told: list[tuple[str, str]] = []
        self.queue = Queue(
            start=lambda wake: Client(wake, environment=environment, patience=patience),
            changed=lambda job: self.told.append((job.id, job.state)),
        )

    def until(self, done: Callable[[], bool], seconds: float = 30.0) -> None:
        deadline = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < deadline, self.heard[-20:]
            self.heard += self.queue.poll()
            self.queue.watch()
            time.sleep(0.01)

    def run(self, text: str, **options: Any) -> Job:
        job = self.queue.submit(text, **options)
        self.until(lambda: job.over)
        return job

    def of(self, kind: type, job: Job | None = None) -> list[Any]:
        return [each for each in self.heard if type(each) is kind and (job is None or each.job == job.id)]


@pytest.fixture
def desk(toys: dict[str, str]) -> Iterator[Desk]:
    made = Desk(toys, patience=2.0)
    yield made
    made.queue.close()
