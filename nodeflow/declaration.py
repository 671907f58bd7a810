"""A node is a typed function, and its signature is its schema.

`@node("family/name")` reads the annotations, defaults and docstring of a function into a `NodeSpec`: ports, widgets,
help, version. There is no second list of ports. The decorated name stays a plain function that can be called and
tested without a graph; its `NodeType` is at `function.node`.

    @node("image/invert")
    def invert(image: Image, amount: Annotated[float, Range(0, 1)] = 1.0) -> Image:
        \"\"\"Turn light to dark.

        Args:
            image: The picture.
            amount: 0 leaves it, 1 inverts it.
        \"\"\"

Type names on wires: the class name of a `Value`, "int", "float", "str", "bool", "dict", "any", or "~T" for a TypeVar
(every port of the node with the same "~T" has the same type). `list[T]` has type T with `many`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import msgspec

from .errors import NodeflowError
from .marks import Choice, Color, Cosmetic, Lazy, Options, Path, Range, Run, Seed, Text
from .signature import is_named_tuple, read_signature
from .specs import Input, NodeSpec, Output, Widget

__all__ = [
    "Choice",
    "Color",
    "Cosmetic",
    "Input",
    "Lazy",
    "NodeSpec",
    "NodeType",
    "Options",
    "Output",
    "Path",
    "Range",
    "Run",
    "Seed",
    "Text",
    "Widget",
    "node",
]

F = TypeVar("F", bound=Callable[..., Any])
Migration = Callable[[dict[str, Any]], dict[str, Any]]
_ID = re.compile(r"[^\s/.]+(/[^\s/.]+)+")


class NodeType:
    """A spec with the code behind it.

    Args:
        spec: The schema.
        function: The decorated function.
    """

    def __init__(self, spec: NodeSpec, function: Callable[..., Any]) -> None:
        self.spec = spec
        self.function = function
        self.fingerprint: Callable[..., Any] | None = None
        self.describe: Callable[..., Mapping[str, Any]] | None = None
        self.chosen: Callable[..., str] | None = None
        self.migrations: dict[int, Migration] = {}

    def outputs(self, result: Any) -> dict[str, Any]:
        """What the function returned, by output port.

        Raises:
            NodeflowError: NF502 when the number of outputs is wrong.
        """
        ports = self.spec.outputs
        if len(ports) == 1 and not is_named_tuple(type(result)):
            return {ports[0].name: result}
        if not ports and result is None:
            return {}
        if not isinstance(result, tuple) or len(result) != len(ports):
            names = ", ".join(port.name for port in ports) or "nothing"
            raise NodeflowError("NF502", f"returned {type(result).__name__} where {names} was promised")
        return {port.name: item for port, item in zip(ports, result, strict=True)}


def node(
    id: str,
    *,
    version: int = 1,
    title: str = "",
    volatile: bool = False,
    sink: bool = False,
    waits: bool = False,
    passes: str | Callable[..., str] = "",
    fingerprint: Callable[..., Any] | None = None,
    describe: Callable[..., Mapping[str, Any]] | None = None,
    formerly: tuple[str, ...] = (),
) -> Callable[[F], F]:
    """Make a typed function a node.

    Args:
        id: "family/name", unique among all packs.
        version: Raised when ports change, together with a migration: `@function.migrate(1)`, dict -> dict.
        title: The name people see; by default made from the function's name.
        volatile: Never reuse a result.
        sink: The node saves or shows something: it runs although nothing is wired to it.
        waits: It waits for disk or network rather than computing, so it may overlap with other nodes.
        passes: An input whose value is the output, as it is (reroute); or a function that gets the literal values
            and names that input (switch). Such a node keeps its input's cache key.
        fingerprint: Called with the inputs; its result joins the cache key (a file's digest, the time of day).
        describe: Called by `check` with what is known of the inputs (values and facts, None = unknown), before
            anything runs and without torch; returns facts by output, raises NodeflowError where parts do not fit.
        formerly: Earlier ids.

    Raises:
        NodeflowError: NF303 for a signature that cannot be a node.
    """

    if not _ID.fullmatch(id) or version < 1:
        raise NodeflowError("NF303", f"{id!r} version {version} is not an id", where=id, fix='as in "family/name", 1')

    def declare(function: F) -> F:
        ports = read_signature(id, function)
        if isinstance(passes, str) and passes and passes not in [port.name for port in ports["inputs"]]:
            raise NodeflowError("NF303", f"passes names {passes!r}, which is no input", where=id)
        for port in ports["inputs"]:
            if port.widget.kind == "options" and port.widget.by not in [other.name for other in ports["inputs"]]:
                what = f"the options follow {port.widget.by!r}, which is no input"
                raise NodeflowError("NF303", what, where=f"{id}.{port.name}")
            plain = {name for name, of in port.widget.variants.items() if not of.like}
            if astray := [name for of in port.widget.variants.values() for name in of.like if name not in plain]:
                what = f"options are like those of {astray[0]!r}, which has none of its own"
                raise NodeflowError("NF303", what, where=f"{id}.{port.name}")
        spec = NodeSpec(
            id=id,
            version=version,
            title=title or function.__name__.replace("_", " ").capitalize(),
            volatile=volatile,
            sink=sink,
            waits=waits,
            fingerprint=fingerprint is not None,
            describes=describe is not None,
            passes=passes if isinstance(passes, str) else "?",
            formerly=formerly,
            source=f"{function.__code__.co_filename}:{function.__code__.co_firstlineno}",
            **ports,
        )
        made = NodeType(spec, function)
        made.fingerprint, made.describe = fingerprint, describe
        made.chosen = None if isinstance(passes, str) else passes
        function.node = made  # type: ignore[attr-defined]
        function.migrate = lambda old: _migration(made, old)  # type: ignore[attr-defined]
        return function

    return declare


def _migration(made: NodeType, old: int) -> Callable[[Migration], Migration]:
    """A decorator for the function that lifts a node's saved dict from version `old` to `old + 1`."""

    def keep(change: Migration) -> Migration:
        if old in made.migrations or not 1 <= old < made.spec.version:
            raise NodeflowError("NF303", f"a migration from version {old} does not fit", where=made.spec.id)
        made.migrations[old] = change
        made.spec = msgspec.structs.replace(made.spec, migrations=tuple(sorted(made.migrations)))
        return change

    return keep
