"""What went wrong, said once, in one line: a stable code, what, where, why, and what to do next.

Every failure a user can meet is a `Fault`. Faults are data: `check` collects many, an exception carries one or
more, a command prints them, an editor marks the node. The code never changes its meaning; its first digit decides
the exit status of the command line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

CODES: dict[str, str] = {
    # 1xx: files
    "NF101": "the file is not strict UTF-8 JSON",
    "NF102": "a key stands twice in one object",
    "NF103": "a number is not finite or too long",
    "NF104": "the file is too large or too deeply nested",
    "NF105": "a field is missing or has the wrong form",
    "NF106": "the file was made by a newer nodeflow",
    "NF107": "the file cannot be read",
    "NF108": "the file cannot be written",
    "NF110": "two edits disagree",
    # 2xx: graphs
    "NF201": "unknown node type",
    "NF202": "unknown port",
    "NF203": "missing input",
    "NF204": "the types of a wire disagree",
    "NF205": "a value is of the wrong type, out of range or not on the menu",
    "NF206": "a wire comes from nowhere",
    "NF207": "the wires form a cycle",
    "NF208": "the node was saved by a newer version of its pack",
    "NF209": "an old node could not be migrated",
    "NF210": "a graph input or output names nothing",
    "NF211": "the parts do not fit each other",
    "NF212": "nothing to run",
    "NF213": "the graph has no input or output of that name",
    "NF214": "the edit does not fit the graph",
    "NF215": "a subgraph contains itself, or subgraphs unfold without bounds",
    # 3xx: node packs
    "NF301": "a node pack failed to load",
    "NF302": "two nodes claim one id",
    "NF303": "a node is declared wrongly",
    # 4xx: models, schedulers, devices
    "NF401": "model files are missing",
    "NF402": "the model file is cut or corrupt",
    "NF403": "the file is not a model",
    "NF404": "the model is of another kind than asked for",
    "NF405": "pickled weights are refused",
    "NF406": "the model's configuration is not supported",
    "NF407": "weights and network do not match",
    "NF408": "the tokenizer is missing or does not fit the text encoder",
    "NF409": "unknown scheduler",
    "NF410": "the schedule or a scheduler option is not valid",
    "NF411": "the device is not available",
    "NF412": "the number format is not supported",
    "NF413": "the prompt cannot be parsed",
    "NF414": "tensors do not fit each other",
    "NF415": "a model is not the one that was locked",
    "NF416": "an attention back-end or the compiler is not available",
    # 5xx: running
    "NF501": "a node failed",
    "NF502": "a node broke its promise about its outputs",
    "NF503": "lists of unequal length meet in one node",
    "NF504": "a fingerprint failed",
    "NF505": "out of memory",
    "NF506": "a value is not finite",
    "NF507": "a node wrote into its input",
    "NF508": "an input could not be computed because its source failed",
    # 6xx: media and outputs
    "NF601": "the picture or sound cannot be read",
    "NF602": "the picture is too large",
    "NF603": "an output name leaves the output folder",
    "NF604": "the file carries no graph",
    "NF605": "the format is not supported",
    # 7xx: the command line
    "NF701": "the command was used wrongly",
}

EXIT_STATUS: dict[str, int] = {"NF1": 3, "NF108": 6, "NF2": 3, "NF3": 4, "NF4": 5, "NF5": 1, "NF6": 6, "NF7": 2}
"""Exit status by code or family of codes: 3 graph, 4 node pack, 5 model, 1 run, 6 output, 2 usage."""

CANCELLED_STATUS = 130


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong.

    Args:
        code: A key of `CODES`.
        what: What is wrong and why, one clause, no full stop.
        where: The file with line and column, or "node.port".
        fix: What to do next, one clause, no full stop.
    """

    code: str
    what: str
    where: str = ""
    fix: str = ""

    def __post_init__(self) -> None:
        if self.code not in CODES:
            raise ValueError(f"{self.code} is not a known fault code")

    @property
    def line(self) -> str:
        """The fault as one line of text, safe to print whatever a stranger's file put into it."""
        place = f"{self.where}: " if self.where else ""
        advice = f"; {self.fix}" if self.fix else ""
        words = " ".join(f"{self.code} {place}{self.what}{advice}".split())
        return words if words.isprintable() else "".join(map(_printable, words))

    @property
    def node(self) -> str:
        """The node's name, where `where` is "node" or "node.port"."""
        return self.where.partition(".")[0]

    def at(self, where: str) -> Fault:
        """The same fault, located unless it already is."""
        return self if self.where else replace(self, where=where)

    @property
    def exit_status(self) -> int:
        return EXIT_STATUS.get(self.code) or EXIT_STATUS[self.code[:3]]


class NodeflowError(Exception):
    """One or more faults, raised. `str(error)` is one line a fault."""

    def __init__(self, code: str, what: str, *, where: str = "", fix: str = "") -> None:
        self.faults: tuple[Fault, ...] = (Fault(code, what, where, fix),)
        super().__init__(code, what, where, fix)

    def __reduce__(self) -> tuple[Callable[..., NodeflowError], tuple[tuple[Fault, ...]]]:
        return NodeflowError.of, (self.faults,)

    @classmethod
    def of(cls, faults: Iterable[Fault]) -> NodeflowError:
        """An error that carries these faults (at least one)."""
        faults = tuple(faults)
        first = faults[0]
        error = cls(first.code, first.what, where=first.where, fix=first.fix)
        error.faults = faults
        return error

    @property
    def code(self) -> str:
        return self.faults[0].code

    def __str__(self) -> str:
        return "\n".join(fault.line for fault in self.faults)


def _printable(letter: str) -> str:
    """A letter, or its escape where it would steer a terminal or cannot be encoded."""
    return letter if letter.isprintable() else letter.encode("unicode_escape").decode()


class Cancelled(Exception):
    """The user asked the run to stop. Not an error: nothing failed, what is finished stays."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that memory ran out, on the host or on a device.

    Torch raises a plain RuntimeError when the host has none left.
    """
    known = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
    return known or (type(error) is RuntimeError and "DefaultCPUAllocator" in str(error))
