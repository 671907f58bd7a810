"""Every small model with everything: it works, or one sentence says why not; nothing is a traceback."""

from __future__ import annotations

import random
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from everything import ADDITIONS, MODELS

from nodeflow.engine import Engine
from nodeflow.errors import Fault, NodeflowError
from nodeflow.execution import Cache
from nodeflow.flow import Flow
from nodeflow.graph import Graph, check
from nodeflow.opening import open_graph
from nodeflow.saving import with_values
from nodeflow.values import Image

GRAPHS = Path(__file__).parents[2] / "graphs"
NAMES = sorted(path.relative_to(GRAPHS).with_suffix("").as_posix() for path in GRAPHS.rglob("*.json"))
RUN = {"text-to-image", "inpaint", "unconditional"}
SAMPLE = 24
"""How many pairs of a model and an addition are run besides checked; others each time that the tables grow."""
GIVEN = {"steps": 1, "prompt": "a red heart", "width": 64, "height": 64}


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(results=Cache(folder=None))


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("seen")
    noise = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    return {name: str(Image(noise.round()).save(folder / f"{name}.png")[0]) for name in ("image", "mask")}


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Where a model or an addition is, made once."""

    @cache
    def place(name: str) -> Path:
        folder = tmp_path_factory.mktemp("made")
        return MODELS[name](folder) or folder if name in MODELS else ADDITIONS[name].make(folder)

    return place


def are_sentences(faults: Iterable[Fault], *where: str) -> None:
    for fault in faults:
        one = fault.what and fault.code != "NF501" and "\n" not in fault.line and len(fault.line) < 500
        assert one and "Error(" not in fault.line, (where, fault)


def told(graph: Graph, engine: Engine, run: bool) -> list[Fault]:
    """What is said of a graph, before it runs and, if need be, while it does."""
    try:
        if (faults := check(graph, engine.library)) or not run:
            return faults
        Flow(graph, engine)()
    except NodeflowError as error:
        return list(error.faults)
    return []


def prompted(name: str, model: Path, given: dict[str, str]) -> Graph:
    """A template graph with a model in it."""
    graph = open_graph(str(GRAPHS / f"{name}.json"))
    values = {"model": str(model), "folder": str(Path(given["image"]).parent), **GIVEN, **given}
    return with_values(graph, {name: value for name, value in values.items() if name in graph.inputs})


def with_addition(graph: Graph, name: str, place: Path, given: dict[str, str], engine: Engine) -> Graph:
    """The same with an addition to it."""
    there = set(graph.nodes)
    ADDITIONS[name].put(graph, place, Path(given["image"]))
    for added in graph.nodes.keys() - there:
        node = graph.nodes[added]
        node.version = engine.library.spec(node.type).version
    return graph


@pytest.mark.parametrize("model", MODELS)
def test_models_in_template_graphs(engine: Engine, places: Any, given: dict[str, str], model: str) -> None:
    for name in NAMES:
        faults = told(prompted(name, places(model), given), engine, name in RUN and "file" not in model)
        are_sentences(faults, model, name)


def test_additions_to_models(engine: Engine, places: Any, given: dict[str, str]) -> None:
    """All pairs are checked; of those that nothing is said against, some run."""
    fit = []
    for model in MODELS:
        for name in ADDITIONS:
            graph = with_addition(prompted("text-to-image", places(model), given), name, places(name), given, engine)
            faults = told(graph, engine, run=False)
            are_sentences(faults, model, name)
            fit += [] if faults else [(model, name)]
    assert len(fit) >= SAMPLE
    for model, name in random.Random(7).sample(fit, SAMPLE):
        graph = with_addition(prompted("text-to-image", places(model), given), name, places(name), given, engine)
        are_sentences(told(graph, engine, run=True), model, name)


def test_models_as_parts_of_others(engine: Engine, places: Any, given: dict[str, str]) -> None:
    """The files of a model in "Load model from files", beside the weights of any other."""
    files = {name: _weights(places(name)) for name in MODELS}
    pairs = [(model, other) for model in MODELS for other in MODELS]
    for model, other in random.Random(8).sample(pairs, 200):
        graph = prompted("text-to-image", places(model), given)
        graph.nodes["load"].type = "model/files"
        graph.nodes["load"].values = {"denoiser": str(files[model][0]), "autoencoder": str(files[other][-1])}
        are_sentences(told(graph, engine, run=False), model, other)


def _weights(place: Path) -> list[Path]:
    return [place] if place.is_file() else sorted(place.rglob("*.safetensors"))
