"""Undo and redo."""

from __future__ import annotations

from typing import NamedTuple

from .edits import Batch, Edit, In, Place, SetValue
from .graph import Graph


class _Step(NamedTuple):
    label: str
    subject: tuple[str, ...]
    undo: Edit
    place: tuple[str, ...] = ()


class History:
    """What was done to a graph, so that it can be undone and done again.

    Args:
        graph: The graph; from now on changed only through this.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._done: list[_Step] = []
        self._undone: list[_Step] = []
        self._saved = 0
        self.place: tuple[str, ...] = ()
        """Where the step was made that was undone or done again last."""

    def do(self, edit: Edit, label: str, *, merge: bool = False, place: tuple[str, ...] = ()) -> None:
        """Apply an edit.

        Args:
            edit: The edit; a refused one leaves graph and history as they are.
            label: What people read behind "Undo".
            merge: One step with the edit before, where both set the same value or move the same nodes: for every
                movement of a slider while it is dragged, but the first.
            place: Where it is made, to go there again when it is undone: the nodes that were entered.

        Raises:
            NodeflowError: As the edit.
        """
        subject = _subject(edit)
        undo = self.graph.apply(edit)
        self._undone.clear()
        if merge and subject and self._done and self._done[-1].subject == subject:
            self._saved = -1 if self._saved >= len(self._done) else self._saved
            return
        if self._saved > len(self._done):
            self._saved = -1
        self._done.append(_Step(label, subject, undo, place))

    def undo(self) -> str:
        """Take the last step back; returns its label, empty when there is none."""
        return self._move(self._done, self._undone)

    def redo(self) -> str:
        """Do again what was undone last; returns its label, empty when there is none."""
        return self._move(self._undone, self._done)

    def labels(self) -> tuple[str, str]:
        """What `undo` and `redo` would do next."""
        return self._done[-1].label if self._done else "", self._undone[-1].label if self._undone else ""

    def mark_saved(self) -> None:
        """Note that the graph is as in its file now."""
        self._saved = len(self._done)

    def mark_unsaved(self) -> None:
        """Note that the graph is not as in its file, whatever is undone."""
        self._saved = -1

    @property
    def changed(self) -> bool:
        """Is the graph another than when it was saved?"""
        return self._saved != len(self._done)

    def _move(self, source: list[_Step], target: list[_Step]) -> str:
        if not source:
            return ""
        step = source.pop()
        self.place = step.place
        target.append(step._replace(subject=(), undo=self.graph.apply(step.undo)))
        return step.label


def _subject(edit: Edit) -> tuple[str, ...]:
    """What an edit sets again and again while something is dragged; empty for edits that never merge."""
    match edit:
        case SetValue(node, input, _):
            return ("value", node, input)
        case Place(name, _):
            return ("place", name)
        case In(graph, inner) if inside := _subject(inner):
            return ("in", graph, *inside)
        case Batch(edits) if edits and all(isinstance(each, Place | SetValue) for each in edits):
            return tuple(part for each in edits for part in _subject(each))
    return ()
