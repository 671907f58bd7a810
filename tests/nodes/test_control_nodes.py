"""Controls on wires: what check knows of them, and whole runs with a tiny model."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
import torch

import nodeflow
from nodeflow import NodeflowError, content
from nodeflow.diffusion.checkpoints import open_model
from nodeflow.engine import Engine
from nodeflow.execution import Cache
from nodeflow.flow import Flow
from nodeflow.graph.check import check
from nodeflow.graph.graph import Port
from nodeflow.models import open_control
from nodeflow.packing import deserialise, serialise
from nodeflow.packs import default_library
from nodeflow.values import Image
from tests.tiny import control as write_control

PICTURE = Image(torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(1)))


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(results=Cache(folder=None))


@pytest.fixture
def flow(engine: Engine, tiny: Any) -> Flow:
    flow = nodeflow.load(content.folder("graphs") / "text-to-image.json", engine=engine)
    flow.graph.nodes["load"].values["model"] = str(tiny("text_to_image"))
    flow.graph.nodes["schedule"].values["steps"] = 3
    return flow


def steered(flow: Flow, *networks: Any, **options: Any) -> Flow:
    """The graph with these control networks between the model and the sampler."""
    graph = flow.graph
    before = Port(str(graph.nodes["denoise"].wires["model"]))
    (path,) = PICTURE.save(Path(tempfile.mkdtemp()) / "picture.png")
    picture = graph.add("image/load", path=str(path))["image"]
    for network in networks:
        loaded = graph.add("control/load", network=str(network))["control_network"]
        before = graph.add("control/apply", model=before, network=loaded, image=picture, **options)["denoiser"]
    graph.nodes["denoise"].wires["model"] = str(before)
    return flow


def test_controls_in_a_row_change_the_picture_each_in_its_way(flow: Flow, tiny: Any) -> None:
    plain = flow().image.data
    one = steered(flow, tiny("control"))
    first = one().image.data
    both = steered(one, tiny("other_control"))().image.data
    assert (plain - first).abs().max() > 1e-3 and (first - both).abs().max() > 1e-3


def test_a_control_of_no_strength_changes_nothing(flow: Flow, tiny: Any) -> None:
    assert torch.equal(flow().image.data, steered(flow, tiny("control"), strength=0.0)().image.data)


def test_check_refuses_a_control_network_of_another_family(flow: Flow, tmp_path: Any) -> None:
    write_control(tmp_path, cross_attention_dim=24)
    (fault,) = check(steered(flow, tmp_path).graph, default_library())
    assert fault.code == "NF211" and "24" in fault.what and "32" in fault.what


def test_check_refuses_a_window_without_steps(flow: Flow, tiny: Any) -> None:
    (fault,) = check(steered(flow, tiny("control"), start=0.5, end=0.5).graph, default_library())
    assert fault.code == "NF410"


def test_what_is_no_control_network_is_refused(tiny: Any) -> None:
    with pytest.raises(NodeflowError, match=r"NF404.*UNet2DConditionModel"):
        open_control(str(tiny("text_to_image") / "unet"))
    with pytest.raises(NodeflowError, match="NF401"):
        open_control(str(tiny("text_to_image")))


def test_a_steered_model_can_be_stored(tiny: Any) -> None:
    network = open_control(str(tiny("control")))
    apply = default_library().type("control/apply").function
    model = apply(open_model(str(tiny("text_to_image"))).denoiser, network, PICTURE, 0.5, 0.1, 0.9)
    again = deserialise(serialise(model))
    assert torch.equal(again.controls[0].image, PICTURE.data)
    assert again.controls[0].network == network and again.controls[0].strength == 0.5
