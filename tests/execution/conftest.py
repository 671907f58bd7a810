"""A bench for the executor: toy nodes that count their calls, and graphs of them in a line of text each."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple, TypeVar

import pytest

from nodeflow.declaration import Cosmetic, Lazy, Run, node
from nodeflow.errors import Cancelled
from nodeflow.execution import Cache, Environment, Plan, Report, Token, plan, run_graph
from nodeflow.graph.graph import Graph, Node
from nodeflow.packs import Library
from nodeflow.values import Value, Weights

T = TypeVar("T")


class ToyArray:
    """An array that knows its device and counts writes, as tensors do."""

    def __init__(self, data: list[float], device: str = "cpu") -> None:
        self.data = list(data)
        self.device = device
        self._version = 0

    @property
    def nbytes(self) -> int:
        return 1000 * len(self.data)

    def to(self, device: str) -> ToyArray:
        return ToyArray(self.data, device)

    def write(self, value: float) -> None:
        self.data[0] = value
        self._version += 1


@dataclass(frozen=True)
class Box(Value):
    """A toy array on a wire."""

    data: Any


@dataclass(frozen=True)
class Stateful(Value):
    """A value that smuggles a thing with a state."""

    thing: Any


@dataclass(frozen=True)
class ToyModel(Weights):
    """A handle on no weights."""


class Both(NamedTuple):
    left: int
    right: int


class Bench:
    """Toy nodes, a count of their calls, and what they were called with."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.world = 0
        self.fingerprints = 0
        self.cancel: Token | None = None
        self.alive = 0
        self.library = Library.of(*self._nodes())

    def count(self, name: str = "") -> int:
        return len(self.calls) if not name else Counter(call[0] for call in self.calls)[name]

    def reset(self) -> None:
        self.calls.clear()

    def run(self, graph: Graph, **options: Any) -> Report:
        return run_graph(graph, self.library, **options)

    def plan(self, graph: Graph, **options: Any) -> Plan:
        return plan(graph, self.library, **options)

    def statuses(self, report: Report) -> dict[str, str]:
        return {each.node: each.status for each in report.nodes}

    def _nodes(self) -> list[Any]:
        note = self.calls.append

        @node("t/add")
        def add(a: int = 0, b: int = 0, label: Annotated[str, Cosmetic] = "") -> int:
            """Add."""
            note(("add", a, b))
            return a + b

        @node("t/real")
        def real(a: float = 0.0) -> float:
            """A float."""
            note(("real", a))
            assert type(a) is float
            return a / 2

        @node("t/two")
        def two(a: int = 0) -> Both:
            """Two outputs."""
            note(("two", a))
            return Both(a, -a)

        @node("t/count")
        def counting(n: int = 3) -> list[int]:
            """A list."""
            note(("count", n))
            return list(range(n))

        @node("t/sum")
        def total(xs: list[int]) -> int:
            """Positional sum, so that order matters."""
            note(("sum", tuple(xs)))
            return sum((place + 1) * x for place, x in enumerate(xs))

        @node("t/fail")
        def fail(a: int = 0, on: int | None = None) -> int:
            """Fail, always or on one value."""
            note(("fail", a))
            if on is None or a == on:
                raise ValueError(f"no {a}")
            return a

        @node("t/pick")
        def pick(a: Lazy[int], b: Lazy[int], first: bool = True) -> int:
            """Ask for one of two."""
            note(("pick", first))
            return a() if first else b()

        @node("t/maybe")
        def maybe(x: int = 0, other: Lazy[int] | None = None) -> int:
            """Ask when x is 0."""
            note(("maybe", x))
            return x if x else other() if other else -1

        @node("t/reroute", passes="value")
        def reroute(value: T) -> T:
            """Pass on."""
            note(("reroute", value))
            return value

        @node("t/switch", passes=lambda first, **others: "a" if first else "b")
        def switch(a: Lazy[T], b: Lazy[T], first: bool = True) -> T:
            """Pass on one of two."""
            note(("switch", first))
            return a() if first else b()

        @node("t/dice", volatile=True)
        def dice() -> int:
            """Never the same."""
            note(("dice",))
            return len(self.calls)

        def look(path: str) -> int:
            self.fingerprints += 1
            if path == "bad":
                raise OSError("no such file")
            return self.world

        @node("t/read", fingerprint=look)
        def read(path: str = "p", extra: int = 0) -> int:
            """Read the world."""
            note(("read", path))
            return self.world * 100 + extra

        @node("t/name")
        def name(text: str = "p") -> str:
            """A text."""
            note(("name", text))
            return text

        @node("t/sink", sink=True)
        def sink(a: int = 0) -> None:
            """Show."""
            note(("sink", a))

        @node("t/box")
        def box(size: int = 1, device: str = "cpu") -> Box:
            """An array of `size` kB."""
            note(("box", size))
            return Box(ToyArray([float(size)] * size, device))

        @node("t/read_box")
        def read_box(box: Box) -> float:
            """Its first number."""
            note(("read_box",))
            return float(box.data.data[0])

        @node("t/spoil")
        def spoil(box: Box) -> float:
            """Write into the input."""
            note(("spoil",))
            box.data.write(99.0)
            return float(box.data.data[0])

        @node("t/stateful")
        def stateful(a: int = 0) -> Stateful:
            """Something with a state."""
            note(("stateful", a))
            return Stateful(iter([1, 2, 3]))

        @node("t/spend")
        def spend(thing: Stateful) -> int:
            """Use it up a little."""
            note(("spend",))
            return next(thing.thing)

        @node("t/wrong")
        def wrong(how: str = "type") -> int:
            """Break the promise."""
            note(("wrong", how))
            return {"type": "text", "none": None}[how]  # type: ignore[return-value]

        @node("t/steps")
        def steps(run: Run, a: int = 0, at: int = -1) -> int:
            """Ten steps; cancels itself at one of them."""
            for step in range(10):
                note(("steps", step))
                if step == at and self.cancel:
                    self.cancel.cancel()
                run.progress(step, 10)
            run.log("done")
            return a

        @node("t/where")
        def where(run: Run) -> str:
            """Where it runs."""
            note(("where",))
            return run.device

        @node("t/wait", waits=True)
        def wait(a: int = 0, seconds: float = 0.05) -> int:
            """Wait."""
            note(("wait", a))
            time.sleep(seconds)
            return a

        @node("t/load")
        def load(file: str = "A") -> ToyModel:
            """A model."""
            note(("load", file))
            return ToyModel(file, "Toy", {}, file)

        @node("t/use")
        def use(model: ToyModel, a: int = 0) -> int:
            """Compute with a model."""
            note(("use", model.folder, a))
            return a

        @node("t/hungry")
        def hungry(run: Run, appetite: int = 1) -> int:
            """Runs out of memory until weights are released."""
            note(("hungry",))
            if self.alive < appetite:
                raise MemoryError("Tried to allocate 6.20 GiB. GPU 0 has 8.00 GiB of which 3.90 GiB is free")
            return self.alive

        @node("t/same")
        def same(value: T) -> T:
            """Return the input."""
            note(("same",))
            return value

        @node("t/stop")
        def stop(a: int = 0) -> int:
            """Cancel from inside."""
            raise Cancelled()

        return [
            add, real, two, counting, total, fail, pick, maybe, reroute, switch, dice, read, name, sink, box, read_box,
            spoil, stateful, spend, wrong, steps, where, wait, load, use, hungry, same, stop,
        ]  # fmt: skip


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture
def make():
    """`make("a add a=1 b=c.value", ..., out="a.value")`: a graph, one node a text."""

    def build(*lines: str, **outputs: str) -> Graph:
        graph = Graph(outputs={name: end if "." in end else f"{end}.value" for name, end in outputs.items()})
        for line in lines:
            name, kind, *inputs = line.split()
            made = Node(f"t/{kind}")
            for each in inputs:
                port, _, value = each.partition("=")
                if value.startswith("@"):
                    ends = [end if "." in end else f"{end}.value" for end in value[1:].split(",")]
                    made.wires[port] = ends if len(ends) > 1 else ends[0]
                else:
                    made.values[port] = _plain(value)
            graph.nodes[name] = made
        return graph

    return build


def _plain(text: str) -> Any:
    import json

    try:
        return json.loads(text)
    except ValueError:
        return text


@pytest.fixture
def cache() -> Cache:
    return Cache(device_bytes=10**8, host_bytes=10**8)


__all__ = ["Bench", "Environment"]
