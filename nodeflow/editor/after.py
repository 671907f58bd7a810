"""What happens to seeds after a run: they stay, are thrown anew, or count on; said by a node's view, as "seeds"."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..graph.edits import Batch, Edit, Place, SetValue
from ..graph.grouping import at_level
from ..graph.subgraphs import levels
from .faces import field_kind, policy_of

if TYPE_CHECKING:
    from ..graph import Graph
    from .document import Document

POLICIES = {"": "stays as it is", "random": "is thrown anew", "next": "counts on by one"}
SEEDS = 2**32


def next_seeds(document: Document) -> None:
    """Change the seeds that are to change after a run, as one step of undo."""
    edits = [at_level(level, found) for level, home in levels(document.root) if (found := _seeds(document, home))]
    if edits:
        document.do_whole(Batch(tuple(edits)), "Next seed")


def seeds_then(document: Document, names: Iterable[str], policy: str) -> None:
    """Say what becomes of the seeds of nodes after each run, as in `POLICIES`."""
    edits: list[Edit] = []
    for name in names:
        old = document.graph.view.get(name)
        view = {**(old if isinstance(old, dict) else {}), "seeds": policy or None}
        edits.append(Place(name, {key: item for key, item in view.items() if item is not None} or None))
    if edits:
        document.do(Batch(tuple(edits)), "Seed after each run")


def _seeds(document: Document, home: Graph) -> list[Edit]:
    edits: list[Edit] = []
    for name, node in home.nodes.items():
        policy, spec = policy_of(home, name), document.library.spec(node.type)
        if not policy or spec is None:
            continue
        for port in spec.inputs:
            if field_kind(port) == "seed" and port.name not in node.wires:
                value = node.values.get(port.name, port.default)
                seed = value + 1 if policy == "next" and isinstance(value, int) else secrets.randbelow(SEEDS)
                edits.append(SetValue(name, port.name, seed))
    return edits
