"""How two graphs differ, as data and as one line a change; moved nodes apart, because they change nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple

from .graph import Graph, Node
from .matching import renames, with_names
from .plain import is_options, text
from .subgraphs import SEPARATOR

WIDTH = 70
"""Characters of a value in a line; of longer ones the part that differs is shown."""

Kind = Literal["added", "removed", "renamed", "value", "wire", "field", "moved"]


class Change(NamedTuple):
    """One difference.

    Args:
        kind: "value" and "wire" stand for values and wires of a node, "field" for all else that has a value.
        where: "node", "node.port", "inputs.name", "outputs.name", or a field of the graph.
        old: What was there, as text; empty for nothing.
        new: What is there now, as text; empty for nothing.
    """

    kind: Kind
    where: str
    old: str = ""
    new: str = ""

    @property
    def line(self) -> str:
        """The difference as one line of text."""
        match self.kind:
            case "added":
                return f"+ {self.where} {self.new}"
            case "removed":
                return f"- {self.where} {self.old}"
            case "renamed":
                return f"{self.old} is now {self.new}"
            case "wire":
                return f"{self.where} ← {self.new or 'nothing'} (was {self.old or 'nothing'})"
            case "moved":
                return f"{self.where} moved: {self.old or 'nowhere'} → {self.new or 'nowhere'}"
        nothing = "default" if self.kind == "value" else "nothing"
        old, new = _shortened(self.old, self.new)
        return f"{self.where}: {old or nothing} → {new or nothing}"


class Difference(NamedTuple):
    """How two graphs differ.

    Args:
        changes: What changes the logic.
        moves: What changes only how an editor shows it.
    """

    changes: list[Change]
    moves: list[Change]

    def lines(self, *, moves: bool = False) -> list[str]:
        """One line a change; with `moves`, also for what only looks different."""
        return [change.line for change in (*self.changes, *(self.moves if moves else ()))]


def compare(old: Graph, new: Graph) -> Difference:
    """How a graph became another; the same graph under other names of nodes is only renamed.

    What is inside a subgraph is located at "name / node".
    """
    found = _compared(old, new)
    for name in sorted(old.graphs.keys() | new.graphs.keys()):
        before, after = old.graphs.get(name), new.graphs.get(name)
        if before is None or after is None:
            found.changes.append(_whole(name, before, after))
            continue
        inner = _compared(before, after)
        found.changes.extend(change._replace(where=f"{name}{SEPARATOR}{change.where}") for change in inner.changes)
        found.moves.extend(change._replace(where=f"{name}{SEPARATOR}{change.where}") for change in inner.moves)
    return found


def _whole(name: str, before: Graph | None, after: Graph | None) -> Change:
    """A subgraph that came or went."""
    what = f"(subgraph): {', '.join(sorted((after or before or Graph()).nodes))}"
    return Change("added", name, new=what) if before is None else Change("removed", name, old=what)


def _compared(old: Graph, new: Graph) -> Difference:
    """One level."""
    names = renames(old, new)
    changes = [Change("renamed", now, was, now) for was, now in sorted(names.items())]
    old = with_names(old, names)
    for name in sorted(old.nodes.keys() | new.nodes.keys()):
        changes += _node(name, old.nodes.get(name), new.nodes.get(name))
    for side in ("inputs", "outputs"):
        changes += _entries("field", f"{side}.", getattr(old, side), getattr(new, side))
    changes += _entries("field", "", old.extra, new.extra)
    return Difference(changes, list(_entries("moved", "", old.view, new.view)))


def _node(name: str, old: Node | None, new: Node | None) -> Iterator[Change]:
    if old is None or new is None:
        if new is not None:
            yield Change("added", name, new=_summary(new))
        if old is not None:
            yield Change("removed", name, old=_summary(old))
        return
    yield from _entries("field", f"{name}: ", _fields(old), _fields(new))
    yield from _entries("value", f"{name}.", old.values, new.values, deep=True)
    for input in sorted(old.wires.keys() | new.wires.keys()):
        before, after = _wired(old.wires.get(input)), _wired(new.wires.get(input))
        if before != after:
            yield Change("wire", f"{name}.{input}", before, after)


def _entries(
    kind: Kind, prefix: str, old: Mapping[str, Any], new: Mapping[str, Any], *, deep: bool = False
) -> Iterator[Change]:
    for key in sorted(old.keys() | new.keys()):
        if deep and is_options(old.get(key)) and is_options(new.get(key)):
            yield from _entries(kind, f"{prefix}{key}.", old[key], new[key])
            continue
        before = text(old[key]) if key in old else ""
        after = text(new[key]) if key in new else ""
        if before != after:
            yield Change(kind, prefix + key, before, after)


def _fields(node: Node) -> dict[str, Any]:
    return {"type": node.type, "version": node.version, "bypass": node.bypass, "mute": node.mute, **node.extra}


def _summary(node: Node) -> str:
    parts = [f"{key}={text(value)[:WIDTH]}" for key, value in sorted(node.values.items())]
    parts += [f"{input} ← {_wired(source)}" for input, source in sorted(node.wires.items())]
    return f"({node.type})" + (f": {', '.join(parts)}" if parts else "")


def _wired(source: str | list[str] | None) -> str:
    return source if isinstance(source, str) else ", ".join(source or ())


def _shortened(old: str, new: str) -> tuple[str, str]:
    """Long texts around the place where they begin to differ."""
    if max(len(old), len(new)) <= WIDTH:
        return old, new
    shared = next((place for place, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), 0)
    start = max(0, shared - WIDTH // 3)
    return _window(old, start), _window(new, start)


def _window(whole: str, start: int) -> str:
    part = whole[start : start + WIDTH]
    return "…" * (start > 0 and bool(part)) + part + "…" * (start + WIDTH < len(whole))
