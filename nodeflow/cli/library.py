"""`nodes`: what node types there are, and one of them explained. From the catalogue: no pack is imported."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

from .command import Argument, Option, echo

if TYPE_CHECKING:
    from ..declaration import Input, NodeSpec, Output
    from ..errors import Fault
    from ..packs import Library


def nodes(
    type: Annotated[str | None, Argument("A node type to explain, such as sampling/denoise.")] = None,
    choice: Annotated[str | None, Argument("One of its choices to explain, such as EulerDiscreteScheduler.")] = None,
    as_json: Annotated[bool, Option("--json", help="As JSON.")] = False,
) -> None:
    """List the node types, or explain one, or one of its choices that has options."""
    from ..packs import default_library

    library = default_library()
    for fault in library.faults:
        echo(fault.line, err=True)
    if type is not None:
        spec = library.spec(type)
        if spec is None:
            library.type(type)  # raises, with the nearest name
        else:
            _print([spec], as_json, lambda: explain(spec) if choice is None else explain_choice(spec, choice))
        return
    specs = [spec for id in library.ids() if (spec := library.spec(id))]
    _print(specs, as_json, lambda: listing(specs))


def say_broken_packs(library: Library, faults: Iterable[Fault]) -> None:
    """Where a node type is unknown, a pack that did not load may be why."""
    if any(fault.code == "NF201" for fault in faults):
        for fault in library.faults:
            echo(fault.line, err=True)


def _print(specs: list[NodeSpec], as_json: bool, text: object) -> None:
    if as_json:
        import msgspec

        echo(json.dumps(msgspec.to_builtins(specs if len(specs) != 1 else specs[0]), indent=2))
    else:
        echo(text())  # type: ignore[operator]


def listing(specs: list[NodeSpec]) -> str:
    """The types by family, one line each."""
    families: dict[str, list[NodeSpec]] = defaultdict(list)
    for spec in specs:
        families[spec.id.partition("/")[0]].append(spec)
    width = max((len(spec.id) for spec in specs), default=0)
    blocks = ["\n".join(f"{spec.id:<{width}}  {spec.doc}" for spec in family) for family in families.values()]
    return "\n\n".join(blocks)


def explain(spec: NodeSpec) -> str:
    """Everything about one type, for a person."""
    parts = [f"{spec.id}, version {spec.version}: {spec.title}", spec.about]
    for title, ports in (("Inputs", spec.inputs), ("Outputs", spec.outputs)):
        if ports:
            width = max(len(port.name) for port in ports)
            kinds = max(len(_kind(port)) for port in ports)
            lines = [_wrapped(f"  {port.name:<{width}}  {_kind(port):<{kinds}}  ", _help(port)) for port in ports]
            parts.append("\n".join([f"{title}:", *lines]))
    parts += [_variants(spec, port) for port in spec.inputs if port.widget.variants]
    parts.append(f"From pack {spec.pack}, {spec.source}")
    return "\n\n".join(part for part in parts if part)


def explain_choice(spec: NodeSpec, choice: str) -> str:
    """One choice of a node type, with the options that it has.

    Raises:
        NodeflowError: NF205 where the node has no such choice.
    """
    from ..errors import NodeflowError
    from ..graph.ports import nearest

    known = {name: of for port in spec.inputs for name, of in port.widget.whole_variants().items()}
    if choice not in known:
        fix = nearest(choice, known) or "it has no choices with options"
        raise NodeflowError("NF205", f"it has no choice {choice!r}", where=spec.id, fix=fix)
    fields = known[choice].fields
    width = max((len(field.name) for field in fields), default=0)
    lines = [_wrapped(f"  {field.name:<{width}}  {field.type:<5}  ", _help(field)) for field in fields]
    return "\n".join([f"{choice}: {known[choice].doc}", "", "Options:", *lines])


def _variants(spec: NodeSpec, port: Input) -> str:
    """The choices that bring options, one line each."""
    variants = port.widget.whole_variants()
    width = max(map(len, variants))
    lines = [_wrapped(f"  {name:<{width}}  ", f"{of.doc} {len(of.fields)} options.") for name, of in variants.items()]
    title = f"Choices of {port.widget.by}, whose options `nodeflow nodes {spec.id} CHOICE` lists:"
    return "\n".join([title, *lines])


def _wrapped(head: str, text: str) -> str:
    """A text beside its head, broken to the width of the terminal."""
    import shutil
    import textwrap

    room = max(shutil.get_terminal_size((120, 24)).columns - len(head), 40)
    return (head + f"\n{' ' * len(head)}".join(textwrap.wrap(text, room))).rstrip()


def _kind(port: Input | Output) -> str:
    kind = f"list of {port.type}" if port.many else port.type
    return f"{kind} or none" if port.optional else kind


def _help(port: Input | Output) -> str:
    from ..declaration import Input

    notes = [port.doc]
    if isinstance(port, Input):
        widget = port.widget
        if widget.options:
            named = [str(option) for option in widget.options if option != ""]
            notes.append(f"One of {', '.join(named)}." if len(named) < 30 else f"One of {len(named)}.")
        if widget.kind == "range":
            low = "" if widget.low is None else f"{widget.low:g}"
            high = "" if widget.high is None else f"{widget.high:g}"
            notes.append(f"{low}…{high}{' ' + widget.unit if widget.unit else ''}.")
        plain = port.default not in (None, "")
        notes.append("Required." if port.required else f"Default {json.dumps(port.default)}." if plain else "")
    return " ".join(note for note in notes if note)
