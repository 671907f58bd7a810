"""Lists at run time: a list that meets a single port maps the node over its elements.

Equal lengths go side by side, a single value repeats, unequal lengths are an error. Each element is a step of its
own, with its own key: where the list comes from a mapped node, element i depends on element i only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..errors import Fault, NodeflowError
from .keys import once
from .steps import Const, Gather, Item, Ref, Slice, Source, Step, is_list, settled
from .task import FAILED, Task


class _Hole:
    """Stands in a list for an element that failed."""

    def __repr__(self) -> str:
        return "failed"


HOLE = _Hole()


class Values:
    """Reads the values of sources whose steps are done.

    Args:
        task: The state of a step.
    """

    def __init__(self, task: Callable[[Step], Task]) -> None:
        self._task = task

    def of(self, source: Source) -> Any:
        """The value of a source."""
        form = type(source)
        if form is Const:
            return source.value  # type: ignore[union-attr]
        if form is Ref:
            task = self._task(source.step)  # type: ignore[union-attr]
            if task.outputs is not None:
                return task.outputs[source.index]  # type: ignore[union-attr]
            return self._mapped(task, source.index)  # type: ignore[union-attr]
        if form is Gather:
            return self._joined(source.parts)  # type: ignore[union-attr]
        if form is Item:
            return self.of(Ref(source.step, source.index))[source.position]  # type: ignore[union-attr]
        return self._element(source)  # type: ignore[arg-type]

    def fault(self, source: Source) -> Fault | None:
        """Why a value is not whole: what the first element that failed says; None when all are there."""
        if type(source) is Gather:
            return next((fault for part in source.parts if (fault := self.fault(part)) is not None), None)
        if type(source) is Slice:
            return self.fault(source.source) if self.of(source) is HOLE else None
        if type(source) is not Ref:
            return None
        elements = self._task(source.step).elements or ()
        return next((element.fault for element in elements if element.state == FAILED), None)

    def parts(self, source: Source) -> list[Source] | None:
        """One source for each element of a list; None when the value is no list."""
        if type(source) is Ref:
            task = self._task(source.step)
            if task.elements is not None:
                return [part for each in task.elements for part in self._spread(Ref(each.step, source.index))]
        if type(source) is Gather:
            return [part for each in source.parts for part in self._spread(each)]
        value = self.of(source)
        if not isinstance(value, list | tuple):
            return None
        if type(source) is Const:
            return [Const(each) for each in value]
        assert type(source) is Ref
        return [Item(source.step, source.index, place, source.token or once()) for place in range(len(value))]

    def _spread(self, source: Source) -> list[Source]:
        """The elements of a list, or the one source that is none (or has failed)."""
        if type(source) is Ref and self._task(source.step).state == FAILED:
            return [source]
        parts = self.parts(source)
        return [source] if parts is None else parts

    def _mapped(self, task: Task, index: int) -> tuple[Any, ...]:
        assert task.elements is not None
        found: list[Any] = []
        for element in task.elements:
            if element.state == FAILED:
                found.append(HOLE)
            else:
                assert element.outputs is not None
                value = element.outputs[index]
                found.extend(value) if isinstance(value, tuple) else found.append(value)
        return tuple(found)

    def _joined(self, parts: Any) -> list[Any]:
        found: list[Any] = []
        for part in parts:
            value = self.of(part)
            found.extend(value) if isinstance(value, list | tuple) else found.append(value)
        return found

    def _element(self, source: Slice) -> Any:
        value = self.of(source.source)
        if not isinstance(value, list | tuple):
            return value
        if len(value) != source.count:
            raise NodeflowError("NF503", f"a list of {len(value)} meets a list of {source.count}")
        return value[source.position]


def elements_of(step: Step, values: Values, keys: dict[Step, bytes]) -> list[Step]:
    """The steps of a node mapped over lists.

    Raises:
        NodeflowError: NF503 for lists of unequal length.
    """
    kind = step.kind
    assert kind is not None
    lists: dict[int, list[Source]] = {}
    for place, (port, source) in enumerate(zip(kind.ports, step.sources, strict=True)):
        found = None if port.many or port.lazy else values.parts(source)
        if found is not None:
            lists[place] = [port.const(each.value) if type(each) is Const else each for each in found]
    lengths = {kind.ports[place].name: len(parts) for place, parts in lists.items()}
    if len(set(lengths.values())) > 1:
        sizes = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        raise NodeflowError("NF503", f"lists of unequal length: {sizes}", fix="make them equally long, or one value")
    count = next(iter(lengths.values()))
    return [
        element(step, {place: parts[index] for place, parts in lists.items()}, index, count, keys)
        for index in range(count)
    ]


def element(step: Step, own: dict[int, Source], index: int, count: int, keys: dict[Step, bytes]) -> Step:
    """The step of one element: `own` sources by place, lazy ones asked for that element, the others shared."""
    kind = step.kind
    assert kind is not None
    sources: list[Source] = []
    for place, source in enumerate(step.sources):
        if place in own:
            sources.append(own[place])
        elif place in kind.lazies and not kind.ports[place].many and type(source) is not Const:
            sources.append(Slice(source, index, count, settled(source, keys)))
        else:
            sources.append(source)
    made = Step(step.node, kind, sources, (*step.at, index))
    made.keep, made.fleeting, made.model = step.keep, step.fleeting, step.model
    tokens = [settled(source, keys) for source in sources]
    if kind.spec.volatile:
        made.key = once()
    elif None not in tokens and not kind.spec.fingerprint:
        made.key = kind.key(tokens)  # type: ignore[arg-type]
    made.refs = tuple(Ref(made, output) for output in range(len(kind.outputs)))
    return made


class Narrow:
    """Single elements of mapped steps, for lazy inputs: what other elements need is never computed.

    Args:
        keys: Keys that became known while running.
    """

    def __init__(self, keys: dict[Step, bytes]) -> None:
        self._keys = keys
        self._made: dict[tuple[Step, int], Step] = {}

    def of(self, wanted: Slice) -> Ref | None:
        """The element's source; None where only the whole list tells.

        Raises:
            NodeflowError: NF503, when a list of another length meets the element's.
        """
        source = wanted.source
        if type(source) is not Ref or not source.step.mapped:
            return None
        made, place = self._made, wanted.position
        stack = [source.step]
        while stack:
            step = stack[-1]
            waiting = [above for above in _mapped_above(step) if (above, place) not in made]
            if (step, place) in made or not waiting:
                stack.pop()
                if (step, place) not in made:
                    made[step, place] = self._element(step, place, wanted.count)
            else:
                stack.extend(waiting)
        return Ref(made[source.step, place], source.index)

    def _element(self, step: Step, place: int, count: int) -> Step:
        assert step.kind is not None
        own: dict[int, Source] = {}
        for number, (port, source) in enumerate(zip(step.kind.ports, step.sources, strict=True)):
            if port.many or port.lazy:
                continue
            if type(source) is Const and isinstance(source.value, list | tuple):
                if len(source.value) != count:
                    raise NodeflowError("NF503", f"a list of {len(source.value)} meets a list of {count}")
                own[number] = port.const(source.value[place])
            elif type(source) is Ref and source.step.mapped:
                own[number] = Ref(self._made[source.step, place], source.index)
            elif is_list(source):
                own[number] = Slice(source, place, count, settled(source, self._keys))
        return element(step, own, place, count, self._keys)


def _mapped_above(step: Step) -> list[Step]:
    assert step.kind is not None
    ports = zip(step.kind.ports, step.sources, strict=True)
    return [s.step for port, s in ports if type(s) is Ref and s.step.mapped and not port.many and not port.lazy]
