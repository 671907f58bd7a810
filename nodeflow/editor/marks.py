"""What is known of each node's run: will it run and why, how far it is, how long it took, what it made, what failed.

No Qt: messages of the worker go in, marks come out.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from ..errors import Fault
from ..graph.subgraphs import SEPARATOR
from ..worker import messages as say


@dataclass
class Mark:
    """One node.

    Args:
        plan: What the next run would do with it, as in a plan: "run", "cached", …; empty = not known or not needed.
        reason: Why, in words.
        state: "", "waiting", "running", "done", "failed" or "skipped" in the run that is on or was last.
        step: (done, of) while it runs.
        seconds: How long it took when it last ran.
        began: When it began, by the monotonic clock.
        picture: The newest picture of it.
        final: Is that picture its result, not a preview?
        fault: Why it failed.
        steps: How many steps it was asked for when it last ran; 0 = it has none.
        coming: How many it is asked for now.
    """

    plan: str = ""
    reason: str = ""
    state: str = ""
    step: tuple[int, int] = (0, 0)
    seconds: float | None = None
    began: float = 0.0
    picture: say.Picture | None = None
    final: bool = False
    pictures: tuple[say.Picture, ...] = ()
    sounds: tuple[say.Sound, ...] = ()
    curve: tuple[float, ...] = ()
    fault: str = ""
    steps: int = 0
    coming: int = 0
    problems: tuple[Fault, ...] = ()

    @property
    def rate(self) -> float:
        """Steps a second."""
        spent = time.monotonic() - self.began
        return self.step[0] / spent if self.step[0] and spent > 0 else 0.0

    @property
    def expected(self) -> float | None:
        """Seconds that it will take, a step as long as it took last time; None where that is not known."""
        if self.seconds is None or not (self.steps and self.coming):
            return self.seconds
        return self.seconds * self.coming / self.steps

    @property
    def stale(self) -> bool:
        """Is what it shows of a graph that is another now?"""
        known = self.seconds is not None or self.picture is not None or bool(self.sounds or self.curve)
        return self.plan in ("run", "unknown") and self.state != "running" and known

    @property
    def words(self) -> str:
        """What the header says."""
        if self.state == "running":
            done, of = self.step
            return f"{done}/{of}" + (f"  {self.rate:.1f}/s" if self.rate else "") if of else "…"
        if self.state == "done" and self.seconds is not None:
            return _time(self.seconds)
        return ""

    @property
    def tip(self) -> str:
        """What a tooltip adds."""
        lines = [fault.line for fault in self.problems] or ([self.fault] if self.fault else [])
        plans = {
            "run": "Will run",
            "unknown": "Will run",
            "cached": "Cached: nothing to compute",
            "lazy": "Runs if asked",
            "muted": "Does not run",
        }
        if self.state == "running":
            done, of = self.step
            lines.append(f"Running: step {done} of {of}" if of else "Running")
        elif plan := "Out of date, will run" if self.stale else plans.get(self.plan, ""):
            lines.append(f"{plan}: {self.reason}" if self.reason and self.plan != "cached" else plan)
        if self.seconds is not None:
            lines.append(f"Last run: {_time(self.seconds)}")
        return "\n".join(lines)


@dataclass
class Marks:
    """All nodes of a document, and the run that is on."""

    nodes: dict[str, Mark] = field(default_factory=dict)
    job: str = ""

    def of(self, name: str) -> Mark:
        if name not in self.nodes:
            self.nodes[name] = Mark()
        return self.nodes[name]

    def begin(self, job: str) -> set[str]:
        """A run begins."""
        self.job = job
        for mark in self.nodes.values():
            mark.state, mark.step, mark.fault = "", (0, 0), ""
        return set(self.nodes)

    def stop(self) -> set[str]:
        """No run is on: nothing is running any more."""
        found = {name for name, mark in self.nodes.items() if mark.state == "running"}
        for name in found:
            self.nodes[name].state = ""
        return found

    def seen(self, seen: say.Seen) -> set[str]:
        """The worker has looked at the graph."""
        plans = {state.node: state for state in seen.states}
        faults: dict[str, list[Fault]] = {}
        for fault in seen.faults:
            for name in (fault.node, *outside(fault.node)):
                faults.setdefault(name, []).append(fault)
        changed = set()
        groups = {group for name in plans for group in outside(name)}
        plans |= {group: _joined(group, seen.states) for group in groups}
        for name in {*self.nodes, *plans, *faults}:
            mark, state = self.of(name), plans.get(name)
            new = (state.status, state.reason) if state else ("", "")
            problems = tuple(faults.get(name, ()))
            if new != (mark.plan, mark.reason) or problems != mark.problems:
                (mark.plan, mark.reason), mark.problems = new, problems
                changed.add(name)
        return changed

    def copy(self, moves: Mapping[str, str]) -> None:
        """Nodes have other names now: what is known of them is known under these, too."""
        for old, new in moves.items():
            if old in self.nodes:
                self.nodes[new] = replace(self.nodes[old], plan="", reason="", problems=())
        for group in {group for name in moves.values() for group in outside(name)}:
            self._gather(group, [self.nodes[name] for name in moves.values() if name.startswith(group + SEPARATOR)
                                 and name in self.nodes])  # fmt: skip

    def told(self, message: object) -> set[str]:
        """A message of the run; returns the nodes whose mark has changed, and those that they are inside of."""
        touched = self._told(message)
        groups = {group for name in touched for group in outside(name)}
        for group in groups:
            self._gather(group, [self.nodes[name] for name in touched])
        return touched | groups

    def _gather(self, group: str, news: list[Mark]) -> None:
        """What is known of a subgraph: that of the nodes inside which says most."""
        mark = self.of(group)
        inside = [each for name, each in self.nodes.items() if name.startswith(group + SEPARATOR)]
        state = next((state for state in STATES if any(each.state == state for each in inside)), "")
        first = next((each for each in inside if each.state == state), mark)
        mark.state, mark.step, mark.began, mark.fault = state, first.step, first.began, first.fault
        known = [each.seconds for each in inside if each.seconds is not None]
        mark.seconds = sum(known) if known else None
        for each in news:
            if each.picture is not None:
                mark.picture, mark.final, mark.pictures = each.picture, each.final, each.pictures
            mark.sounds = each.sounds or mark.sounds

    def _told(self, message: object) -> set[str]:
        if getattr(message, "job", self.job) != self.job:
            return set()
        match message:
            case say.NodeStarted(node=node):
                mark = self.of(node)
                mark.state, mark.step, mark.began = "running", (0, 0), time.monotonic()
            case say.Progress(node=node, step=step, total=total, picture=picture):
                mark = self.of(node)
                mark.state, mark.step = ("running" if mark.state == "" else mark.state), (step, total)
                if picture is not None:
                    mark.picture, mark.final, mark.pictures = picture, step >= total, (picture,)
            case say.NodeFinished(node=node, seconds=seconds, cached=tier):
                mark = self.of(node)
                mark.state, mark.step = "done", (0, 0)
                mark.plan, mark.reason = "cached", ""
                mark.seconds = mark.seconds if tier else seconds
            case say.NodeFailed(node=node, fault=fault):
                mark = self.of(node)
                mark.state, mark.step = ("skipped" if fault.code == "NF508" else "failed"), (0, 0)
                mark.fault = fault.line
            case say.Output(port=port, sounds=sounds) if sounds:
                node = port.partition(".")[0]
                self.of(node).sounds = sounds
            case say.Output(port=port, pictures=pictures) if pictures:
                node = port.partition(".")[0]
                mark = self.of(node)
                mark.picture, mark.final, mark.pictures = pictures[0], True, pictures
            case say.Result(node=node, picture=picture, curve=curve, sound=sound):
                mark = self.of(node)
                mark.sounds = (sound,) if sound is not None else ()
                mark.curve = curve
                if picture is not None:
                    mark.picture, mark.final, mark.pictures = picture, True, (picture,)
            case _:
                return set()
        return {node}


REASONS = 12
"""Lines of a tooltip."""
STATES = ("running", "failed", "skipped", "waiting", "done")
"""Of the nodes inside a subgraph, the state that comes first here is that of the whole."""
PLANS = ("failed", "blocked", "run", "unknown", "lazy", "cached", "unneeded", "muted")


def outside(name: str) -> list[str]:
    """The nodes that a node of a run is inside of: "a" and "a / b" for "a / b / c"."""
    parts = name.split(SEPARATOR)
    return [SEPARATOR.join(parts[:count]) for count in range(1, len(parts))]


def _joined(group: str, states: Iterable[say.NodeState]) -> say.NodeState:
    """What a run would do with a subgraph: what it would do with the node inside that needs most."""
    inside = [state for state in states if state.node.startswith(group + SEPARATOR)]
    most = min(inside, key=lambda state: PLANS.index(state.status) if state.status in PLANS else 0)
    reason = most.reason
    if most.status in ("run", "unknown") and reason:
        reason = f"{most.node[len(group + SEPARATOR) :]}: {reason}"
    return say.NodeState(group, most.status, most.tier, reason)


def summary(seen: say.Seen, marks: Marks) -> str:
    """What a run would do, for the toolbar: "4 of 17 nodes will run, about 11 s"."""
    if not seen.states:
        return ""
    muted = sum(state.status == "muted" for state in seen.states)
    if muted == len(seen.states):
        return f"nothing to run, {muted} muted"
    words = _would_run([state for state in seen.states if state.status != "muted"], marks)
    return words + (f", {muted} muted" if muted else "")


def _would_run(states: list[say.NodeState], marks: Marks) -> str:
    pending = [state for state in states if state.status in ("run", "unknown")]
    stuck = sum(state.status in ("failed", "blocked") for state in states)
    if stuck:
        return f"{stuck} of {len(states)} nodes cannot run"
    if not pending:
        return f"nothing to run, {len(states)} nodes cached"
    return f"{len(pending)} of {len(states)} nodes will run{_about([marks.of(state.node) for state in pending])}"


def reasons(seen: say.Seen) -> str:
    """Which nodes will run, and why, a line each, the first of them."""
    lines = [f"{state.node}: {state.reason}" if state.reason else state.node
             for state in seen.states if state.status in ("run", "unknown")]  # fmt: skip
    more = len(lines) - REASONS
    return "\n".join([*lines[:REASONS], *([f"and {more} more"] if more > 0 else [])])


def _about(pending: list[Mark]) -> str:
    """How long nodes will take, by how long they took: ", about 11 s"; where some never ran, what is known at least."""
    known = [mark.expected for mark in pending if mark.expected is not None]
    if sum(known) < 0.1:
        return ""
    return f", {'about' if len(known) == len(pending) else 'more than'} {_time(sum(known))}"


def left(marks: Marks, node: str) -> str:
    """How long a running node will go on, by its rate so far: ", about 11 s left"; empty while that is unknown."""
    mark = marks.of(node)
    done, of = mark.step
    return f", about {_time((of - done) / mark.rate)} left" if done and mark.rate and of > done else ""


def _time(seconds: float) -> str:
    if seconds < 0.0005:
        return "under 1 ms"
    if seconds < 0.0995:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.1f} s" if seconds < 60 else f"{seconds // 60:.0f} min {seconds % 60:.0f} s"
