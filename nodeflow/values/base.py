"""What all values are."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar

from ..errors import NodeflowError


@dataclass(frozen=True)
class Value:
    """Base of all that travels a wire besides numbers, texts and lists of values."""

    types: ClassVar[dict[str, type[Value]]] = {}
    """Every value type by name."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        known = Value.types.get(cls.__name__, cls)
        if known.__module__ != cls.__module__ and known.__module__.startswith("nodeflow"):
            where = f"{cls.__module__}.{cls.__name__}"
            raise NodeflowError("NF303", f"{known.__module__} has a value of this name", where=where, fix="rename it")
        Value.types[cls.__name__] = cls

    def parts(self) -> dict[str, Any]:
        """The fields by name."""
        return {part.name: getattr(self, part.name) for part in dataclasses.fields(self)}

    @classmethod
    def lineage(cls) -> tuple[str, ...]:
        """The names of this type and of the value types it extends, most special first."""
        return tuple(base.__name__ for base in cls.__mro__ if issubclass(base, Value) and base is not Value)
