"""Parts of different families on one wire: refused before anything runs, in a sentence that says what fits."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from nodeflow import Graph
from nodeflow.diffusion.checkpoints.families import read_by
from nodeflow.engine import Engine
from nodeflow.execution import Cache
from nodeflow.graph import check, load
from nodeflow.graph.graph import Node

GRAPHS = Path(__file__).parents[2] / "graphs"


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(results=Cache(folder=None))


@pytest.fixture
def graph(tiny) -> Graph:
    """The template with an SDXL model, and an SD 1 model beside it."""
    made = load(GRAPHS / "text-to-image.json")
    made.nodes["load"].values["model"] = str(tiny("sdxl"))
    made.nodes["other"] = Node("model/load", values={"model": str(tiny("text_to_image"))})
    return made


def said(engine: Engine, graph: Graph) -> list[str]:
    return [fault.line for fault in check(graph, engine.library)]


def adapted(graph: Graph, tensors: dict[str, torch.Tensor], folder: Path) -> Graph:
    save_file(tensors, folder / "adapter.safetensors")
    wires = {"denoiser": "load.denoiser", "text_encoder": "load.text_encoder"}
    graph.nodes["lora"] = Node("model/lora", values={"path": str(folder / "adapter.safetensors")}, wires=wires)
    graph.nodes["denoise"].wires["model"] = "lora.denoiser"
    return graph


def lora(width: int) -> dict[str, torch.Tensor]:
    root = "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_k"
    return {f"{root}.lora_down.weight": torch.zeros(2, width), f"{root}.lora_up.weight": torch.zeros(8, 2)}


def test_what_fits_is_not_refused(engine, graph, tmp_path):
    assert not said(engine, graph)
    assert not said(engine, adapted(graph, lora(56), tmp_path))


def test_a_text_encoder_of_another_family(engine, graph):
    graph.nodes["positive"].wires["text_encoder"] = "other.text_encoder"
    (line,) = said(engine, graph)
    assert "32 wide" in line and "attends to 56" in line and "the denoiser's own model" in line


def test_a_text_read_for_another_family(engine, graph, tiny):
    graph.nodes["other"].values["model"] = str(tiny("sdxl_refiner"))
    graph.nodes["denoise"].wires["model"] = "other.denoiser"
    graph.nodes["latent"].wires["model"] = "other.denoiser"
    graph.nodes["decode"].wires["autoencoder"] = "other.autoencoder"
    lines = said(engine, graph)
    assert lines and all("text states are 56 wide, the denoiser attends to 24" in line for line in lines)


def test_an_autoencoder_of_another_latent_space(engine, graph):
    graph.nodes["decode"].wires["autoencoder"] = "other.autoencoder"
    (line,) = said(engine, graph)
    assert "the decoder works in" in line and "wire both from one model" in line


@pytest.mark.parametrize(
    ("width", "words"), [(768, "sd1 (text states 768 wide)"), (2048, "models of sdxl"), (40, "40 wide")]
)
def test_a_lora_of_another_family(engine, graph, tmp_path, width, words):
    (line,) = said(engine, adapted(graph, lora(width), tmp_path))
    assert "NF211" in line and words in line and "this model is sdxl" in line and "text states 56 wide" in line


def test_a_lora_of_another_form(engine, graph, tmp_path):
    flux = {"lora_unet_double_blocks_0_img_attn_qkv.lokr_w1": torch.zeros(2, 48),
            "lora_unet_double_blocks_0_img_attn_qkv.lokr_w2": torch.zeros(2, 64)}  # fmt: skip
    (line,) = said(engine, adapted(graph, flux, tmp_path))
    assert "this LoRA is for models of flux that are 3072 wide, and this model is sdxl" in line


def test_strengths_for_blocks_of_another_model(engine, graph, tmp_path):
    adapted(graph, lora(56), tmp_path).nodes["lora"].values["blocks"] = "in: 0.5, up_blocks.1: 0\nsingle: 1"
    (line,) = said(engine, graph)
    assert "NF205" in line and "line 2" in line and "up_blocks.0 to 1" in line
    graph.nodes["lora"].values["blocks"] = "in: 0.5, up_blocks.1: 0\nmid: 1, rest: 0"
    assert not said(engine, graph)


def test_a_word_of_another_family(engine, graph, tmp_path):
    (line,) = said(engine, adapted(graph, {"emb_params": torch.zeros(1, 768)}, tmp_path))
    assert "768 wide" in line and "this model's is 32 and one 24 wide" in line


def test_widths_name_their_families():
    assert read_by(1024).startswith("models of sd2 ") and read_by(1280).startswith("models of sdxl-refiner ")
