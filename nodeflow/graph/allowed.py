"""Whether a value may stand at an input: type, range, menu, and the options that another input's choice has."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ..errors import Fault
from .plain import is_sweep
from .ports import nearest

if TYPE_CHECKING:
    from ..specs import Input, Widget

_NAMES = {"int": "a whole number", "float": "a number", "str": "a text", "bool": "true or false", "dict": "a mapping"}
_COLOR = re.compile(r"#[0-9a-fA-F]{6}")


def value_fault(port: Input, value: Any, where: str) -> Fault | None:
    """The first thing that is wrong with the value of an input; each element of a sweep or a list is looked at."""
    if is_sweep(value):
        elements = value["sweep"]
        if not isinstance(elements, list) or not elements:
            return Fault("NF205", "a sweep is a list of at least one value", where)
        said, fix = _first(elements, port, " of the sweep")
    elif port.many and isinstance(value, list):
        said, fix = _first(value, port, "")
    else:
        said, fix = _single(port, value)
    return Fault("NF205", said, where, fix) if said else None


def option_faults(port: Input, value: Any, chosen: Any, where: str) -> Iterator[Fault]:
    """What is wrong with the options in the value of an input whose fields follow a choice.

    Args:
        port: The input, with a widget of kind "options".
        value: Its value: a mapping, or a sweep of them.
        chosen: The value of the input that it follows; a sweep stands for each element, None = not known.
        where: "node.port".
    """
    for options in value["sweep"] if is_sweep(value) else [value]:
        for choice in chosen["sweep"] if is_sweep(chosen) else [chosen]:
            if isinstance(options, dict) and isinstance(choice, str | None):
                yield from _option_faults(port.widget, options, choice, where)


def _option_faults(widget: Widget, options: Mapping[str, Any], choice: str | None, where: str) -> Iterator[Fault]:
    """Where the choice is not known, an option may be what it is for any of them."""
    said = widget.variant(choice) if choice else None
    known = [said] if said else list(widget.whole_variants().values())
    for name, value in options.items():
        fields = [field for variant in known if (field := variant.field(name))]
        if not fields:
            fix = nearest(name, dict.fromkeys(field.name for variant in known for field in variant.fields))
            has = f"{choice} has no option" if said else "nothing here has an option"
            yield Fault("NF205", f"{has} {name!r}", where, fix)
            continue
        wrong = [_single(field, value) for field in fields]
        if all(what for what, _ in wrong):
            what, fix = wrong[0]
            yield Fault("NF205", f"{name}: {what}", where, fix)


def _first(values: list[Any], port: Input, place: str) -> tuple[str, str]:
    for count, value in enumerate(values, 1):
        each = value if port.many and isinstance(value, list) and place else [value]
        for said, fix in (_single(port, item) for item in each):
            if said:
                return f"element {count}{place}: {said}", fix
    return "", ""


def _single(port: Input, value: Any) -> tuple[str, str]:
    """What is wrong, and what to do; two empty texts when nothing is."""
    if value is None and (port.optional or (not port.required and port.default is None)):
        return "", ""
    if port.wired:
        return f"{port.type.lstrip('~')} cannot be written down", "wire it from a node"
    if not _is(port.type, value):
        return f"{value!r:.40} is not {_NAMES.get(port.type, port.type)}", _advice(port.widget)
    widget = port.widget
    if widget.options and not widget.free and value not in widget.options:
        return f"{value!r:.40} is not on the menu", _menu(str(value), widget)
    if widget.kind == "color" and not _COLOR.fullmatch(value):
        return f"{value!r:.40} is not a colour", 'write it as "#rrggbb"'
    if widget.low is not None and value < widget.low:
        return f"{value} is below {_number(widget.low)}", _advice(widget)
    if widget.high is not None and value > widget.high:
        return f"{value} is above {_number(widget.high)}", _advice(widget)
    return "", ""


def _is(type: str, value: Any) -> bool:
    """An int is a float; a bool is neither."""
    if type == "float":
        return isinstance(value, int | float) and not isinstance(value, bool)
    if type == "int":
        return isinstance(value, int) and not isinstance(value, bool)
    return type == "any" or isinstance(value, {"str": str, "bool": bool, "dict": dict}.get(type, object))


def _menu(value: str, widget: Widget) -> str:
    names = [str(option) for option in widget.options]
    near = nearest(value, names)
    return f"{near} " * near.startswith("did") + f"allowed: {', '.join(names)}"


def _advice(widget: Widget) -> str:
    if widget.options and not widget.free:
        return f"allowed: {', '.join(map(str, widget.options))}"
    unit = f" {widget.unit}" if widget.unit else ""
    match widget.low, widget.high:
        case None, None:
            return ""
        case low, None:
            return f"allowed: from {_number(low)}{unit}"
        case None, high:
            return f"allowed: up to {_number(high)}{unit}"
        case low, high:
            return f"allowed: {_number(low)} to {_number(high)}{unit}"


def _number(number: float | None) -> str:
    """7.0 as "7": a bound is no value."""
    return f"{int(number) if number is not None and number == int(number) else number}"
