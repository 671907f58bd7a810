"""Saved checkpoints: what was done to the weights is in the files, nothing is replaced unasked, the graph is inside."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from nodeflow import Graph
from nodeflow.diffusion.checkpoints.handles import open_model
from nodeflow.diffusion.checkpoints.headers import read_header
from nodeflow.engine import Engine
from nodeflow.execution import Cache, Report
from nodeflow.graph import load
from nodeflow.graph.graph import Node
from tests import singles

GRAPHS = Path(__file__).parents[2] / "graphs"
LAYER = "mid_block.attentions.0.transformer_blocks.0.attn1.to_q"
WIRES = {part: f"load.{part}" for part in ("denoiser", "scheduler", "autoencoder", "text_encoder")}


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(results=Cache(folder=None))


@pytest.fixture(scope="module")
def sd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return singles.write_folder(tmp_path_factory.mktemp("sd") / "model", "sd1")


def saving(model: Path, **values: Any) -> Graph:
    graph = Graph()
    graph.nodes["load"] = Node("model/load", values={"model": str(model)})
    graph.nodes["save"] = Node("model/save", version=2, values=values, wires=dict(WIRES))
    return graph


def run(engine: Engine, graph: Graph, folder: Path) -> Report:
    return engine.run(engine.plan(graph, wanted=["save"], folder=folder))


@pytest.mark.parametrize("layout", ["folder", "one file"])
def test_a_baked_lora_paints_what_the_patched_model_paints(engine, sd, layout, tmp_path) -> None:
    draw = torch.Generator().manual_seed(3)
    halves = {"A": torch.randn(2, 64, generator=draw), "B": torch.randn(64, 2, generator=draw)}
    save_file({f"unet.{LAYER}.lora_{i}.weight": half for i, half in halves.items()}, tmp_path / "l.safetensors")
    graph = saving(sd, layout=layout, name="baked")
    wires = {"denoiser": "load.denoiser", "text_encoder": "load.text_encoder"}
    graph.nodes["lora"] = Node("model/lora", version=2, values={"path": str(tmp_path / "l.safetensors")}, wires=wires)
    graph.nodes["save"].wires |= {"denoiser": "lora.denoiser", "text_encoder": "lora.text_encoder"}
    assert not run(engine, graph, tmp_path).faults
    baked = tmp_path / ("baked" if layout == "folder" else "baked.safetensors")

    def painted(model: Path, lora: bool) -> torch.Tensor:
        made = load(GRAPHS / "text-to-image.json")
        made.nodes["load"].values["model"] = str(model)
        if lora:
            made.nodes["lora"] = graph.nodes["lora"]
            made.nodes["denoise"].wires["model"] = "lora.denoiser"
        values = {"steps": 2, "seed": 1, "width": 16, "height": 16}
        report = engine.run(engine.plan(made, values=values, wanted=["image"]))
        return report.outputs["image"].data

    expected = painted(sd, lora=True)
    torch.testing.assert_close(painted(baked, lora=False), expected, atol=1e-5, rtol=0)
    assert not torch.allclose(painted(sd, lora=False), expected, atol=1e-3)


@pytest.mark.parametrize("layout", ["folder", "one file"])
def test_nothing_is_replaced_unasked_and_the_graph_is_inside(engine, sd, layout, tmp_path) -> None:
    graph = saving(sd, layout=layout, dtype="float16")
    assert not run(engine, graph, tmp_path).faults
    (fault,) = run(Engine(results=Cache(folder=None)), graph, tmp_path).faults
    assert "NF108" in fault.line and "let it be replaced" in fault.line
    graph.nodes["save"].values["overwrite"] = True
    assert not run(engine, graph, tmp_path).faults
    made = tmp_path / ("model" if layout == "folder" else "model.safetensors")
    inside = (made / "graph.json").read_text() if made.is_dir() else read_header(made).metadata["nodeflow"]
    assert json.loads(inside)["nodes"]["save"]["type"] == "model/save"
    parts = open_model(str(made))
    assert parts.family == "sd1" and {info.dtype for info in read_header(_weights(made)).tensors.values()} == {"F16"}
    assert sorted(path.name for path in tmp_path.iterdir()) == [made.name]


def _weights(made: Path) -> Path:
    return made if made.is_file() else next((made / "unet").glob("*.safetensors"))


@pytest.mark.parametrize("name", ["sd3-without-t5", "flux", "sdxl"])
def test_folders_of_every_kind_of_text_encoder_open_again(engine, name, tmp_path) -> None:
    model = singles.write_folder(tmp_path / "made", name)
    assert not run(engine, saving(model, name="again"), tmp_path).faults
    first, again = open_model(str(model)), open_model(str(tmp_path / "again"))
    assert [one.kind for one in again.networks] == [one.kind for one in first.networks]
    index = json.loads((tmp_path / "again" / "model_index.json").read_text())
    assert index.get("text_encoder_3") == ([None, None] if name == "sd3-without-t5" else None)


def test_a_failure_leaves_what_was_there(engine, sd, tmp_path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "mine").touch()
    graph = saving(sd, overwrite=True)
    graph.nodes["lora"] = Node("model/lora", version=2, values={"path": str(tmp_path / "l.safetensors")},
                               wires={"denoiser": "load.denoiser"})  # fmt: skip
    graph.nodes["save"].wires["denoiser"] = "lora.denoiser"
    save_file({"unet.no.such.lora_A.weight": torch.ones(1, 2), "unet.no.such.lora_B.weight": torch.ones(2, 1)},
              tmp_path / "l.safetensors")  # fmt: skip
    assert run(engine, graph, tmp_path).faults
    assert sorted(path.name for path in tmp_path.iterdir()) == ["l.safetensors", "model"]
    assert [path.name for path in (tmp_path / "model").iterdir()] == ["mine"]
