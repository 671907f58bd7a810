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

Type names on wires: the class name of a `Value`, "int", "float", "str", "bool", "any", or "~T" for a TypeVar (every
port of the node with the same "~T" has the same type). `list[T]` has type T with `many`.
"""

from __future__ import annotations

import inspect
import re
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Annotated, Any, Generic, Literal, Protocol, TypeVar

import msgspec

from .errors import NodeflowError
from .values import Image, Value, Weights

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])
Migration = Callable[[dict[str, Any]], dict[str, Any]]


class Lazy(Generic[T]):
    """An input that is computed only when called: `negative()`. In the signature: `Lazy[Conditioning]`."""

    def __init__(self, compute: Callable[[], T]) -> None:
        self._compute = compute

    def __call__(self) -> T:
        return self._compute()


class Run(Protocol):
    """What a node that asks for `run: Run` may do to the run it is part of."""

    device: str
    """Where to compute: "cpu", "cuda", "cuda:1", "mps"."""
    dtype: str
    """Number format for weights: "auto", "float32", "float16", "bfloat16"."""
    folder: str
    """The output folder."""

    def progress(self, step: int, total: int, preview: object = None) -> None:
        """Report a step done; raises `Cancelled` when the user asked to stop."""

    def check(self) -> None:
        """Raise `Cancelled` when the user asked to stop."""

    def log(self, text: str) -> None:
        """A line for the user."""

    def weights(self, handle: Weights) -> AbstractContextManager[Any]:
        """Borrow the network behind a handle, on the run's device, for the length of a `with`."""

    def save_images(self, image: Image, name: str, suffix: str, *, embed: bool = True) -> list[str]:
        """Write pictures into the output folder under a template's names; returns the files."""


@dataclass(frozen=True)
class Range:
    """A number between `low` and `high`; `log` makes the slider logarithmic, `unit` stands behind the number."""

    low: float | None = None
    high: float | None = None
    step: float | None = None
    unit: str = ""
    log: bool = False


@dataclass(frozen=True)
class Seed:
    """A seed for random numbers, 0 to 2⁶³ - 1, with a dice beside it."""


@dataclass(frozen=True)
class Path:
    """A file or folder: `kind` is "file", "folder", "model" or "output"; `suffixes` narrow the chooser."""

    kind: str = "file"
    suffixes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Text:
    """A text of several lines."""

    lines: int = 4


@dataclass(frozen=True)
class Color:
    """A colour as "#rrggbb"."""


@dataclass(frozen=True)
class Choice:
    """A menu that cannot be written as a `Literal`; empty `options` = any text, with these as suggestions."""

    options: tuple[str, ...] = ()
    free: bool = False


class Cosmetic:
    """Marks a parameter that does not change the result: it stays out of the cache key."""


class Widget(msgspec.Struct, frozen=True, omit_defaults=True):
    """How an editor shows a parameter, and which values it allows."""

    kind: str = ""
    low: float | None = None
    high: float | None = None
    step: float | None = None
    unit: str = ""
    log: bool = False
    options: tuple[Any, ...] = ()
    free: bool = False
    suffixes: tuple[str, ...] = ()
    lines: int = 1


class Input(msgspec.Struct, frozen=True, omit_defaults=True):
    """An input port. `required` has no default; `optional` may be None; `wired` can only come from a wire."""

    name: str
    type: str
    many: bool = False
    required: bool = False
    default: Any = None
    optional: bool = False
    lazy: bool = False
    cosmetic: bool = False
    wired: bool = False
    widget: Widget = Widget()
    doc: str = ""


class Output(msgspec.Struct, frozen=True, omit_defaults=True):
    """An output port. `lineage` lists the type and the types it extends; `optional` ones may be None."""

    name: str
    type: str
    many: bool = False
    optional: bool = False
    lineage: tuple[str, ...] = ()
    doc: str = ""


class NodeSpec(msgspec.Struct, frozen=True, omit_defaults=True):
    """A node as plain data: all that a palette, a check, a plan and a file need, without importing its pack."""

    id: str
    version: int = 1
    title: str = ""
    doc: str = ""
    about: str = ""
    inputs: tuple[Input, ...] = ()
    outputs: tuple[Output, ...] = ()
    wants_run: bool = False
    volatile: bool = False
    sink: bool = False
    waits: bool = False
    fingerprint: bool = False
    describes: bool = False
    passes: str = ""
    formerly: tuple[str, ...] = ()
    migrations: tuple[int, ...] = ()
    pack: str = ""
    digest: str = ""
    source: str = ""

    def input(self, name: str) -> Input | None:
        return next((port for port in self.inputs if port.name == name), None)

    def output(self, name: str) -> Output | None:
        return next((port for port in self.outputs if port.name == name), None)


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
        if len(ports) == 1 and not _is_named_tuple(type(result)):
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

    def declare(function: F) -> F:
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
            **_signature(id, function),
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
        made.migrations[old] = change
        made.spec = msgspec.structs.replace(made.spec, migrations=tuple(sorted(made.migrations)))
        return change

    return keep


def _signature(id: str, function: Callable[..., Any]) -> dict[str, Any]:
    try:
        hints = typing.get_type_hints(function, include_extras=True)
    except NameError as error:
        raise NodeflowError("NF303", f"an annotation is not defined: {error}", where=id) from error
    about, helps, returns = _docstring(inspect.getdoc(function) or "")
    inputs = []
    wants_run = False
    for name, parameter in inspect.signature(function).parameters.items():
        if name not in hints:
            raise NodeflowError("NF303", f"parameter {name!r} has no type", where=id, fix="annotate it")
        if hints[name] is Run:
            wants_run = True
        else:
            inputs.append(_input(id, name, hints[name], parameter.default, helps.get(name, "")))
    if "return" not in hints:
        raise NodeflowError("NF303", "the return type is missing", where=id, fix="annotate it; None for no output")
    return {
        "doc": about.split("\n", 1)[0].strip(),
        "about": about,
        "inputs": tuple(inputs),
        "outputs": tuple(_outputs(id, hints["return"], helps | returns)),
        "wants_run": wants_run,
    }


def _input(id: str, name: str, hint: Any, default: Any, doc: str) -> Input:
    marks, hint = _marks(hint)
    hint, optional = _optional(hint)
    inner, hint = _marks(hint)
    marks += inner
    lazy = typing.get_origin(hint) is Lazy
    if lazy:
        hint = typing.get_args(hint)[0]
    many = typing.get_origin(hint) is list
    if many:
        hint = typing.get_args(hint)[0]
    widget = _widget(hint, marks)
    kind = _type_name(id, name, hint)
    required = default is inspect.Parameter.empty
    return Input(
        name=name,
        type=kind,
        many=many,
        required=required,
        default=None if required else default,
        optional=optional,
        lazy=lazy,
        cosmetic=any(mark is Cosmetic or isinstance(mark, Cosmetic) for mark in marks),
        wired=kind not in PLAIN_TYPES,
        widget=widget,
        doc=doc,
    )


def _outputs(id: str, hint: Any, helps: dict[str, str]) -> Iterator[Output]:
    _, bare = _marks(hint)
    if bare is type(None) or bare is None:
        return
    if _is_named_tuple(bare):
        named = typing.get_type_hints(bare, include_extras=True)
        _, own, returns = _docstring(inspect.getdoc(bare) or "")
        for name, item in named.items():
            yield _output(id, name, item, own.get(name) or returns.get(name) or helps.get(name, ""))
    else:
        yield _output(id, "", bare, helps.get("return", ""))


def _output(id: str, name: str, hint: Any, doc: str) -> Output:
    _, hint = _marks(hint)
    hint, optional = _optional(hint)
    many = typing.get_origin(hint) is list
    if many:
        hint = typing.get_args(hint)[0]
    kind = _type_name(id, name or "return", hint)
    lineage = hint.lineage() if isinstance(hint, type) and issubclass(hint, Value) else (kind,)
    return Output(name or _default_name(kind, many), kind, many, optional, lineage, doc)


PLAIN_TYPES = ("int", "float", "str", "bool", "any")


def _default_name(kind: str, many: bool) -> str:
    """The name of a single output: that of its type, "value" for plain ones."""
    if kind in PLAIN_TYPES or kind.startswith("~"):
        return "values" if many else "value"
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", kind).lower()
    return f"{snake}s" if many else snake


def _type_name(id: str, name: str, hint: Any) -> str:
    if typing.get_origin(hint) is Literal:
        return type(typing.get_args(hint)[0]).__name__
    if isinstance(hint, TypeVar):
        return f"~{hint.__name__}"
    if hint is Any or hint is object:
        return "any"
    if isinstance(hint, type) and (hint in (int, float, str, bool) or issubclass(hint, Value)):
        return hint.__name__
    raise NodeflowError(
        "NF303",
        f"{hint!r} cannot travel a wire",
        where=f"{id}.{name}",
        fix="use a Value class, int, float, str, bool, Literal, list[…] or a TypeVar",
    )


def _widget(hint: Any, marks: tuple[Any, ...]) -> Widget:
    if typing.get_origin(hint) is Literal:
        return Widget("menu", options=typing.get_args(hint))
    for mark in marks:
        match mark:
            case Range(low, high, step, unit, log):
                return Widget("range", low=low, high=high, step=step, unit=unit, log=log)
            case Seed():
                return Widget("seed", low=0, high=2**63 - 1)
            case Path(kind, suffixes):
                return Widget(kind, suffixes=suffixes)
            case Text(lines):
                return Widget("text", lines=lines)
            case Color():
                return Widget("color")
            case Choice(options, free):
                return Widget("menu", options=options, free=free)
    return Widget({int: "number", float: "number", str: "line", bool: "switch"}.get(hint, ""))


def _marks(hint: Any) -> tuple[tuple[Any, ...], Any]:
    if typing.get_origin(hint) is Annotated:
        hint, *marks = typing.get_args(hint)
        return tuple(marks), hint
    return (), hint


def _optional(hint: Any) -> tuple[Any, bool]:
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        others = [item for item in typing.get_args(hint) if item is not type(None)]
        if len(others) == 1:
            return others[0], True
    return hint, False


def _is_named_tuple(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, tuple) and hasattr(hint, "_fields")


_SECTION = re.compile(r"^(Args|Returns|Raises|Source):\s*$", re.M)


def _docstring(text: str) -> tuple[str, dict[str, str], dict[str, str]]:
    """The text before the first section, the help of each argument, and of each output under `Returns`."""
    parts = _SECTION.split(text)
    sections = dict(zip(parts[1::2], parts[2::2], strict=True))
    returned = sections.get("Returns", "")
    returns = _entries(returned) or ({"return": " ".join(returned.split())} if returned.strip() else {})
    return parts[0].strip(), _entries(sections.get("Args", "")), returns


def _entries(block: str) -> dict[str, str]:
    entries: dict[str, str] = {}
    name = ""
    for line in inspect.cleandoc(block).splitlines():
        start = re.match(r"(\w+): *(.*)", line)
        if start and not line.startswith(" "):
            name, entries[start[1]] = start[1], start[2]
        elif name:
            entries[name] = f"{entries[name]} {line.strip()}".strip()
    return entries
