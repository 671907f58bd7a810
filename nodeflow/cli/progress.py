"""What a run says while it goes on: bars for a person, JSON lines for a program."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Iterator
from typing import Any

from ..execution import Report, events

Listener = Callable[[events.Event], None]


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
        yield _lines


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


def _lines(event: events.Event) -> None:
    """One line a node, where standard error is a file."""
    match event:
        case events.NodeFinished(node=node, seconds=seconds, cached=""):
            print(f"{node}: {seconds:.2f} s", file=sys.stderr)
        case events.NodeLog(node=node, text=text):
            print(f"{node}: {text}", file=sys.stderr)
        case events.CacheWarning(text=text):
            print(text, file=sys.stderr)


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
    )
    with Progress(*columns, console=console, transient=True) as progress:
        tasks: dict[tuple[str, tuple[int, ...]], Any] = {}

        def told(event: events.Event) -> None:
            match event:
                case events.NodeStarted(node=node, at=at):
                    tasks[node, ()] = progress.add_task(" ".join([node, *map(str, at)]), total=None)
                case events.NodeProgress(node=node, step=step, total=total) if (node, ()) in tasks:
                    progress.update(tasks[node, ()], completed=step, total=total)
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
