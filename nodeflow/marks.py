"""What an annotation of a node's parameter may say besides its type."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from .values import Audio, Image, Weights

T = TypeVar("T")


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

    def progress(self, step: int, total: int, preview: object = None, note: str = "") -> None:
        """Report a step done, with a value to show and a few words; raises `Cancelled` when the user asked to stop."""

    def check(self) -> None:
        """Raise `Cancelled` when the user asked to stop."""

    def log(self, text: str) -> None:
        """A line for the user."""

    def keep(self, step: int, total: int, state: Callable[[], object]) -> None:
        """Offer what the node could go on from after a step (values, arrays, plain data), before `progress` reports it.

        `state` is called only when it is to be kept: each so manieth step, as the run says, and when it is stopped.
        """

    def kept(self) -> Any:
        """What an interrupted run of this very step kept last, its arrays on the CPU; None = begin anew."""

    def weights(self, handle: Weights) -> AbstractContextManager[Any]:
        """Borrow the network behind a handle, on the run's device, for the length of a `with`."""

    def release(self) -> int:
        """Free weights and results that nobody uses now, as when memory runs out; returns the bytes."""

    def save(self, value: Image | Audio, name: str, suffix: str, *, embed: bool = True) -> list[str]:
        """Write pictures or sounds into the output folder under a template's names; returns the files."""

    def graph(self) -> str:
        """The graph that is run, as JSON, for files that carry what made them; empty = not known."""


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


@dataclass(frozen=True)
class Options:
    """A mapping whose fields follow another parameter. In the signature: `Annotated[dict[str, Any], Options(…)]`.

    Args:
        by: The parameter that chooses.
        variants: By its value {"doc": …, "options": {name: {"type", "default", "menu", "low", "high", "doc"}}}, of
            which "type" is int, float, str, bool or any, and what is missing does not apply. With "like": [values],
            it has their options, too, and "options" holds what differs.
    """

    by: str
    variants: Mapping[str, Mapping[str, Any]]


class Cosmetic:
    """Marks a parameter that does not change the result: it stays out of the cache key."""
