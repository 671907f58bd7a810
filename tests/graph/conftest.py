"""Toy node types for graphs: no torch, nothing is ever run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal, NamedTuple, TypeVar

import pytest

from nodeflow import Choice, Lazy, NodeflowError, Options, Range, Seed, node
from nodeflow.declaration import Color
from nodeflow.packs import Library
from nodeflow.values import Value

T = TypeVar("T")


@dataclass(frozen=True)
class ToyLatent(Value):
    """A latent without numbers."""


@dataclass(frozen=True)
class ToyMaskedLatent(ToyLatent):
    """A latent that is also something more special."""


class Both(NamedTuple):
    """Two outputs.

    Args:
        latent: One.
        number: The other.
    """

    latent: ToyLatent
    number: int


@node("toy/number")
def number(value: float = 0.0) -> float:
    """A number."""
    return value


@node("toy/whole")
def whole(value: int = 0) -> int:
    """A whole number."""
    return value


@node("toy/text")
def text(value: str = "") -> str:
    """A text."""
    return value


@node("toy/add")
def add(a: float, b: float = 1.0) -> float:
    """A sum."""
    return a + b


@node("toy/total")
def total(items: list[float]) -> float:
    """A sum of many."""
    return sum(items)


@node("toy/split")
def split(value: float) -> list[float]:
    """One number as several."""
    return [value]


@node("toy/same")
def same(a: T, b: T | None = None) -> T:
    """Either of two things of one type."""
    return a


@node("toy/reroute", passes="value")
def reroute(value: T) -> T:
    """Pass on."""
    return value


@node("toy/switch", passes=lambda first, **_: "a" if first else "b")
def switch(a: Lazy[T], b: Lazy[T], first: bool = True) -> T:
    """Pass on one of two."""
    return a()


def _made(space: str | None, **_: Any) -> dict[str, Any]:
    return {"latent": {"space": space}} if space else {}


@node("toy/latent", describe=_made)
def latent(space: str = "one") -> Both:
    """A latent in a space."""
    return Both(ToyLatent(), 1)


@node("toy/masked")
def masked() -> ToyMaskedLatent:
    """A latent of a more special type."""
    return ToyMaskedLatent()


def _shown(latent: dict[str, Any] | None, space: str, **_: Any) -> None:
    have = (latent or {}).get("space")
    if have and have != space:
        raise NodeflowError("NF211", f"the latent is in {have}, the decoder reads {space}", where="latent")


@node("toy/show", sink=True, describe=_shown)
def show(latent: ToyLatent, space: str = "one") -> None:
    """Show a latent."""


def _raises(**_: Any) -> None:
    raise ValueError("a bug")


@node("toy/buggy", describe=_raises)
def buggy() -> ToyLatent:
    """Its description has a bug."""
    return ToyLatent()


@node("toy/widgets")
def widgets(
    steps: Annotated[int, Range(1, 100)] = 20,
    guidance: Annotated[float, Range(1, 30, unit="x")] = 7.0,
    kind: Literal["karras", "exponential", "beta"] = "karras",
    seed: Annotated[int, Seed()] = 0,
    color: Annotated[str, Color()] = "#000000",
    on: bool = True,
    note: str | None = None,
    several: list[int] | None = None,
) -> int:
    """All kinds of widgets."""
    return steps


SHAPES = {
    "circle": {"doc": "Round.", "options": {"radius": {"type": "float", "default": 1.0, "low": 0, "high": 9}}},
    "box": {
        "doc": "Square.",
        "options": {
            "side": {"type": "int", "default": 2, "doc": "Its side."},
            "filled": {"type": "bool", "default": True},
            "corners": {"type": "str", "default": "sharp", "menu": ["sharp", "round"]},
            "radius": {"type": "float"},
        },
    },
}


@node("toy/shape")
def shape(
    kind: Annotated[str, Choice(("", *SHAPES))] = "",
    options: Annotated[dict[str, Any] | None, Options("kind", SHAPES)] = None,
) -> float:
    """A shape whose options follow its kind."""
    return 0.0


@node("toy/smooth")
def smooth(latent: ToyLatent, strength: float = 1.0) -> ToyLatent:
    """A node that can be bypassed."""
    return latent


@pytest.fixture(scope="session")
def library() -> Library:
    nodes = (
        number,
        whole,
        text,
        add,
        total,
        split,
        same,
        reroute,
        switch,
        latent,
        masked,
        show,
        buggy,
        widgets,
        smooth,
        shape,
    )
    return Library.of(*nodes)
