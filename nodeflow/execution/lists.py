"""Lists at run time: a list that meets a single port maps the node over its elements.

Equal lengths go side by side, a single value repeats, unequal lengths are an error. Each element is a step of its
own, with its own key: where the list comes from a mapped node, element i depends on element i only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..errors import NodeflowError
from .fingerprints import fingerprint, wanted_places
from .keys import once
from .kinds import Kind
from .steps import Const, Gather, Item, Ref, Slice, Source, Step, settled
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

    def parts(self, source: Source) -> list[Source] | None:
        """One source for each element of a list; None when the value is no list."""
        if type(source) is Ref:
            task = self._task(source.step)
            if task.elements is not None:
                return [part for each in task.elements for part in self._spread(Ref(each.step, source.index), each)]
        if type(source) is Gather:
            return [part for each in source.parts for part in self.parts(each) or [each]]
        value = self.of(source)
        if not isinstance(value, list | tuple):
            return None
        if type(source) is Const:
            return [Const(each) for each in value]
        assert type(source) is Ref
        return [Item(source.step, source.index, place, source.token or once()) for place in range(len(value))]

    def _spread(self, ref: Ref, task: Task) -> list[Source]:
        if task.state == FAILED:
            return [ref]
        return self.parts(ref) or ([] if isinstance(self.of(ref), tuple) else [ref])

    def _mapped(self, task: Task, index: int) -> tuple[Any, ...]:
        found: list[Any] = []
        for element in task.elements or ():
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
    return [_element(step, kind, lists, index, count, values, keys) for index in range(count)]


def _element(
    step: Step, kind: Kind, lists: dict[int, list[Source]], index: int, count: int, values: Values,
    keys: dict[Step, bytes],
) -> Step:  # fmt: skip
    sources: list[Source] = []
    for place, source in enumerate(step.sources):
        if place in lists:
            sources.append(lists[place][index])
        elif place in kind.lazies and not kind.ports[place].many and type(source) is not Const:
            sources.append(Slice(source, index, count, settled(source, keys)))
        else:
            sources.append(source)
    made = Step(step.node, kind, sources, (*step.at, index))
    made.keep, made.fleeting, made.model = step.keep, step.fleeting, step.model
    tokens = [settled(source, keys) for source in sources]
    mark: bytes | None = b""
    if kind.spec.volatile:
        made.key = once()
    elif None not in tokens:
        if kind.spec.fingerprint:
            mark = fingerprint(kind, wanted_places(kind), lambda place: values.of(sources[place]))
        made.key = kind.key(tokens, mark or b"")  # type: ignore[arg-type]
    made.refs = tuple(Ref(made, output) for output in range(len(kind.outputs)))
    return made
