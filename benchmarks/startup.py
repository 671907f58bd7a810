"""How long it takes until something happens: whole processes, medians, and ratios against `import torch`.

    python benchmarks/startup.py [--runs 5] [--model emoji]

Goals: `--help` in 0.15 s, `check` of a graph of 100 nodes in 0.4 s, a headless run's start in 1.3 times the CPU time
of `import torch` alone. The run paints one step, so its figure holds loading and a little work besides the start.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
GRAPH = ROOT / "graphs" / "text-to-image.json"


def measured(command: list[str], runs: int) -> tuple[float, float]:
    """Medians of (wall, CPU) seconds of a process, after one run that does not count."""
    wall, cpu = [], []
    for _ in range(runs + 1):
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wall.append(time.perf_counter() - began)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return statistics.median(wall[1:]), statistics.median(cpu[1:])


def hundred_nodes(folder: Path) -> Path:
    """A graph of 100 nodes, a chain of pictures."""
    from nodeflow.graph import Graph, save

    graph = Graph()
    last = graph.add("image/load", path="picture.png")["image"]
    for _ in range(99):
        last = graph.add("image/blend", a=last, b=last)["image"]
    graph.outputs["image"] = last
    save(graph, folder / "hundred.json")
    return folder / "hundred.json"


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--runs", type=int, default=5)
    options.add_argument("--model", default="emoji")
    given = options.parse_args()
    flow = [sys.executable, "-m", "nodeflow"]
    with tempfile.TemporaryDirectory() as folder:
        hundred = hundred_nodes(Path(folder))
        start = ["run", str(GRAPH), "--set", f"model={given.model}", "--set", "steps=1", "-q", "--fresh", "-o", folder]
        _, torch = measured([sys.executable, "-c", "import torch"], given.runs)
        for name, command in (
            ("python", [sys.executable, "-c", "pass"]),
            ("import torch", [sys.executable, "-c", "import torch"]),
            ("nodeflow --help", [*flow, "--help"]),
            ("check, 100 nodes", [*flow, "check", str(hundred)]),
            ("plan, text to image", [*flow, "plan", str(GRAPH), "--set", f"model={given.model}"]),
            ("run, one step", [*flow, *start]),
        ):
            wall, cpu = measured(command, given.runs)
            print(f"{name:<22} {wall:6.2f} s wall {cpu:6.2f} s CPU   {cpu / torch:5.2f} × import torch")


if __name__ == "__main__":
    main()
