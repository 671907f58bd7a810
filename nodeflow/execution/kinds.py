"""Node types made ready for planning: looked up, ordered and hashed once a plan, not once a node."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from ..declaration import Input, NodeSpec, NodeType
from .keys import KEY_BYTES, token
from .steps import MISSING, Const

if TYPE_CHECKING:
    from ..packs import Library
    from .run import Environment


class Port:
    """An input port: `real` turns an int into a float, so that 7 and 7.0 have one key."""

    __slots__ = ("cosmetic", "default", "lazy", "many", "name", "real", "required", "type")

    def __init__(self, port: Input) -> None:
        self.name = port.name
        self.type = port.type
        self.many = port.many
        self.lazy = port.lazy
        self.cosmetic = port.cosmetic
        self.required = port.required
        self.real = port.type == "float"
        self.default = MISSING if port.required else self.const(port.default)

    def const(self, value: Any) -> Const:
        """A literal value as this port takes it."""
        if self.many and value is not None and not isinstance(value, list | tuple):
            value = [value]
        if self.real:
            value = _real(value)
        return Const(value)


def _real(value: Any) -> Any:
    if type(value) is int:
        return float(value) if abs(value) <= 2**53 else value
    if type(value) is list:
        return [_real(item) for item in value]
    return value


class Kind:
    """A node type as a plan needs it.

    Args:
        spec: The declaration.
        library: Where its code is, imported when first run.
        environment: Where it will run; part of the key of nodes that ask for the run.
    """

    __slots__ = (
        "_library", "_type", "cosmetics", "lazies", "names", "outputs", "ports",
        "prefix", "spec", "weights",
    )  # fmt: skip

    def __init__(self, spec: NodeSpec, library: Library, environment: Environment) -> None:
        self.spec = spec
        self.ports = tuple(Port(port) for port in spec.inputs)
        self.names = frozenset(port.name for port in self.ports)
        self.outputs = {port.name: place for place, port in enumerate(spec.outputs)}
        self.lazies = frozenset(place for place, port in enumerate(self.ports) if port.lazy)
        self.cosmetics = tuple(place for place, port in enumerate(self.ports) if port.cosmetic)
        self.weights = tuple("Weights" in port.lineage for port in spec.outputs)
        self._library = library
        self._type: NodeType | None = None
        about: list[Any] = [spec.id, spec.version, spec.digest, [p.name for p in self.ports if not p.cosmetic]]
        if spec.wants_run:
            about += environment.identity(sink=spec.sink)
        self.prefix = blake2b(token(about), digest_size=KEY_BYTES)

    @property
    def type(self) -> NodeType:
        """The code; its pack is imported on first use."""
        if self._type is None:
            self._type = self._library.type(self.spec.id)
        return self._type

    def key(self, tokens: list[bytes], fingerprint: bytes = b"") -> bytes:
        """The key of a step of this type whose inputs have these tokens."""
        for place in self.cosmetics:
            tokens[place] = b""
        made = self.prefix.copy()
        made.update(b"".join(tokens) + fingerprint)
        return made.digest()


def asked(function: Callable[..., Any], offered: Mapping[str, Any] | list[str]) -> list[str]:
    """The names among `offered` that a function takes as keyword arguments."""
    parameters = inspect.signature(function).parameters.values()
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return list(offered)
    named = {p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
    return [name for name in offered if name in named]
