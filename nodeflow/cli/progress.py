"""What a run says while it goes on: bars for a person, JSON lines for a program."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

from ..execution import Report, events

Listener = Callable[[events.Event], None]
EVERY = 10.0
"""Seconds between two lines about a node that takes long."""


@contextlib.contextmanager
def listener(as_json: bool, quiet: bool) -> Iterator[Listener | None]:
    """Whom a run should tell."""
    if as_json:
        yield lambda event: print(json.dumps(events.to_json(event)), flush=True)
    elif quiet:
        yield None
    elif sys.stderr.isatty():
        with _bars() as told:
            yield told
    else:
        yield _Lines()


def table(report: Report) -> str:
    """What each node did, one line a step, and the whole run."""
    rows = [
        ("".join([node.node, *(f"[{index}]" for index in node.at)]), node.status, node.tier, node.seconds, node.bytes)
        for node in report.nodes
    ]
    width = max((len(row[0]) for row in rows), default=0)
    lines = [f"{name:<{width}}  {status:<11}  {tier:<6}  {seconds:8.3f} s  {size / 1e6:9.3f} MB"
             for name, status, tier, seconds, size in rows]  # fmt: skip
    ran = sum(row[1] == "ran" for row in rows)
    return "\n".join([*lines, f"{ran} of {len(rows)} steps ran, {report.seconds:.2f} s in all"])


class _Lines:
    """One line a node, where standard error is a file; of a node that takes long, where it is every now and then."""

    def __init__(self) -> None:
        self._told: dict[str, tuple[float, int]] = {}

    def __call__(self, event: events.Event) -> None:
        match event:
            case events.NodeStarted(node=node):
                self._told[node] = time.monotonic(), 0
            case events.NodeProgress(node=node, step=step, total=total, note=note) if note:
                self._progress(node, step, total, note)
            case events.NodeFinished(node=node, seconds=seconds, cached=""):
                print(f"{node}: {seconds:.2f} s", file=sys.stderr)
            case events.NodeLog(node=node, text=text):
                print(f"{node}: {text}", file=sys.stderr)
            case events.CacheWarning(text=text):
                print(text, file=sys.stderr)

    def _progress(self, node: str, step: int, total: int, note: str) -> None:
        since, before = self._told.get(node, (time.monotonic(), step))
        seconds = time.monotonic() - since
        if seconds < EVERY:
            return
        self._told[node] = time.monotonic(), step
        rate = (step - before) / seconds
        left = f", {timedelta(seconds=round((total - step) / rate))} left" if rate > 0 else ""
        print(f"{node}: {step}/{total}, {note}, {rate:.3g} a second{left}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def _bars() -> Iterator[Listener]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("[dim]{task.fields[note]}", markup=True),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        tasks: dict[tuple[str, tuple[int, ...]], Any] = {}

        def told(event: events.Event) -> None:
            match event:
                case events.NodeStarted(node=node, at=at):
                    tasks[node, ()] = progress.add_task(" ".join([node, *map(str, at)]), total=None, note="")
                case events.NodeProgress(node=node, step=step, total=total, note=note) if (node, ()) in tasks:
                    said = _with_rate(note, progress.tasks[progress.task_ids.index(tasks[node, ()])].speed)
                    progress.update(tasks[node, ()], completed=step, total=total, note=said)
                case events.NodeFinished(node=node, seconds=seconds, cached=""):
                    if (node, ()) in tasks:
                        progress.remove_task(tasks.pop((node, ())))
                    progress.console.print(f"[green]✓[/] {node} [dim]{seconds:.2f} s[/]", highlight=False)
                case events.NodeFailed(node=node):
                    if (node, ()) in tasks:
                        progress.remove_task(tasks.pop((node, ())))
                    progress.console.print(f"[red]✗[/] {node}", highlight=False)
                case events.NodeLog(node=node, text=text):
                    progress.console.print(f"{node}: {text}", markup=False, highlight=False)
                case events.CacheWarning(text=text):
                    progress.console.print(text, markup=False, highlight=False)

        yield told


def _with_rate(note: str, speed: float | None) -> str:
    """A note with steps a second behind it; no rate where a node says nothing."""
    return f"{note}, {speed:.3g} a second" if note and speed else note
