"""Demand: which tasks must be done, in which order, and how long their values are needed.

A demand walks from its goals to what is cached, without recursion, and numbers the tasks depth first. A heap of the
tasks that can go on, by that number, keeps the order depth first also where threads finish when they like.

Memory: each task counts the unfinished consumers that may still read it. At zero its value goes; if it was never
computed, what it would have read is let go in turn.
"""

from __future__ import annotations

import heapq
from abc import ABC, abstractmethod
from collections.abc import Iterable

from .plan import by_model
from .pool import Pool
from .run import Token
from .steps import Step
from .task import DONE, FAILED, IDLE, QUEUED, RUNNING, Loop, Task


class Demand(ABC):
    """Keeps the tasks of one run; what is done with a task that can go on is `_advance`.

    Args:
        cancel: Stops the run.
    """

    def __init__(self, cancel: Token) -> None:
        self.tasks: dict[Step, Task] = {}
        self._cancel = cancel
        self._pool = Pool()
        self._loop: Loop | None = None
        self._order = 0

    @abstractmethod
    def _advance(self, task: Task, loop: Loop) -> None:
        """Take a queued task as far as it goes, to `_finish` or `_again`."""

    @abstractmethod
    def _cached(self, task: Task) -> bool:
        """Whether a task's result is expected in the cache."""

    @abstractmethod
    def _collect(self, timeout: float) -> None:
        """Take what a thread has finished, waiting for at most `timeout` seconds."""

    def task(self, step: Step) -> Task:
        """The state of a step."""
        try:
            return self.tasks[step]
        except KeyError:
            return self.tasks.setdefault(step, Task(step))

    def demand(self, steps: Iterable[Step]) -> list[Task]:
        """Compute steps, or find that they fail; their values are held until `release`."""
        goals = [self.task(step) for step in dict.fromkeys(steps)]
        for task in goals:
            task.uses += 1
        while any(self._pending(task.step) for task in goals):
            self._drive(goals)
        return goals

    def release(self, task: Task) -> None:
        """One consumer less; what nobody reads any more goes."""
        stack = [task]
        while stack:
            task = stack.pop()
            task.uses -= 1
            if task.uses:
                continue
            if task.elements is not None:
                stack.extend(task.elements)
            task.outputs = task.elements = None
            if task.state in (IDLE, QUEUED) and task.edges is not None:
                task.status = "lazy-unused"
                stack.extend(task.edges)
                task.edges = None

    def _pending(self, step: Step) -> bool:
        task = self.task(step)
        return task.state not in (DONE, FAILED) or task.gone

    def _drive(self, goals: list[Task]) -> None:
        loop = Loop(self._loop)
        self._loop = loop
        try:
            self._hold(goals)
            self._queue(goals, loop)
            for task in goals:
                if task.state not in (DONE, FAILED):
                    task.waiters.append(loop)
                    loop.missing += 1
            while loop.missing:
                self._cancel.check()
                if loop.heap:
                    self._advance(heapq.heappop(loop.heap)[1], loop)
                    if self._pool.busy:
                        self._collect(0.0)
                elif self._pool.busy:
                    self._collect(0.05)
                else:
                    raise RuntimeError(f"the run stalled before {[task.step for task in goals]}")
        finally:
            loop.closed = True
            self._loop = loop.parent
            if loop.parent is not None:
                for entry in loop.heap:
                    heapq.heappush(loop.parent.alive().heap, entry)

    def _hold(self, goals: Iterable[Task]) -> None:
        """Count, for all that may be needed, who may read it."""
        stack = list(goals)
        while stack:
            task = stack.pop()
            if task.gone:
                task.rest()
            if task.edges is not None or task.state >= RUNNING:
                continue
            if self._cached(task):
                task.fetch = True
                continue
            self._hold_edges(task)
            stack.extend(task.edges)  # type: ignore[arg-type]

    def _hold_edges(self, task: Task) -> None:
        step = task.step
        eager = [self.task(above) for above in step.needs()]
        if len(eager) > 2:
            rank = {above: place for place, above in enumerate(by_model([each.step for each in eager]))}
            eager.sort(key=lambda each: rank[each.step])
        task.eager = len(eager)
        task.edges = eager + [self.task(above) for above in step.may_need()]
        task.fetch = False
        for above in task.edges:
            above.uses += 1

    def _queue(self, goals: Iterable[Task], loop: Loop) -> None:
        """Number what is needed depth first, and start with what needs nothing."""
        stack, path = [iter(goals)], []
        while stack:
            for task in stack[-1]:
                if (task.state >= RUNNING and not task.gone) or task.loop is loop:
                    continue
                if task.gone or (task.edges is None and not task.fetch):
                    self._hold([task])
                task.loop = loop
                path.append(task)
                stack.append(iter(() if task.fetch else self._needed(task)))
                break
            else:
                stack.pop()
                if path:
                    self._arm(path.pop(), loop)

    def _needed(self, task: Task) -> list[Task]:
        if task.elements is not None:
            return task.elements
        return task.edges[: task.eager] if task.edges else []

    def _arm(self, task: Task, loop: Loop) -> None:
        if not task.armed:
            task.armed, task.state, task.missing = True, QUEUED, 0
            self._order += 1
            task.position = self._order
            if not task.fetch:
                for above in self._needed(task):
                    if above.state not in (DONE, FAILED):
                        above.waiters.append(task)
                        task.missing += 1
        if task.missing == 0:
            heapq.heappush(loop.heap, (task.position, task))

    def _again(self, task: Task, loop: Loop) -> None:
        """Queue a task that turned out to need more."""
        task.armed, task.loop = False, None
        self._queue([task], loop)

    def _finish(self, task: Task, state: int, status: str) -> None:
        task.state, task.status = state, status
        task.armed = False
        waiters, task.waiters = task.waiters, []
        for waiter in waiters:
            waiter.missing -= 1
            if not waiter.missing and type(waiter) is Task:
                assert waiter.loop is not None
                heapq.heappush(waiter.loop.alive().heap, (waiter.position, waiter))
        self._let_go(task)
        if not task.uses:
            task.outputs = None

    def _let_go(self, task: Task) -> None:
        """Release what a task read."""
        edges, task.edges = task.edges, None
        for above in edges or ():
            self.release(above)
