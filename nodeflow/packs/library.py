"""The node types that graphs are checked and run against."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from .. import content
from ..declaration import NodeSpec, NodeType
from ..errors import Fault, NodeflowError
from . import catalogue
from .find import Pack, packs
from .load import load, unload


class Library:
    """Node types by id: their specs as plain data, their code on demand.

    Args:
        faults: What is wrong with packs that could not be used whole.
    """

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self._specs: dict[str, NodeSpec] = {}
        self._types: dict[str, NodeType] = {}
        self._formerly: dict[str, str] = {}
        self._packs: dict[str, Pack] = {}

    @classmethod
    def of(cls, *functions: Callable[..., Any]) -> Library:
        """A library of decorated functions, for tests and notebooks.

        Raises:
            NodeflowError: NF302 when two claim one id.
        """
        library = cls()
        for function in functions:
            kind: NodeType = function.node  # type: ignore[attr-defined]
            library._add(kind.spec)
            library._types[kind.spec.id] = kind
        if library.faults:
            raise NodeflowError.of(library.faults)
        return library

    @classmethod
    def of_packs(cls, found: Iterable[Pack], cache: Path) -> Library:
        """A library of packs on disk, their catalogues kept in the folder `cache`."""
        library = cls()
        for pack in found:
            if pack.module in {other.module for other in library._packs.values()}:
                what = f"{pack.root} has the name of a pack that is already there"
                library.faults.append(Fault("NF301", what, f"pack {pack.name}", "rename it"))
                continue
            page = catalogue.entry(pack, cache)
            library._packs[pack.name] = pack
            library.faults += [Fault(*fields) for fields in page.faults]
            for spec in page.specs:
                library._add(spec)
        return library

    def renew(self, found: Iterable[Pack], cache: Path) -> None:
        """Be the library of these packs as they are now; their code is imported again when it is asked for."""
        for pack in self._packs.values():
            unload(pack)
        self.__dict__.update(Library.of_packs(found, cache).__dict__)

    def ids(self) -> list[str]:
        """All ids, sorted."""
        return sorted(self._specs)

    def spec(self, id: str) -> NodeSpec | None:
        """The spec of an id, or of the node that formerly had it; None when unknown."""
        return self._specs.get(id) or self._specs.get(self._formerly.get(id, ""))

    def type(self, id: str) -> NodeType:
        """The code of an id; imports the file it is in.

        Raises:
            NodeflowError: NF201 when no pack has it, NF301 when its pack no longer loads.
        """
        spec = self.spec(id)
        if spec is None:
            near = difflib.get_close_matches(id, self._specs, 1)
            raise NodeflowError(
                "NF201", f"no pack has a node {id!r}", fix=f"did you mean {near[0]!r}?" if near else "install its pack"
            )
        if spec.id not in self._types:
            self._load(spec)
        return self._types[spec.id]

    def _load(self, spec: NodeSpec) -> None:
        pack = self._packs[spec.pack]
        for kind in load(pack, pack.folder / spec.source.rpartition(":")[0]):
            known = self._specs.get(kind.spec.id)
            if known is not None and known.pack == pack.name:
                kind.spec = msgspec.structs.replace(known, migrations=kind.spec.migrations)
                self._types[kind.spec.id] = kind
        if spec.id not in self._types:
            raise NodeflowError("NF301", f"it no longer has the node {spec.id}", where=f"pack {pack.name}")

    def _add(self, spec: NodeSpec) -> None:
        """Keep a spec whose ids nobody has; the first comer stays."""
        for id in (spec.id, *spec.formerly):
            if first := self._specs.get(id) or self._specs.get(self._formerly.get(id, "")):
                what = f"{id} is already declared in {first.pack or first.source}"
                self.faults.append(Fault("NF302", what, spec.pack or spec.source, "rename one of the two"))
                return
        self._specs[spec.id] = spec
        self._formerly.update(dict.fromkeys(spec.formerly, spec.id))


@cache
def default_library() -> Library:
    """All packs of this installation, found once in a process."""
    return Library.of_packs(packs(), content.cache_folder())
