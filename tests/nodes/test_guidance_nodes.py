"""Guidance on wires: nodes that chain, what check knows of them, and whole runs with a tiny model."""

from __future__ import annotations

import shutil
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

import nodeflow
from nodeflow import Conditioning, Denoiser, Guidance, NodeflowError, content
from nodeflow.diffusion.guidance import ClassifierFree, Interval, PerturbedAttention, SmoothedEnergy, built
from nodeflow.diffusion.guidance.chain import PARTS
from nodeflow.engine import Engine
from nodeflow.execution import Cache
from nodeflow.flow import Flow
from nodeflow.graph.check import check
from nodeflow.packing import deserialise, serialise
from nodeflow.packs import Library
from nodeflow.packs.find import CORE, Pack
from tests.tiny import UNET, write_network

GRAPHS = content.folder("graphs")
EMPTY = Conditioning(torch.zeros(1, 5, 4))
WEAK = Denoiser("folder", "UNet2DConditionModel", {}, "digest")
NEEDED: dict[str, dict[str, Any]] = {
    "auto": {"weak": WEAK},
    "perp-neg": {"empty": EMPTY},
    **{name: {"guidance": Guidance()} for name in ("adaptive", "interval", "rescale", "threshold")},
}


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    return Library.of_packs([Pack(CORE, content.folder("nodes"))], tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(results=Cache(folder=None))


def opened(name: str, engine: Engine, model: Path) -> Flow:
    flow = nodeflow.load(GRAPHS / f"{name}.json", engine=engine)
    flow.graph.nodes["load"].values["model"] = str(model)
    flow.graph.nodes["schedule"].values["steps"] = 3
    return flow


@pytest.fixture
def flow(engine: Engine, tiny: Any) -> Flow:
    return opened("text-to-image", engine, tiny("text_to_image"))


def guided(flow: Flow, *nodes: tuple[str, dict[str, Any]]) -> Flow:
    """The graph with these nodes before the sampler's `guide`, each around the one before."""
    graph, before = flow.graph, {}
    for type, values in nodes:
        before = {"guidance": graph.add(f"guidance/{type}", **before, **values)["guidance"]}
    graph.nodes["denoise"].wires["guide"] = str(before["guidance"])
    return flow


def test_there_is_a_node_for_each_part_and_a_part_for_each_node(library: Library) -> None:
    assert {f"guidance/{name}" for name in PARTS} == {id for id in library.ids() if id.startswith("guidance/")}


@pytest.mark.parametrize("name", PARTS)
def test_a_node_makes_the_part_of_its_name_with_all_its_options(library: Library, name: str) -> None:
    kind = library.type(f"guidance/{name}")
    made = kind.function(**NEEDED.get(name, {}))
    guidance = built(made)
    assert type(guidance) is PARTS[name] and is_dataclass(guidance)
    ports = {port.name for port in kind.spec.inputs} - {"guidance", "empty", "weak"}
    assert ports == {field.name for field in fields(guidance)} - {"inner"}
    again = deserialise(serialise(made))
    assert built(again) == guidance and set(again.prompts) == set(made.prompts)
    assert again.networks == made.networks


def test_nodes_chain_from_the_inside_out(library: Library) -> None:
    def node(name: str, *given: Any, **named: Any) -> Guidance:
        return library.type(f"guidance/{name}").function(*given, **named)

    free = node("classifier-free", 5.0)
    made = node("interval", node("perturbed-attention", free, layers="mid_block, up_blocks.1"), end=0.5)
    inner = PerturbedAttention(ClassifierFree(5.0), layers=("mid_block", "up_blocks.1"))
    assert built(made) == Interval(inner, end=0.5)
    assert built(node("smoothed-energy")) == SmoothedEnergy(ClassifierFree(1.0))
    assert built(Guidance()) == ClassifierFree(1.0)


@pytest.mark.parametrize(
    ("described", "said"),
    [
        (Guidance().then("nothing"), r"NF205.*'nothing'.*classifier-free"),
        (Guidance().then("rescale", strength=3), r"NF205.*no option strength"),
        (Guidance().then("rescale").then("classifier-free"), r"NF211.*put it first"),
        (Guidance().then("adaptive").then("interval").then("adaptive"), r"NF211.*twice"),
    ],
)
def test_what_cannot_be_built_is_refused(described: Guidance, said: str) -> None:
    with pytest.raises(NodeflowError, match=said):
        built(described)


# -- in a graph --------------------------------------------------------------------------------------------------


def test_a_guide_takes_the_place_of_the_numbers(flow: Flow) -> None:
    plain, strong = flow(guidance=3.0).image.data, flow(guidance=9.0).image.data
    assert not torch.equal(plain, strong)
    guided(flow, ("classifier-free", {"scale": 9.0}))
    assert torch.equal(flow(guidance=3.0).image.data, strong)


def test_a_prompt_that_no_part_asks_for_is_not_encoded(flow: Flow) -> None:
    def encoded() -> bool:
        plan = flow.engine.plan(flow.graph, values={"negative_prompt": "sad"})
        return "negative" in flow.engine.run(plan).check().ran()

    guided(flow, ("classifier-free", {"scale": 3.0}), ("interval", {"low": 900.0}))
    assert not encoded()
    flow.graph.nodes["interval"].values["low"] = 0.0
    assert encoded()


def weaker(flow: Flow, folder: Path) -> Path:
    """The model with another denoiser."""
    shutil.copytree(flow.graph.nodes["load"].values["model"], folder, dirs_exist_ok=True)
    write_network(folder / "unet", "diffusers", "UNet2DConditionModel", UNET, seed=9)
    return folder


@pytest.mark.parametrize("name", sorted(set(PARTS) - {"instructed"}))  # which needs a model that edits
def test_every_part_paints(flow: Flow, name: str, tmp_path: Path) -> None:
    inner = [("classifier-free", {"scale": 3.0})] if "guidance" in NEEDED.get(name, {}) else []
    more: dict[str, Any] = {"end": 1.0} if name == "skip-layers" else {}
    if name == "perp-neg":
        nothing = flow.graph.add("text/encode", text="")
        flow.graph.nodes[nothing.name].wires["text_encoder"] = "load.text_encoder"
        more["empty"] = nothing["conditioning"]
    if name == "auto":
        more["weak"] = flow.graph.add("model/load", model=str(weaker(flow, tmp_path)))["denoiser"]
    guided(flow, *inner, (name, more))
    picture = flow(prompt="a red heart", seed=2).image.data
    assert picture.isfinite().all()
    flow.graph.nodes["denoise"].wires.pop("guide")
    assert not torch.equal(picture, flow(prompt="a red heart", seed=2, guidance=1.0).image.data)


def faults(flow: Flow) -> list[str]:
    return [fault.line for fault in check(flow.graph, flow.engine.library)]


def test_blocks_that_the_model_lacks_are_refused_before_anything_runs(flow: Flow) -> None:
    guided(flow, ("perturbed-attention", {"layers": "mid_block, down_blocks.1"}), ("interval", {}))
    (line,) = faults(flow)
    assert line.startswith("NF211 denoise.guide: the guidance works in down_blocks.1, where")
    assert line.endswith("name one of down_blocks.0, up_blocks.1, mid_block")
    flow.graph.nodes["perturbed-attention"].values["layers"] = " , "
    assert faults(flow)[0].startswith("NF205 perturbed-attention.layers: no block is named")


@pytest.mark.parametrize("layers", ["mid_block", "up_blocks.1.attentions.0", "down_blocks.*", "down_blocks", "*.0"])
def test_blocks_are_named_as_published(flow: Flow, layers: str) -> None:
    guided(flow, ("perturbed-attention", {"layers": layers}))
    assert not faults(flow) and flow().image.data.isfinite().all()


def test_a_weaker_model_of_another_kind_is_refused(flow: Flow, tiny: Any) -> None:
    other = flow.graph.add("model/load", model=str(tiny("unconditional")))
    guided(flow, ("auto", {"weak": other["denoiser"]}), ("rescale", {}))
    assert faults(flow)[0].startswith("NF211 denoise.guide: the guidance's weaker denoiser has other latents")


def test_a_model_without_text_says_what_is_missing(engine: Engine, tiny: Any) -> None:
    flow = opened("unconditional", engine, tiny("unconditional"))
    guided(flow, ("classifier-free", {"scale": 3.0}))
    with pytest.raises(NodeflowError, match=r"NF203 denoise.*negative"):
        flow()
    guided(flow, ("perturbed-attention", {"layers": "down_blocks.1"}))
    assert flow().image.data.isfinite().all()


def test_graphs_of_version_one_mean_the_same(library: Library, flow: Flow) -> None:
    kind = library.type("sampling/denoise")
    saved = {"values": {"guidance": 3.0, "rescale": 0.5}, "wires": {"model": "load.denoiser"}}
    assert kind.migrations[1](dict(saved)) == saved
    flow.graph.nodes["denoise"].values |= {"guidance": 3.0, "rescale": 0.5}
    numbers = flow().image.data
    guided(flow, ("classifier-free", {"scale": 3.0}), ("rescale", {"share": 0.5}))
    assert torch.equal(flow().image.data, numbers)


def test_the_template_paints_all_its_guidances_on_one_sheet(engine: Engine, tiny: Any) -> None:
    flow = opened("guidance", engine, tiny("text_to_image"))
    sheet = flow(prompt="a red heart", steps=2).image
    assert sheet.size[0] == 3 * (2 * 16 + 8) + 8
