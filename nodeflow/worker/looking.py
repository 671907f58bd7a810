"""What is wrong with a graph, and what a run of it would do, as a message."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import Fault, NodeflowError
from ..graph import Graph, check, loads
from ..graph.flatten import flattened
from ..graph.silence import silenced, why_silent
from .messages import Look, NodeState, Seen

if TYPE_CHECKING:
    from ..engine import Engine
    from ..execution import Plan

RANK = ("failed", "blocked", "run", "unknown", "lazy", "cached", "unneeded")
"""Of a node with several steps, the first of these stands for the node."""


def look(engine: Engine, asked: Look) -> Seen:
    """Check and plan; what cannot be planned has faults and no states."""
    try:
        graph = loads(asked.graph)
        graph.path = asked.path or None
        faults = check(graph, engine.library)
        try:
            plan = engine.plan(graph, folder=asked.folder)
        except NodeflowError as error:
            muted = _muted(engine, graph)
            new = [fault for fault in error.faults if fault.code != "NF212" or not muted]
            return Seen(asked.serial, _once([*faults, *new]), tuple(muted))
        return Seen(asked.serial, _once(faults), tuple(states(plan)))
    except NodeflowError as error:
        return Seen(asked.serial, error.faults)
    except Exception as error:
        what = f"the check failed: {type(error).__name__}: {error}; this is a fault of nodeflow"
        return Seen(asked.serial, (Fault("NF501", what),))


def states(plan: Plan) -> list[NodeState]:
    """What the plan does with each node it needs."""
    reasons, found = plan.reasons, []
    for name, steps in plan.calls.items():
        if steps:
            step = min(steps, key=lambda each: RANK.index(each.status))
            found.append(NodeState(name, step.status, step.tier, reasons.get(name, "")))
    found += [NodeState(name, "muted", "", why) for name, why in plan.silent.items()]
    return found


def _muted(engine: Engine, graph: Graph) -> list[NodeState]:
    """What is muted in a graph, where that is all there is to plan."""
    silent = silenced(flattened(graph, engine.library).graph)
    return [NodeState(name, "muted", "", why_silent(name, silent)) for name in silent]


def _once(faults: list[Fault]) -> tuple[Fault, ...]:
    return tuple(dict.fromkeys(faults))
