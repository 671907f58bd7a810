"""Makes steps: gives each its key, and lets nodes with equal keys share one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..errors import Fault, NodeflowError
from .fingerprints import UNKNOWN, fingerprint, wanted_places
from .keys import once
from .kinds import Kind
from .steps import Const, Gather, Item, Ref, Source, Step, is_list

if TYPE_CHECKING:
    from ..graph.graph import Node
    from .cache import Cache


class StepMaker:
    """Collects the steps of a plan, ancestors first.

    Args:
        cache: Where values for fingerprints may already be.
    """

    def __init__(self, cache: Cache | None) -> None:
        self.steps: list[Step] = []
        self.by_key: dict[bytes, Step] = {}
        self._cache = cache

    def __call__(self, name: str, node: Node, kind: Kind, sources: Sequence[Source], at: tuple[int, ...] = ()) -> Step:
        """The step of a node with these sources; an earlier one if it has the same key."""
        step = Step(name, kind, sources, at)
        if node.extra:
            keep = node.extra.get("keep")
            step.keep = keep if isinstance(keep, bool) else None
        inherit(step)
        if kind.spec.volatile:
            step.key, step.fleeting = once(), True
        else:
            self._settle(step, kind)
        twin = self.by_key.setdefault(step.key, step) if step.key is not None else step
        if twin is not step:
            twin.names.append(name)
            twin.keep = twin.keep or step.keep if step.keep is not None else (twin.keep or None)
            return twin
        step.refs = tuple([Ref(step, index) for index in range(len(kind.outputs))])
        self.steps.append(step)
        return step

    def broken(self, name: str, fault: Fault) -> Step:
        """A step that fails at once."""
        step = Step(name, None, ())
        step.fault = fault
        self.steps.append(step)
        return step

    def _settle(self, step: Step, kind: Kind) -> None:
        tokens = [source.token for source in step.sources]
        mark: bytes | None = b""
        if kind.spec.fingerprint:
            try:
                mark = fingerprint(kind, wanted_places(kind), lambda place: self._known(step.sources[place]))
            except NodeflowError as error:
                step.fault = error.faults[0].at(step.node)
                return
        if mark is not None and None not in tokens:
            step.key = kind.key(tokens, mark)  # type: ignore[arg-type]

    def _known(self, source: Source) -> Any:
        """The value of a source if it is there without running anything."""
        if type(source) is Const:
            return source.value
        if type(source) is Gather:
            parts = [self._known(part) for part in source.parts]
            return UNKNOWN if any(part is UNKNOWN for part in parts) else parts
        if type(source) is not Ref or self._cache is None or source.step.key is None:
            return UNKNOWN
        hit = self._cache.get(source.step.key)
        return UNKNOWN if hit is None or hit.parts else hit.outputs[source.index]


def inherit(step: Step) -> None:
    """Take over from the sources whether results may be kept, whether they are lists, and which model they lead to."""
    ports = step.kind.ports if step.kind is not None else ()
    for port, source in zip(ports, step.sources, strict=True):
        form = type(source)
        if not port.many and not port.lazy and step.mapped is not None:
            listed = is_list(source)
            step.mapped = None if listed is None else step.mapped or listed
        if form is Const:
            continue
        for part in source.parts if form is Gather else (source,):  # type: ignore[union-attr]
            if not isinstance(part, Ref | Item):
                continue
            above = part.step
            if above.fleeting:
                step.fleeting = True
            if step.model is None:
                lends = above.kind is not None and above.kind.weights[part.index]
                step.model = above if lends else above.model
