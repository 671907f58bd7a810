"""Read a node's ports off its function: annotations, defaults, docstring."""

from __future__ import annotations

import inspect
import re
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, Literal, TypeVar

import msgspec

from .errors import NodeflowError
from .marks import Choice, Color, Cosmetic, Lazy, Options, Path, Range, Run, Seed, Text
from .specs import Input, Output, Variant, Widget
from .values import Value

PLAIN_TYPES = ("int", "float", "str", "bool", "dict", "any")
_SECTION = re.compile(r"^(Args|Returns|Raises|Source):\s*$", re.M)


def read_signature(id: str, function: Callable[..., Any]) -> dict[str, Any]:
    """The parts of a `NodeSpec` that the function itself says.

    Raises:
        NodeflowError: NF303, naming the parameter that cannot be a port.
    """
    hints = _hints(id, function)
    about, helps, returns = _docstring(inspect.getdoc(function) or "")
    parameters = inspect.signature(function).parameters.values()
    inputs = [parameter for parameter in parameters if hints.get(parameter.name) is not Run]
    return {
        "doc": about.split("\n", 1)[0].strip(),
        "about": about,
        "inputs": tuple(_input(id, parameter, hints, helps.get(parameter.name, "")) for parameter in inputs),
        "outputs": tuple(_outputs(id, hints["return"], helps | returns)),
        "wants_run": len(inputs) < len(parameters),
    }


def _hints(id: str, function: Callable[..., Any]) -> dict[str, Any]:
    if (
        not inspect.isfunction(function)
        or inspect.iscoroutinefunction(function)
        or inspect.isgeneratorfunction(function)
    ):
        raise NodeflowError(
            "NF303", f"{function!r} is not a plain function", where=id, fix="write it with def and return"
        )
    try:
        hints = typing.get_type_hints(function, include_extras=True)
    except (NameError, AttributeError, TypeError, SyntaxError) as error:
        raise NodeflowError("NF303", f"an annotation is not defined: {error}", where=id) from error
    if "return" not in hints:
        raise NodeflowError("NF303", "the return type is missing", where=id, fix="annotate it; None for no output")
    return hints


def _input(id: str, parameter: inspect.Parameter, hints: dict[str, Any], doc: str) -> Input:
    name, where = parameter.name, f"{id}.{parameter.name}"
    if name not in hints:
        raise NodeflowError("NF303", f"parameter {name!r} has no type", where=where, fix="annotate it")
    if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
        raise NodeflowError("NF303", f"{str(parameter)!r} cannot be a port", where=where, fix="name each parameter")
    marks, hint = _marks(hints[name])
    hint, optional = _optional(hint)
    inner, hint = _marks(hint)
    marks += inner
    lazy, hint = _inside(Lazy, hint)
    many, hint = _inside(list, hint)
    kind = _type_name(id, name, hint)
    required = parameter.default is parameter.empty
    port = Input(
        name=name,
        type=kind,
        many=many,
        required=required,
        default=None if required else parameter.default,
        optional=optional,
        lazy=lazy,
        cosmetic=any(mark is Cosmetic or isinstance(mark, Cosmetic) for mark in marks),
        wired=kind not in PLAIN_TYPES,
        widget=_widget(hint, marks),
        doc=doc,
    )
    if not required and not _fits(port, port.default):
        raise NodeflowError("NF303", f"the default {port.default!r:.40} does not fit its type", where=where,
                            fix="a default is plain data of the annotated type; None needs `| None`")  # fmt: skip
    return port


def _fits(port: Input, value: Any) -> bool:
    """Whether a default is plain data of the port's type, on its menu, in its range."""
    if value is None:
        return port.optional
    if port.many:
        return isinstance(value, list | tuple) and all(
            _fits(msgspec.structs.replace(port, many=False), v) for v in value
        )
    if port.type == "any":
        return isinstance(value, bool | int | float | str | list | dict)
    kinds: Any = {"int": (int,), "float": (int, float), "str": (str,), "bool": (bool,), "dict": (dict,)}
    kinds = kinds.get(port.type, ())
    widget = port.widget
    return (
        isinstance(value, kinds)
        and isinstance(value, bool) == (port.type == "bool")
        and (widget.free or not widget.options or value in widget.options)
        and (widget.low is None or value >= widget.low)
        and (widget.high is None or value <= widget.high)
    )


def _inside(outer: type, hint: Any) -> tuple[bool, Any]:
    """Whether the hint is `outer[T]`, and T."""
    return (True, typing.get_args(hint)[0]) if typing.get_origin(hint) is outer else (False, hint)


def _outputs(id: str, hint: Any, helps: dict[str, str]) -> Iterator[Output]:
    _, bare = _marks(hint)
    if bare is type(None) or bare is None:
        return
    if is_named_tuple(bare):
        named = typing.get_type_hints(bare, include_extras=True)
        _, own, returns = _docstring(inspect.getdoc(bare) or "")
        for name, item in named.items():
            yield _output(id, name, item, own.get(name) or returns.get(name) or helps.get(name, ""))
    else:
        yield _output(id, "", bare, helps.get("return", ""))


def _output(id: str, name: str, hint: Any, doc: str) -> Output:
    _, hint = _marks(hint)
    hint, optional = _optional(hint)
    many, hint = _inside(list, hint)
    kind = _type_name(id, name or "return", hint)
    lineage = hint.lineage() if isinstance(hint, type) and issubclass(hint, Value) else (kind,)
    return Output(name or _default_name(kind, many), kind, many, optional, lineage, doc)


def _default_name(kind: str, many: bool) -> str:
    """The name of a single output: that of its type, "value" for plain ones."""
    if kind in PLAIN_TYPES or kind.startswith("~"):
        return "values" if many else "value"
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", kind).lower()
    return f"{snake}s" if many else snake


def _type_name(id: str, name: str, hint: Any) -> str:
    kinds = {type(option).__name__ for option in typing.get_args(hint)} if typing.get_origin(hint) is Literal else ()
    if len(kinds) == 1 and kinds <= set(PLAIN_TYPES):
        return kinds.pop()
    if isinstance(hint, TypeVar):
        return f"~{hint.__name__}"
    if hint is Any or hint is object:
        return "any"
    if typing.get_origin(hint) is dict:
        return "dict"
    if isinstance(hint, type) and (hint in (int, float, str, bool) or _is_value(hint)):
        return hint.__name__
    raise NodeflowError(
        "NF303",
        f"{hint!r} cannot travel a wire",
        where=f"{id}.{name}",
        fix="use a Value that is a dataclass, int, float, str, bool, dict, Literal, list[…] or a TypeVar",
    )


def _is_value(hint: type) -> bool:
    """A value whose annotations are its fields: without `@dataclass` they would be stored as nothing."""
    declared = vars(hint)
    return issubclass(hint, Value) and ("__annotations__" not in declared or "__dataclass_fields__" in declared)


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
            case Options(by, variants):
                return Widget("options", by=by, variants={name: _variant(of) for name, of in variants.items()})
    return Widget({int: "number", float: "number", str: "line", bool: "switch"}.get(hint, ""))


def _variant(of: Mapping[str, Any]) -> Variant:
    fields = tuple(_option(name, **option) for name, option in of["options"].items())
    return Variant(of.get("doc", ""), fields, tuple(of.get("like", ())))


def _option(
    name: str,
    type: str,
    default: Any = None,
    menu: tuple[Any, ...] = (),
    low: float | None = None,
    high: float | None = None,
    doc: str = "",
) -> Input:
    kind = "menu" if menu else {"int": "number", "float": "number", "str": "line", "bool": "switch"}.get(type, "")
    widget = Widget("range" if low is not None and high is not None else kind, low, high, options=tuple(menu))
    return Input(name, type, default=default, optional=default is None, widget=widget, doc=doc)


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


def is_named_tuple(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, tuple) and hasattr(hint, "_fields")


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
