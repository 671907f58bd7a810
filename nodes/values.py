"""Constants, switches and lists: the small nodes between the others."""

from typing import Annotated, TypeVar

from nodeflow import Lazy, Range, Seed, Text, node

T = TypeVar("T")


@node("value/integer", title="Integer")
def integer(value: int = 0) -> int:
    """A whole number, to be shared by several nodes.

    Args:
        value: The number.
    """
    return value


@node("value/number", title="Number")
def number(value: float = 0.0) -> float:
    """A number, to be shared by several nodes.

    Args:
        value: The number.
    """
    return value


@node("value/text", title="Text")
def text(value: Annotated[str, Text()] = "") -> str:
    """A text, to be shared by several nodes.

    Args:
        value: The text.
    """
    return value


@node("value/boolean", title="Boolean")
def boolean(value: bool = False) -> bool:
    """Yes or no, to be shared by several nodes.

    Args:
        value: The choice.
    """
    return value


@node("value/seed", title="Seed")
def seed(value: Annotated[int, Seed()] = 0) -> int:
    """A seed for random numbers, to be shared by several nodes.

    Args:
        value: 0 to 2⁶³ - 1.
    """
    return value


@node("value/seeds", title="Seeds")
def seeds(first: Annotated[int, Seed()] = 0, count: Annotated[int, Range(1, 10_000)] = 4) -> list[int]:
    """Seeds one after the other; what they are wired to runs once for each.

    Args:
        first: The first seed.
        count: How many.
    """
    return list(range(first, first + count))


@node("value/join", title="Join texts")
def join(texts: list[str], separator: str = ", ") -> str:
    """Join texts, leaving out empty ones.

    Args:
        texts: The texts, in the order of the wires.
        separator: What to put between them.
    """
    return separator.join(part for part in texts if part)


@node("value/lines", title="Split into lines")
def lines(text: Annotated[str, Text(8)]) -> list[str]:
    """Split a text into its lines that are not empty; what they are wired to runs once for each.

    Args:
        text: One item a line.
    """
    return [line.strip() for line in text.splitlines() if line.strip()]


@node("logic/collect", title="Collect")
def collect(items: list[T]) -> list[T]:
    """Values of one kind as a list; what they are wired to runs once for each.

    Args:
        items: The values, in the order of the wires.
    """
    return items


@node("logic/reroute", title="Reroute", passes="value")
def reroute(value: T) -> T:
    """Pass a value on, to tidy wires.

    Args:
        value: Anything.
    """
    return value


@node("logic/switch", title="Switch", passes=lambda first, **others: "a" if first else "b")
def switch(a: Lazy[T], b: Lazy[T], first: bool = True) -> T:
    """Pass on one of two values; only the chosen one is computed.

    Args:
        a: Passed on when `first` is on.
        b: Passed on when `first` is off.
        first: Which one.
    """
    return a() if first else b()
