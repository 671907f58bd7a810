"""Several samplers can share one run, and levels cut in two are two parts of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from nodeflow import Graph
from nodeflow.engine import Engine
from nodeflow.execution import Cache
from nodeflow.graph import check, load
from nodeflow.graph.graph import Node

GRAPH = Path(__file__).parents[2] / "graphs" / "text-to-image.json"
STEPS = 9


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(results=Cache(folder=None))


@pytest.fixture
def whole(tiny: Any) -> Graph:
    graph = load(GRAPH)
    graph.nodes["load"].values["model"] = str(tiny("text_to_image"))
    graph.nodes["schedule"].values["steps"] = STEPS
    return graph


def parted(graph: Graph, first: dict[str, Any], second: dict[str, Any]) -> Graph:
    """The graph with two samplers in a row in the place of its one."""
    graph = graph.copy()
    old = graph.nodes["denoise"]
    values = {**old.values, **first, "leftover_noise": True}
    graph.nodes["denoise"] = Node("sampling/denoise-steps", values=values, wires=dict(old.wires))
    values = {**old.values, **second, "add_noise": False}
    graph.nodes["rest"] = Node("sampling/denoise-steps", values=values, wires={**old.wires, "latent": "denoise.latent"})
    graph.nodes["decode"].wires["latent"] = "rest.latent"
    return graph


def painted(engine: Engine, graph: Graph) -> torch.Tensor:
    report = engine.run(engine.plan(graph))
    assert not report.faults, report.faults
    return report.outputs["image"].data  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    "scheduler", ["EulerDiscreteScheduler", "DDIMScheduler", "HeunDiscreteScheduler", "DPMSolverSDEScheduler"]
)
@pytest.mark.parametrize("at", [1, 5])
def test_two_samplers_in_a_row_are_one(engine: Engine, whole: Graph, scheduler: str, at: int) -> None:
    whole.nodes["schedule"].values["scheduler"] = scheduler
    two = parted(whole, {"end": at}, {"start": at})
    assert not check(two, engine.library)
    assert torch.allclose(painted(engine, two), painted(engine, whole), atol=1e-5)


def test_levels_cut_in_two_are_two_parts_of_one_run(engine: Engine, whole: Graph) -> None:
    whole.nodes["schedule"].values["scheduler"] = "EulerDiscreteScheduler"
    two = parted(whole, {}, {})
    two.nodes["cut"] = Node("sigmas/split-at", values={"sigma": 1.0}, wires={"sigmas": "schedule.sigmas"})
    two.nodes["join"] = Node("sigmas/join", wires={"first": "cut.high", "second": "cut.low"})
    two.outputs |= {"sigmas": "schedule.sigmas", "joined": "join.values"}
    for sampler, part in (("denoise", "high"), ("rest", "low")):
        two.nodes[part] = Node("schedule/steps", 2, {"scheduler": "EulerDiscreteScheduler"},
                               {"default": "load.scheduler", "levels": f"cut.{part}"})  # fmt: skip
        two.nodes[sampler].wires["schedule"] = f"{part}.schedule"
    report = engine.run(engine.plan(two))
    assert not report.faults, report.faults
    assert report.outputs["joined"] == report.outputs["sigmas"]
    assert torch.allclose(report.outputs["image"].data, painted(engine, whole), atol=1e-5)


def test_without_leftover_noise_a_part_hands_on_its_clean_estimate(engine: Engine, whole: Graph) -> None:
    part = parted(whole, {"end": 4}, {})
    part.outputs |= {"latent": "denoise.latent", "estimate": "denoise.estimate"}
    part.nodes["denoise"].values["leftover_noise"] = False
    noisy = engine.run(engine.plan(parted(whole, {"end": 4}, {}), wanted=["denoise.latent"])).outputs["denoise.latent"]
    report = engine.run(engine.plan(part, wanted=["latent", "estimate"]))
    assert torch.equal(report.outputs["latent"].data, report.outputs["estimate"].data)
    assert not torch.equal(report.outputs["latent"].data, noisy.data)


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({"start": 5, "end": 5}, "NF410 denoise.end: no step lies between 5 and 5"),
        ({"start": STEPS + 1}, f"NF410 denoise: step {STEPS + 1} is outside 0 … {STEPS}"),
    ],
)
def test_steps_that_are_not_there_are_refused(engine: Engine, whole: Graph, values: dict[str, Any], line: str) -> None:
    whole.nodes["schedule"].values["scheduler"] = "EulerDiscreteScheduler"
    report = engine.run(engine.plan(parted(whole, values, {})))
    assert report.faults[0].line.startswith(line)
