"""What the executor costs beside the nodes' own work: µs a node, by shape and size.

    python benchmarks/executor.py [--sizes 100 1000 10000]

cold: plan and run with an empty cache. cached: the same again. edit: plan after one changed value in the middle;
the run after it depends on how much hangs on that value, so only its plan is timed. Goals: cold ≤ 50 µs a node,
cached ≤ 20; eight nodes unchanged ≤ 1 ms; plan of 1,000 nodes after one edit ≤ 50 ms.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

from nodeflow.declaration import node
from nodeflow.execution import Cache, Executor, plan
from nodeflow.graph.graph import Graph, Node
from nodeflow.packs import Library


@node("bench/add")
def add(a: int = 0, b: int = 0) -> int:
    """Add, modulo a prime."""
    return (a + b) % 1_000_003


@node("bench/sum")
def total(xs: list[int]) -> int:
    """Add many."""
    return sum(xs) % 1_000_003


LIBRARY = Library.of(add, total)


def _add(value: int, a: str = "", b: str = "") -> Node:
    wires: dict[str, str | list[str]] = {port: f"{name}.value" for port, name in (("a", a), ("b", b)) if name}
    return Node("bench/add", values={} if a and b else {"b" if a else "a": value}, wires=wires)


def chain(count: int) -> Graph:
    """Each node feeds the next."""
    nodes = {f"n{i}": _add(i, f"n{i - 1}" if i else "") for i in range(count)}
    return Graph(nodes=nodes, outputs={"out": f"n{count - 1}.value"})


def lattice(count: int) -> Graph:
    """Two nodes a level, each fed by both above: 2^depth paths."""
    nodes = {"a0": _add(1), "b0": _add(2)}
    for i in range(1, count // 2):
        nodes[f"a{i}"], nodes[f"b{i}"] = _add(0, f"a{i - 1}", f"b{i - 1}"), _add(i, f"b{i - 1}")
    return Graph(nodes=nodes, outputs={"out": f"a{count // 2 - 1}.value"})


def fan_in(count: int) -> Graph:
    """Many nodes into one."""
    nodes = {f"n{i}": _add(i) for i in range(count - 1)}
    nodes["sum"] = Node("bench/sum", wires={"xs": [f"n{i}.value" for i in range(count - 1)]})
    return Graph(nodes=nodes, outputs={"out": "sum.value"})


def fan_out(count: int) -> Graph:
    """One node into many outputs."""
    nodes = {"root": _add(1)} | {f"n{i}": _add(i, "root") for i in range(count - 1)}
    return Graph(nodes=nodes, outputs={f"o{i}": f"n{i}.value" for i in range(count - 1)})


def grid(count: int) -> Graph:
    """Each node fed by its left and upper neighbour."""
    side = int(count**0.5)
    nodes = {}
    for y in range(side):
        for x in range(side):
            left, up = f"n{y}_{x - 1}" if x else "", f"n{y - 1}_{x}" if y else ""
            nodes[f"n{y}_{x}"] = _add(y * side + x, left or up, up if left else "")
    return Graph(nodes=nodes, outputs={"out": f"n{side - 1}_{side - 1}.value"})


def timed(work: Callable[[], object]) -> float:
    """CPU seconds of one call: other programs on the machine do not count."""
    began = time.process_time()
    work()
    return time.process_time() - began


def measure(graph: Graph) -> tuple[float, float, float]:
    """Seconds for (cold, cached, plan after one edit); the best of three each."""
    runs = []
    for _ in range(3):
        cache = Cache(device_bytes=0)
        executor = Executor(LIBRARY, cache)

        def run(cache: Cache = cache, executor: Executor = executor) -> None:
            executor.run(plan(graph, LIBRARY, cache=cache)).check()

        cold, cached = timed(run), min(timed(run) for _ in range(3))
        edited = list(graph.nodes)[len(graph.nodes) // 2]
        kept = dict(graph.nodes[edited].values)
        graph.nodes[edited].values["b" if "a" in graph.nodes[edited].wires else "a"] = 999_983
        edit = timed(lambda cache=cache: plan(graph, LIBRARY, cache=cache))
        graph.nodes[edited].values = kept
        runs.append((cold, cached, edit))
    cold, cached, edit = (min(times) for times in zip(*runs, strict=True))
    return cold, cached, edit


def main() -> None:
    """Print a table."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--sizes", type=int, nargs="+", default=[100, 1000, 10_000])
    sizes = arguments.parse_args().sizes
    print(f"{'shape':<10}{'nodes':>8}{'cold µs':>12}{'cached µs':>12}{'edit ms':>12}")
    _, cached, _ = measure(chain(8))
    print(f"{'eight':<10}{8:>8}{'':>12}{cached * 1e3:>9.2f} ms")
    for make in (chain, lattice, fan_in, fan_out, grid):
        for size in sizes:
            graph = make(size)
            count = len(graph.nodes)
            cold, cached, edit = measure(graph)
            row = f"{cold / count * 1e6:>12.1f}{cached / count * 1e6:>12.1f}{edit * 1e3:>12.1f}"
            print(f"{make.__name__:<10}{count:>8}{row}")


if __name__ == "__main__":
    main()
