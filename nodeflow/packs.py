"""Node packs: where node types come from.

`Library` is what graphs are checked and run against. Written in full with the discovery of packs; `Library.of` makes
one from decorated functions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from .errors import NodeflowError
from .node import NodeSpec, NodeType


class Library:
    """Node types by id: their specs as plain data, their code on demand."""

    def __init__(self, types: Iterable[NodeType] = ()) -> None:
        self._types: dict[str, NodeType] = {}
        self._formerly: dict[str, str] = {}
        for kind in types:
            self._add(kind)

    @classmethod
    def of(cls, *functions: Callable[..., Any]) -> Library:
        """A library of decorated functions, for tests and notebooks."""
        return cls(function.node for function in functions)  # type: ignore[attr-defined]

    def _add(self, kind: NodeType) -> None:
        if kind.spec.id in self._types:
            raise NodeflowError("NF302", f"{kind.spec.id} is declared twice", where=kind.spec.source)
        self._types[kind.spec.id] = kind
        self._formerly.update(dict.fromkeys(kind.spec.formerly, kind.spec.id))

    def ids(self) -> list[str]:
        """All ids, sorted."""
        return sorted(self._types)

    def spec(self, id: str) -> NodeSpec | None:
        """The spec of an id, or of the node that has formerly had it; None when unknown."""
        kind = self._types.get(self._formerly.get(id, id))
        return kind.spec if kind else None

    def type(self, id: str) -> NodeType:
        """The code of an id; imports its pack.

        Raises:
            NodeflowError: NF201 when no pack has it.
        """
        kind = self._types.get(self._formerly.get(id, id))
        if kind is None:
            raise NodeflowError("NF201", f"no pack has a node {id!r}", fix="install its pack")
        return kind
