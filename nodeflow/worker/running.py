"""One run in the worker: the executor's events and results as messages."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..execution import events
from ..graph import dumps, loads
from ..saving import with_ports
from ..values import describe
from . import messages as say
from . import sounds
from .decoding import decoder
from .pictures import Decode, preview, whole
from .results import results

if TYPE_CHECKING:
    from ..engine import Engine
    from ..execution import Report, Token
    from ..graph import Graph

RATE = 30.0
"""Progress a node and second, at most."""

SAVE_EVERY = 5
"""A sampler that is killed loses fewer steps than this."""


def run(
    engine: Engine, command: say.Run, token: Token, tell: Callable[[say.Message], None], previews: float = RATE
) -> None:
    """Run a graph and say all that happens.

    Args:
        engine: Where.
        command: What.
        token: Stops it.
        tell: Called with each message.
        previews: Previews a node and second, at most; 0 = none.

    Raises:
        NodeflowError: The graph cannot be read or planned.
    """
    graph = loads(command.graph)
    graph.path = command.path or None
    plan = engine.plan(graph, wanted=command.wanted or None, folder=command.folder, save_every=SAVE_EVERY, resume=True)
    decode = decoder(engine, plan)
    report = engine.run(plan, emit=_Teller(command.job, tell, decode, previews).on_event, cancel=token)
    _tell_outputs(command.job, graph, report, tell)
    nodes = tuple((node.node, node.status, node.seconds) for node in report.nodes)
    told = {end.partition(".")[0] for end in graph.outputs.values()}
    for found in results(command.job, engine, report, told, decode if previews > 0 else None):
        tell(found)
    tell(say.JobFinished(command.job, report.seconds, report.cancelled, tuple(report.faults), nodes))


class _Teller:
    """Turns the events of a run into messages."""

    def __init__(self, job: str, tell: Callable[[say.Message], None], decode: Decode, previews: float) -> None:
        self._job = job
        self._tell = tell
        self._decode = decode
        self._shown: dict[str, float] = {}
        self._pictured: dict[str, float] = {}
        self._pause = 1 / previews if previews > 0 else 0.0
        self._blind = previews <= 0

    def on_event(self, event: events.Event) -> None:
        job, tell = self._job, self._tell
        match event:
            case events.RunStarted(steps=steps):
                tell(say.JobStarted(job, steps))
            case events.NodeStarted(node=node):
                tell(say.NodeStarted(job, node))
            case events.NodeProgress():
                self._progress(event)
            case events.NodeLog(node=node, text=text):
                tell(say.NodeLog(job, node, text))
            case events.NodeLoaded(node=node, seconds=seconds):
                tell(say.Loaded(job, node, seconds))
            case events.NodeFinished(node=node, seconds=seconds, cached=tier, bytes=size):
                tell(say.NodeFinished(job, node, seconds, tier, size))
            case events.NodeFailed(node=node, fault=fault):
                tell(say.NodeFailed(job, node, fault))
            case events.CacheWarning(text=text):
                tell(say.NodeLog(job, "", text))

    def _progress(self, event: events.NodeProgress) -> None:
        """The last step always counts; others are dropped where they come faster than anybody can see."""
        now = time.monotonic()
        if event.step < event.total and now - self._shown.get(event.node, 0.0) < 1 / RATE:
            return
        self._shown[event.node] = now
        due = event.step >= event.total or now - self._pictured.get(event.node, 0.0) >= self._pause
        picture = self._picture(event.preview) if due and event.preview is not None else None
        if picture is not None:
            self._pictured[event.node] = now
        self._tell(say.Progress(self._job, event.node, event.step, event.total, picture, event.note))

    def _picture(self, value: object) -> say.Picture | None:
        """A preview that fails costs the run its previews, and nothing else."""
        if self._blind:
            return None
        try:
            return preview(value, self._decode)
        except Exception:
            self._blind = True
            traceback.print_exc()
            return None


def _tell_outputs(job: str, graph: Graph, report: Report, tell: Callable[[say.Message], None]) -> None:
    """The graph's results; each picture carries the graph with what a sweep set for it."""
    for name, value in report.outputs.items():
        settings = report.plan.settings(name)
        items = value if settings or isinstance(value, list) else [value]
        pictures: list[say.Picture] = []
        heard: list[say.Sound] = []
        for place, item in enumerate(items):
            made_by = with_ports(graph, settings[place]) if settings else graph
            pictures += whole(item, dumps(made_by)) if item is not None else ()
            heard += sounds.whole(item, dumps(made_by))
        tell(say.Output(job, name, _port(graph, name), _words(value), tuple(pictures), tuple(heard)))


def _port(graph: Graph, name: str) -> str:
    return graph.outputs.get(name, name)


def _words(value: Any) -> str:
    return str(value) if isinstance(value, bool | int | float | str) else describe(value)
