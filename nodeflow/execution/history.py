"""Why a node runs: its inputs now beside its inputs in the last run of the graph.

A record is a line for each node: its type with version and code, and for each input the token of a literal or the
mark of a wire. It is small, plain data, and kept beside the cached results.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..values import describe
from .steps import Const, Gather, Source, Step

if TYPE_CHECKING:
    from .kinds import Kind

Entry = dict[str, Any]


class Record(dict[str, Entry]):
    """What each node of a run depended on, by name."""

    @classmethod
    def of(cls, calls: Mapping[str, list[Step]]) -> Record:
        """The record of the steps of a plan."""
        return cls({name: _entry(steps) for name, steps in calls.items() if steps and steps[0].kind is not None})


def _entry(steps: list[Step]) -> Entry:
    kind = steps[0].kind
    assert kind is not None
    inputs: dict[str, Any] = {}
    for place, port in enumerate(kind.ports):
        if not port.cosmetic:
            shown = dict.fromkeys(_shown(step.sources[place]) for step in steps)
            inputs[port.name] = list(shown) if len(shown) > 1 else next(iter(shown))
    keys = [step.key.hex() if step.key else "" for step in steps]
    return {"code": _code(kind), "inputs": inputs, "keys": keys}


def _code(kind: Kind) -> list[Any]:
    return [kind.spec.id, kind.spec.version, kind.spec.digest, kind.prefix.hexdigest()]


def _shown(source: Source) -> str:
    """A literal as people read it; a wire as "@node" (or several)."""
    if type(source) is Const:
        return describe(source.value) if not isinstance(source.value, list) else str(source.value)[:200]
    if type(source) is Gather:
        return "@" + ", ".join(_shown(part).removeprefix("@") for part in source.parts[:8])
    return f"@{source.step.node}"  # type: ignore[union-attr]


def reasons(calls: Mapping[str, list[Step]], before: Mapping[str, Entry] | None) -> dict[str, str]:
    """Why each node is not cached, in words; `calls` in the order ancestors first."""
    found: dict[str, str] = {}
    for name, steps in calls.items():
        step = next((step for step in steps if step.status in ("run", "unknown", "failed", "blocked", "lazy")), None)
        if step is not None:
            found[name] = _reason(name, steps, step, before, found)
    return found


def _reason(name: str, steps: list[Step], step: Step, before: Mapping[str, Entry] | None, found: dict[str, str]) -> str:
    if step.fault is not None:
        return step.fault.what
    if step.status == "blocked":
        return "its source cannot run"
    if step.status == "lazy":
        return "only if asked for"
    assert step.kind is not None
    if step.kind.spec.volatile:
        return "runs each time"
    if step.key is None:
        return "its key waits for a value that is not computed yet"
    if before is None or name not in before:
        return "not computed yet"
    old, new = before[name], _entry(steps)
    if old == new:
        return "its result was not kept" if not step.fleeting else "its source runs each time"
    return _difference(old, new, step, found)


def _difference(old: Entry, new: Entry, step: Step, found: Mapping[str, str]) -> str:
    changes = []
    for port, value in new["inputs"].items():
        was = old["inputs"].get(port, "nothing")
        if was != value:
            changes.append(f"{port} {_words(was)} → {_words(value)}")
    if changes:
        return ", ".join(changes)
    if old["code"] != new["code"]:
        return _code_difference(old["code"], new["code"])
    above = next((above.node for above in step.needs() + step.may_need() if above.node in found), None)
    if above is not None:
        return f"upstream: {above}"
    return "what it reads has changed" if step.kind and step.kind.spec.fingerprint else "an input has changed"


def _code_difference(old: list[Any], new: list[Any]) -> str:
    if old[0] != new[0]:
        return f"type {old[0]} → {new[0]}"
    if old[1] != new[1]:
        return f"version {old[1]} → {new[1]}"
    if old[2] != new[2]:
        return "code of the pack changed"
    return "the device or number format changed"


def _words(value: Any) -> str:
    if isinstance(value, list):
        return f"{len(value)} values"
    return f"the output of {value[1:]}" if value.startswith("@") else value
