"""The state of one step within one run."""

from __future__ import annotations

from typing import Any

from ..errors import Fault
from .standing import Standing
from .steps import Step

IDLE, QUEUED, RUNNING, DONE, FAILED = range(5)


class Loop:
    """One demand: a heap of tasks that can go on, and how many of its goals are missing."""

    __slots__ = ("closed", "heap", "missing", "parent")

    def __init__(self, parent: Loop | None) -> None:
        self.parent = parent
        self.heap: list[tuple[int, Task]] = []
        self.missing = 0
        self.closed = False

    def alive(self) -> Loop:
        """This loop, or the nearest outer one that is still going."""
        loop = self
        while loop.closed and loop.parent is not None:
            loop = loop.parent
        return loop


class Task:
    """A step in a run.

    Args:
        step: What to do.
        key: The step's key; settled while running where a fingerprint needs a value.
        outputs: One value an output port, while somebody needs them.
        elements: The tasks of the elements, for a node mapped over a list.
        uses: How many unfinished consumers may still read it.
        edges: The tasks it reads, while it holds them; the first `eager` of them must be done before it runs.
        fetch: Its result is expected to be in the cache.
        standing: What its call keeps of itself, while it runs.
    """

    __slots__ = (
        "armed", "eager", "edges", "elements", "fault", "fetch", "fleeting", "key", "loop", "missing", "outputs",
        "position", "seconds", "size", "standing", "state", "status", "step", "tier", "uses", "waiters",
    )  # fmt: skip

    def __init__(self, step: Step) -> None:
        self.step = step
        self.key = step.key
        self.state = IDLE
        self.standing: Standing | None = None
        self.outputs: tuple[Any, ...] | None = None
        self.elements: list[Task] | None = None
        self.fault: Fault | None = None
        self.uses = 0
        self.edges: list[Task] | None = None
        self.eager = 0
        self.fetch = False
        self.fleeting = step.fleeting
        self.armed = False
        self.missing = 0
        self.waiters: list[Task | Loop] = []
        self.position = 0
        self.loop: Loop | None = None
        self.seconds = 0.0
        self.size = 0
        self.status = ""
        self.tier = ""

    def rest(self) -> None:
        """Wait in no loop, until somebody asks for it."""
        self.state, self.armed, self.loop = IDLE, False, None

    @property
    def gone(self) -> bool:
        """Whether it was done and its value has been let go since."""
        return self.state == DONE and self.outputs is None and self.elements is None
