"""Tables of name beginnings, and how a file's names become the published ones by them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple

from nodeflow.errors import NodeflowError

Shapes = Mapping[str, tuple[int, ...]]
_NUMBER = r"(\d+)"


class Source(NamedTuple):
    """What of a file becomes a published tensor.

    Args:
        name: In the file.
        start: The first row that is taken.
        rows: How many; 0 = all.
        change: What happens to it then: "" nothing; "transposed"; "swapped": its halves change places; "matrix": a
            1×1 convolution becomes a matrix; "vector": [N, 1] becomes [N]; "channels": [C] becomes [1, C, 1];
            "identity": of a vector only its length counts, for the matrix that changes nothing.
    """

    name: str
    start: int = 0
    rows: int = 0
    change: str = ""


class Rule(NamedTuple):
    """One row of a table.

    Args:
        begins: What a name begins with; # stands for a number.
        becomes: What stands there among the published names, the numbers in their order; several names split the
            tensor along its first axis; none leaves it out.
        change: As in `Source`.
        rows: How many rows each of several gets, 0 = the rest; empty = equal shares.
    """

    begins: str
    becomes: str | tuple[str, ...] | None
    change: str = ""
    rows: tuple[int, ...] = ()


class Table(NamedTuple):
    """A name map.

    Args:
        rules: The first that fits a name counts; names that none fits stay as they are.
        inner: Pieces of names and what they become, after the rule.
        besides: Published tensors that come from a tensor of the file besides what its rule makes of it.
    """

    rules: tuple[Rule, ...] = ()
    inner: Mapping[str, str] = {}
    besides: Mapping[str, Source] = {}


def renamed(shapes: Shapes, table: Table) -> dict[str, Source]:
    """The published tensors of a file.

    Args:
        shapes: Its names and shapes.
        table: How they are renamed.

    Raises:
        NodeflowError: NF407, two tensors claim one published name.
    """
    found: dict[str, Source] = {}
    for name, shape in shapes.items():
        for published, source in _of(name, shape, table):
            for piece, new in table.inner.items():
                published = published.replace(piece, new)
            if published in found:
                raise NodeflowError("NF407", f"both {found[published].name!r} and {name!r} would be {published!r}")
            found[published] = source
    return found | {name: source for name, source in table.besides.items() if source.name in shapes}


def _of(name: str, shape: tuple[int, ...], table: Table) -> Iterator[tuple[str, Source]]:
    for rule in table.rules:
        match = _pattern(rule.begins).match(name)
        if match is None:
            continue
        if rule.becomes is None:
            return
        names = (rule.becomes,) if isinstance(rule.becomes, str) else rule.becomes
        rest = name[match.end() :]
        for become, (start, rows) in zip(names, _shares(shape, len(names), rule.rows), strict=True):
            yield _filled(become, match.groups()) + rest, Source(name, start, rows, rule.change)
        return
    yield name, Source(name)


class Origin(NamedTuple):
    """Where a published tensor comes from.

    Args:
        name: In the original file.
        share: Its place among those that share that tensor.
        change: As in `Source`.
    """

    name: str
    share: int = 0
    change: str = ""


def origins(published: str, table: Table) -> Iterator[Origin]:
    """The names that a table would turn into a published one, the other way round."""
    pieces = [(piece, new) for piece, new in table.inner.items() if new in published]
    spelt = {published, *(published.replace(new, piece) for piece, new in pieces)}
    seen = set()
    for rule in table.rules:
        names = (rule.becomes,) if isinstance(rule.becomes, str) else rule.becomes or ()
        for share, become in enumerate(names):
            for name in spelt:
                match = _pattern(become).match(name)
                origin = match and _filled(rule.begins, match.groups()) + name[match.end() :]
                if origin and origin not in seen:
                    seen.add(origin)
                    yield Origin(origin, share, rule.change)


def _shares(shape: tuple[int, ...], count: int, rows: tuple[int, ...]) -> Iterator[tuple[int, int]]:
    """(first row, rows) of each share of a tensor; all share one that has no rows, such as a scale."""
    whole = shape[0] if shape else 1
    if count == 1 or whole == 1:
        yield from [(0, 0)] * count
        return
    left = whole - sum(rows)
    shares = [each or left for each in rows] if rows else [whole // count] * count
    if sum(shares) != whole or min(shares) < 1:
        raise NodeflowError("NF407", f"a tensor of {whole} rows cannot be split into {len(shares)}")
    start = 0
    for share in shares:
        yield start, share
        start += share


@lru_cache(maxsize=4096)
def _pattern(begins: str) -> re.Pattern[str]:
    return re.compile(re.escape(begins).replace(r"\#", _NUMBER))


def _filled(become: str, numbers: tuple[str, ...]) -> str:
    for number in numbers:
        become = become.replace("#", number, 1)
    return become


def shape_of(shapes: Shapes, name: str) -> tuple[int, ...]:
    """The shape of a tensor that a file must have; NF402 where it has none."""
    if name not in shapes or 0 in shapes[name]:
        raise NodeflowError("NF402", f"the tensor {name!r} is missing or empty", fix="download the file again")
    return tuple(shapes[name])


def counted(shapes: Shapes, begins: str) -> int:
    """How many numbered things begin so."""
    place = begins.count(".")
    numbers = {name.split(".")[place] for name in shapes if name.startswith(begins)}
    return len({number for number in numbers if number.isdecimal()})
