"""What happens to seeds after a run: they stay, are thrown anew, or count on; said by a node's view, as "seeds"."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from ..graph.edits import Batch, Edit, SetValue
from .faces import field_kind

if TYPE_CHECKING:
    from .document import Document

POLICIES = {"": "stays as it is", "random": "is thrown anew", "next": "counts on by one"}
SEEDS = 2**32


def next_seeds(document: Document) -> None:
    """Change the seeds that are to change after a run, as one step of undo."""
    edits: list[Edit] = []
    for name, node in document.graph.nodes.items():
        view, ports = document.graph.view.get(name), document.ports(name)
        policy = view.get("seeds") if isinstance(view, dict) else None
        if policy not in ("random", "next") or ports is None:
            continue
        for port in ports.inputs.values():
            if field_kind(port) == "seed" and port.name not in node.wires:
                value = document.value(name, port.name)
                seed = value + 1 if policy == "next" and isinstance(value, int) else secrets.randbelow(SEEDS)
                edits.append(SetValue(name, port.name, seed))
    if edits:
        document.do(Batch(tuple(edits)), "Next seed")
