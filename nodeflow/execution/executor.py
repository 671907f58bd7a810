"""The executor: plans in, reports out."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import Cancelled
from .cache import Cache
from .events import CacheWarning, Emitter, Event, RunFinished, RunStarted
from .lists import HOLE
from .plan import Plan, plan
from .report import NodeReport, Report
from .run import Environment, Token
from .session import Session
from .steps import Const, Source, upstream
from .sweeps import Swept
from .task import FAILED

if TYPE_CHECKING:
    from ..graph.graph import Graph
    from ..packs import Library


class Executor:
    """Runs plans, one at a time for each call of `run`.

    Args:
        library: The node types the plans were made with.
        cache: Results to reuse and to keep; None = none.
        environment: Where to compute, if a plan does not say.
        emit: Called with each event, from a thread of its own.
    """

    def __init__(
        self,
        library: Library,
        cache: Cache | None = None,
        environment: Environment | None = None,
        emit: Callable[[Event], object] | None = None,
    ) -> None:
        self.library = library
        self.cache = cache
        self.environment = environment
        self.emit = emit

    def run(self, plan: Plan, cancel: Token | None = None) -> Report:
        """Compute what a plan wants.

        A node that fails stops its descendants only; faults are in the report. A cancelled run returns what was
        finished. Exceptions come out only for faults of the executor itself.
        """
        began = time.perf_counter()
        report = Report(secrets.token_hex(4), plan, faults=list(plan.faults))
        emitter = Emitter(report.run, self.emit)
        session = Session(plan, self.cache, self.environment or plan.environment, emitter, cancel or Token())
        emitter.emit(RunStarted(report.run, len(plan.steps)))
        try:
            session.demand(plan.goals)
        except Cancelled:
            report.cancelled = True
        finally:
            self._conclude(plan, session, report, emitter)
            report.seconds = time.perf_counter() - began
            emitter.emit(RunFinished(report.run, report.seconds, len(report.faults), report.cancelled))
            emitter.close()
        return report

    def _conclude(self, plan: Plan, session: Session, report: Report, emitter: Emitter) -> None:
        for name, output in plan.outputs.items():
            delivered = _delivered(session, output)
            if delivered is not HOLE:
                report.outputs[name] = delivered
        report.faults += session.faults
        report.nodes = _nodes(plan, session)
        session.close()
        if self.cache is not None:
            for warning in self.cache.warnings():
                emitter.emit(CacheWarning(report.run, warning))
            self.cache.remember(plan)


def _delivered(session: Session, output: Source | Swept) -> Any:
    """The value of an output; `HOLE` when there is none."""
    if type(output) is Swept:
        values = [_delivered(session, cell) for cell in output.cells]
        return HOLE if all(value is HOLE for value in values) else [_without_hole(value) for value in values]
    if type(output) is not Const:
        for step in upstream(output):  # type: ignore[arg-type]
            task = session.tasks.get(step)
            if task is None or task.state == FAILED or (task.outputs is None and task.elements is None):
                return HOLE
    value = session.value(output)  # type: ignore[arg-type]
    return [_without_hole(item) for item in value] if isinstance(value, list | tuple) else value


def _without_hole(value: Any) -> Any:
    return None if value is HOLE else value


def _nodes(plan: Plan, session: Session) -> list[NodeReport]:
    found = []
    for step in plan.steps:
        task = session.tasks.get(step)
        names = tuple(step.names) if len(step.names) > 1 else ()
        if task is None or not task.status:
            status = "cached" if step.tier else "skipped" if task is not None else "unneeded"
            found.append(NodeReport(step.node, status, 0.0, step.tier, 0, step.at, names))
        else:
            report = NodeReport(step.node, task.status, task.seconds, task.tier, task.size, step.at, names)
            found.append(report)
    return found


def run_graph(
    graph: Graph,
    library: Library,
    *,
    values: Mapping[str, Any] | None = None,
    wanted: Sequence[str] | None = None,
    environment: Environment | None = None,
    cache: Cache | None = None,
    emit: Callable[[Event], object] | None = None,
    cancel: Token | None = None,
) -> Report:
    """Plan and run a graph.

    Raises:
        NodeflowError: As `plan` does; faults of nodes are in the report.
    """
    made = plan(graph, library, values=values, wanted=wanted, environment=environment, cache=cache)
    return Executor(library, cache, environment, emit).run(made, cancel)
