"""Every tiny model into every template graph: it works, or one sentence says why not; nothing is a traceback."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tiny import Tiny
from tiny_flows import FLOWS
from tiny_glide import GLIDES

import nodeflow
from nodeflow.engine import Engine
from nodeflow.errors import NodeflowError
from nodeflow.execution import Cache
from nodeflow.graph import check
from nodeflow.opening import open_graph
from nodeflow.saving import with_values
from nodeflow.values import Image

GRAPHS = Path(__file__).parents[2] / "graphs"
NAMES = sorted(path.stem for path in GRAPHS.glob("*.json"))
MAKERS = {**Tiny.kinds, **{maker.__name__: maker for maker in (*FLOWS, *GLIDES)}}
RUN = ("text-to-image", "inpaint", "unconditional")
"""What is run besides checked; of the flows, whose other runs stand in `oracle/test_pipelines_flow.py`, the first."""


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(results=Cache(folder=None))


@pytest.fixture(scope="module")
def given(tmp_path_factory) -> dict[str, str]:
    folder, noise = (
        tmp_path_factory.mktemp("seen"),
        torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(1)),
    )
    return {name: str(Image(noise.round()).save(folder / f"{name}.png")[0]) for name in ("image", "mask")}


@pytest.fixture(scope="module", params=sorted(MAKERS))
def model(request, tmp_path_factory) -> tuple[str, tuple[str, ...]]:
    folder = tmp_path_factory.mktemp(request.param)
    made = MAKERS[request.param](folder) or folder
    return str(made), RUN if request.param in Tiny.kinds else RUN[:1]


def said(graph, model, given):
    told = {"model": model, "steps": 1, "prompt": "a red heart", **given}
    return {name: value for name, value in told.items() if name in graph.inputs}


def test_check_and_run_speak_in_sentences(engine, model, given):
    folder, runs = model
    for name in NAMES:
        graph = open_graph(str(GRAPHS / f"{name}.json"))
        values = said(graph, folder, given)
        try:
            faults = check(with_values(graph, values), engine.library)
            if name in runs and not faults:
                nodeflow.load(GRAPHS / f"{name}.json", engine=engine)(**values)
        except NodeflowError as error:
            faults = list(error.faults)
        assert all(fault.what and fault.code != "NF501" and "\n" not in fault.line for fault in faults), (name, faults)
