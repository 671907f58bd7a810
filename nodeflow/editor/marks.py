"""What is known of each node's run: will it run and why, how far it is, how long it took, what it made, what failed.

No Qt: messages of the worker go in, marks come out.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from ..errors import Fault
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
    problems: tuple[Fault, ...] = ()

    @property
    def rate(self) -> float:
        """Steps a second."""
        spent = time.monotonic() - self.began
        return self.step[0] / spent if self.step[0] and spent > 0 else 0.0

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
        }
        if plan := plans.get(self.plan, ""):
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
            faults.setdefault(fault.node, []).append(fault)
        changed = set()
        for name in {*self.nodes, *plans, *faults}:
            mark, state = self.of(name), plans.get(name)
            new = (state.status, state.reason) if state else ("", "")
            problems = tuple(faults.get(name, ()))
            if new != (mark.plan, mark.reason) or problems != mark.problems:
                (mark.plan, mark.reason), mark.problems = new, problems
                changed.add(name)
        return changed

    def told(self, message: object) -> set[str]:
        """A message of the run; returns the nodes whose mark has changed."""
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


def summary(seen: say.Seen, marks: Marks) -> str:
    """What a run would do, for the toolbar: "4 of 17 nodes will run, about 11 s"."""
    if not seen.states:
        return ""
    pending = [state for state in seen.states if state.status in ("run", "unknown")]
    stuck = sum(state.status in ("failed", "blocked") for state in seen.states)
    if stuck:
        return f"{stuck} of {len(seen.states)} nodes cannot run"
    if not pending:
        return f"nothing to run, {len(seen.states)} nodes cached"
    known = [seconds for state in pending if (seconds := marks.of(state.node).seconds) is not None]
    about = f", about {_time(sum(known))}" if len(known) == len(pending) and sum(known) >= 0.1 else ""
    return f"{len(pending)} of {len(seen.states)} nodes will run{about}"


def _time(seconds: float) -> str:
    if seconds < 0.0995:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.1f} s" if seconds < 60 else f"{seconds // 60:.0f} min {seconds % 60:.0f} s"
