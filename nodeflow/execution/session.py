"""One run: takes each task from the cache, to its elements, or through its node.

A lazy input that is asked for is a demand within a call; beyond `DEPTH` such calls the node is called again after its
input is there, so that recursion is no limit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..declaration import Lazy
from ..errors import Cancelled, Fault, NodeflowError
from .calling import Needed, Outcome, SourceFailed, argument, call
from .demand import Demand
from .errors import blocked
from .events import CacheWarning, Emitter, NodeFailed, NodeFinished, NodeStarted
from .fingerprints import fingerprint, wanted_places
from .keys import UNASKED, once
from .lists import Narrow, Values, elements_of
from .plan import Plan
from .run import Environment, NodeRun, Token
from .standing import Standing
from .steps import Const, Ref, Slice, Source, Step, settled, upstream
from .task import DONE, FAILED, QUEUED, RUNNING, Loop, Task
from .tiers import Entry

if TYPE_CHECKING:
    from .cache import Cache

DEPTH = 40
"""Calls of nodes within calls of nodes."""


class Session(Demand):
    """Runs the steps of one plan.

    Args:
        plan: What to do.
        cache: Results by key; None = nothing is reused.
        environment: Where to compute.
        emitter: Where events go.
        cancel: Stops the run.
    """

    def __init__(
        self, plan: Plan, cache: Cache | None, environment: Environment, emitter: Emitter, cancel: Token
    ) -> None:
        super().__init__(cancel)
        self.faults: list[Fault] = []
        self._plan = plan
        self._cache = cache
        self._environment = environment
        self._emitter = emitter
        self._keys: dict[Step, bytes] = {}
        self._shared: dict[bytes, Step] = {}
        self._narrow = Narrow(self._keys)
        self._values = Values(self.task)
        self._depth = 0

    def value(self, source: Source) -> Any:
        """The value of a source whose steps are done; a mapped node's is a list with `HOLE` where one failed."""
        return self._values.of(source)

    def close(self) -> None:
        """Let go of everything."""
        self._pool.close()
        for task in self.tasks.values():
            task.outputs = task.elements = task.edges = None
            task.waiters = []

    def _cached(self, task: Task) -> bool:
        if task.key is None or task.fleeting or self._cache is None:
            return False
        return bool(self._cache.peek(task.key))

    def _advance(self, task: Task, loop: Loop) -> None:
        """Take a task as far as it goes: from the cache, to its elements, or through its node."""
        if task.state != QUEUED:
            return None
        if not task.uses:
            return task.rest()
        step = task.step
        if step.fault is not None:
            return self._fail(task, step.fault, "failed")
        if task.fetch:
            if self._fetched(task):
                return None
            task.fetch = False
            return self._again(task, loop)
        if task.elements is not None:
            return self._gathered(task)
        for above in self._needed(task):
            if above.state == FAILED:
                assert above.fault is not None
                return self._fail(task, blocked(step, above.fault), "skipped")
            if above.state != DONE or above.gone:
                return self._again(task, loop)
        if step.part is not None:
            return self._parted(task, step.part)
        if task.key is None and self._settled(task):
            return None
        return self._computed(task, loop)

    def _parted(self, task: Task, place: int) -> None:
        """Take an element, dropped since it came from the cache, from its list, which was made anew."""
        source = self._needed(task)[0].elements
        assert source is not None
        if source[place].state == FAILED:
            fault = source[place].fault
            assert fault is not None
            return self._fail(task, fault, "failed")
        task.outputs = source[place].outputs
        return self._finish(task, DONE, "cached")

    def _settled(self, task: Task) -> bool:
        """Find the key of a task that waited for a value; True when that was all that was missing."""
        try:
            self._set_key(task)
        except NodeflowError as error:
            self._fail(task, error.faults[0].at(task.step.node), "failed")
            return True
        return not task.fleeting and self._fetched(task)

    def _set_key(self, task: Task) -> None:
        """The key from what is known now; lazy sources nobody has asked for do not count as long as nobody does."""
        step = task.step
        kind = step.kind
        assert kind is not None
        mark: bytes | None = b""
        if kind.spec.fingerprint:
            mark = fingerprint(kind, wanted_places(kind), lambda place: self._values.of(step.sources[place]))
        tokens = [settled(source, self._keys) or UNASKED for source in step.sources]
        task.key = self._keys[step] = kind.key(tokens, mark or b"")

    def _fetched(self, task: Task) -> bool:
        cache = self._cache
        if cache is None or task.key is None:
            return False
        tier = cache.peek(task.key)
        if tier == "disk":
            assert task.step.kind is not None
            task.step.kind.type  # noqa: B018  (imports the pack that defines the values)
        hit = cache.get(task.key) if tier else None
        if hit is None:
            return False
        if hit.parts is not None and not self._parts_fetched(task, hit.parts):
            return False
        task.outputs = hit.outputs if hit.parts is None else None
        task.tier, task.size = hit.tier, hit.size
        if self._emitter.active:
            event = NodeFinished(self._emitter.run, task.step.node, 0.0, hit.tier, hit.size, task.step.at)
            self._emitter.emit(event)
        self._finish(task, DONE, "cached")
        return True

    def _parts_fetched(self, task: Task, parts: tuple[bytes, ...]) -> bool:
        assert self._cache is not None
        elements = []
        for place, key in enumerate(parts):
            hit = self._cache.get(key)
            if hit is None or hit.parts is not None:
                return False
            step = Step(task.step.node, task.step.kind, (Ref(task.step, 0),), (*task.step.at, place))
            step.key, step.part = key, place
            element = self.task(step)
            element.state, element.status, element.outputs, element.uses = DONE, "cached", hit.outputs, 1
            elements.append(element)
        task.elements = elements
        return True

    def _computed(self, task: Task, loop: Loop) -> None:
        step = task.step
        kind = step.kind
        assert kind is not None
        inputs: dict[str, Any] = {}
        for place, (port, source) in enumerate(zip(kind.ports, step.sources, strict=True)):
            if port.lazy:
                inputs[port.name] = self._lazy(task, place)
                continue
            value = self._values.of(source)
            if isinstance(value, list | tuple) and not port.many:
                return self._expanded(task, loop)
            if port.many and (fault := self._values.fault(source)) is not None:
                return self._fail(task, blocked(step, fault), "skipped")
            inputs[port.name] = argument(value, many=port.many, real=port.real)
        if self._emitter.active:
            self._emitter.emit(NodeStarted(self._emitter.run, step.node, step.at))
        extra: dict[str, Any] = {}
        if kind.spec.wants_run:
            task.standing = self._standing(task)
            extra["run"] = NodeRun(step.node, self._environment, self._cancel, self._emitter, task.standing)
        if kind.spec.waits and not kind.lazies:
            task.state = RUNNING
            self._pool.submit(task, lambda: call(step, inputs, extra, self._environment))
            return None
        return self._concluded(task, call(step, inputs, extra, self._environment), loop)

    def _standing(self, task: Task) -> Standing:
        emitter, environment = self._emitter, self._environment
        return Standing(
            self._cache.states if self._cache is not None else None,
            lambda: self._whole_key(task),
            environment.save_every,
            environment.resume,
            lambda: self._cancel.cancelled,
            lambda text: emitter.emit(CacheWarning(emitter.run, f"{task.step.node}: {text}")),
        )

    def _whole_key(self, task: Task) -> bytes | None:
        """The key of a step that is being called; None while it leaves out a lazy input that may yet be asked for."""
        if task.fleeting or any(settled(source, self._keys) is None for source in task.step.sources):
            return None
        if task.step.key is None:
            self._set_key(task)
        return task.key

    def _expanded(self, task: Task, loop: Loop) -> None:
        """Turn a task whose inputs are lists into one task an element."""
        try:
            steps = elements_of(task.step, self._values, self._keys)
        except NodeflowError as error:
            return self._fail(task, error.faults[0].at(task.step.node), "failed")
        elements = [self.task(self._shared.setdefault(step.key or once(), step)) for step in steps]
        for element in elements:
            element.uses += 1
            element.fleeting = element.fleeting or task.fleeting
        self._hold(elements)
        self._let_go(task)
        task.elements, task.edges, task.eager = elements, [], 0
        return self._again(task, loop)

    def _gathered(self, task: Task) -> None:
        """Finish a mapped task: its elements are done."""
        elements = task.elements or []
        failed = [element for element in elements if element.state == FAILED]
        task.seconds = sum(element.seconds for element in elements)
        task.size = sum(element.size for element in elements)
        if failed and len(failed) == len(elements):
            task.fault = failed[0].fault
            task.elements = None
            return self._finish(task, FAILED, "failed")
        keys = [element.key for element in elements]
        keep, whole = task.step.keep, not failed and not task.fleeting and None not in keys
        if self._cache is not None and whole and task.key is not None and keep is not False:
            self._cache.put_group(task.key, tuple(keys), task.seconds, bool(keep))  # type: ignore[arg-type]
        ran = not elements or any(element.status == "ran" for element in elements)
        task.tier = "" if ran else elements[0].tier
        return self._finish(task, DONE, "ran" if ran else "cached")

    def _lazy(self, task: Task, place: int) -> Any:
        """A lazy input: computes its source when called, once a call of the node."""
        source = task.step.sources[place]
        assert task.step.kind is not None
        port = task.step.kind.ports[place]
        if type(source) is Const and source.value is None:
            return None
        found: list[Any] = []

        def compute() -> Any:
            if not found:
                value = self._asked(task, source)
                found.append(argument(value, many=port.many, real=port.real))
            return found[0]

        return Lazy(compute)

    def _asked(self, task: Task, source: Source) -> Any:
        """The value of a lazy input, computed within the call that asks for it."""
        self._cancel.check()
        if type(source) is Slice and any(self._pending(step) for step in upstream(source)):
            source = self._narrow.of(source) or source
        steps = list(dict.fromkeys(upstream(source)))
        missing = [step for step in steps if self._pending(step)]
        if missing and self._depth >= DEPTH:
            raise Needed(missing[0])
        self._depth += 1
        try:
            above = self.demand(steps)
        finally:
            self._depth -= 1
        for each in above:
            if each.state == FAILED:
                task.fleeting = True
                assert each.fault is not None
                raise SourceFailed(each.fault)
        if (fault := self._values.fault(source)) is not None:
            task.fleeting = True
            raise SourceFailed(fault)
        value = self._values.of(source)
        for each in above:
            self.release(each)
        return value

    def _collect(self, timeout: float) -> None:
        finished = self._pool.collect(timeout)
        if finished is not None:
            task, outcome = finished
            self._concluded(task, outcome, task.loop.alive())

    def _concluded(self, task: Task, outcome: Outcome, loop: Loop) -> None:
        step = task.step
        if outcome.cancelled:
            raise Cancelled()
        if outcome.needed is not None:
            above = self.task(outcome.needed)
            assert task.edges is not None
            if above in task.edges:
                task.edges.remove(above)
            else:
                above.uses += 1
            task.edges.insert(0, above)
            task.eager += 1
            return self._again(task, loop)
        task.seconds = outcome.seconds
        if outcome.mutated:
            self._drop_spoilt(task, outcome.mutated)
        if outcome.origin is not None:
            return self._fail(task, blocked(step, outcome.origin), "skipped")
        if outcome.fault is not None:
            return self._fail(task, outcome.fault, "failed")
        assert outcome.outputs is not None
        task.outputs = outcome.outputs
        self._keep(task)
        if task.standing is not None:
            task.standing.over()
        if self._emitter.active:
            event = NodeFinished(self._emitter.run, step.node, outcome.seconds, "", task.size, step.at)
            self._emitter.emit(event)
        return self._finish(task, DONE, "ran")

    def _keep(self, task: Task) -> None:
        """Store a result, unless it is of this moment only or the user says not to."""
        assert task.outputs is not None
        entry = Entry(task.outputs, task.seconds, keep=bool(task.step.keep))
        task.size = entry.size
        if task.step.key is None and task.step.kind is not None and task.step.kind.lazies:
            self._set_key(task)  # lazy sources may have been asked for meanwhile
        if self._cache is not None and task.key is not None and not task.fleeting and task.step.keep is not False:
            self._cache.put(task.key, entry)

    def _drop_spoilt(self, task: Task, port: str) -> None:
        """A node wrote into an input: forget that value and all that it feeds."""
        kind = task.step.kind
        assert kind is not None
        place = [each.name for each in kind.ports].index(port)
        spoilt = set(upstream(task.step.sources[place]))
        for step in spoilt:
            above = self.task(step)
            above.outputs = above.elements = None
        steps = [*self._plan.steps, *(step for step in self.tasks if step not in self._plan.calls)]
        for step in steps:
            if step in spoilt or any(above in spoilt for above in step.needs() + step.may_need()):
                spoilt.add(step)
        if self._cache is not None:
            for step in spoilt:
                key = step.key or self._keys.get(step)
                if key is not None:
                    self._cache.drop(key)

    def _fail(self, task: Task, fault: Fault, status: str) -> None:
        task.fault = fault
        self.faults.append(fault)
        if self._emitter.active:
            self._emitter.emit(NodeFailed(self._emitter.run, task.step.node, fault, task.step.at))
        self._finish(task, FAILED, status)
