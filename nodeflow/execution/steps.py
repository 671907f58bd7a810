"""Steps: nodes made ready to run, wired to each other instead of naming each other.

A step is one call of one node. A node without sweeps is one step; nodes with equal keys share one. Each input of a
step has a source, and each source a token for the key (None while the key is not known).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from .keys import element_key, token

if TYPE_CHECKING:
    from ..errors import Fault
    from .kinds import Kind
    from .standing import Place


class Const:
    """A literal value."""

    __slots__ = ("token", "value")

    def __init__(self, value: Any, known: bytes | None = None) -> None:
        self.value = value
        self.token = token(value) if known is None else known


class Ref:
    """Output number `index` of a step."""

    __slots__ = ("index", "step", "token")

    def __init__(self, step: Step, index: int) -> None:
        self.step = step
        self.index = index
        key = step.key
        self.token = b"r%d:%b" % (index, key) if key is not None else None


class Item:
    """One element of a list that a step returns."""

    __slots__ = ("index", "position", "step", "token")

    def __init__(self, step: Step, index: int, position: int, known: bytes) -> None:
        self.step = step
        self.index = index
        self.position = position
        self.token: bytes | None = element_key(known, position)


class Slice:
    """What one element of a mapped node gets from a lazy input, should it ask: element `position` of `count`."""

    __slots__ = ("count", "position", "source", "token")

    def __init__(self, source: Source, position: int, count: int, known: bytes | None) -> None:
        self.source = source
        self.position = position
        self.count = count
        self.token = None if known is None else element_key(known, position)


class Gather:
    """Several sources as one list."""

    __slots__ = ("parts", "token")

    def __init__(self, parts: Sequence[Source]) -> None:
        self.parts: list[Source] = []
        for part in parts:
            self.parts.extend(part.parts if isinstance(part, Gather) else [part])
        tokens = [part.token for part in self.parts]
        self.token: bytes | None = None if None in tokens else gathered(tokens)  # type: ignore[arg-type]


Source = Const | Ref | Item | Slice | Gather
MISSING = Const(None, b"-")
"""The source of an input that has none."""


def gathered(tokens: list[bytes]) -> bytes:
    """The token of a list made of parts with these tokens."""
    return b"[%d:%b" % (len(tokens), b"".join(tokens))


def settled(source: Source, keys: dict[Step, bytes]) -> bytes | None:
    """The token of a source, with the keys that became known while running."""
    if source.token is not None:
        return source.token
    if type(source) is Gather:
        tokens = [settled(part, keys) for part in source.parts]
        return None if None in tokens else gathered(tokens)  # type: ignore[arg-type]
    if type(source) is Slice:
        known = settled(source.source, keys)
        return None if known is None else element_key(known, source.position)
    key = keys.get(source.step)  # type: ignore[union-attr]
    return None if key is None else b"r%d:%b" % (source.index, key)  # type: ignore[union-attr]


def upstream(source: Source) -> Iterator[Step]:
    """The steps a source comes from."""
    if type(source) is Gather:
        for part in source.parts:
            yield from upstream(part)
    elif type(source) is Slice:
        yield from upstream(source.source)
    elif type(source) is not Const:
        yield source.step  # type: ignore[union-attr]


class Step:
    """One call of one node.

    Args:
        node: The node's name; `names` lists all nodes that share the step.
        kind: Its type, None when no pack has it.
        sources: One for each input port.
        at: Its place in each sweep it depends on, empty without sweeps.
        key: What the result is stored under; None while a fingerprint waits for a value.
        fault: Why it cannot run.
        part: Set where it stands for that element of its source, a mapped step that came from the cache.
        stands: How far an interrupted run of it had come.
        mapped: Whether a list meets one of its single inputs; None = only running it will tell.
    """

    __slots__ = (
        "at", "fault", "fleeting", "keep", "key", "kind", "mapped", "model", "names", "node", "part", "refs",
        "sources", "stands", "status", "tier",
    )  # fmt: skip

    def __init__(self, node: str, kind: Kind | None, sources: Sequence[Source], at: tuple[int, ...] = ()) -> None:
        self.node = node
        self.names = [node]
        self.kind = kind
        self.sources = sources
        self.at = at
        self.key: bytes | None = None
        self.fault: Fault | None = None
        self.fleeting = False
        self.keep: bool | None = None
        self.mapped: bool | None = False
        self.model: Step | None = None
        self.refs: tuple[Ref, ...] = ()
        self.status = ""
        self.tier = ""
        self.stands: Place | None = None
        self.part: int | None = None

    def __repr__(self) -> str:
        place = "".join(f"[{i}]" for i in self.at)
        return f"<{self.node}{place} {self.status}>"

    def needs(self) -> list[Step]:
        """The steps that must be done before this one can run."""
        if self.part is not None:
            return list(upstream(self.sources[0]))
        kind = self.kind
        found: list[Step] = []
        lazies = kind.lazies if kind is not None else ()
        for place, source in enumerate(self.sources):
            form = type(source)
            if form is Const or place in lazies:
                continue
            if form is Gather:
                found.extend(upstream(source))
            else:
                found.append(source.step)  # type: ignore[union-attr]
        return found

    def may_need(self) -> list[Step]:
        """The steps it may ask for through lazy inputs."""
        if self.kind is None or not self.kind.lazies or self.part is not None:
            return []
        return [step for place in self.kind.lazies for step in upstream(self.sources[place])]


def is_list(source: Source) -> bool | None:
    """Whether a source yields a list; None = only running it will tell."""
    if type(source) is Const:
        return isinstance(source.value, list | tuple)
    if type(source) is Gather:
        return True
    if type(source) is not Ref or source.step.kind is None:
        return None
    port = source.step.kind.spec.outputs[source.index]
    if port.many or source.step.mapped:
        return True
    return None if source.step.mapped is None or port.type == "any" or port.type[0] == "~" else False
