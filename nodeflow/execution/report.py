"""What a run did."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..errors import Fault, NodeflowError

if TYPE_CHECKING:
    from .plan import Plan


@dataclass(frozen=True, slots=True)
class NodeReport:
    """What became of one step.

    Args:
        node: The node's name; `names` adds those that shared its result.
        status: "ran", "cached", "failed", "skipped" (its source failed, or the run was cancelled), "lazy-unused"
            (nobody asked for it) or "unneeded" (a cached result made it superfluous).
        seconds: Time in the node itself.
        tier: Where a cached result came from: "device", "host", "disk".
        bytes: Size of the result.
        at: Its place in each sweep it depends on.
    """

    node: str
    status: str
    seconds: float = 0.0
    tier: str = ""
    bytes: int = 0
    at: tuple[int, ...] = ()
    names: tuple[str, ...] = ()


@dataclass
class Report:
    """What a run did and what came out of it.

    Args:
        run: The run's id.
        outputs: Value by output name; a list for a swept or mapped output, with None where an element failed. An
            output that failed altogether is missing.
        faults: What went wrong, in the order it happened.
        cancelled: Whether the user stopped it.
        seconds: Wall time.
        plan: What it set out to do.
    """

    run: str
    plan: Plan = field(repr=False)
    outputs: dict[str, Any] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    cancelled: bool = False
    seconds: float = 0.0
    nodes: list[NodeReport] = field(default_factory=list, repr=False)

    def of(self, name: str) -> list[NodeReport]:
        """What became of the steps of one node."""
        return [node for node in self.nodes if node.node == name or name in node.names]

    def ran(self) -> list[str]:
        """The nodes that were called."""
        return [node.node for node in self.nodes if node.status == "ran"]

    def check(self) -> Report:
        """This report, if nothing failed.

        Raises:
            NodeflowError: With all faults.
        """
        if self.faults:
            raise NodeflowError.of(self.faults)
        return self
