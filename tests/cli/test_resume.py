"""A killed or stopped sampler goes on within its steps, to the same picture bit for bit."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from nodeflow.engine import Engine
from nodeflow.execution import Cache, Report, Token
from nodeflow.execution.run import NodeRun
from nodeflow.graph import Graph
from nodeflow.graph.graph import Node
from nodeflow.opening import open_graph

GRAPH = Path(__file__).parents[2] / "graphs" / "text-to-image.json"
SOLVERS = {
    "DDIM": {"scheduler": "DDIMScheduler"},
    "DDIM, random": {"scheduler": "DDIMScheduler", "options": {"eta": 1.0}},
    "Euler ancestral": {"scheduler": "EulerAncestralDiscreteScheduler"},
    "Heun, in the middle of a step": {"scheduler": "HeunDiscreteScheduler"},
    "DPM-Solver++, third order": {"scheduler": "DPMSolverMultistepScheduler", "options": {"solver_order": 3}},
    "DPM-Solver++, stochastic": {
        "scheduler": "DPMSolverMultistepScheduler",
        "options": {"algorithm_type": "sde-dpmsolver++"},
    },
    "UniPC": {"scheduler": "UniPCMultistepScheduler"},
    "PNDM": {"scheduler": "PNDMScheduler"},
}


@pytest.fixture
def run(monkeypatch):
    """A run in an engine of its own, stopped while it is at a step."""

    def call(graph: Graph, folder: Path | None, stop_at: int = 0, resume: bool = False) -> Report:
        engine, token = Engine(results=Cache(folder=folder)), Token()

        def keep(self: NodeRun, step: int, total: int, state: Any) -> None:
            if step == stop_at:
                token.cancel()
            original(self, step, total, state)

        original = NodeRun.keep
        with monkeypatch.context() as patch:
            patch.setattr(NodeRun, "keep", keep)
            report = engine.run(engine.plan(graph, resume=resume), cancel=token)
        engine.results.flush()
        return report

    return call


@pytest.mark.parametrize("name", [*SOLVERS, "Euler, a guidance that remembers"])
def test_a_stopped_sampler_goes_on_bit_for_bit(run, tiny, tmp_path, name):
    graph = open_graph(str(GRAPH))
    graph.nodes["load"].values["model"] = str(tiny("text_to_image"))
    graph.nodes["schedule"].values |= {"steps": 6, **SOLVERS.get(name, {"scheduler": "EulerDiscreteScheduler"})}
    if name not in SOLVERS:
        graph.nodes["guide"] = Node("guidance/projected", values={"momentum": -0.5})
        graph.nodes["denoise"].wires["guide"] = "guide.guidance"
    whole = run(graph, None).outputs["image"]
    assert run(graph, tmp_path, stop_at=3).cancelled
    [state] = (tmp_path / "states").iterdir()
    assert state.name.split(".")[1] == "3"
    report = run(graph, tmp_path, resume=True)
    assert torch.equal(report.outputs["image"].data, whole.data)
    assert not list((tmp_path / "states").iterdir())


def test_a_killed_run_goes_on_to_the_same_file(nodeflow, tiny, tmp_path):
    settings = {"model": tiny("text_to_image"), "prompt": "a b", "steps": 80, "seed": 9,
                "scheduler": "EulerAncestralDiscreteScheduler"}  # fmt: skip
    arguments = [str(GRAPH), *(part for name, value in settings.items() for part in ("--set", f"{name}={value}"))]
    [whole] = nodeflow("run", *arguments, "--fresh", "-o", tmp_path / "whole").files
    command = [sys.executable, "-m", "nodeflow", "run", *arguments, "--save-every", "5", "--json", "-o", str(tmp_path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ)
    assert process.stdout is not None
    for line in process.stdout:
        event = json.loads(line)
        if event["event"] == "NodeProgress" and event["step"] >= 12:
            break
    process.send_signal(signal.SIGKILL)
    process.wait(60)
    assert not list(tmp_path.glob("*.png"))
    [planned] = [line for line in nodeflow("plan", *arguments).out.splitlines() if line.startswith("denoise")]
    assert "goes on from step" in planned and "of 80 with --resume" in planned
    said = nodeflow("run", *arguments, "--resume", "-o", tmp_path)
    assert "denoise: goes on from step" in said.err
    assert said.files[0].read_bytes() == whole.read_bytes()
    assert "goes on" not in nodeflow("plan", *arguments).out


def test_fresh_and_resume_exclude_each_other(nodeflow):
    said = nodeflow("run", GRAPH, "--fresh", "--resume")
    assert (said.status, said.err[:5]) == (2, "NF701")
