"""A node as plain data: all that a palette, a check, a plan and a file need, without importing its pack."""

from __future__ import annotations

from typing import Any

import msgspec


class Widget(msgspec.Struct, frozen=True, omit_defaults=True):
    """How an editor shows a parameter, and which values it allows.

    Of kind "options" it is a mapping whose fields follow the value of the input `by`; `variants` has them by it.
    """

    kind: str = ""
    low: int | float | None = None
    high: int | float | None = None
    step: int | float | None = None
    unit: str = ""
    log: bool = False
    options: tuple[Any, ...] = ()
    free: bool = False
    suffixes: tuple[str, ...] = ()
    lines: int = 1
    by: str = ""
    variants: dict[str, Variant] = {}

    def variant(self, choice: str) -> Variant | None:
        """A choice with all the options that it has, those of the choices it is like among them."""
        own = self.variants.get(choice)
        if own is None or not own.like:
            return own
        bases = [self.variants[name] for name in own.like]
        fields = {field.name: field for of in (*bases, own) for field in of.fields}
        return Variant(own.doc or bases[-1].doc, tuple(fields.values()))

    def whole_variants(self) -> dict[str, Variant]:
        """Each choice, as `variant` has it."""
        return {name: of for name in self.variants if (of := self.variant(name))}


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


class Variant(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one choice stands for, and the options that it has, each as an input of its own.

    It also has the options of the choices that it is `like`, later ones winning, and says only what differs.
    """

    doc: str = ""
    fields: tuple[Input, ...] = ()
    like: tuple[str, ...] = ()

    def field(self, name: str) -> Input | None:
        return next((field for field in self.fields if field.name == name), None)


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
