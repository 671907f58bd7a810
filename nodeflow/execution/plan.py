"""The plan: which steps a graph needs, which of them are cached, which will run, and why.

Planning runs no node (fingerprints excepted) and imports no pack that has none. One pass over the ancestors of what
is wanted makes the steps, one pass back from the wanted ones says which must run.

The status of a step: "cached" (in `tier`), "run", "unknown" (its key waits for a value), "lazy" (runs only if its
consumer asks), "unneeded" (a cached result makes it superfluous), "failed" or "blocked" (cannot run, or its source).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from ..errors import Fault, NodeflowError
from ..graph.flatten import Flat, flattened
from ..graph.silence import audible, why_silent
from .history import Record, reasons
from .keys import KEY_BYTES
from .stepping import StepMaker
from .steps import Const, Source, Step, upstream
from .sweeps import Axis, Swept, places
from .wiring import Wiring

if TYPE_CHECKING:
    from ..graph.graph import Graph
    from ..packs import Library
    from .cache import Cache
    from .run import Environment


class Plan:
    """What a run will do.

    Args:
        steps: Ancestors first; one for each call, shared by nodes with equal keys.
        goals: The steps that are wanted, those that use one model side by side.
        outputs: Where each wanted output comes from, by public name or "node.port".
        faults: Wanted outputs that lead nowhere.
        calls: The steps of each node.
        axes: Its sweeps.
        environment: Where it will run.
        name: Which graph this is, for the history of its runs.
        silent: Each node that does not run because it, or one upstream, is muted, and why, in words.
    """

    def __init__(
        self, steps: list[Step], goals: list[Step], outputs: dict[str, Source | Swept], faults: list[Fault],
        calls: dict[str, list[Step]], axes: list[Axis], environment: Environment, name: str, cache: Cache | None,
        silent: dict[str, str],
    ) -> None:  # fmt: skip
        self.steps = steps
        self.goals = goals
        self.outputs = outputs
        self.faults = faults
        self.calls = calls
        self.axes = axes
        self.environment = environment
        self.name = name
        self.silent = silent
        self._cache = cache
        self._judge()

    @cached_property
    def signature(self) -> bytes:
        """Changes with any name, key or wire."""
        signs = blake2b(digest_size=KEY_BYTES)
        for name, steps in self.calls.items():
            signs.update(name.encode() + b"\0" + b"".join([step.key or b"?" for step in steps]))
        return signs.digest()

    @cached_property
    def record(self) -> Record:
        """What this run depends on, to compare the next one with."""
        return Record.of(self.calls)

    @cached_property
    def reasons(self) -> dict[str, str]:
        """Why each node runs, in words, compared with the last run of this graph."""
        before = self._cache.history(self.name) if self._cache is not None else None
        return reasons(self.calls, before)

    def settings(self, output: str) -> list[dict[str, Any]]:
        """What the sweeps set for each element of an output, by "node.port"; empty for one that is not swept."""
        source = self.outputs[output]
        if type(source) is not Swept:
            return []
        return [
            {port: self.axes[axis].values[index] for axis, index in place.items() for port in self.axes[axis].ports}
            for place in places(source.axes, source.lengths)
        ]

    def counts(self) -> dict[str, int]:
        """How many steps have each status."""
        found: dict[str, int] = {}
        for step in self.steps:
            found[step.status] = found.get(step.status, 0) + 1
        return found

    def _judge(self) -> None:
        states = self._cache.states if self._cache is not None else None
        standing = states.known() if states is not None else {}
        needed: set[Step] = set(self.goals)
        maybe: set[Step] = set()
        peek = self._cache.peek if self._cache is not None else (lambda key: "")
        for step in reversed(self.steps):
            step.tier = peek(step.key) if step.key is not None and not step.fault else ""
            wanted, asked = step in needed, step in maybe
            if step.tier:
                step.status = "cached"
            elif wanted or asked:
                step.status = self._pending(step, wanted)
                step.stands = standing.get(step.key) if standing and step.key is not None else None
                (needed if wanted else maybe).update(step.needs())
                maybe.update(step.may_need())
            else:
                step.status = "unneeded"
        if any(step.fault for step in self.steps):
            self._block()

    def _pending(self, step: Step, wanted: bool) -> str:
        if step.fault:
            return "failed"
        if not wanted:
            return "lazy"
        return "unknown" if step.key is None else "run"

    def _block(self) -> None:
        for step in self.steps:
            if step.status in ("run", "unknown", "lazy") and any(
                above.status in ("failed", "blocked") for above in step.needs()
            ):
                step.status = "blocked"


def plan(
    graph: Graph,
    library: Library,
    *,
    values: Mapping[str, Any] | None = None,
    wanted: Sequence[str] | None = None,
    environment: Environment | None = None,
    cache: Cache | None = None,
    faults: Iterable[Fault] = (),
    name: str | None = None,
) -> Plan:
    """Work out what a run of a graph needs.

    Args:
        graph: The document.
        library: Its node types.
        values: Values for public inputs; `{"sweep": [...]}` runs what depends on it for each.
        wanted: Public outputs, "node.port", or "node"; None = all outputs and sinks.
        environment: Where it will run; device and number format are part of the keys of nodes that ask for the run.
        cache: Results that are already there.
        faults: What `check` found; the nodes they name do not run, the others do.
        name: Which graph this is in the history; by default its path.

    Raises:
        NodeflowError: NF212 when nothing is wanted or all that is wanted is muted, NF213 for an unknown public name,
            NF205 for an empty sweep.
    """
    from .run import Environment

    flat = flattened(graph, library)
    whole = flat.graph
    graph, silent = audible(whole)

    environment = environment or Environment()
    if cache is not None:
        cache.refresh()
    make = StepMaker(cache)
    broken = {fault.node: fault for fault in reversed(list(faults)) if fault.node in graph.nodes}
    for fault in flat.faults:
        broken.setdefault(fault.node, fault)
    wiring = Wiring(graph, library, environment, make, broken)
    for ends_, value in flat.shared:
        wiring.give([end for end in ends_ if end.partition(".")[0] in graph.nodes], value, ends_[0])
    for public, value in (values or {}).items():
        targets = graph.inputs.get(public)
        if targets is None and public in whole.inputs:
            continue
        if targets is None:
            known = ", ".join(sorted(graph.inputs)) or "none"
            raise NodeflowError("NF213", "the graph has no such input", where=public, fix=f"it has {known}")
        wiring.give([targets] if isinstance(targets, str) else targets, value, public)
    ends, nodes = _wanted(flat, wiring, wanted)
    ends = {public: end for public, end in ends.items() if end.partition(".")[0] not in silent}
    nodes = [name for name in nodes if name not in silent]
    if silent and not ends and not nodes:
        muted = ", ".join(sorted(dict.fromkeys(silent.values()))[:5])
        raise NodeflowError("NF212", f"all that is wanted hangs on what is muted: {muted}", fix="unmute it")
    wiring.walk([*(end.partition(".")[0] for end in ends.values() if end), *nodes])
    outputs: dict[str, Source | Swept] = {}
    lost: list[Fault] = []
    for public, end in ends.items():
        try:
            outputs[public] = wiring.source(end)
        except NodeflowError:
            lost.append(Fault("NF210", f"the output leads to {end}, which is not there", public, "rewire it"))
    goals = _goals(outputs.values(), [step for name in nodes for step in wiring.calls.get(name, ())])
    label = graph.path if name is None else name
    said = {name: why_silent(name, silent) for name in silent}
    return Plan(make.steps, goals, outputs, lost, wiring.calls, wiring.axes, environment, label or "", cache, said)


def _wanted(flat: Flat, wiring: Wiring, wanted: Sequence[str] | None) -> tuple[dict[str, str], list[str]]:
    """("node.port" by output name, nodes wanted for what they do)."""
    graph = flat.graph
    if wanted is None:
        sinks = [name for name, node in graph.nodes.items() if _is_sink(wiring, node.type) and not node.bypass]
        if not graph.outputs and not sinks:
            raise NodeflowError("NF212", "the graph has no outputs and no sinks", fix="name an output or add a sink")
        return dict(graph.outputs), sinks
    if not wanted:
        raise NodeflowError("NF212", "no outputs are wanted", fix="name at least one")
    ends: dict[str, str] = {}
    nodes = []
    for name in wanted:
        if name in graph.outputs:
            ends[name] = graph.outputs[name]
        elif name in graph.nodes:
            nodes.append(name)
        elif name.partition(".")[0] in flat.folded:
            inner, sinks = flat.ends(name)
            ends |= inner
            nodes += sinks
        elif name.partition(".")[0] in graph.nodes:
            ends[name] = name
        else:
            known = ", ".join(sorted(graph.outputs)) or "none"
            raise NodeflowError("NF213", "the graph has no such output", where=name, fix=f"it has {known}")
    return ends, nodes


def _is_sink(wiring: Wiring, type: str) -> bool:
    kind = wiring.kind(type)
    return kind is not None and kind.spec.sink


def _goals(outputs: Iterable[Source | Swept], sinks: Iterable[Step]) -> list[Step]:
    found: list[Step] = []
    for output in outputs:
        for source in output.cells if type(output) is Swept else (output,):
            if type(source) is not Const:
                found.extend(upstream(source))  # type: ignore[arg-type]
    return by_model(list(dict.fromkeys([*found, *sinks])))


def by_model(steps: list[Step]) -> list[Step]:
    """Steps that use one model's weights side by side, in the order in which models first appear."""
    if len(steps) < 3:
        return steps
    rank: dict[Step | None, int] = {}
    for step in steps:
        rank.setdefault(step.model, len(rank))
    return steps if len(rank) == 1 else sorted(steps, key=lambda step: rank[step.model])
